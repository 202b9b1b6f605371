#!/usr/bin/python3
"""node-redis 5 in RESP2 and RESP3: calls of every family, WATCH, scripts, pub/sub, client-side caching, streams, TLS, crashes."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig


def node_redis(command):
    """node-redis"""
    rig.node(command, "node_redis.js")


if __name__ == "__main__":
    rig.main(node_redis)
