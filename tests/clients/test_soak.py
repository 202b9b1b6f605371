#!/usr/bin/python3
# timeout: 400
"""Random commands, connects and disconnects for a while; between rounds everything is deleted and everyone leaves:
the memory must come back to where it was after the first rounds. Ten seconds a server here, half an hour in all
with DUET_FULL=1."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

ROUNDS = 10 if tap.FULL else 4
ROUND_S = 90 if tap.FULL else 2.5
WORKERS = 4
# Ends, slows or turns the server round, or waits: what a client may do to it is for other tests.
NEVER = {"shutdown", "psync", "sync", "replicaof", "slaveof", "failover", "debug", "save", "bgsave", "bgrewriteaof", "wait", "client|pause",
         "config|set", "config|rewrite", "replconf", "monitor", "client|reply", "migrate", "duet"}
OPTIONS = ["NX", "XX", "GT", "LT", "CH", "INCR", "EX", "PX", "KEEPTTL", "GET", "LEFT", "RIGHT", "BEFORE", "AFTER", "LIMIT", "COUNT", "WITHSCORES", "BYSCORE",
           "BYLEX", "REV", "MATCH", "*", "(1", "[a", "+inf", "-inf", "-", "+", "WEIGHTS", "AGGREGATE", "MAX", "WITHVALUES", "RANK", "BLOCK", "ID", "ASYNC"]


def word(rng):
    kind = rng.randrange(8)
    if kind < 3:
        return "k%d" % rng.randrange(300)
    if kind == 3:
        return str(rng.choice((0, 1, -1, 2, 10, 100, 3.25, rng.randrange(1 << 20))))
    if kind == 4:
        return rng.choice(OPTIONS)
    if kind == 5:
        return "f%d" % rng.randrange(2000)
    return "v" * rng.choice((1, 5, 20, 70, 300, 5000, 20000)) if kind == 6 else "m%d" % rng.randrange(50000)


def request(rng, names):
    how = rng.randrange(10)
    key = "k%d" % rng.randrange(300)
    if how == 0:  # values that grow big
        n = rng.choice((1, 10, 100, 600))
        name = rng.choice(("SADD", "RPUSH", "LPUSH", "HSET", "ZADD", "MSET"))
        per = 2 if name in ("HSET", "ZADD", "MSET") else 1
        words = [name] + [key] * (name != "MSET")
        for _ in range(n):
            words += [str(rng.randrange(1 << 30)) if name == "ZADD" else "f%d" % rng.randrange(100000)] * (per == 2) + ["m%d" % rng.randrange(100000)]
        return words
    if how == 1:
        return [rng.choice(("DEL", "UNLINK")), key]
    if how == 2:
        return [rng.choice(("EXPIRE", "PEXPIRE")), key, str(rng.randrange(1, 500))]
    words = rng.choice(names).split("|")
    return words + [word(rng) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 6)))]


class Worker(threading.Thread):
    """One client after another, each with a short life and a random end."""

    def __init__(self, server, names, seed, until):
        super().__init__(daemon=True)
        self.server, self.names, self.rng, self.until = server, names, random.Random(seed), until
        self.requests = self.connections = 0
        self.wrong = None

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.life()
        except Exception as e:  # shown by the main thread
            self.wrong = "%s: %s" % (type(e).__name__, e)

    def life(self):
        rng = self.rng
        self.connections += 1
        with self.server.connect(timeout_s=30) as c:
            for _ in range(rng.randrange(20)):
                n = rng.choice((1, 1, 3, 30, 300))
                data = b"".join(servers.encode(*request(rng, self.names)) for _ in range(n))
                if rng.random() < 0.03:
                    data = data[:rng.randrange(len(data))]  # leaves in the middle of a request
                try:
                    c.send_raw(data)
                    if rng.random() < 0.05:
                        return  # without reading
                    c.send_raw(b"")
                    self.read(c, n)
                except (servers.Closed, ConnectionError, TimeoutError):
                    return  # QUIT, CLIENT KILL, or half a request
                self.requests += n

    def read(self, c, n):
        c.sock.settimeout(0.5)
        for _ in range(n):
            try:
                c.read()
            except servers.Error:
                pass
            except ValueError:
                return  # a message pushed to a subscriber: it counts no replies
        c.sock.settimeout(30)


def empty(s, c):
    """(used memory, resident memory) in bytes when nothing is left"""
    c.cmd("FLUSHALL")
    tap.until(lambda: c.cmd("CLIENT", "LIST").count(b"id=") == 1, 30, "all clients gone")
    used = []

    def settled():
        c.error("MEMORY", "PURGE")
        used.append(int(c.cmd("INFO", "memory").split(b"used_memory:")[1].split()[0]))
        return len(used) > 8 and max(used[-8:]) - min(used[-8:]) < 4096
    tap.until(settled, 60, "memory at rest")
    rss = [line for line in open("/proc/%d/smaps_rollup" % s.pid) if line.startswith("Rss:")][0].split()[1]
    return used[-1], int(rss) * 1024


def soak(threads):
    with servers.Server("--save", "", "--appendonly", "no", "--proto-max-bulk-len", "1mb", "--io-threads", threads, "--timeout", "0") as s, s.connect(30) as c:
        names = []
        for row in c.cmd("COMMAND"):
            subs = [x[0].decode() for x in row[9]]
            names += [n for n in (subs or [row[0].decode()]) if n not in NEVER and n.split("|")[0] not in NEVER and "block" not in str(row[2]).lower()]
        seed, requests, wrong, memory = tap.seed(), 0, [], []
        for r in range(ROUNDS):
            until = time.monotonic() + ROUND_S
            workers = [Worker(s, names, seed + 100 * r + i, until) for i in range(WORKERS)]
            for w in workers:
                w.start()
            for w in workers:
                w.join(ROUND_S + 60)
                requests += w.requests
                wrong += [w.wrong] if w.wrong else []
            if s.process.poll() is not None or wrong:
                break
            memory.append(empty(s, c))
            tap.say("round %d of %d: %d requests, used %.2f MB, resident %.1f MB" % (r + 1, ROUNDS, requests, memory[-1][0] / 1e6, memory[-1][1] / 1e6))
        tap.ok(s.process.poll() is None and not wrong, "io-threads %d: the server lives after %d random requests" % (threads, requests)) or tap.say(wrong)
        if len(memory) == ROUNDS:
            warm, last = memory[ROUNDS // 4], memory[-1]  # the first rounds bring buffers and caches to their size
            # A thread's pool of batches and their buffers fills up to 4 MB, which takes longer than the short run has.
            tap.ok(last[0] - warm[0] < (300000 if tap.FULL else 2500000), "used memory comes back to where it was: %d bytes, %+d" % (warm[0], last[0] - warm[0]))
            tap.ok(last[1] - warm[1] < 12 << 20, "so does resident memory: %.1f MB, %+.1f" % (warm[1] / 1e6, (last[1] - warm[1]) / 1e6))
            tap.equal(s.stop(), 0, "and it ends in order")


def inline():
    """The executor alone"""
    soak(1)


def threaded():
    """Two I/O threads"""
    soak(3)


tap.main(inline, threaded)
