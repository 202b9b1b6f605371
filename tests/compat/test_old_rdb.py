#!/usr/bin/python3
"""rdb-version: files and copies that Redis 2.8 and 3.2 load, read by a reader that knows nothing newer and loaded by redis-server 7.0."""

import os
import random
import shutil
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import old_rdb  # noqa: E402
import servers  # noqa: E402
import tap  # noqa: E402

DEBUG = ["--enable-debug-command", "yes", "--appendonly", "no"]


def words(w, *args):
    return w.call(*[str(a) if not isinstance(a, (bytes, str)) else a for a in args])


def fill(w, seed):
    """Every kind, small and of more than a walk hands out whole, in several databases."""
    rng = random.Random(seed)
    stamp = 4000000000000
    for db, big in ((0, 12), (3, 3000), (15, 1200)):
        words(w, "SELECT", db)
        for kind, value in enumerate((b"", b"0", b"-7", b"300", b"-70000", b"2147483648", b"+1", b"007", b"x" * 5000, os.urandom(300), b"ab" * 100000, rng.randbytes(300000))):
            words(w, "SET", "string:%d" % kind, value, *(["PXAT", stamp + kind] if kind % 2 else []))
        for i in range(0, big, 100):
            some = range(i, min(i + 100, big))
            words(w, "HSET", "hash", *[x for k in some for x in ("field %d" % k, "value %d" % (k * k))])
            words(w, "SADD", "set", *["member %d" % k for k in some])
            words(w, "SADD", "integers", *[k * 70000 for k in some])
            words(w, "RPUSH", "list", *["element %d" % (k // 2) for k in some])
            words(w, "ZADD", "zset", *[x for k in some for x in (rng.choice([k, -k / 3, 1e100 * k, 0.1 * k]), "member %d" % k)])
        words(w, "RPUSH", "list", b"", b"12", b"-3000000000", b"y" * 70000, rng.randbytes(200000))
        words(w, "ZADD", "zset", "inf", "top", "-inf", "bottom", "0", "zero", "3.0000000000000004", "odd")
        words(w, "HSET", "hash", "number", "12345", "long", b"z" * 20000)
        words(w, "PEXPIREAT", "zset", stamp)


def contents(w):
    found = {}
    for db in (0, 3, 15):
        words(w, "SELECT", db)
        for key in words(w, "KEYS", "*"):
            kind = words(w, "TYPE", key)[1:].decode()
            if kind == "string":
                value = words(w, "GET", key)
            elif kind == "list":
                value = words(w, "LRANGE", key, 0, -1)
            elif kind == "set":
                value = set(words(w, "SMEMBERS", key))
            else:
                flat = words(w, "HGETALL", key) if kind == "hash" else words(w, "ZRANGE", key, 0, -1, "WITHSCORES")
                value = dict(zip(flat[::2], flat[1::2] if kind == "hash" else map(float, flat[1::2])))
            stamp = words(w, "PEXPIRETIME", key)
            found[db, key] = (kind, value, None if stamp == -1 else stamp)
    return found


def read(path):
    with open(path, "rb") as f:
        return f.read()


def digest_in_redis(path):
    server = servers.Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")], DEBUG)
    server.end()
    shutil.copy(path, os.path.join(server.directory, "data", "dump.rdb"))
    server.start()
    digest = server.wire().call("DEBUG", "DIGEST")
    server.stop()
    return digest


def different(got, want):
    return sorted(k for k in set(got) | set(want) if got.get(k) != want.get(k))


def files(duet, w):
    path = os.path.join(duet.directory, "data", "dump.rdb")
    want, digest = contents(w), w.call("DEBUG", "DIGEST")
    for version, redis, save in ((6, "2.8", "SAVE"), (7, "3.2", "BGSAVE")):
        tap.equal(w.call("CONFIG", "SET", "rdb-version", str(version)), b"+OK", "CONFIG SET rdb-version %d" % version)
        w.call(save)
        tap.until(lambda: b"rdb_bgsave_in_progress:0" in w.call("INFO", "persistence"), 20)
        try:
            got = old_rdb.read(read(path), version)
            tap.equal(different(got, want), [], "%s: every key and value is in a file that Redis %s reads" % (save, redis))
        except (old_rdb.Bad, ValueError, IndexError) as e:
            tap.ok(False, "%s: a file that Redis %s reads (%s)" % (save, redis, e))
        tap.equal(digest_in_redis(path), digest, "redis-server 7.0 loads it with an equal DEBUG DIGEST")
        w.call("DEBUG", "RELOAD")
        tap.equal(w.call("DEBUG", "DIGEST"), digest, "and so does Duet")
    tap.equal(different(contents(w), want), [], "with the same values")


def copies(duet, w):
    """A slave of Redis 2.8 says nothing of PSYNC2; its copy is of the version that is set."""
    w.call("CONFIG", "SET", "rdb-version", "6")
    want = contents(w)
    for hello, version in ((b"", 6), (b"REPLCONF capa psync2\r\n", 10)):
        with socket.create_connection(("127.0.0.1", duet.port), 20) as s:
            f = s.makefile("rb")
            s.sendall(hello)
            if hello:
                f.readline()
            s.sendall(b"SYNC\r\n")
            line = f.readline()
            while not line.startswith(b"$"):
                line = f.readline()
            data = f.read(int(line[1:]))
        if version == 6:
            tap.equal(different(old_rdb.read(data, 6), want), [], "the copy for an old slave is one that it reads")
        else:
            tap.equal(data[:9], b"REDIS0010", "one that knows PSYNC2 gets the present form")


def refusals(duet, w):
    path = os.path.join(duet.directory, "data", "dump.rdb")
    w.call("CONFIG", "SET", "rdb-version", "7")
    words(w, "SELECT", 3)
    w.call("XADD", "events", "*", "a", "b")
    before = read(path)
    for command in ("SAVE", "BGSAVE"):
        answer = w.call(command)
        tap.equal(answer, b'-ERR the key "events" is a stream, and RDB version 7 has no form for that', "%s refuses a stream by its key's name" % command)
    tap.ok(read(path) == before, "and the file is as it was")
    for i in range(0, 30000, 1000):  # more keys than are looked at at once: the stream is found on the way
        words(w, "MSET", *[x for k in range(i, i + 1000) for x in ("k%d" % k, "v")])
    first = w.call("BGSAVE")
    tap.until(lambda: b"rdb_bgsave_in_progress:0" in w.call("INFO", "persistence"), 20)
    tap.ok(first[:1] == b"-" or b"rdb_last_bgsave_status:err" in w.call("INFO", "persistence"), "BGSAVE of many keys says it at once or ends as failed (%s)" % first.decode())
    tap.ok(read(path) == before and not [f for f in os.listdir(os.path.dirname(path)) if f.endswith(".tmp")], "and leaves nothing behind")
    w.call("CONFIG", "SET", "rdb-version", "10")
    tap.equal(w.call("SAVE"), b"+OK", "the present version holds it")
    tap.ok(w.call("CONFIG", "SET", "rdb-version", "9")[:1] == b"-", "there is no version 9 here")


def main():
    duet = servers.Server("duet", [tap.DUET, "server"], DEBUG)
    w = duet.wire()
    fill(w, tap.seed())
    files(duet, w)
    copies(duet, w)
    refusals(duet, w)


if __name__ == "__main__":
    tap.main(main)
