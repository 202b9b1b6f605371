#!/usr/bin/python3
"""Persistence of a running server: reload, SIGKILL under load, rewrite, dump.rdb to and from a real Redis, damage."""
# timeout: 300

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import servers


def info(c, section):
    pairs = (l.split(":", 1) for l in c.cmd("INFO", section).decode().splitlines() if ":" in l)
    return dict(pairs)


def everything(c, dbs=16):
    """All strings with their expiry stamps, by database."""
    data = {}
    for db in range(dbs):
        c.cmd("SELECT", db)
        for key in c.cmd("KEYS", "*"):
            data[db, key] = (c.cmd("GET", key), c.cmd("PEXPIRETIME", key))
    c.cmd("SELECT", 0)
    return data


def write_some(c, count, rng):
    for i in range(count):
        c.cmd("SELECT", rng.randrange(3))
        key = "key:%d" % rng.randrange(300)
        kind = rng.randrange(8)
        if kind < 4:
            c.cmd("SET", key, rng.randbytes(rng.randrange(200)))
        elif kind == 4:
            c.cmd("SET", key, rng.randrange(1 << 40), "PX", 3600000 + rng.randrange(1000000))
        elif kind == 5:
            c.cmd("DEL", key)
        elif kind == 6:
            c.cmd("APPEND", "grows", "0123456789")
        else:
            c.cmd("INCR", "counter")


def reload():
    """what was written is there after clean and hard restarts"""
    rng = random.Random(tap.seed())
    with servers.Server() as s:
        c = s.connect()
        write_some(c, 800, rng)
        c.send_raw(b"".join(servers.encode(*w) for w in (["MULTI"], ["SET", "m1", 1], ["SET", "m2", 2], ["EXEC"])))
        for _ in range(4):
            c.read()
        before, place = everything(c), info(c, "replication")["master_repl_offset"]
        s.kill(signal.SIGKILL)
        s.process.wait()
        s.start()
        c = s.connect()
        tap.equal(everything(c), before, "after SIGKILL all data is there, with its stamps")
        tap.equal(info(c, "replication")["master_repl_offset"], place, "at the same replication offset")
        write_some(c, 300, rng)
        before = everything(c)
        tap.equal(s.stop(), 0, "SIGTERM ends it with status 0")
        s.start()
        c = s.connect()
        tap.equal(everything(c), before, "after SIGTERM as well")


def kill_under_load():
    """SIGKILL at random moments under load: no acknowledged write is missing"""
    rounds, seed = (100 if tap.FULL else 6), tap.seed()
    rng, missing, acknowledged = random.Random(seed), 0, 0
    policies = ["everysec", "always", "no"]
    with servers.Server() as s:
        for n in range(rounds):
            s.stop()
            s.options = ["--appendfsync", policies[n % 3]]
            s.start()
            acked = [{} for _ in range(4)]

            def client(i):
                try:
                    c = s.connect()
                    for k in range(1 << 30):
                        words = [["SET", "c%d:%d" % (i, (k * 8 + j) % 500), "%d.%d.%d" % (n, k, j)] for j in range(8)]
                        c.send_raw(b"".join(servers.encode(*w) for w in words))
                        for w in words:
                            c.read()
                            acked[i][w[1]] = w[2]
                except (servers.Closed, OSError):
                    pass

            threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
            for t in threads:
                t.start()
            tap.until(lambda: sum(map(len, acked)) > rng.randrange(50, 1500), 30, "writes under way")
            s.kill(signal.SIGKILL)
            s.process.wait()
            for t in threads:
                t.join()
            s.start()
            c = s.connect()
            for i, a in enumerate(acked):
                for key, value in a.items():
                    acknowledged += 1
                    got = (c.cmd("GET", key) or b"").decode()
                    # A later write may have been executed and not acknowledged.
                    ok = got and tuple(map(int, got.split("."))) >= tuple(map(int, value.split(".")))
                    missing += not ok
    tap.equal(missing, 0, "%d kills, %d acknowledged keys looked at, none missing" % (rounds, acknowledged))


