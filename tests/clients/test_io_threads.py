#!/usr/bin/python3
"""The other programs of this folder once more, against servers with two I/O threads."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PROGRAMS = ["server", "garbage", "pubsub", "pair_server", "pair_link", "replicaof", "redis_py", "redis_cli",
            "redis_py_app", "script_busy", "node_redis", "ioredis", "hiredis"]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    env = dict(os.environ, DUET_IO_THREADS="3", PYTHONUNBUFFERED="1")
    worst = 0
    for name in PROGRAMS:
        tap.say("test_%s.py with --io-threads 3" % name)
        done = subprocess.run([sys.executable, os.path.join(here, "test_%s.py" % name)], env=env, stdin=subprocess.DEVNULL)
        if done.returncode not in (0, 1):
            print("not ok - test_%s.py with I/O threads ended with status %d" % (name, done.returncode), flush=True)
        worst = worst or done.returncode
    return 1 if worst else 0


sys.exit(main())
