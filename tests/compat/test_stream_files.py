#!/usr/bin/python3
"""Streams in files and payloads, between duet server and Debian's redis-server both ways: streams of all shapes with
groups, consumers and pending entries, made by redis-server. Content and every fact of XINFO STREAM FULL stay."""

import atexit
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import payloads
import servers
import tap

SEED = int(os.environ.get("DUET_SEED", "0")) or random.randrange(1 << 30)
KEYS, STEPS = (60, 400) if tap.FULL else (20, 120)


class Maker:
    """Changes to one stream of a redis-server, from a seed."""

    def __init__(self, wire, key, chance):
        self.wire, self.key, self.chance, self.ms = wire, key, chance, 1
        wire.call("XGROUP", "CREATE", key, "first", "$", "MKSTREAM")

    def any_id(self):
        return "%d-%d" % (self.chance.randrange(self.ms + 1), self.chance.randrange(4))

    def words(self):
        shape = self.chance.randrange(12)
        names = ["a", "b", "c", "12"][:1 + shape % 4] if shape < 10 else ["x%d" % self.chance.randrange(100)]
        values = [str(self.chance.randrange(1 << 40)), "v" * self.chance.randrange(300), "-5", "text"]
        return [w for n in names for w in (n, self.chance.choice(values))]

    def step(self):
        c, k = self.chance, self.key
        group, consumer = c.choice(["first", "g2", "g\x003", ""]), c.choice(["alice", "bob", "", "z"])
        dice = c.randrange(100)
        if dice < 55:
            self.ms += c.choice([0, 0, 1, 1, 1, 700, 70000])
            self.wire.call("XADD", k, "%d-*" % self.ms, *self.words())
        elif dice < 65:
            self.wire.call("XDEL", k, *[self.any_id() for _ in range(c.randrange(1, 9))])
        elif dice < 67:
            self.wire.call("XTRIM", k, "MINID", c.choice("=~"), self.any_id())
        elif dice < 69:
            self.wire.call("XTRIM", k, "MAXLEN", "~", c.randrange(30, 200))
        elif dice < 73:
            self.wire.call("XGROUP", "CREATE", k, group, c.choice(["$", "0", self.any_id()]))
        elif dice < 87:
            self.wire.call("XREADGROUP", "GROUP", group, consumer, "COUNT", c.randrange(1, 40), "STREAMS", k, ">")
        elif dice < 94:
            self.wire.call("XACK", k, group, *[self.any_id() for _ in range(c.randrange(1, 30))])
        elif dice < 96:
            self.wire.call("XGROUP", "DELCONSUMER", k, group, consumer)
        elif dice < 97:
            self.wire.call("XGROUP", "DESTROY", k, group)
        else:
            self.wire.call("XCLAIM", k, group, consumer, 0, self.any_id(), "RETRYCOUNT", c.randrange(1 << 62))


def make(redis, chance):
    wire = redis.connect()
    for i in range(KEYS):
        wire.cmd("CONFIG", "SET", "stream-node-max-entries", chance.choice([3, 10, 100]))
        m = Maker(Wireless(wire), "s%d" % i, chance)
        for _ in range(STEPS):
            m.step()
    return ["s%d" % i for i in range(KEYS)]


class Wireless:
    """call() of a connection whose errors are replies like others: half of what is asked cannot be."""

    def __init__(self, connection):
        self.connection = connection

    def call(self, *words):
        try:
            return self.connection.cmd(*words)
        except servers.Error as e:
            return e


def look(connection, key):
    return connection.cmd("XINFO", "STREAM", key, "FULL", "COUNT", 0), connection.cmd("DEBUG", "DIGEST-VALUE", key)


def start(command, dump=None):
    """A server whose directory has that file; it goes with the test program."""
    directory = tempfile.mkdtemp(prefix="duet-test-")
    atexit.register(shutil.rmtree, directory, True)
    if dump:
        shutil.copy(dump, os.path.join(directory, "dump.rdb"))
    return servers.Server("--appendonly", "no", "--save", "", "--enable-debug-command", "yes", command=command, directory=directory)


def start_duet(dump=None):
    return start([tap.DUET, "server"], dump)


def start_redis(dump=None):
    return start([servers.REDIS_SERVER], dump)


def dump_of(server):
    return os.path.join(server.directory, "dump.rdb")


def through_payloads(redis, duet, keys):
    r, d = redis.connect(), duet.connect()
    wrong = []
    for key in keys:
        there = d.cmd("RESTORE", key, 0, r.cmd("DUMP", key))
        back = r.cmd("RESTORE", "back:" + key, 0, d.cmd("DUMP", key))
        same = there == back == b"OK" and look(r, key) == look(r, "back:" + key)
        if not same or d.cmd("DEBUG", "DIGEST-VALUE", key) != r.cmd("DEBUG", "DIGEST-VALUE", key):
            wrong.append(key)
        r.cmd("DEL", "back:" + key)
    tap.equal(wrong, [], "payloads go there and back: nothing changes (%d streams, seed %d)" % (len(keys), SEED))