def rewrite():
    """BGREWRITEAOF under writes, and by growth"""
    rng = random.Random(tap.seed())
    with servers.Server("--auto-aof-rewrite-min-size", "20kb", "--auto-aof-rewrite-percentage", "100") as s:
        c = s.connect()
        write_some(c, 500, rng)
        c.cmd("BGREWRITEAOF")
        write_some(c, 500, rng)
        tap.until(lambda: info(c, "persistence")["aof_rewrite_in_progress"] == "0", 20)
        tap.ok(info(c, "persistence")["aof_last_bgrewrite_status"] == "ok", "BGREWRITEAOF ends well under writes")
        rewrites = int(info(c, "persistence")["aof_rewrites"])
        for _ in range(60):
            c.cmd("SET", "same", b"x" * 4000)
        grown = tap.until(lambda: int(info(c, "persistence")["aof_rewrites"]) > rewrites, 20)
        tap.ok(grown, "a log that has doubled is rewritten by itself")
        write_some(c, 100, rng)
        before = everything(c)
        s.kill(signal.SIGKILL)
        s.process.wait()
        s.start()
        tap.equal(everything(s.connect()), before, "base and increments load to the same data")


def dump_and_redis():
    """dump.rdb goes to a real Redis and comes from it"""
    rng = random.Random(tap.seed())
    with servers.Server("--appendonly", "no") as s:
        c = s.connect()
        write_some(c, 500, rng)
        c.cmd("SET", "long", b"abc" * 5000)
        c.cmd("SET", "binary", bytes(range(256)))
        c.cmd("SELECT", 0)
        before = everything(c)
        tap.equal(c.cmd("SAVE"), b"OK", "SAVE answers OK")
        s.stop()
        with servers.Server("--appendonly", "no", command=[servers.REDIS_SERVER], directory=s.directory) as r:
            rc = r.connect()
            tap.equal(everything(rc), before, "a real Redis loads it, key by key")
            write_some(rc, 300, rng)
            before = everything(rc)
            rc.cmd("SAVE")
            r.stop()
        s.start()
        c = s.connect()
        tap.equal(everything(c), before, "and Duet loads what a real Redis saved")
        tap.ok(c.cmd("BGSAVE").startswith(b"Background saving"), "BGSAVE answers")
        tap.ok(tap.until(lambda: info(c, "persistence")["rdb_bgsave_in_progress"] == "0", 20), "and ends")
        s.stop()
        s.options = []
        s.start()
        c = s.connect()
        tap.equal(everything(c), before, "with the log on, it begins from dump.rdb")
        c.cmd("SET", "later", 1)
        s.kill(signal.SIGKILL)
        s.process.wait()
        os.unlink(os.path.join(s.directory, "dump.rdb"))
        s.start()
        tap.equal(s.connect().cmd("GET", "later"), b"1", "and goes on in the log")


ODD_SCORES = ["0", "-0", "1", "-1", "0.1", "2.5", "1e17", "-9.3e18", "1e300", "5e-324", "-5e-324", "inf", "-inf", "4611686018427387904",
              "9223372036854775807", "0.33333333333333331", "1700000000123", "123456789.12345678"]


def zsets(c):
    """Every sorted set by key: encoding, members with scores in order, and the bytes that DUMP gives."""
    keys = sorted(k for k in c.cmd("KEYS", "*") if c.cmd("TYPE", k) == b"zset")
    return {k: (c.cmd("OBJECT", "ENCODING", k), c.cmd("ZRANGE", k, 0, -1, "WITHSCORES"), c.cmd("DUMP", k)) for k in keys}


