#!/usr/bin/python3
"""Every file and every copy is the data of one instant: clients keep relations between keys while snapshots of all kinds
are made, and what was made is loaded into Duet and into redis-server and looked at.

The relations: database 1 mirrors database 0, and 3 mirrors 2 (values of every kind, most of them big enough to be written
in pieces, are changed in both by one transaction); the accounts of database 4 have a constant sum; and the number of
each writer's last transaction stands in a small key and in a big hash, sorted set and string."""
# timeout: 280

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

RUN_S = 900 if tap.FULL else 25
WRITERS, ACCOUNTS, EACH = 3, 300, 1000
KINDS = ("hash", "set", "zset", "list", "stream", "string")
COUNT = 20000  # elements of each big value
PLACE = 23 * COUNT // 2  # in the big strings: where nothing else is changed


def info(c, section="persistence"):
    return dict(l.split(":", 1) for l in c.cmd("INFO", section).decode().splitlines() if ":" in l)


# ---- what writers do --------------------------------------------------------------------------


def fill(c, kind, key, count):
    for at in range(0, count, 1000):
        numbers = range(at, min(at + 1000, count))
        if kind == "hash":
            c.cmd("HSET", key, *[w for i in numbers for w in ("f%d" % i, "value %d" % i)])
        elif kind == "set":
            c.cmd("SADD", key, *["m%d" % i for i in numbers])
        elif kind == "zset":
            c.cmd("ZADD", key, *[w for i in numbers for w in (i * 7 % 1009, "m%d" % i)])
        elif kind == "list":
            c.cmd("RPUSH", key, *["element %d" % i for i in numbers])
        elif kind == "stream":
            for i in numbers[::5]:
                c.cmd("XADD", key, "%d-1" % (i + 1), "name", "value %d" % i, "n", i)
        else:
            c.cmd("APPEND", key, b"".join(b"%012d" % i for i in numbers))


