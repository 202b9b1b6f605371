#!/usr/bin/python3
"""Two servers in pair mode and their link, had played by this program: sessions, another path, the master killed under load and
the slave promoted, the old master's return."""
# timeout: 300

import mmap
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap


class Node(servers.Server):
    """A server in pair mode; give() is the lease that had would renew."""

    def __init__(self, letter, *options):
        d = tempfile.mkdtemp(prefix="duet-link-")
        self.lease_path, self.control_path = os.path.join(d, "lease"), os.path.join(d, "control.sock")
        super().__init__("--pair-lease", self.lease_path, "--control", self.control_path, "--pair-node", letter,
                         *options, directory=d, wait=False)
        self.own_directory = True
        self.up()

    def up(self):
        tap.until(lambda: self.status()["loading"] == "0", 20, "the log is loaded")
        with open(self.lease_path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 72)

    def again(self):
        self.start(wait=False)
        self.up()

    def give(self, epoch):
        deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(600e9)
        self.page[16:24] = struct.pack("<Q", epoch)
        self.page[8:16] = struct.pack("<Q", deadline)

    def duet(self, *words):
        return self.duet_words("DUET", *words)

    def duet_words(self, *words):
        """Any command, on the control socket."""
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.control_path)
        with servers.Connection(s) as c:
            return c.cmd(*words)

    def status(self):
        flat = [x.decode() for x in self.duet("STATUS")]
        return dict(zip(flat[::2], flat[1::2]))

    def lead(self, epoch, alone):
        self.give(epoch)
        self.duet("MASTER", epoch)
        self.duet("ALONE", "1" if alone else "0")

    def follow(self, epoch, other, host="127.0.0.1"):
        self.page[8:16] = struct.pack("<Q", 0)
        self.duet("SLAVE", epoch, host, other.port)

    def info(self):
        with self.connect() as c:
            return dict(l.split(":", 1) for l in c.cmd("INFO", "everything").decode().splitlines() if ":" in l)


def together(m, s):
    """Both sides say that the slave streams without a gap, by the same session's number."""
    a, b = m.status(), s.status()
    return a["insync_link"] == b["insync_link"] == "1" and a["session"] == b["session"] != "0" and a["offset"] == b["offset"]


def link():
    """the link: session, acknowledgement, another path"""
    with Node("a") as a, Node("b") as b:
        a.lead(1, alone=True)
        c = a.connect()
        for i in range(100):
            c.cmd("SET", "k%d" % i, i)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20, "the link stands")
        tap.ok(True, "both sides name the same session and offset")
        a.duet("ALONE", "0")
        tap.equal(c.cmd("SET", "x", 1), b"OK", "a write is answered, since the slave holds it")
        tap.ok(int(a.status()["acked"]) == int(a.status()["offset"]), "acked says so")
        session = a.status()["session"]
        b.follow(1, a, "127.0.0.2")
        tap.until(lambda: together(a, b) and a.status()["session"] != session, 20, "the link stands over another path")
        tap.equal(a.info()["sync_full"], "1", "the same line over another path needs no second copy")
        b.stop(signal.SIGKILL)
        c.send("SET", "y", 1)
        tap.ok(c.silent(0.3), "the slave is dead: the reply is held")
        b.again()
        b.follow(1, a)
        tap.equal(c.read(), b"OK", "and released when it is back")
        tap.equal(a.info()["sync_full"], "1", "which it was by its log, without a copy")
        tap.until(lambda: together(a, b), 10)
        offset, session, start = a.status()["offset"], a.status()["session"], int(a.info()["uptime_in_seconds"])
        tap.until(lambda: int(a.info()["uptime_in_seconds"]) > start + 6, 30)  # a silent link is given up after 5 s
        tap.ok(together(a, b) and a.status()["session"] == session, "an idle link stands")
        tap.equal(a.status()["offset"], offset, "without a byte in the stream")


