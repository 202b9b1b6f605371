"""DUMP, RESTORE and MIGRATE between Duet and redis-server 7.0: values of every kind and size, made on either, arrive on the other with
the same content and time to live; what is damaged is refused and changes nothing."""

import os
import random
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import data, differing  # noqa: E402
from payloads import BAD, REFUSED, SOUND, sealed  # noqa: E402

SIZES = [1, 2, 3, 10, 127, 128, 129, 511, 513, 1500, 8193, 30000]
MUTATIONS = 200_000 if tap.FULL else 8_000


def texts(rng, n):
    """Strings of several lengths, and integers of all widths."""
    for i in range(n):
        r = rng.random()
        if r < 0.4:
            yield b"%d" % (rng.randint(-1, 1) * rng.getrandbits(rng.choice([3, 7, 8, 13, 15, 16, 23, 31, 32, 40, 63])) + i)
        elif r < 0.9:
            yield b"m%d" % i + b"x" * rng.choice([0, 1, 10, 50, 60, 64, 70])
        else:
            yield b"%d" % i + bytes(rng.getrandbits(8) for _ in range(rng.choice([5, 60, 300])))


def fill(wire, rng):
    """Keys of every kind and size; returns their names."""
    names = []

    def put(name, *words):
        command, values = words[0], list(words[1])
        for at in range(0, len(values), 1000):
            wire.call(command, name, *values[at:at + 1000])
        names.append(name)

    for i, size in enumerate([0, 1, 5, 44, 45, 300, 5000, 70000, 3_000_000]):
        put(b"string%d" % i, "APPEND", [b"ab" * (size // 4) + os.urandom(size // 2)])
        put(b"digits%d" % i, "SET", [b"%d" % (rng.getrandbits(7 * i + 1) * rng.choice([1, -1]))])
    for n in SIZES:
        members = list(dict.fromkeys(texts(rng, n)))
        put(b"list%d" % n, "RPUSH", texts(rng, n))
        put(b"set%d" % n, "SADD", members)
        put(b"integers%d" % n, "SADD", range(n))
        put(b"hash%d" % n, "HSET", [w for m, v in zip(members, texts(rng, n)) for w in (m, v)])
        put(b"zset%d" % n, "ZADD", [w for m in members for w in (rng.choice([1, 2.5, -1e300, "inf", "-inf", 1 / 3, rng.randint(-99, 99)]), m)])
        put(b"hll%d" % n, "PFADD", members)
    put(b"list of big ones", "RPUSH", [b"L" * 9000, b"", b"M" * 70000, b"N" * 9000, b"5"])
    for name in rng.sample(names, 20):
        wire.call("PEXPIREAT", name, 4102444800000 + rng.randint(0, 99999))
    return names


def test_there_and_back():
    """Every kind and size of value"""
    duet, redis = servers.pair()
    rng = random.Random(tap.seed())
    for source, target in ((duet, redis), (redis, duet), (duet, duet)):
        a, b = source.wire(), target.wire()
        a.call("FLUSHALL")
        b.call("FLUSHALL")
        names = fill(a, rng)
        if source is target:
            b.call("SELECT", 1)
        taken = []
        for at in range(0, len(names), 10):
            some = names[at:at + 10]
            dumps = a.pipeline([(b"DUMP", k) for k in some])
            stamps = a.pipeline([(b"PEXPIRETIME", k) for k in some])
            taken += b.pipeline([(b"RESTORE", k, max(t[1], 0), d[1], b"ABSTTL") for k, d, t in zip(some, dumps, stamps)])
        title = "%s to %s: " % (source.name, target.name)
        tap.equal([k for k, r in zip(names, taken) if r[0] != b"+OK\r\n"], [], title + "%d values are taken" % len(names))
        if source is target:
            a.call("FLUSHDB")
            continue
        left = differing(data(source.wire(), False), data(target.wire(), False))
        for line in left[:5]:
            tap.say(line)
        tap.ok(not left, title + "they have the same content and time to live")
        tap.equal(a.pipeline([(b"PEXPIRETIME", k) for k in names]), b.pipeline([(b"PEXPIRETIME", k) for k in names]), title + "to the millisecond")


def test_forms():
    """Every form that Redis has ever written, and what can be wrong with it"""
    duet, redis = servers.pair(["--sanitize-dump-payload", "yes"])
    ours, theirs = duet.wire(), redis.wire()
    for name, body in SOUND.items():
        for w in (ours, theirs):
            w.call("FLUSHALL")
        replies = [w.call("RESTORE", "k", 0, sealed(body)) for w in (ours, theirs)]
        tap.equal((replies, differing(data(duet.wire()), data(redis.wire()))), ([b"+OK", b"+OK"], []), "%s: it is the same value in the same encoding" % name)
    bad = {**BAD, **REFUSED}
    for w in (ours, theirs):
        w.call("SET", "k", "stays")
    found = [n for n, body in bad.items() if ours.call("RESTORE", "k", 0, sealed(body), "REPLACE") != b"-ERR Bad data format"]
    tap.equal(found, [], "%d kinds of damage are told" % len(bad))
    tap.equal([n for n, body in BAD.items() if theirs.call("RESTORE", "k", 0, sealed(body), "REPLACE") != b"-ERR Bad data format"], [], "redis-server tells them too")
    tap.equal(ours.call("GET", "k"), b"stays", "and the key is as it was")
    tap.equal([ours.call("RESTORE", "new", 0, sealed(SOUND["string"], v)) for v in (1, 9, 10, 11)] [-1:], [b"-BUSYKEY Target key name already exists."],
              "a payload of Redis 7.2 is looked at")
    tap.equal(ours.call("RESTORE", "new", 0, sealed(SOUND["string"], 12), "REPLACE"), b"-ERR DUMP payload version or checksum are wrong", "a newer one is refused")
    tap.equal(ours.call("RESTORE", "small", 0, sealed(b"\x14" + sealed_listpack(), 11)), b"+OK", "small sets of Redis 7.2 are read")
    tap.equal(sorted(ours.call("SMEMBERS", "small")), [b"-3000", b"1", b"a"], "they have their members")


def sealed_listpack():
    from payloads import listpack, string
    return string(listpack(b"a", 1, -3000))


def test_mutations():
    """Damaged payloads whose checksum is right"""
    duet, redis = servers.pair(["--enable-debug-command", "yes"])
    rng = random.Random(tap.seed())
    bodies = list(SOUND.values())
    source = redis.wire()
    bodies += [source.call("DUMP", k)[:-10] for k in fill_small(source)]
    wire, refused, odd = duet.wire(), 0, {}
    for at in range(0, MUTATIONS, 100):
        batch = []
        for _ in range(100):
            body = bytearray(rng.choice(bodies))
            for _ in range(rng.choice([1, 1, 2, 5])):
                i = rng.randrange(len(body))
                body[i:i + rng.choice([0, 1, 1, 1, 3])] = bytes(rng.choice([0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)]) for _ in range(rng.choice([0, 1, 1, 1, 2])))
                body = body or bytearray(b"\0")
            batch.append((b"RESTORE", b"k", b"0", sealed(bytes(body)), b"REPLACE"))
        # What is taken must be a value that can be read, dumped, and taken again.
        more = [(b"TYPE", b"k"), (b"OBJECT", b"ENCODING", b"k"), (b"COPY", b"k", b"k2", b"REPLACE"), (b"DUMP", b"k")]
        for raw, _ in wire.pipeline(batch):
            refused += raw == b"-ERR Bad data format\r\n"
            if raw not in (b"-ERR Bad data format\r\n", b"+OK\r\n"):
                odd[raw] = odd.get(raw, 0) + 1
        dump = wire.pipeline(more)[-1][1]
        if dump is not None and wire.call("RESTORE", "again", 0, dump, "REPLACE") != b"+OK":
            odd[dump] = 1
    tap.equal(odd, {}, "seed %d: %d damaged payloads, %d of them refused" % (tap.seed(), MUTATIONS, refused))
    tap.equal(wire.call("DEBUG", "VERIFY"), b"+OK", "every structure is sound")


def fill_small(wire):
    wire.call("RPUSH", "l", *range(30), "x" * 80, 70000)
    wire.call("HSET", "h", *[w for i in range(12) for w in ("f%d" % i, i * 1000 - 5)])
    wire.call("HSET", "hb", *[w for i in range(4) for w in ("f%d" % i, "v" * 70)])
    wire.call("SADD", "s", "a", "bb", *range(6))
    wire.call("ZADD", "z", *[w for i in range(12) for w in (i * 1.5, "m%d" % i)])
    wire.call("ZADD", "zb", 1, "m" * 70, 2, "n" * 70)
    wire.call("XADD", "x", "1-1", "a", "b")
    wire.call("XADD", "x", "2-1", "a", "c")
    wire.call("XGROUP", "CREATE", "x", "g", "0")
    wire.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
    return ["l", "h", "hb", "s", "z", "zb", "x"]


def test_migrate():
    """MIGRATE to and from redis-server"""
    duet, redis = servers.pair()
    rng = random.Random(tap.seed())
    for source, target in ((duet, redis), (redis, duet)):
        title = "%s to %s: " % (source.name, target.name)
        a, b = source.wire(), target.wire()
        a.call("FLUSHALL")
        names = fill(a, rng)
        before = data(source.wire(), False)
        address = ("127.0.0.1", target.port)
        a.call("SET", "one", "1")
        tap.equal(a.call("MIGRATE", *address, "one", 0, 5000), b"+OK", title + "a key")
        tap.equal((a.call("EXISTS", "one"), b.call("GETDEL", "one")), (0, b"1"), title + "is there, not here")
        tap.equal(a.call("MIGRATE", *address, "nosuch", 0, 5000), b"+NOKEY", title + "no key")
        for at in range(0, len(names), 20):
            reply = a.call("MIGRATE", *address, "", 0, 20000, "COPY", "REPLACE", "KEYS", *names[at:at + 20])
            if reply != b"+OK":
                tap.equal(reply, b"+OK", title + "copies are made")
        left = differing(before, data(target.wire(), False))
        for line in left[:5]:
            tap.say(line)
        tap.ok(not left, title + "%d copies have the same content" % len(names))
        reply = a.call("MIGRATE", *address, "", 0, 5000, "KEYS", "set1", "nosuch", "set2")
        tap.ok(reply.startswith(b"-ERR Target instance replied with error: BUSYKEY"), title + "what is there already is not replaced (%r)" % reply)
        tap.equal(a.call("EXISTS", "set1", "set2"), 2, title + "and stays here")
        tap.equal(a.call("MIGRATE", *address, "set1", 99, 5000), b"-ERR Target instance replied with error: ERR DB index is out of range", title + "a database that is not there")
        tap.equal(a.call("MIGRATE", "127.0.0.1", 1, "set1", 0, 500), b"-IOERR error or timeout writing to target instance", title + "nobody is there")
        b.call("CONFIG", "SET", "requirepass", "secret")
        b2 = target.wire()
        b2.call("AUTH", "secret")
        tap.equal(a.call("MIGRATE", *address, "set1", 3, 5000, "AUTH", "wrong")[:60], b"-ERR Target instance replied with error: WRONGPASS invalid use"[:60], title + "a wrong password")
        tap.equal(a.call("MIGRATE", *address, "set1", 4, 5000, "AUTH2", "default", "secret"), b"+OK", title + "the right one")
        b2.call("CONFIG", "SET", "requirepass", "")
        b2.call("FLUSHALL")


class Target:
    """A target that answers when it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]

    def take(self, piece):
        """Returns when these bytes have come."""
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(20)
        self.had = b""
        while piece not in self.had:
            self.had += self.socket.recv(65536)

    def answer(self, lines):
        self.socket.sendall(lines)


def test_migrate_beside_others():
    """Others are served while a key is on its way, and what they change is not lost"""
    duet, redis = servers.pair()
    a, other, target = duet.wire(), duet.wire(), Target()
    address = ("127.0.0.1", target.port)
    for key in ("same", "changed", "deleted", "timed"):
        a.call("SET", key, "old")
    a.send([("MIGRATE", *address, "", 0, 20000, "KEYS", "same", "changed", "deleted", "timed"), ("PING",)])
    target.take(b"timed\r\n")
    tap.equal([v for _, v in other.pipeline([("SET", "changed", "new"), ("DEL", "deleted"), ("PEXPIRE", "timed", "100000"), ("GET", "same")])], [b"+OK", 1, 1, b"old"],
              "another client reads and writes meanwhile")
    target.answer(b"+OK\r\n" * 5)
    tap.ok(a.read()[1].startswith(b"-IOERR a key was changed"), "the one that migrates is told that something was changed")
    tap.equal(a.read()[1], b"+PONG", "and goes on")
    tap.equal(other.call("MGET", "same", "changed", "deleted", "timed"), [None, b"new", None, b"old"], "what was changed is here, what was not is there")
    a.send([("MIGRATE", *address, "", 0, 300, "KEYS", "changed", "timed")])  # the same socket, in the same database: no SELECT
    target.answer(b"+OK\r\n")
    tap.equal((a.read()[1], other.call("EXISTS", "changed", "timed")), (b"-IOERR error or timeout reading to target instance", 1), "of two keys one was taken, then nothing came")
    a.send([("MIGRATE", *address, "timed", 0, 20000)])
    target.take(b"timed\r\n")
    a.close()
    tap.until(lambda: b"cmd=migrate" not in other.call("CLIENT", "LIST"), 10, "the client to be gone")
    target.answer(b"+OK\r\n" * 2)
    tap.until(lambda: other.call("EXISTS", "timed") == 0, 10, "the key to be gone")
    tap.ok(True, "a client that leaves does not stop it")
    a = duet.wire()
    a.call("SET", "gone", "1")
    tap.equal(a.pipeline([("MULTI",), ("MIGRATE", "127.0.0.1", redis.port, "gone", 0, 5000), ("EXISTS", "gone"), ("EXEC",)])[-1][1], [b"+OK", 0], "inside EXEC nothing comes between")
    tap.equal(redis.wire().call("GET", "gone"), b"1", "and it has arrived")
    tap.ok(b"migrate_cached_sockets:2" in a.call("INFO", "stats"), "sockets are kept for the next time")


tap.main(test_there_and_back, test_forms, test_mutations, test_migrate, test_migrate_beside_others)