def through_files(redis, duet, keys):
    """The file of the one is what the other begins with."""
    r, d = redis.connect(), duet.connect()
    want = [look(r, k) for k in keys]
    d.cmd("FLUSHALL")
    r.cmd("SAVE")
    with start_duet(dump_of(redis)) as second:
        c = second.connect()
        tap.equal(c.cmd("DEBUG", "DIGEST"), r.cmd("DEBUG", "DIGEST"), "redis-server's file: equal digests")
        tap.equal(c.cmd("DEBUG", "RELOAD"), b"OK", "saved and loaded again")
        tap.equal(c.cmd("DEBUG", "DIGEST"), r.cmd("DEBUG", "DIGEST"), "and still equal")
        c.cmd("SAVE")
        with start_redis(dump_of(second)) as third:
            got = [look(third.connect(), k) for k in keys]
            tap.ok(got == want, "our file in redis-server: every fact is the same")


def through_links(redis, duet, keys):
    r, d = redis.connect(), duet.connect()
    d.cmd("REPLICAOF", "127.0.0.1", redis.port)
    tap.until(lambda: d.cmd("DEBUG", "DIGEST") == r.cmd("DEBUG", "DIGEST"), 30, "the copy")
    tap.ok(True, "duet follows redis-server: its first copy has equal streams")
    d.cmd("REPLICAOF", "NO", "ONE")
    want = [look(r, k) for k in keys]
    with start_redis() as other:
        o = other.connect()
        o.cmd("REPLICAOF", "127.0.0.1", duet.port)
        tap.until(lambda: o.cmd("DEBUG", "DIGEST") == r.cmd("DEBUG", "DIGEST"), 30, "the copy of the copy")
        tap.ok([look(o, k) for k in keys] == want, "and redis-server follows duet: every fact is the same")


def through_logs(duet, digest):
    c = duet.connect()
    c.cmd("CONFIG", "SET", "appendonly", "yes")
    tap.until(lambda: b"aof_rewrite_in_progress:0" in c.cmd("INFO", "persistence"), 30, "the log's base")
    c.cmd("BGREWRITEAOF")
    tap.until(lambda: b"aof_rewrite_in_progress:0" in c.cmd("INFO", "persistence"), 30, "the rewrite")
    tap.equal(c.cmd("DEBUG", "LOADAOF"), b"OK", "a log is written, rewritten and loaded")
    tap.equal(c.cmd("DEBUG", "DIGEST"), digest, "and the streams are as they were")


def damaged(redis, duet, keys, chance):
    """Bytes that are not as they must be: refused or taken, but whatever was taken is sound."""
    r, d = redis.connect(), duet.connect()
    refused = taken = 0
    for _ in range(4000 if tap.FULL else 600):
        body = bytearray(r.cmd("DUMP", chance.choice(keys))[:-10])
        for _ in range(chance.choice([1, 1, 2, 5])):
            body[chance.randrange(1, len(body))] = chance.randrange(256)
        try:
            d.cmd("RESTORE", "x", 0, payloads.sealed(bytes(body)), "REPLACE")
            taken += 1
        except servers.Error as e:
            refused += str(e) == "ERR Bad data format"
            continue
        d.cmd("DEBUG", "DIGEST-VALUE", "x")
        d.cmd("DUMP", "x")
        d.cmd("COPY", "x", "y", "REPLACE")
        d.cmd("DEL", "x", "y")
    tap.ok(refused > 0 and d.cmd("PING") == b"PONG", "damaged payloads: %d refused, %d taken, no harm" % (refused, taken))


def old_types():
    """What Redis 5 wrote (type 15) and what 7.2 writes (type 21), made by hand."""
    be = lambda ms, seq: ms.to_bytes(8, "big") + seq.to_bytes(8, "big")
    time = (1700000000000).to_bytes(8, "little")
    node = payloads.listpack(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 1, 0, b"w", 4)
    nodes = payloads.length(1) + payloads.string(be(5, 1)) + payloads.string(node)
    n = payloads.length
    pending = n(1) + be(5, 1) + time + n(3)
    consumer = n(1) + payloads.string(b"c") + time
    old = nodes + n(2) + n(6) + n(1) + n(1) + payloads.string(b"g") + n(5) + n(1) + pending + consumer + n(1) + be(5, 1)
    facts = n(2) + n(6) + n(1) + n(5) + n(1) + n(0) + n(0) + n(2)
    new = nodes + facts + n(1) + payloads.string(b"g") + n(5) + n(1) + n(1) + pending + consumer + time + n(1) + be(5, 1)
    return {"type 15": payloads.sealed(b"\x0f" + old, 9), "type 21": payloads.sealed(b"\x15" + new, 11)}


def others(redis, duet):
    d, r = duet.connect(), redis.connect()
    for name, payload in old_types().items():
        d.cmd("RESTORE", "old", 0, payload, "REPLACE")
        r.cmd("RESTORE", "old", 0, d.cmd("DUMP", "old"), "REPLACE")
        info = r.cmd("XINFO", "STREAM", "old", "FULL")
        group = dict(zip(info[-1][0][::2], info[-1][0][1::2]))
        got = (r.cmd("XRANGE", "old", "-", "+"), group[b"entries-read"], group[b"pending"])
        tap.equal(got, ([[b"5-1", [b"f", b"v"]], [b"6-1", [b"f", b"w"]]], 1, [[b"5-1", b"c", 1700000000000, 3]]), name + " is read")


def main():
    chance = random.Random(SEED)
    with start_redis() as redis, start_duet() as duet:
        keys = make(redis, chance)
        through_payloads(redis, duet, keys)
        through_files(redis, duet, keys)
        through_links(redis, duet, keys)
        through_logs(duet, redis.connect().cmd("DEBUG", "DIGEST"))
        damaged(redis, duet, keys, chance)
        others(redis, duet)


tap.main(main)
