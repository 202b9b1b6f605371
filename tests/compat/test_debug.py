#!/usr/bin/python3
"""DEBUG as test suites use it: DIGEST and DIGEST-VALUE of the same data equal redis-server's, for every kind and every form
of it, before and after the data went to disk and back; PROTOCOL's replies, byte for byte; what is refused."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

SEED = int(os.environ.get("DUET_SEED", "7"))
KEYS = 4000 if tap.FULL else 600
TYPES = "string integer double bignum null array set map attrib push verbatim true false foo".split()
REFUSED = [
    "debug", "debug foo", "debug sleep", "debug sleep a b", "debug object", "debug object none", "debug sdslen none", "debug listpack none",
    "debug quicklist none", "debug htstats a", "debug htstats 99", "debug htstats -1", "debug htstats-key none", "debug reload foo",
    "debug populate a", "debug populate -1", "debug populate 1 a b", "debug populate 1 a -2", "debug digest x", "debug digest-value",
    "debug quicklist-packed-threshold 1", "debug quicklist-packed-threshold 5gb", "debug quicklist-packed-threshold 4095mb", "debug quicklist-packed-threshold 4294967295", "debug quicklist-packed-threshold x", "debug quicklist-packed-threshold 100b",
    "debug replybuffer foo 1", "debug replybuffer peak-reset-time x", "debug replybuffer peak-reset-time never", "debug change-repl-id x",
    "debug protocol", "debug digest-value none nothing", "debug replicate", "debug sdslen h0", "debug listpack s0", "debug quicklist s0",
    "debug htstats-key s0", "debug aof-flush-sleep 0", "debug pause-cron 0", "debug set-active-expire 1", "debug error", "debug error 'a b'",
    "debug stringmatch-test", "debug clusterlink kill to x", "debug set-disable-deny-scripts 0", "debug set-skip-checksum-validation 0",
]


def word(r):
    kind = r.randrange(6)
    if kind == 0:
        return b"%d" % r.randrange(-1000, 100000)
    if kind == 1:
        return bytes(r.randrange(256) for _ in range(r.randrange(1, 20)))
    if kind == 2:
        return b"x" * r.choice((63, 64, 65, 300, 5000))
    return b"w%d" % r.randrange(400)


def fill(r):
    """Commands that give the same data on both servers; small and big forms of each kind."""
    yield [b"SET", b"s0", b"value"]
    yield [b"HSET", b"h0", b"f", b"v"]
    for i in range(KEYS):
        n = r.choice((1, 1, 2, 5, 20, 200, 700))
        key = b"key:%d" % i
        words = [word(r) for _ in range(n)]
        kind = r.randrange(5)
        if kind == 0:
            yield [b"SET", key, words[0]]
        elif kind == 1:
            yield [b"RPUSH", key, *words]
        elif kind == 2:
            yield [b"SADD", key, *([b"%d" % r.randrange(1 << 40) for _ in words] if r.randrange(2) else words)]
        elif kind == 3:
            yield [b"HSET", key, *(x for w in words for x in (w, word(r)))]
        else:
            yield [b"ZADD", key, *(x for w in words for x in (r.choice((b"1", b"1.5", b"-inf", b"3.0000000001", b"1e300", b"%d" % r.randrange(1 << 50))), w))]
        if r.randrange(6) == 0:
            yield [b"PEXPIREAT", key, b"%d" % (1 << 42)]
        if r.randrange(10) == 0:
            yield [b"MOVE", key, b"%d" % r.randrange(1, 16)]


def digests(wires, what):
    ours, theirs = (w.call("DEBUG", "DIGEST") for w in wires)
    tap.equal(ours, theirs, "DEBUG DIGEST is redis-server's: " + what)
    names = [b"key:%d" % i for i in range(KEYS)]
    ours, theirs = (w.call("DEBUG", "DIGEST-VALUE", *names) for w in wires)
    differ = [n for n, a, b in zip(names, ours, theirs) if a != b]
    tap.ok(not differ, "DEBUG DIGEST-VALUE of each key is redis-server's: " + what) or tap.say(differ[:10])


def main():
    tap.say("seed %d" % SEED)
    duet, redis = servers.pair(["--enable-debug-command", "yes", "--appendonly", "yes"])
    wires = [duet.wire(), redis.wire()]
    for commands in [list(fill(random.Random(SEED)))]:
        for w in wires:
            for i in range(0, len(commands), 100):
                w.pipeline(commands[i : i + 100])
    digests(wires, "%d keys of every kind" % KEYS)
    for w in wires:
        tap.equal(w.call("DEBUG", "RELOAD"), b"+OK", "DEBUG RELOAD")
    digests(wires, "after DEBUG RELOAD")
    for w in wires:
        w.pipeline([[b"SET", b"new:%d" % i, b"x"] for i in range(50)])
    tap.equal(wires[0].call("DEBUG", "LOADAOF"), b"+OK", "DEBUG LOADAOF")
    tap.until(lambda: b"aof_rewrite_in_progress:0" in wires[1].call("INFO", "persistence"), 20, "redis-server's first rewrite")
    wires[1].call("DEBUG", "LOADAOF")
    digests(wires, "after DEBUG LOADAOF")
    for w in wires:
        w.pipeline([[b"DEBUG", b"POPULATE", b"300", b"pop", b"30"], [b"DEBUG", b"POPULATE", b"200"], [b"DEBUG", b"POPULATE", b"20", b"little", b"3"]])
    digests(wires, "after DEBUG POPULATE")
    for w in wires:
        tap.equal(w.call("DEBUG", "RELOAD", "NOFLUSH", "MERGE"), b"+OK", "DEBUG RELOAD NOFLUSH MERGE")
    digests(wires, "after DEBUG RELOAD NOFLUSH MERGE")
    before = duet.wire().call("INFO", "replication").split(b"master_replid:")[1][:40]
    wires[0].call("DEBUG", "CHANGE-REPL-ID")
    after = duet.wire().call("INFO", "replication")
    tap.ok(before not in after and b"master_replid2:" + b"0" * 40 in after, "DEBUG CHANGE-REPL-ID: a new id, and none before it")
    for resp in 2, 3:
        for w in wires:
            w.call("HELLO", resp)
        for name in TYPES:
            pairs = [w.pipeline([[b"DEBUG", b"PROTOCOL", name.encode()], [b"PING"]]) for w in wires]
            tap.equal(pairs[0][0], pairs[1][0], "DEBUG PROTOCOL %s in RESP%d" % (name, resp))
            for w, got in zip(wires, pairs):  # an attribute or a push is followed by one reply more
                if got[1][1] != b"+PONG":
                    w.read()
        for line in REFUSED:
            words = [x.strip("'").encode() for x in line.split(" ")]
            ours, theirs = (w.pipeline([words])[0][0] for w in wires)
            tap.equal(ours, theirs, "%s in RESP%d" % (line, resp))


tap.main(main)
