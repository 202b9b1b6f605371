#!/usr/bin/python3
"""ioredis 5: calls of every family, pipelines by itself, scripts, pub/sub, streams, TLS, crashes."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig

NEEDS = {"values": [], "scripts": ["EVAL"], "messages": ["SUBSCRIBE", "MONITOR"], "streams": ["XADD", "XREADGROUP"], "lists": []}


def ioredis(command):
    """ioredis"""
    rig.node(command, "ioredis.js", *rig.having(command, NEEDS))


if __name__ == "__main__":
    rig.main(ioredis)