def write_zsets(c, rng):
    for i, score in enumerate(ODD_SCORES):
        c.cmd("ZADD", "odd", score, "m%d" % i)
        c.cmd("ZADD", "odd-big", score, "m%d" % i, score, "x" * 100 + str(i), score, i)
    for key, count in (("at-limit", 128), ("above-limit", 129), ("thousands", 5000)):
        scores = [rng.choice([rng.randrange(1000), rng.random(), rng.randrange(1 << 60) - (1 << 59)]) for _ in range(count)]
        c.cmd("ZADD", key, *(x for i, s in enumerate(scores) for x in (s, "member:%d" % i)))
    c.cmd("ZADD", "long-member", 1, "m" * 65, 2, "\u00e4")
    c.cmd("ZADD", "mortal", 1, 2, 3, 4)
    c.cmd("PEXPIRE", "mortal", 10000000)


def zsets_and_redis():
    """sorted sets come from a real Redis and go to one, unchanged to the byte"""
    rng = random.Random(tap.seed())
    redis = {"command": [servers.REDIS_SERVER]}
    with servers.Server("--appendonly", "no", **redis) as r:
        rc = r.connect()
        write_zsets(rc, rng)
        before = zsets(rc)
        rc.cmd("SAVE")
        r.stop()
        with servers.Server("--appendonly", "no", directory=r.directory) as s:
            c = s.connect()
            tap.equal({k: c.cmd("OBJECT", "ENCODING", k) for k in before}, {k: v[0] for k, v in before.items()},
                      "Duet loads them, each in the form that Redis gives it")
            tap.equal(c.cmd("SAVE"), b"OK", "and saves them")
            s.stop()
        r.start()
        rc = r.connect()
        tap.equal(zsets(rc), before, "a real Redis loads these: the same scores, order, forms and DUMPs")


def zset_of_old(path, members):
    """A file as Redis before 4.0 wrote it: scores are text."""
    def text(b):
        return bytes([len(b)]) + b
    with open(path, "wb") as f:
        f.write(b"REDIS0003\xfe\x00\x03" + text(b"old") + bytes([len(members)]))
        for member, score in members:
            f.write(text(member) + (bytes([score]) if isinstance(score, int) else text(score)))
        f.write(b"\xff")


def ziplist(*elements):
    """Small integers as such, everything else as strings of less than 64 bytes."""
    body, before = b"", 0
    for e in elements:
        element = bytes([before]) + (b"\xfe" + bytes([e]) if isinstance(e, int) else bytes([len(e)]) + e)
        body, before = body + element, len(element)
    return struct.pack("<IIH", 11 + len(body), 10 + len(body) - before, len(elements)) + body + b"\xff"


def old_ziplists():
    """small hashes and sorted sets as ziplists, from before Redis 7.0"""
    directory = tempfile.mkdtemp(prefix="duet-test-")
    dump = os.path.join(directory, "dump.rdb")

    def write(*keys):
        with open(dump, "wb") as f:
            f.write(b"REDIS0006\xfe\x00")
            for rdb_type, key, blob in keys:
                f.write(bytes([rdb_type, len(key)]) + key + bytes([len(blob)]) + blob)
            f.write(b"\xff" + bytes(8))
    write((12, b"z", ziplist(b"a", 1, 5, b"2.5", b"c", b"inf")), (13, b"h", ziplist(b"f", b"v", 7, 8)))
    with servers.Server("--appendonly", "no", directory=directory) as s:
        tap.equal(s.connect().cmd("SAVE"), b"OK", "Duet loads them and saves them")
        s.stop()
    with servers.Server("--appendonly", "no", command=[servers.REDIS_SERVER], directory=directory) as r:
        c = r.connect()
        tap.equal(c.cmd("ZRANGE", "z", 0, -1, "WITHSCORES"), [b"a", b"1", b"5", b"2.5", b"c", b"inf"], "a sorted set is what it was")
        tap.equal(sorted(c.cmd("HGETALL", "h")), [b"7", b"8", b"f", b"v"], "and so is a hash")
    for why, bad in (("odd", (12, b"z", ziplist(b"a"))), ("without a score", (12, b"z", ziplist(b"a", b"b"))), ("empty", (12, b"z", ziplist())),
                     ("with a field twice", (13, b"h", ziplist(b"f", 1, b"f", 2)))):
        write(bad)
        with servers.Server("--appendonly", "no", directory=directory, wait=False) as s:
            tap.ok(s.process.wait(20) != 0 and "is no sound ziplist" in s.log(), "one that is %s is refused" % why)
    shutil.rmtree(directory)


