#!/usr/bin/python3
"""DUET DIGEST: master and slaves take a fingerprint of their data at one place of the stream. It is the same for the same data in any form
and order, under load too, and differs for every kind of change behind replication's back."""
# timeout: 120

import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))  # behind: it has servers of its own
import servers
import tap
from words_effects import EffectWords

LIMIT_S = 60
COMMANDS = 400_000 if tap.FULL else 15_000
# Values that the slave keeps in other forms than the master.
OTHER_FORMS = ("--hash-max-listpack-entries", "3", "--zset-max-listpack-entries", "2", "--set-max-intset-entries", "2", "--list-max-listpack-size", "3", "--stream-node-max-entries", "2")
CHANGES = [["SET", "string", "other"], ["SETRANGE", "long", "150000", "x"], ["APPEND", "long", "x"], ["HSET", "hash", "f1", "x"],
           ["HDEL", "hash", "f2"], ["SADD", "ints", "77"], ["SREM", "set", "m1"], ["ZADD", "zset", "5.5", "m1"], ["RPOPLPUSH", "list", "list"], ["LSET", "list", "3", "x"],
           ["XADD", "stream", "999-1", "f", "v"], ["XDEL", "stream", "5-1"], ["XACK", "stream", "g", "1-1"], ["XGROUP", "SETID", "stream", "g", "1-1"], ["DEL", "other"],
           ["SET", "new", "key"], ["PEXPIREAT", "timed", "4102444800001"], ["PERSIST", "timed"], ["RENAME", "string", "renamed"], ["MOVE", "other", "5"], ["FLUSHALL"]]


class Node:
    """A plain server with a control socket."""

    def __init__(self, *options):
        self.control = "/tmp/duet-digest-%d-%d.sock" % (os.getpid(), id(self))
        self.server = servers.Server("--control", self.control, "--save", "", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *options)

    def connect(self):
        return self.server.connect(30)

    def duet(self, *words):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.control)
            reply = servers.Connection(s).cmd("DUET", *words)
        return reply if not isinstance(reply, list) else dict(zip([k.decode() for k in reply[::2]], [v.decode() for v in reply[1::2]]))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.close()
        if os.path.exists(self.control):
            os.unlink(self.control)


def level(m, s):
    f = lambda c: dict(line.split(":", 1) for line in c.cmd("INFO", "replication").decode().splitlines() if ":" in line)  # noqa: E731
    a, b = f(m), f(s)
    return b["master_link_status"] == "up" and a["master_repl_offset"] == b["slave_repl_offset"]


def follow(master, slave):
    with master.connect() as m, slave.connect() as s:
        s.cmd("REPLICAOF", "127.0.0.1", master.server.port)
        tap.until(lambda: level(m, s), LIMIT_S, "the slave is level")


def compared(master):
    """(the master's status, [results of its slaves])"""
    number = master.duet("DIGEST", "START").split()[1].decode()

    def ended():
        st = master.duet("DIGEST", "STATUS")
        results = [st["slave.%d.result" % i] for i in range(int(st["slaves"]))]
        return (st, results) if st["id"] == number and st["state"] in ("done", "failed") and "waiting" not in results else None
    return tap.until(ended, LIMIT_S, "the comparison has ended")


def resync(master):
    """None, or why not."""
    try:
        master.duet("DIGEST", "RESYNC")
    except servers.Error as e:
        return str(e)
    return None


def fill(c):
    c.cmd("SET", "string", "value")
    c.cmd("SET", "long", "v" * 200_000)
    c.cmd("SET", "number", 12345)
    c.cmd("SET", "timed", "v", "PXAT", 4102444800000)
    c.cmd("SET", "over", "v", "PX", 1)
    for i in range(300):
        c.cmd("HSET", "hash", "f%d" % i, i)
        c.cmd("HSET", "small%d" % (i % 20), "f%d" % i, "v" * i)
        c.cmd("SADD", "ints", i * 3)
        c.cmd("SADD", "set", "m%d" % i)
        c.cmd("ZADD", "zset", i / 7, "m%d" % i)
        c.cmd("ZADD", "zsmall%d" % (i % 20), -i / 3, "m%d" % i)
        c.cmd("RPUSH", "list", "e%d" % i, "w" * (i * 10))
        c.cmd("XADD", "stream", "%d-1" % (i + 1), "f", i, *(["g", "x"] if i % 5 == 0 else []))
    c.cmd("XGROUP", "CREATE", "stream", "g", 0)
    c.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", 5, "STREAMS", "stream", ">")
    c.cmd("SELECT", 3)
    c.cmd("SET", "in three", 3)
    c.cmd("SELECT", 0)
    c.cmd("SET", "other", 1)


