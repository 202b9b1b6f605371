#!/usr/bin/python3
"""Debian's hiredis in a C program: replies, pipelines, 50 MB, scripts, asynchronously under libev, pub/sub."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import tap


def program(command):
    """hiredis"""
    with rig.Server(command) as s:
        argv = [os.path.join(tap.TOP, "build", "tests", "clients", "hiredis"), str(s.port), s.socket]
        rig.run(argv, 120)


if __name__ == "__main__":
    rig.main(program)