def old_zsets():
    """sorted sets with scores as text, from before Redis 4.0"""
    directory = tempfile.mkdtemp(prefix="duet-test-")
    dump = os.path.join(directory, "dump.rdb")
    zset_of_old(dump, [(b"a", b"1"), (b"b", b"0.10000000000000001"), (b"high", 254), (b"low", 255), (b"c", b"-1e+300")])
    with servers.Server("--appendonly", "no", directory=directory) as s:
        tap.equal(s.connect().cmd("SAVE"), b"OK", "Duet loads them and saves them")
        s.stop()
    with servers.Server("--appendonly", "no", command=[servers.REDIS_SERVER], directory=directory) as r:
        tap.equal(r.connect().cmd("ZRANGE", "old", 0, -1, "WITHSCORES"),
                  [b"low", b"-inf", b"c", b"-1.0000000000000001e+300", b"b", b"0.10000000000000001", b"a", b"1", b"high", b"inf"],
                  "what it saved is what was there")
    for why, score in (("no number", b"1x"), ("NaN", 253)):
        zset_of_old(dump, [(b"a", score)])
        with servers.Server("--appendonly", "no", directory=directory, wait=False) as s:
            tap.ok(s.process.wait(20) != 0, "a score that is %s is refused" % why)
            tap.ok("score that is no number" in s.log(), "and the log says so")
    shutil.rmtree(directory)


def damage():
    """a torn tail is cut and reported, damage is refused with file and byte"""
    with servers.Server() as s:
        c = s.connect()
        for i in range(100):
            c.cmd("SET", "k%d" % i, i)
        s.kill(signal.SIGKILL)
        s.process.wait()
        path = os.path.join(s.directory, "log", "000001.incr")
        whole = open(path, "rb").read()
        open(path, "wb").write(whole[:-5])
        s.start()
        c = s.connect()
        tap.equal(c.cmd("DBSIZE"), 99, "a log cut inside of its last block loses that one write")
        tap.ok("torn tail" in s.log() and path in s.log(), "and says so, with the file")
        s.stop()  # a clean end: everything before it was on disk
        whole = open(path, "rb").read()
        open(path, "wb").write(whole[:200] + bytes([whole[200] ^ 4]) + whole[201:])
        s.start(wait=False)
        status = s.process.wait(20)
        tap.ok(status != 0, "a flipped bit in the middle: the server does not start")
        tap.ok(path + ": byte" in s.log(), "and names file and byte")
        open(path, "wb").write(whole)
        s.start()
        tap.equal(s.connect().cmd("DBSIZE"), 99, "whole again, it starts again")
        other = servers.Server(directory=s.directory, wait=False)
        tap.ok(other.process.wait(20) != 0 and "another server uses" in other.log(), "a second server in the same directory is refused")