def test_same():
    """The same data in other forms has the same fingerprint"""
    with Node() as master, Node(*OTHER_FORMS) as slave, Node() as copy, master.connect() as m:
        follow(master, slave)
        fill(m)
        follow(master, copy)  # a full copy of what the other one was told command by command
        st, results = compared(master)
        tap.equal((st["state"], results), ("done", ["same", "same"]), "told by commands and copied, in other forms: the same")
        tap.equal((st["dbs"], st["db.1.number"], st["db.1.keys"]), ("2", "3", "1"), "each database is told")
        theirs = slave.duet("DIGEST", "STATUS")
        tap.equal((theirs["digest"], theirs["offset"]), (st["digest"], st["offset"]), "the slave says the same, at the same offset")
        again, _ = compared(master)
        tap.equal(again["digest"], st["digest"], "it is the same again")
        with slave.connect() as s:
            words = s.error("REPLICAOF", "NO", "ONE")
            tap.equal((words, slave.duet("DIGEST", "START")[:2]), (None, b"OK"), "a slave that was promoted takes one too")
        tap.until(lambda: slave.duet("DIGEST", "STATUS")["state"] == "done", LIMIT_S, "done")
        tap.equal(slave.duet("DIGEST", "STATUS")["digest"], st["digest"], "of the same data")


def test_changes():
    """Every change behind replication's back is found"""
    with Node() as master, Node("--replica-read-only", "no") as slave, master.connect() as m, slave.connect() as s:
        for change in CHANGES:
            m.cmd("FLUSHALL")
            fill(m)
            if change is CHANGES[0]:
                follow(master, slave)
            tap.until(lambda: level(m, s), LIMIT_S, "level")
            s.cmd(*change)
            st, results = compared(master)
            tap.equal((st["state"], results), ("done", ["differs"]), "found: " + " ".join(change))
        m.cmd("FLUSHALL")
        fill(m)
        tap.equal(compared(master)[1], ["same"], "and after all that nothing differs when nothing does")
        tap.ok(resync(master).startswith("ERR no slave"), "nobody copies anew then")
        s.cmd("DEL", "other")
        compared(master)
        tap.equal(resync(master), None, "when one differs it can be told to")
        tap.until(lambda: level(m, s) and s.cmd("EXISTS", "other"), LIMIT_S, "it has copied anew")
        tap.equal(compared(master)[1], ["same"], "and is the same again")


def test_load():
    """Under a load of all kinds the two are compared at one instant"""
    with Node() as master, Node() as slave, master.connect() as m:
        for at in range(0, 300_000, 1000):
            m.send_raw(b"".join(servers.encode("SET", "key:%d" % i, "v" * (i % 100)) for i in range(at, at + 1000)))
            for _ in range(1000):
                m.read()
        follow(master, slave)
        ended, words = [], EffectWords(random.Random(tap.seed()))

        def load():
            with master.connect() as c:
                for _ in range(COMMANDS // 250):
                    c.send_raw(b"".join(servers.encode(*words.command()) for _ in range(250)))
                    for _ in range(250):
                        c._element()
            ended.append(True)
        thread = threading.Thread(target=load)
        thread.start()
        results = []
        while not ended or not results:
            st, found = compared(master)
            results.append((st["state"], found))
        thread.join()
        tap.equal(set(map(str, results)), {"('done', ['same'])"}, "%d comparisons under load: the same" % len(results))


tap.main(test_same, test_changes, test_load)