def change(rng, kind, key):
    """One change of a big value."""
    i, j = rng.randrange(COUNT), rng.randrange(COUNT)
    few = range(i, i + rng.randrange(1, 30))
    if kind == "hash":
        return rng.choice([["HSET", key, "f%d" % i, "changed %d" % j], ["HDEL", key] + ["f%d" % k for k in few], ["HSET", key, "new%d" % i, "x" * (j % 300)],
                           ["HINCRBY", key, "number", j]])
    if kind == "set":
        return rng.choice([["SADD", key, "new%d" % i], ["SREM", key] + ["m%d" % k for k in few], ["SADD", key, "m%d" % i]])
    if kind == "zset":
        return rng.choice([["ZADD", key, j, "m%d" % i], ["ZADD", key] + [w for k in few for w in (k, "m%d" % k)], ["ZREM", key] + ["m%d" % k for k in few], ["ZADD", key] + [w for k in few for w in (j, "new%d" % k)], ["ZINCRBY", key, j % 7 - 3, "m%d" % i],
                           ["ZREMRANGEBYRANK", key, i, i + 10], ["ZPOPMIN", key, 3], ["ZPOPMAX", key, 3]])
    if kind == "list":
        # More come than go: in a long run nothing may dwindle to a small value.
        return rng.choice([["RPUSH", key] + ["new %d" % k for k in range(i, i + 4)], ["LPUSH", key] + ["new %d" % i] * 4, ["LPOP", key], ["RPOP", key, 3], ["LSET", key, i // 2, "set %d" % j],
                           ["LINSERT", key, "BEFORE", "element %d" % (i % 1000), "inserted"], ["LTRIM", key, 2, -2]])
    if kind == "stream":
        return rng.choice([["XADD", key, "*", "name", "new %d" % i], ["XDEL", key, "%d-1" % (i // 5 * 5 + 1)], ["XTRIM", key, "MINID", i // 100],
                           ["XREADGROUP", "GROUP", "g", "c%d" % (i % 3), "COUNT", 5, "STREAMS", key, ">"], ["XACK", key, "g"] + ["%d-1" % (k // 5 * 5 + 1) for k in few],
                           ["XSETID", key, "9999999999999-%d" % (j + 1)]] + [["XADD", key, "*", "b", "x" * (j % 500)]] * 3)
    return rng.choice([["SETRANGE", key, i * 11, "changed %d" % j], ["APPEND", key, "more %d" % j], ["SETBIT", key, i * 80, j % 2]])


def reshape(rng, kind, now_ms):
    """What happens to whole keys."""
    a, b, base = "%s:a" % kind, "%s:b" % kind, "%s:base" % kind
    small = "small:%d" % rng.randrange(400)
    return rng.choice([["COPY", base, a, "REPLACE"], ["COPY", base, b, "REPLACE"], ["RENAME", a, b], ["RENAME", b, a], ["DEL", a], ["UNLINK", b],
                       ["PEXPIREAT", a, now_ms + rng.choice([20, 150, 3600000])], ["PERSIST", a], ["SET", a, "another kind"], ["COPY", base, small, "REPLACE"],
                       ["DEL"] + ["small:%d" % rng.randrange(400) for _ in range(40)], ["EXISTS", a]])


def command_of(rng, now_ms):
    kind, dice = rng.choice(KINDS), rng.random()
    if dice < 0.04:
        return reshape(rng, kind, now_ms)
    if dice < 0.3:
        return ["SET", "small:%d" % rng.randrange(400), "x" * rng.randrange(2000)]
    return change(rng, kind, "%s:%s" % (kind, rng.choice(["base", "a", "b"])))


class Writer(threading.Thread):
    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number, self.rng = server, number, random.Random(tap.seed() * 10 + number)
        self.done, self.failed, self.stop = 0, None, threading.Event()

    def transaction(self, n):
        rng, name = self.rng, "w%d" % self.number
        now_ms = int(time.time() * 1000)
        first, out = rng.choice([0, 0, 0, 2]), [["MULTI"]]
        words = [command_of(rng, now_ms) for _ in range(rng.randrange(1, 8))]
        if first == 2:
            words = [["COPY", "%s:base" % rng.choice(KINDS), "copy:%d" % rng.randrange(4), "DB", "2"]] if rng.random() < 0.03 else words
            if rng.random() < 0.01:
                words = [["FLUSHDB"]]
        for db in (first, first + 1):
            out.append(["SELECT", db])
            out += words
        if first == 2 and words[0][3:4] == ["DB"]:  # from the mirrors of the other pair
            out = [["MULTI"], ["SELECT", 0], words[0], ["SELECT", 1], words[0][:4] + ["3"]]
        if first == 0:
            for db in (0, 1):
                out += [["SELECT", db], ["HSET", "hash:base", name, n], ["ZADD", "zset:base", n, name], ["SETRANGE", "string:base", PLACE + 12 * self.number, "%012d" % n]]
        if rng.random() < 0.02:
            out.append(["SWAPDB", 2, 3])
        x, y, sum_ = rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS), rng.randrange(50)
        out += [["SELECT", 4], ["DECRBY", "account:%d" % x, sum_], ["INCRBY", "account:%d" % y, sum_]]
        if first == 0:
            out.append(["SET", name, n])
        return out + [["EXEC"]]

    def run(self):
        try:
            c = self.server.connect(60)
            while not self.stop.is_set():
                out = self.transaction(self.done + 1)
                c.send_raw(b"".join(servers.encode(*w) for w in out))
                for _ in out[:-1]:
                    c.read()
                if not isinstance(c.read(), list):
                    raise servers.Error("EXEC answered nothing")
                self.done += 1
        except Exception as e:  # noqa: BLE001
            self.failed = e


# ---- what is looked at ------------------------------------------------------------------------


def contents(c, db, replayed):
    """{key: (type, digest, stamp, groups)} without what is about to expire."""
    c.cmd("SELECT", db)
    keys, found, soon = sorted(c.cmd("KEYS", "*")), {}, time.time() * 1000 + 60000
    for key in keys:
        c.send_raw(servers.encode("TYPE", key) + servers.encode("PEXPIRETIME", key) + servers.encode("DEBUG", "DIGEST-VALUE", key))
        kind, stamp, digest = c.read(), c.read(), c.read()
        if stamp == -2 or 0 < stamp < soon:
            continue
        groups = repr(c.cmd("XINFO", "STREAM", key, "FULL", "COUNT", 0)[10:]) if kind == b"stream" else None
        if groups and replayed:  # reading again is being seen again
            groups = re.sub(r"b'seen-time', \d+", "", groups)
        found[key] = (kind, digest[0], stamp, groups)
    return found


def relations(c, replayed=False):
    """What does not hold, as a list of sentences."""
    wrong = []
    for a, b in ((0, 1), (2, 3)):
        x, y = contents(c, a, replayed), contents(c, b, replayed)
        for key in sorted(set(x) | set(y)):
            if x.get(key) != y.get(key):
                wrong.append("%r of databases %d and %d: %.200r and %.200r" % (key, a, b, x.get(key), y.get(key)))
        if a == 0 and not all(("%s:base" % k).encode() in x for k in KINDS):
            wrong.append("a big value is missing")
    c.cmd("SELECT", 4)
    total = sum(int(v) for v in c.cmd("MGET", *["account:%d" % i for i in range(ACCOUNTS)]))
    if total != ACCOUNTS * EACH:
        wrong.append("the accounts sum up to %d" % total)
    for w in range(WRITERS):
        n = c.cmd("SELECT", 4) and c.cmd("GET", "w%d" % w)
        c.cmd("SELECT", 0)
        place = PLACE + 12 * w
        others = [c.cmd("HGET", "hash:base", "w%d" % w), b"%d" % int(c.cmd("GETRANGE", "string:base", place, place + 11))]
        score = c.cmd("ZSCORE", "zset:base", "w%d" % w)  # none: it was removed by its rank
        others += [b"%d" % int(float(score))] if score else []
        if n and any(o != n for o in others):
            wrong.append("writer %d's last number is %r, and %r in big values" % (w, n, others))
    return wrong


def loaded(path, command, what):
    """The file is loaded by a server of its own."""
    options = ["--appendonly", "no", "--save", "", "--enable-debug-command", "yes"]
    with tempfile.TemporaryDirectory(prefix="duet-test-") as directory:
        shutil.copy(path, os.path.join(directory, "dump.rdb"))
        with servers.Server(*options, command=command, directory=directory) as s:
            c = s.connect(60)
            tap.until(lambda: info(c)["loading"] == "0", 60, "%s loading %s" % (s.command[0], what))
            return relations(c)


COMMANDS = (("Duet", [tap.DUET, "server"]), ("redis-server", [servers.REDIS_SERVER]))
seen = {}  # what was made -> how often


def check_file(path, what):
    seen[what] = seen.get(what, 0) + 1
    for name, command in COMMANDS:
        wrong = loaded(path, command, what)
        if wrong:
            tap.ok(False, "%s number %d, loaded by %s, is of one instant" % (what, seen[what], name))
            for w in wrong[:6]:
                tap.say(w)
            return False
    return True


def bgsave(s, c):
    before = int(info(c)["rdb_saves"])
    c.cmd("BGSAVE")
    tap.until(lambda: info(c)["rdb_bgsave_in_progress"] == "0", 60, "the end of BGSAVE")
    now = info(c)
    return now["rdb_last_bgsave_status"] == "ok" and int(now["rdb_saves"]) > before and check_file(os.path.join(s.directory, "dump.rdb"), "BGSAVE's file")


def rewrite(s, c):
    before = int(info(c)["aof_rewrites"])
    c.cmd("BGREWRITEAOF")
    tap.until(lambda: int(info(c)["aof_rewrites"]) > before, 60, "the end of BGREWRITEAOF")
    log = os.path.join(s.directory, "log")
    bases = sorted((f for f in os.listdir(log) if f.endswith(".base")), key=lambda f: int(f.split(".")[0]))
    return check_file(os.path.join(log, bases[-1]), "the log's base")


def full_copy(s, c):
    what = "a slave's full copy"
    seen[what] = seen.get(what, 0) + 1
    with servers.Server("--appendonly", "no", "--save", "", "--enable-debug-command", "yes", "--replicaof", "127.0.0.1 %d" % s.port, "--repl-diskless-load", "disabled",
                        command=[servers.REDIS_SERVER]) as slave:
        r = slave.connect(60)
        tap.until(lambda: info(r, "replication")["master_link_status"] == "up", 90, "redis-server's link")
        r.cmd("REPLICAOF", "NO", "ONE")
        wrong = relations(r, True)
    if wrong:
        tap.ok(False, "%s number %d is of one instant" % (what, seen[what]))
        for w in wrong[:6]:
            tap.say(w)
    return not wrong


def backup(s, c):
    """A backup set, by the control socket."""
    what, id_ = "a backup set", "1-20260101T%06dZ" % (100000 + seen.get("a backup set", 0))
    path = os.path.join(s.directory, id_)
    with servers.Connection(control(s), 60) as k:
        k.cmd("DUET", "BACKUP", "START", id_, path, "-", "operator")

        def ended():
            flat = [x.decode() if isinstance(x, bytes) else x for x in k.cmd("DUET", "BACKUP", "STATUS")]
            told = dict(zip(flat[::2], flat[1::2]))
            return told if told["state"] in ("done", "failed") else None
        told = tap.until(ended, 60, "the end of the backup")
    if told["state"] != "done":
        return tap.ok(False, "a backup is made: %s" % told)
    rdb = path + ".rdb"
    with open(rdb, "wb") as out:
        subprocess.run(["zstd", "-dcq", os.path.join(path, "data.rdb.zst")], stdout=out, check=True)
    well = check_file(rdb, what)
    shutil.rmtree(path)
    os.unlink(rdb)
    return well


def control(s):
    k = socket.socket(socket.AF_UNIX)
    k.connect(s.options[-1])
    return k


def watch_walks(s, stop, most):
    c = s.connect(60)
    while not stop.wait(0.01):
        now = info(c)
        for name in ("duet_walk_values_aside", "duet_walk_aside_memory", "duet_walk_spilled_bytes", "duet_walks_waiting", "current_save_keys_processed"):
            most[name] = max(most.get(name, 0), int(now.get(name, 0)))


def snapshots():
    """snapshots in a loop under writes, all of one instant"""
    with tempfile.TemporaryDirectory(prefix="duet-test-") as beside, \
            servers.Server("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--auto-aof-rewrite-percentage", "0", "--repl-backlog-size", "64mb", "--control", os.path.join(beside, "control")) as s:
        c = s.connect(60)
        for db in (0, 1):
            c.cmd("SELECT", db)
            for kind in KINDS:
                fill(c, kind, "%s:base" % kind, COUNT)
        c.cmd("MULTI")  # times of delivery are the same in both
        for db in (0, 1):
            c.cmd("SELECT", db)
            c.cmd("XGROUP", "CREATE", "stream:base", "g", "0")
            c.cmd("XREADGROUP", "GROUP", "g", "someone", "COUNT", 3000, "STREAMS", "stream:base", ">")
        c.cmd("EXEC")
        c.cmd("SELECT", 4)
        c.cmd("MSET", *[w for i in range(ACCOUNTS) for w in ("account:%d" % i, EACH)])
        tap.equal(relations(c), [], "the relations hold before any writer begins")
        writers = [Writer(s, i) for i in range(WRITERS)]
        stop, most = threading.Event(), {}
        watcher = threading.Thread(target=watch_walks, args=(s, stop, most), daemon=True)
        for t in writers + [watcher]:
            t.start()
        well, until, round_ = True, time.monotonic() + RUN_S, 0
        while well and (time.monotonic() < until or round_ < 4):
            well = (bgsave, rewrite, full_copy, backup)[round_ % 4](s, c)
            round_ += 1
        stop.set()
        for w in writers:
            w.stop.set()
            w.join(60)
        watcher.join()
        tap.say("%d transactions; %s; at most: %s" % (sum(w.done for w in writers), seen, most))
        for what in sorted(seen):
            tap.ok(well, "%s: %d of them, each loaded and of one instant" % (what, seen[what]))
        tap.equal([str(w.failed) for w in writers if w.failed], [], "no writer met an error")
        tap.ok(all(w.done > 20 for w in writers), "writers wrote all the while")
        tap.ok(most["duet_walk_values_aside"] > 0 and most["duet_walk_aside_memory"] > 0, "big values were changed before their turn, and what was kept aside is told by INFO")
        tap.equal(relations(c), [], "the relations hold in the server itself")
        s.kill(signal.SIGKILL)
        s.process.wait()
        s.start(wait=False)
        tap.until(lambda: s.connect().cmd("PING") == b"PONG", 100, "the log read again")
        tap.equal(relations(s.connect(60), True), [], "and after SIGKILL, from the log")


def saves(c):
    return int(info(c)["rdb_saves"])


def dump_keys(s):
    """How many keys stand in dump.rdb, by redis-server."""
    with tempfile.TemporaryDirectory(prefix="duet-test-") as directory:
        shutil.copy(os.path.join(s.directory, "dump.rdb"), directory)
        with servers.Server("--appendonly", "no", "--save", "", command=[servers.REDIS_SERVER], directory=directory) as r:
            return r.connect().cmd("DBSIZE")


def flushall():
    """FLUSHALL and dump.rdb: as redis-server has it"""
    with servers.Server("--appendonly", "no", "--save", "3600 1000000") as s:
        c = s.connect()
        fill(c, "hash", "big", 5000)
        c.cmd("SAVE")
        tap.equal(dump_keys(s), 1, "SAVE wrote the key")
        before = saves(c)
        c.cmd("FLUSHALL")
        tap.equal((saves(c), dump_keys(s)), (before + 1, 0), "with save points dump.rdb is empty when FLUSHALL has answered")
        c.cmd("CONFIG", "SET", "save", "")
        fill(c, "hash", "big", 5000)
        c.cmd("SAVE")
        c.cmd("FLUSHALL")
        tap.equal(dump_keys(s), 1, "without them it stays as it was")
        c.cmd("CONFIG", "SET", "save", "3600 1000000")
        for i in range(20):
            fill(c, "hash", "big:%d" % i, 20000)
        c.send_raw(servers.encode("BGSAVE") + servers.encode("FLUSHALL"))
        tap.equal((c.read(), c.read()), (b"Background saving started", b"OK"), "FLUSHALL right behind BGSAVE")
        tap.until(lambda: info(c)["rdb_bgsave_in_progress"] == "0", 20)
        tap.ok(info(c)["rdb_last_bgsave_status"] == "ok" and dump_keys(s) == 0, "gives it up: dump.rdb is empty in the end")
        tap.equal([f for f in os.listdir(s.directory) if ".tmp" in f], [], "and nothing else is left")


def without_log():
    """BGREWRITEAOF and DEBUG LOADAOF with the log off"""
    with servers.Server("--appendonly", "no", "--enable-debug-command", "yes") as s:
        c = s.connect()
        for kind in KINDS:
            fill(c, kind, kind, 3000)
        digest = c.cmd("DEBUG", "DIGEST")
        tap.equal(c.cmd("BGREWRITEAOF"), b"Background append only file rewriting started", "BGREWRITEAOF begins")
        tap.until(lambda: info(c)["aof_rewrites"] == "1" and info(c)["aof_rewrite_in_progress"] == "0", 20)
        c.cmd("SET", "later", "1")
        c.cmd("DEBUG", "LOADAOF")
        tap.equal(c.cmd("DEBUG", "DIGEST"), digest, "DEBUG LOADAOF reads what it wrote")
        c.cmd("FLUSHALL")
        s.stop()
        s.options[1] = "yes"
        s.start()
        tap.equal(s.connect().cmd("DBSIZE"), 0, "a log that is on later does not begin with it")


def queue():
    """snapshots that are asked for at once wait for each other"""
    with servers.Server("--enable-debug-command", "yes") as s:
        c = s.connect(60)
        for i in range(12):
            fill(c, "zset", "zset:%d" % i, 20000)
        c.send_raw(b"".join(servers.encode(w) for w in ("BGSAVE", "BGREWRITEAOF", "BGSAVE")) + servers.encode("INFO", "persistence"))
        replies = [c.read(), c.read(), c._element(), c.read().decode()]
        tap.ok(replies[0].endswith(b"started") and replies[1].endswith(b"scheduled"), "BGREWRITEAOF behind BGSAVE is scheduled")
        tap.equal(str(replies[2]), "ERR Background save already in progress", "a second BGSAVE is refused")
        told = dict(l.split(":", 1) for l in replies[3].splitlines() if ":" in l)
        tap.equal((told["rdb_bgsave_in_progress"], told["aof_rewrite_scheduled"], told["duet_walks_waiting"]), ("1", "1", "1"), "INFO tells what runs and what waits")
        with servers.Server("--appendonly", "no", "--save", "", "--enable-debug-command", "yes", "--replicaof", "127.0.0.1 %d" % s.port, command=[servers.REDIS_SERVER]) as slave:
            r = slave.connect(60)
            tap.until(lambda: info(r, "replication")["master_link_status"] == "up", 60)
            tap.until(lambda: info(c)["duet_walk_running"] == "none", 20)
            tap.equal(r.cmd("DEBUG", "DIGEST"), c.cmd("DEBUG", "DIGEST"), "a slave's copy behind them is whole")
        now = info(c)
        tap.equal((now["rdb_saves"], now["aof_rewrites"], now["rdb_last_bgsave_status"], now["aof_last_bgrewrite_status"]), ("1", now["aof_rewrites"], "ok", "ok"), "all of them ended well")
        tap.equal(c.cmd("SAVE"), b"OK", "SAVE writes big values at once")
        tap.equal(dump_keys(s), 12, "all of them")
        c.cmd("BGREWRITEAOF")
        tap.equal(c.cmd("CONFIG", "SET", "appendonly", "no"), b"OK", "the log may be switched off while it is rewritten")
        tap.equal(info(c)["aof_rewrite_in_progress"], "0", "which ends the rewrite")


def save_behind_backup():
    """SAVE comes back also when a backup is before it that has much to write"""
    with tempfile.TemporaryDirectory(prefix="duet-test-") as beside, servers.Server("--control", os.path.join(beside, "control")) as s:
        c = s.connect(60)
        for i in range(60):
            c.cmd("SET", "key:%d" % i, os.urandom(1 << 20))
        fill(c, "list", "list", 300000)
        with servers.Connection(control(s), 60) as k:
            path = os.path.join(s.directory, "1-20260101T100000Z")
            k.cmd("DUET", "BACKUP", "START", os.path.basename(path), path, "-", "operator")
            tap.equal(c.cmd("SAVE"), b"OK", "SAVE behind a backup")
            tap.until(lambda: b"done" in k.cmd("DUET", "BACKUP", "STATUS"), 30)
        tap.equal(dump_keys(s), 61, "writes all keys")


if __name__ == "__main__":
    tap.main(snapshots, flushall, without_log, queue, save_behind_backup)
