#!/usr/bin/python3
"""How long does one client's work keep another one waiting? usage: stall.py [--elements N] [--only WORD] [--peers]

A second client asks GET in a closed loop while the first one does something big. `others` is its longest wait;
`machine` is the longest wait of a third client at an idle server in the same seconds: what the machine itself adds.
`turn` is the processor time of the longest turn of Duet's executor, which no noise touches: on a busy machine the
figure to judge by. Where it may, the program puts servers and watchers before all else that runs (nice -15).

Rows marked * are long by what they mean (one atomic command answers, looks at or copies every element); nothing
makes them short but not asking. Growth is by pipelines of commands of 1000 elements each."""

import argparse
import multiprocessing
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import servers as resp  # noqa: E402

BATCH = 1000


def watch(port, ready, stop, out):
    c = resp.Connection(resp.socket.create_connection(("127.0.0.1", port)), 600)
    c.cmd("SET", "watched", "x")
    longest, count, clock = 0.0, 0, time.monotonic
    words = resp.encode("GET", "watched")
    ready.set()
    while not stop.is_set():
        t = clock()
        c.send_raw(words)
        c.read()
        t = clock() - t
        longest = max(longest, t)
        count += 1
    out.put((longest * 1000, count))


def come_first(pid):
    """All threads of it: one that was left behind could hold up the others by a lock that it has."""
    try:
        for thread in os.listdir("/proc/%d/task" % pid):
            os.setpriority(os.PRIO_PROCESS, int(thread), -15)
    except (PermissionError, ProcessLookupError, FileNotFoundError):
        pass


class Watch:
    def __init__(self, server):
        self.stop, ready, self.out = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
        self.process = multiprocessing.Process(target=watch, args=(server.port, ready, self.stop, self.out), daemon=True)
        self.process.start()
        come_first(self.process.pid)
        ready.wait(30)

    def end(self):
        self.stop.set()
        longest, _ = self.out.get(timeout=600)
        self.process.join()
        return longest


def pour(c, commands):
    """Sends commands whose replies are one line, a few at a time."""
    waiting = 0
    for words in commands:
        c.send_raw(words)
        waiting += 1
        if waiting == 16:
            for _ in range(waiting):
                c.read()
            waiting = 0
    for _ in range(waiting):
        c.read()


def packs(n):
    for first in range(0, n, BATCH):
        yield range(first, min(first + BATCH, n))


FILL = {
    "hash": lambda key, n: (resp.encode("HSET", key, *[w for i in r for w in (b"f:%08d" % i, b"v:%08d" % i)]) for r in packs(n)),
    "set": lambda key, n: (resp.encode("SADD", key, *[b"m:%08d" % i for i in r]) for r in packs(n)),
    "zset": lambda key, n: (resp.encode("ZADD", key, *[w for i in r for w in (b"%d" % (i * 7919 % 1000003), b"m:%08d" % i)]) for r in packs(n)),
    "list": lambda key, n: (resp.encode("RPUSH", key, *[b"v:%08d" % i for i in r]) for r in packs(n)),
    "keys": lambda key, n: (resp.encode("MSET", *[w for i in r for w in (b"%s:%08d" % (key.encode(), i), b"v")]) for r in packs(n)),
}


def expiring(c, n, now_s):
    at = int(now_s) + 12 + n // 100000
    pour(c, (resp.encode("SET", "e:%08d" % i, "v", "EXAT", at) for i in range(n)))
    return at


def one(*words):
    return lambda c, n: c.cmd(*words)


# name, what is filled before, with how large a part of N, what is watched
CASES = [
    ("DEL of a hash", "hash", 1, one("DEL", "big")),
    ("UNLINK of a hash", "hash", 1, one("UNLINK", "big")),
    ("DEL of a set", "set", 1, one("DEL", "big")),
    ("DEL of a sorted set", "zset", 1, one("DEL", "big")),
    ("DEL of a list", "list", 1, one("DEL", "big")),
    ("SET over a hash", "hash", 1, one("SET", "big", "x")),
    ("FLUSHALL of keys", "keys", 1, one("FLUSHALL")),
    ("FLUSHALL ASYNC of a hash", "hash", 1, one("FLUSHALL", "ASYNC")),
    ("RENAME of a hash over a hash", "hash+", 0.5, one("RENAME", "big", "big2")),
    ("SWAPDB of keys", "keys", 1, one("SWAPDB", "0", "1")),
    ("growth of a hash", None, 1, lambda c, n: pour(c, FILL["hash"]("big", n))),
    ("growth of the key table", None, 1, lambda c, n: pour(c, FILL["keys"]("k", n))),
    ("expiry in one second", "expiring", 0.1, None),
    ("*SMEMBERS", "set", 0.1, one("SMEMBERS", "big")),
    ("*KEYS", "keys", 0.1, one("KEYS", "nothing*")),
    ("*COPY of a hash", "hash", 0.1, one("COPY", "big", "big2")),
]


def info(c):
    return dict(line.split(":", 1) for line in c.cmd("INFO").decode().split("\r\n") if ":" in line)


def measure(server, idle, case, n):
    name, fill, part, act = case
    n = int(n * part)
    with server.connect(600) as c:
        until = None
        if fill == "expiring":
            until = expiring(c, n, time.time())
        elif fill == "hash+":
            pour(c, FILL["hash"]("big", n))
            pour(c, FILL["hash"]("big2", n))
        elif fill:
            pour(c, FILL[fill]("big", n))
        before = server.rss_bytes()
        come_first(server.process.pid)  # its first thread
        come_first(idle.process.pid)
        if server.spec.is_duet:
            c.cmd("DEBUG", "WATCH-TURNS", "1")
        c.cmd("CONFIG", "RESETSTAT")
        others, machine = Watch(server), Watch(idle)
        t = time.monotonic()
        if act:
            act(c, n)
            took = time.monotonic() - t
            time.sleep(2.5)
        else:
            while time.time() < until or c.cmd("DBSIZE") > 1:
                time.sleep(0.05)
            took = time.time() - until
            time.sleep(1)
        row = [others.end(), machine.end(), took * 1000, before >> 20, server.rss_bytes() >> 20]
        told = info(c)
        if "duet_longest_between_us" in told:
            row.append("%.1f" % (int(told["duet_longest_turn_cpu_us"]) / 1000))
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--elements", type=int, default=10_000_000)
    p.add_argument("--only", default="", help="cases whose name has this word")
    p.add_argument("--peers", action="store_true", help="other servers too")
    a = p.parse_args()
    specs = [s for s in rig.find_servers() if not s.is_limit and (a.peers or s.is_duet)]
    print("%-30s %-10s %10s %10s %10s %18s  %s" % ("%d elements" % a.elements, "server", "others ms", "machine ms", "took ms", "RSS MB", "turn ms"), flush=True)
    for case in CASES:
        if a.only not in case[0]:
            continue
        for spec in specs:
            try:
                with rig.Server(specs[0], cores=set(rig.CORES)) as idle, rig.Server(spec, "--enable-debug-command", "yes", cores=set(rig.CORES)) as server:
                    r = measure(server, idle, case, a.elements)
                print("%-30s %-10s %10.1f %10.1f %10.0f %8d -> %6d  %s" % (case[0], spec.name, *r[:5], "".join(r[5:])), flush=True)
            except (rig.Failed, resp.Error, resp.Closed) as e:
                print("%-30s %-10s %s" % (case[0], spec.name, e), flush=True)


if __name__ == "__main__":
    main()
