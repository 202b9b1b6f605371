#!/usr/bin/python3
"""Debian's hiredis in a C program: replies, pipelines, 50 MB, scripts, asynchronously under libev, pub/sub."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import tap


def program(command):
    """hiredis"""
    missing = rig.lacks(command, "EVAL", "SUBSCRIBE")
    with rig.Server(command) as s:
        argv = [os.path.join(tap.TOP, "build", "tests", "clients", "hiredis"), str(s.port), s.socket]
        rig.run(argv + (["alone"] if missing else []), 120)
    if missing:
        tap.skip("scripts and pub/sub by hiredis", "there is no %s yet" % " ".join(missing))


if __name__ == "__main__":
    rig.main(program)