def promotion():
    """the master is killed under load, the slave promoted, the old one comes back: nothing acknowledged is missing"""
    seed = tap.seed()
    rng = random.Random(seed)
    rounds = 60 if tap.FULL else 5
    missing = looked = tails = full = 0
    with Node("a") as m, Node("b") as s:
        m.lead(1, alone=True)
        s.follow(1, m)
        tap.until(lambda: together(m, s), 20)
        m.duet("ALONE", "0")
        for epoch in range(2, 2 + rounds):
            acked = [{} for _ in range(4)]

            def client(i):
                try:
                    c = m.connect(60)
                    for k in range(1 << 30):
                        words = [["SET", "c%d:%d" % (i, (k * 4 + j) % 300), "%d.%d.%d" % (epoch, k, j)] for j in range(4)]
                        c.send_raw(b"".join(servers.encode(*w) for w in words))
                        for w in words:
                            c.read()
                            acked[i][w[1]] = w[2]
                except (servers.Closed, servers.Error, OSError):
                    pass

            threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
            for t in threads:
                t.start()
            enough = rng.randrange(50, 900)
            tap.until(lambda: sum(map(len, acked)) > enough, 30)
            before = int(m.info()["sync_full"])
            m.stop(signal.SIGKILL)
            for t in threads:
                t.join()
            s.lead(epoch, alone=True)
            c = s.connect()
            for a in acked:
                for key, value in a.items():
                    looked += 1
                    got = (c.cmd("GET", key) or b"0.0.0").decode()
                    missing += tuple(map(int, got.split("."))) < tuple(map(int, value.split(".")))
            c.cmd("SET", "epoch", epoch)
            m.again()
            m.follow(epoch, s)
            tap.until(lambda: together(s, m), 30, "the old master is in sync again")
            tails += int(m.status()["rejoin_tail"])
            full += int(s.info()["sync_full"])
            with m.connect() as mc:
                tap.equal(mc.cmd("GET", "epoch"), b"%d" % epoch, "epoch %d: the old master has the new one's writes" % epoch)
                mine, theirs = mc.cmd("DBSIZE"), c.cmd("DBSIZE")
                keys = sorted(c.cmd("KEYS", "*"))
                same = mine == theirs and all(mc.cmd("GET", k) == c.cmd("GET", k) for k in keys)
            tap.ok(same, "epoch %d: both hold the same, key by key" % epoch)
            s.duet("ALONE", "0")
            c.close()
            m, s = s, m
    tap.equal(missing, 0, "%d masters killed, %d acknowledged keys looked at, none missing" % (rounds, looked))
    tap.say("%d writes put aside on rejoining, %d full copies" % (tails, full))


def tail():
    """a master alone writes what nobody else has, and comes back as slave"""
    with Node("a") as a, Node("b") as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20)
        b.duet("NONE")
        c = a.connect()
        c.cmd("SELECT", 3)
        for i in range(20):
            c.cmd("SET", "only-here-%d" % i, i)
        b.lead(2, alone=True)
        a.follow(2, b)
        tap.until(lambda: together(b, a), 20)
        tap.equal(a.status()["rejoin_tail"], "20", "20 writes were put aside")
        names = sorted(os.listdir(os.path.join(a.directory, "tails")))
        tap.equal([n.rsplit(".", 1)[1] for n in names], ["resp", "txt"], "in a file of requests and a report")
        report = open(os.path.join(a.directory, "tails", names[1])).read()
        tap.ok("20 writes" in report and "only-here-19" in report, "the report names count and keys")
        requests = open(os.path.join(a.directory, "tails", names[0]), "rb").read()
        with servers.Server() as plain:
            p = plain.connect()
            p.send_raw(requests)
            tap.until(lambda: len(p.buf) >= 21 * 5 or p._more(), 10)
            with plain.connect() as q:
                q.cmd("SELECT", 3)
                tap.equal(q.cmd("GET", "only-here-7"), b"7", "the requests can be replayed")
                tap.equal(q.cmd("DBSIZE"), 20, "all of them")


def disk():
    """durability disk: both fsync before the answer, also where the policy alone never would"""
    options = ("--durability", "disk", "--appendfsync", "no")
    with Node("a", *options) as a, Node("b", *options) as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20)
        a.duet("ALONE", "0")
        c = a.connect()
        for i in range(20):
            c.cmd("SET", "k%d" % i, i)
        tap.ok(True, "20 writes were answered")
        c.send_raw(b"".join(servers.encode("SET", "p%d" % i, i) for i in range(200)))
        tap.equal([c.read() for _ in range(200)], [b"OK"] * 200, "and 200 in one go")