def one_instant():
    """snapshots under writes are the data of one instant, in Duet and in a real Redis"""
    rounds, rng = (40 if tap.FULL else 4), random.Random(tap.seed())
    with servers.Server() as s:
        c = s.connect()
        pairs = 3000
        for i in range(pairs):
            c.send_raw(servers.encode("MSET", "left:%d" % i, 0, "right:%d" % i, 0))
            c.read()
        c.cmd("SET", "sum", 0)
        stop, done = threading.Event(), [0]

        def writer(seed):
            w, r = s.connect(), random.Random(seed)
            while not stop.is_set():
                i, n = r.randrange(pairs), r.randrange(1000)
                w.send_raw(b"".join(servers.encode(*x) for x in (
                    ["MULTI"], ["INCRBY", "left:%d" % i, n], ["INCRBY", "sum", n], ["INCRBY", "right:%d" % i, n], ["EXEC"])))
                for _ in range(5):
                    w.read()
                done[0] += 1

        def consistent(q):
            keys = ["left:%d" % i for i in range(pairs)] + ["right:%d" % i for i in range(pairs)]
            values = [int(v) for v in q.cmd("MGET", *keys)]
            return values[:pairs] == values[pairs:] and sum(values[:pairs]) == int(q.cmd("GET", "sum"))

        threads = [threading.Thread(target=writer, args=(rng.randrange(1 << 30),)) for _ in range(2)]
        for t in threads:
            t.start()
        good = same = 0
        try:
            for n in range(rounds):
                saves, rewrites = int(info(c, "persistence")["rdb_saves"]), int(info(c, "persistence")["aof_rewrites"])
                c.cmd("BGREWRITEAOF")
                c.cmd("BGSAVE")
                tap.until(lambda: int(info(c, "persistence")["rdb_saves"]) > saves
                          and int(info(c, "persistence")["aof_rewrites"]) > rewrites, 30)
                for command in ([servers.REDIS_SERVER], None):
                    with servers.Server("--appendonly", "no", command=command, wait=False) as copy:
                        copy.process.kill()
                        copy.process.wait()
                        shutil.copy(os.path.join(s.directory, "dump.rdb"), copy.directory)
                        copy.start()
                        good += consistent(copy.connect())
        finally:
            stop.set()
            for t in threads:
                t.join()
        tap.equal(good, rounds * 2, "%d snapshots under %d transactions: each is one instant" % (rounds, done[0]))
        before = everything(c, 1)
        s.kill(signal.SIGKILL)
        s.process.wait()
        s.start()
        tap.ok(everything(s.connect(), 1) == before, "and the rewritten log loads to the data at the end")


def disk_full():
    """a full disk: writes are refused with a sentence, reads go on, room heals it"""
    place = tempfile.mkdtemp(prefix="duet-full-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], stderr=subprocess.DEVNULL).returncode == 0
    try:
        if not mounted:
            return tap.skip("a full disk", "no tmpfs can be mounted here")
        with open(os.path.join(place, "ballast"), "wb") as f:
            f.write(bytes(1 << 20))
        with servers.Server("--auto-aof-rewrite-percentage", "0", directory=place) as s:
            c = s.connect(2)
            answered = {}
            for i in range(60):
                key, value = "k%d" % i, "%d" % i * 20000
                try:
                    if c.cmd("SET", key, value) == b"OK":
                        answered[key] = value
                except servers.Error as e:
                    tap.ok("No space left" in str(e), "a write is refused, and the answer says why")
                    break
                except socket.timeout:
                    tap.ok(True, "the write that did not fit is not answered")
                    c = s.connect()
                    tap.equal(c.cmd("GET", "k0"), b"0" * 20000, "reads go on")
            os.unlink(os.path.join(place, "ballast"))
            tap.until(lambda: s.connect().cmd("SET", "after", 1) == b"OK", 20, "writes are taken again")
            tap.ok(True, "with room again, it heals by itself")
            s.kill(signal.SIGKILL)
            s.process.wait()
            s.start()
            c = s.connect()
            lost = [k for k, v in answered.items() if c.cmd("GET", k) != v.encode()]
            tap.equal((lost, c.cmd("GET", "after")), ([], b"1"), "and everything that was answered is in the log")
    finally:
        if mounted:
            subprocess.run(["umount", "-l", place])
        os.rmdir(place)


tap.main(reload, kill_under_load, rewrite, dump_and_redis, zsets_and_redis, old_zsets, old_ziplists, damage, one_instant, disk_full)
