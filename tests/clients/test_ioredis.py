#!/usr/bin/python3
"""ioredis 5: calls of every family, pipelines by itself, scripts, pub/sub, streams, TLS, crashes."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig


def ioredis(command):
    """ioredis"""
    rig.node(command, "ioredis.js")


if __name__ == "__main__":
    rig.main(ioredis)