def levels():
    """the level is changed at the master under load; its slave follows, whatever its own says"""
    off = ("--appendfsync", "no", "--durability")
    with Node("a", *off, "pair") as a, Node("b", *off, "async") as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20)
        a.duet("ALONE", "0")
        stop, counts = threading.Event(), [0] * 4

        def client(i):
            with a.connect(30) as c:
                while not stop.is_set():
                    c.send_raw(b"".join(servers.encode("SET", "l%d:%d" % (i, j), counts[i]) for j in range(5)))
                    counts[i] += sum(c.read() == b"OK" for _ in range(5))

        threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        try:
            for level in ("disk", "pair", "disk", "async", "disk", "pair"):
                a.duet_words("CONFIG", "SET", "durability", level)
                was = list(counts)
                went_on = tap.until(lambda: all(n > w + 20 for n, w in zip(counts, was)), 20, "all clients go on at " + level)
                tap.ok(went_on, "at %s, from one moment to the next, all clients go on" % level)
            a.duet_words("CONFIG", "SET", "durability", "disk")
            b.follow(1, a, "127.0.0.2")
            was = list(counts)
            tap.ok(tap.until(lambda: all(n > w + 20 for n, w in zip(counts, was)), 20), "a slave that comes again is told of disk")
        finally:
            stop.set()
            for t in threads:
                t.join()


def damaged():
    """a slave with a damaged log takes the data from its peer, and what it had is kept"""
    with Node("a") as a, Node("b") as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        c = a.connect()
        for i in range(200):
            c.cmd("SET", "k%d" % i, i)
        tap.until(lambda: together(a, b), 20)
        b.stop()
        logs = os.path.join(b.directory, "log")
        name = max((n for n in os.listdir(logs) if n.endswith(".incr")), key=lambda n: os.path.getsize(os.path.join(logs, n)))
        path = os.path.join(logs, name)
        data = bytearray(open(path, "rb").read())
        data[len(data) // 3] ^= 1
        open(path, "wb").write(data)
        b.again()
        tap.equal(b.status()["whole"], "0", "it stays up, and says that its data is not whole")
        try:
            b.duet("MASTER", "2")
            tap.ok(False, "it does not become master")
        except servers.Error as e:
            tap.ok("not complete" in str(e), "it does not become master, and says why")
        b.follow(2, a)
        tap.until(lambda: together(a, b) and b.status()["whole"] == "1", 20, "it has the peer's data")
        with b.connect() as bc:
            tap.equal(bc.cmd("DBSIZE"), 200, "it takes a full copy from its peer")
        kept = [n for n in os.listdir(os.path.join(b.directory, "tails")) if n.startswith("log-")]
        tap.equal(len(kept), 1, "the damaged log is put aside")
        b.stop(signal.SIGKILL)
        b.again()
        tap.equal((b.status()["whole"], b.status()["keys"]), ("1", "200"), "and the new one loads")


def memory_only():
    """without a log: what memory holds is continued, and a tail is saved from it"""
    off = ("--appendonly", "no", "--save", "")
    with Node("a", *off) as a, Node("b", *off) as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20)
        c = a.connect()
        for i in range(50):
            c.cmd("SET", "k%d" % i, i)
        b.duet("NONE")
        c.cmd("SET", "only-here", 1)
        b.lead(2, alone=True)
        a.follow(2, b)
        tap.until(lambda: together(b, a), 20)
        tap.equal(a.status()["rejoin_tail"], "1", "a tail is saved from memory")
        a.duet("NONE")
        with b.connect() as bc:
            bc.cmd("SET", "while-away", 1)
        a.follow(2, b)
        tap.until(lambda: together(b, a), 20)
        tap.equal(b.info()["sync_partial_ok"], "1", "a link that was away continues from memory")


if __name__ == "__main__":  # test_backup_sets.py takes Node from here
    tap.main(link, promotion, tail, disk, levels, damaged, memory_only)
