#!/usr/bin/python3
"""Every command with right and wrong words, seeded, in pipelines, in and out of MULTI: the server lives, answers
each request once, and its structures are sound."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

NEVER = {"shutdown", "psync", "sync", "replicaof", "slaveof", "failover", "quit", "reset", "debug", "save", "bgsave", "monitor", "wait",
         "client|kill", "client|pause", "client|reply", "config|set", "config|rewrite", "bgrewriteaof", "replconf", "hello",
         "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"}  # these answer each word
WORDS = ["", "a", "b", "k1", "k2", "k3", "0", "1", "-1", "2", "10", "99999999999999999999", "9223372036854775807", "-9223372036854775808",
         "1.5", "nan", "inf", "-inf", "1e400", "*", "[", "k*", "\x00\xff", "EX", "PX", "EXAT", "PXAT", "NX", "XX", "GT", "LT", "KEEPTTL", "GET",
         "PERSIST", "BYTE", "BIT", "AND", "OR", "XOR", "NOT", "REPLACE", "DB", "COPY", "MATCH", "COUNT", "TYPE", "string", "ASYNC", "SYNC",
         "id", "addr", "type", "normal", "x" * 300, "encoding", "idletime", "freq", "LEN", "IDX", "MINMATCHLEN", "WITHMATCHLEN", "u8", "i64",
         "SET", "INCRBY", "OVERFLOW", "WRAP", "SAT", "FAIL", "#1", "1000000"]


def storm():
    """Random words to every command"""
    rng = random.Random(tap.seed())
    count = 200000 if tap.FULL else 20000
    with servers.Server("--save", "", "--proto-max-bulk-len", "2mb") as s:
        with s.connect() as c:
            names = []
            for row in c.cmd("COMMAND"):
                if b"blocking" in row[2] or "blocking" in row[2]:
                    continue  # may wait for ever; tests/compat/test_blocking.py has them
                subs = [x[0].decode() for x in row[9]]
                names += [n for n in (subs or [row[0].decode()]) if n not in NEVER and n.split("|")[0] not in NEVER]
        sent = answered = 0
        while sent < count:
            with s.connect(timeout_s=30) as c:
                batch, requests = rng.randrange(1, 200), []
                for _ in range(batch):
                    words = rng.choice(names).split("|") if rng.random() < 0.98 else [rng.choice(WORDS)]
                    words += [rng.choice(WORDS) for _ in range(rng.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 8)))]
                    requests.append(servers.encode(*[w.encode("latin1") for w in words]))
                data = b"".join(requests)
                at = 0
                while at < len(data):  # in pieces of any size
                    n = rng.choice((1, 7, 100, 5000, 100000))
                    c.send_raw(data[at:at + n])
                    at += n
                for _ in range(batch):
                    try:
                        c.read()
                    except servers.Error:
                        pass
                    answered += 1
                sent += batch
        tap.equal(answered, sent, "%d requests were answered, each once" % sent)
        with s.connect() as c:
            tap.ok(c.cmd("PING") == b"PONG", "the server lives")
            keys = c.cmd("DBSIZE")
        tap.equal(s.stop(), 0, "and ends in order")
        s.options += ["--enable-debug-command", "yes"]
        s.start()
        with s.connect() as c:
            tap.equal(c.cmd("DEBUG", "VERIFY"), b"OK", "what the log brings back is sound")
            tap.equal(c.cmd("DBSIZE"), keys, "and whole")


tap.main(storm)
