#!/usr/bin/python3
"""Debian's redis-benchmark runs to its end against duet server and hears no error."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import servers
import tap

RUNS = [
    ("its tests of strings", ["-t", "ping,set,get,incr,mset", "-n", "20000"], 6),
    ("all its tests", ["-n", "2000", "-r", "1000"], 20),
    ("all its tests of lists, sets, hashes and sorted sets in RESP3, pipelined", ["-3", "-t", "lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin", "-n", "10000", "-P", "8", "-r", "1000"], 9),
    ("two threads", ["--threads", "2", "-t", "set,get", "-n", "20000"], 2),
    ("a script", ["-n", "5000", "EVAL", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "1", "n:__rand_int__", "2"], 1),
    ("a pipeline of 16 over 10,000 keys", ["-t", "set,get", "-P", "16", "-r", "10000", "-n", "50000"], 2),
    ("RESP3", ["-3", "-t", "set,get", "-n", "10000"], 2),
    ("values of 64 KiB", ["-t", "set,get", "-d", "65536", "-n", "2000"], 2),
    ("500 clients", ["-c", "500", "-t", "get", "-n", "20000"], 1),
    ("a command of one's own", ["-n", "10000", "SETRANGE", "key:__rand_int__", "5", "x"], 1),
]


def benchmark(command):
    """redis-benchmark"""
    with rig.Server(command) as s:
        for what, options, tests in RUNS:
            argv = [servers.REDIS_BENCHMARK, "-p", str(s.port), "--csv"] + options
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
            rows = re.findall(r'^"[^"]+","[0-9.]+"', done.stdout, re.M)
            tap.ok(done.returncode == 0 and len(rows) == tests and "rror" not in done.stdout + done.stderr, what) or tap.say(done.stdout + done.stderr)
        with s.connect() as c:
            stats = c.cmd("INFO", "stats").decode()
            tap.ok(re.search(r"total_error_replies:0\r", stats), "no error was replied") or tap.say(stats)


rig.main(benchmark)
