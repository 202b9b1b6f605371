#!/usr/bin/python3
"""Replication between Duet and Duet, and between Duet and Debian's redis-server, both ways: first copy, stream, cut links,
restarts, promotion."""
# timeout: 300

import os
import random
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import servers


def redis(*options, **more):
    # No PING of its own: one that only the old master has after a promotion is a full copy, rightly.
    return servers.Server("--appendonly", "no", "--save", "", "--repl-diskless-sync-delay", "0",
                          "--repl-ping-replica-period", "3600", *options, command=[servers.REDIS_SERVER], **more)


def duet(*options, **more):
    return servers.Server("--repl-diskless-sync-delay", "0", *options, **more)


def info(c):
    return dict(l.split(":", 1) for l in c.cmd("INFO", "everything").decode().splitlines() if ":" in l)


def everything(c):
    data = {}
    for db in range(4):
        c.cmd("SELECT", db)
        keys = c.cmd("KEYS", "*")
        for at in range(0, len(keys), 500):
            part = keys[at:at + 500]
            c.send_raw(b"".join(servers.encode("GET", k) + servers.encode("PEXPIRETIME", k) for k in part))
            for k in part:
                data[db, k] = (c.read(), c.read())
    c.cmd("SELECT", 0)
    return data


def write_some(c, count, rng):
    for _ in range(count):
        c.cmd("SELECT", rng.randrange(3))
        key = "key:%d" % rng.randrange(300)
        kind = rng.randrange(10)
        if kind < 4:
            c.cmd("SET", key, rng.randbytes(rng.randrange(200)))
        elif kind == 4:
            c.cmd("SET", key, rng.randrange(1 << 40), "EX", 3600 + rng.randrange(1000))
        elif kind == 5:
            c.cmd("DEL", key)
        elif kind == 6:
            c.cmd("APPEND", "grows", "0123456789")
        elif kind == 7:
            c.cmd("SET", key, "short", "PX", 1 + rng.randrange(30))
        elif kind == 8:
            c.send_raw(b"".join(servers.encode(*w) for w in (["MULTI"], ["INCR", "n"], ["SETRANGE", "r", 5, "x"], ["EXEC"])))
            for _ in range(4):
                c.read()
        else:
            c.cmd("INCRBYFLOAT", "float", "1.25")


def follow(slave, port):
    slave.cmd("REPLICAOF", "127.0.0.1", port)


def level(master, slave):
    """The slave's link is up and has everything the master has. Short expiries have passed."""
    master.cmd("SELECT", 0)
    slave.cmd("SELECT", 0)
    m, s = info(master), info(slave)
    return s["master_link_status"] == "up" and s["slave_repl_offset"] == m["master_repl_offset"] and \
        master.cmd("DBSIZE") == slave.cmd("DBSIZE")


def same(master, slave, what):
    tap.until(lambda: level(master, slave), 30, "the slave is level")
    # Keys that expire are deleted by the master's DEL, which may come between two looks.
    tap.until(lambda: everything(master) == everything(slave), 10, "the same data")
    tap.ok(True, what)


def pair_of(make_master, make_slave, names):
    rng = random.Random(tap.seed())
    with make_master() as m, make_slave() as s:
        mc, sc = m.connect(), s.connect()
        write_some(mc, 500, rng)
        sc.cmd("SET", "own", 1)
        follow(sc, m.port)
        write_some(mc, 300, rng)
        same(mc, sc, "%s: first copy and stream" % names)
        tap.ok(sc.cmd("GET", "own") is None, "%s: the slave's own data is gone" % names)
        role = sc.cmd("ROLE")
        tap.ok(role[0] == b"slave" and role[3] == b"connected", "%s: ROLE says so" % names)
        tap.ok(mc.cmd("ROLE")[0] == b"master" and len(mc.cmd("ROLE")[2]) == 1, "%s: on both sides" % names)
        tap.equal(mc.cmd("WAIT", 1, 5000), 1, "%s: WAIT is answered" % names)
        full = int(info(mc)["sync_full"])
        mc.cmd("CLIENT", "KILL", "TYPE", "replica")
        write_some(mc, 100, rng)
        same(mc, sc, "%s: a cut link comes back" % names)
        tap.equal(int(info(mc)["sync_full"]), full, "%s: by a partial resynchronisation" % names)
        sc.cmd("REPLICAOF", "NO", "ONE")
        sc.cmd("SET", "promoted", 1)
        tap.equal(info(sc)["master_replid2"], info(mc)["master_replid"], "%s: the promoted slave keeps the old line as its second" % names)
        mc.cmd("REPLICAOF", "127.0.0.1", s.port)
        same(sc, mc, "%s: the old master follows the promoted slave" % names)
        tap.equal(mc.cmd("GET", "promoted"), b"1", "%s: and has its writes" % names)
        tap.equal(int(info(sc)["sync_partial_ok"]), 1, "%s: by a partial resynchronisation" % names)


def duet_duet():
    """Duet follows Duet"""
    pair_of(duet, duet, "Duet -> Duet")


def duet_redis():
    """Redis follows Duet"""
    pair_of(duet, redis, "Duet -> Redis")


def redis_duet():
    """Duet follows Redis"""
    pair_of(redis, duet, "Redis -> Duet")


def redis_disk_duet():
    """Duet follows a Redis that copies over its disk"""
    pair_of(lambda: redis("--repl-diskless-sync", "no"), duet, "Redis (disk) -> Duet")


def chain():
    """Redis -> Duet -> Duet -> Redis"""
    rng = random.Random(tap.seed())
    with redis() as a, duet() as b, duet() as c, redis() as d:
        ac, bc, cc, dc = a.connect(), b.connect(), c.connect(), d.connect()
        write_some(ac, 300, rng)
        follow(dc, c.port)
        follow(cc, b.port)
        follow(bc, a.port)
        write_some(ac, 300, rng)
        for x, name in ((bc, "second"), (cc, "third"), (dc, "fourth")):
            same(ac, x, "Redis -> Duet -> Duet -> Redis: the %s holds the first one's data" % name)
        tap.equal(len({info(x)["master_replid"] for x in (ac, bc, cc, dc)}), 1, "all on one line")


def restarts():
    """restarts continue by partial resynchronisation"""
    rng = random.Random(tap.seed())
    with redis() as m, duet() as s:
        mc = m.connect()
        write_some(mc, 300, rng)
        s.options += ["--replicaof", "127.0.0.1", str(m.port)]
        s.stop()
        s.start()
        same(mc, s.connect(), "a slave by its options")
        for signo, how in ((signal.SIGKILL, "killed"), (signal.SIGTERM, "stopped")):
            full = int(info(mc)["sync_full"])
            with s.connect() as sc:
                rewrites = int(info(sc)["aof_rewrites"])
                sc.cmd("BGREWRITEAOF")
                write_some(mc, 50, rng)
                tap.until(lambda: int(info(sc)["aof_rewrites"]) > rewrites, 20)
            s.kill(signo)
            s.process.wait()
            write_some(mc, 100, rng)
            s.start()
            same(mc, s.connect(), "a slave that was %s and started again" % how)
            tap.equal(int(info(mc)["sync_full"]), full, "continues by partial resynchronisation")
    with duet() as m, duet() as s, redis() as r:
        mc, sc, rc = m.connect(), s.connect(), r.connect()
        write_some(mc, 300, rng)
        follow(sc, m.port)
        follow(rc, m.port)
        same(mc, sc, "two slaves of Duet")
        same(mc, rc, "one of them Redis")
        for signo, how in ((signal.SIGKILL, "killed"), (signal.SIGTERM, "stopped")):
            m.kill(signo)
            m.process.wait()
            m.start()
            mc = m.connect()
            write_some(mc, 100, rng)
            same(mc, sc, "the master was %s: a Duet slave goes on" % how)
            same(mc, rc, "and so does Redis")
            tap.equal((info(mc)["sync_full"], info(mc)["sync_partial_ok"]), ("0", "2"), "both by partial resynchronisation")


def rdb_only():
    """with an RDB file alone: id and offset are in it, as Redis writes them"""
    rng = random.Random(tap.seed())
    off = ("--appendonly", "no", "--save", "3600 1000000")

    def again(server, signo):
        server.kill(signo)
        server.process.wait()
        server.start()
        return server.connect()

    for make, name in ((lambda: duet(*off), "Duet"), (lambda: redis("--save", "3600 1000000"), "Redis")):
        with duet(*off) as m, make() as s:
            mc, sc = m.connect(), s.connect()
            write_some(mc, 200, rng)
            follow(sc, m.port)
            same(mc, sc, "%s follows a Duet without a log" % name)
            before = info(mc)
            mc = again(m, signal.SIGTERM)  # save points: it saves as it ends
            same(mc, sc, "%s: its master ended in order and came again" % name)
            tap.equal((info(mc)["sync_full"], info(mc)["sync_partial_ok"]), ("0", "1"), "%s: continues by partial resynchronisation" % name)
            after = info(mc)
            tap.equal((after["master_replid2"], after["repl_backlog_active"]), (before["master_replid"], "1"), "%s: the id before is the master's second" % name)
            # Keys whose time was over, and a question to a late slave as it ended, may stand behind that look.
            tap.ok(int(after["second_repl_offset"]) > int(before["master_repl_offset"]), "%s: up to where it came" % name)
            mc.cmd("SAVE")
            write_some(mc, 50, rng)
            tap.until(lambda: level(mc, sc), 20)
            mc = again(m, signal.SIGKILL)
            same(mc, sc, "%s: its master was killed and came again with an older file" % name)
            tap.equal((info(mc)["sync_full"], info(mc)["sync_partial_ok"]), ("1", "0"), "%s: has what the master lacks, so it gets a full copy" % name)
            s.options += ["--replicaof", "127.0.0.1", str(m.port)]
            for signo, how in ((signal.SIGTERM, "ended in order"), (signal.SIGKILL, "was killed behind a SAVE")):
                full = info(mc)["sync_full"]
                sc.cmd("SAVE")
                write_some(mc, 20, rng)
                s.kill(signo)
                s.process.wait()
                write_some(mc, 100, rng)
                s.start()
                sc = s.connect()
                same(mc, sc, "%s: a slave that %s and came again" % (name, how))
                tap.equal(info(mc)["sync_full"], full, "%s: continues by partial resynchronisation" % name)


def promotions():
    """a chain's middle is promoted, the old master comes back behind it, and both restart: nobody is copied again"""
    rng = random.Random(tap.seed())
    for make_last, name in ((duet, "Duet"), (redis, "Redis")):
        with duet() as a, duet() as b, make_last() as c:
            ac, bc, cc = a.connect(), b.connect(), c.connect()
            write_some(ac, 200, rng)
            follow(bc, a.port)
            same(ac, bc, "a slave")
            follow(cc, b.port)
            same(bc, cc, "and its slave, %s" % name)
            a.kill(signal.SIGKILL)
            a.process.wait()
            bc.cmd("REPLICAOF", "NO", "ONE")
            write_some(bc, 100, rng)
            same(bc, cc, "%s, slave of the promoted, goes on" % name)
            full = int(info(bc)["sync_full"])
            a.start()
            ac = a.connect()
            follow(ac, b.port)
            same(bc, ac, "the old master, killed, started again and demoted, follows")
            tap.equal(int(info(bc)["sync_full"]), full, "%s: neither was copied" % name)
            ids = {info(bc)["master_replid"]}
            for signo in (signal.SIGKILL, signal.SIGTERM):
                b.kill(signo)
                b.process.wait()
                b.start()
                bc = b.connect()
                write_some(bc, 50, rng)
                same(bc, ac, "the promoted was started again (signal %d): the old master goes on" % signo)
                same(bc, cc, "and so does %s" % name)
                tap.equal(info(bc)["sync_full"], "0", "%s: without a copy" % name)
                ids.add(info(bc)["master_replid"])
            tap.equal(len(ids), 3, "each time with an id of its own")
            # Switched back, with several lines behind it.
            ac.cmd("REPLICAOF", "NO", "ONE")
            write_some(ac, 50, rng)
            follow(bc, a.port)
            follow(cc, a.port)
            same(ac, bc, "switched back")
            same(ac, cc, "with %s" % name)
            tap.equal(info(ac)["sync_full"], "0", "%s: nobody was copied" % name)
            # One that was away while the line changed three times.
            c.kill(signal.SIGSTOP)
            try:
                for _ in range(3):
                    a.kill(signal.SIGKILL)
                    a.process.wait()
                    a.start()
                    ac = a.connect()
                    write_some(ac, 20, rng)
            finally:
                c.kill(signal.SIGCONT)
            same(ac, cc, "%s was away while the line changed three times" % name)
            tap.say("sync_full %s, partial %s" % (info(ac)["sync_full"], info(ac)["sync_partial_ok"]))
            if name == "Duet":
                tap.equal(info(ac)["sync_full"], "0", "several lines are kept: it continues")


class Wire:
    """A proxy that can be cut: what a bad cable is."""

    def __init__(self, to_port, limit=None):
        """limit: after that many bytes from the far side it stands still, until lift()."""
        self.to_port, self.open, self.ends = to_port, True, []
        self.limit, self.lifted, self.stalled = limit, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
                if not self.open:
                    a.close()
                    continue
                b = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                return
            self.ends += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y, x is b), daemon=True).start()

    def pump(self, x, y, counts):
        seen = 0
        try:
            while True:
                data = x.recv(65536)
                if not data:
                    break
                seen += len(data)
                if counts and self.limit and seen > self.limit and not self.lifted.is_set():
                    self.stalled.set()
                    self.lifted.wait()
                y.sendall(data)
        except OSError:
            pass
        for z in (x, y):
            try:
                z.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        ends, self.ends = self.ends, []
        for e in ends:
            try:
                e.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def lift(self):
        self.lifted.set()

    def close(self):
        self.lift()
        self.listener.close()
        self.cut()


def cuts():
    """links cut at random under load"""
    seed = tap.seed()
    rng = random.Random(seed)
    with duet("--repl-backlog-size", "64kb") as m, duet() as s, redis() as r:
        wires = [Wire(m.port), Wire(m.port)]
        mc, sc, rc = m.connect(), s.connect(), r.connect()
        follow(sc, wires[0].port)
        follow(rc, wires[1].port)
        tap.until(lambda: level(mc, sc) and level(mc, rc), 20)
        full = int(info(mc)["sync_full"])
        for _ in range(60 if tap.FULL else 8):
            write_some(mc, rng.randrange(20, 200), rng)
            if rng.randrange(3) == 0:
                mc.cmd("SET", "big", rng.randbytes(200000))
            wires[rng.randrange(2)].cut()
        same(mc, sc, "a Duet slave is level after the cuts")
        same(mc, rc, "a Redis slave too")
        tap.equal(int(info(mc)["sync_full"]), full, "without a full copy, since the log is kept (backlog 64 KB)")
        for w in wires:
            w.close()


def copy_under_load():
    """a full copy while keys change, to Duet and to Redis"""
    seed = tap.seed()
    rng = random.Random(seed)
    with duet() as m, duet() as s, redis() as r:
        mc, sc, rc = m.connect(), s.connect(), r.connect()
        count = 200000 if tap.FULL else 30000
        for base in range(0, count, 1000):
            mc.send_raw(b"".join(servers.encode("SET", "k%d" % i, b"v" * 100) for i in range(base, base + 1000)))
            for _ in range(1000):
                mc.read()
        stop = threading.Event()

        def writer():
            c = m.connect()
            while not stop.is_set():
                c.cmd("SET", "k%d" % rng.randrange(count), rng.randrange(1 << 30))
                c.cmd("DEL", "k%d" % rng.randrange(count))

        t = threading.Thread(target=writer)
        t.start()
        try:
            follow(sc, m.port)
            follow(rc, m.port)
            tap.until(lambda: info(sc)["master_link_status"] == info(rc)["master_link_status"] == "up", 60)
        finally:
            stop.set()
            t.join()
        same(mc, sc, "Duet has the same data, key by key")
        same(mc, rc, "Redis too")


def interrupted():
    """a full copy that stops half way: cut, and the slave killed"""
    with duet() as m, duet() as s:
        mc, sc = m.connect(), s.connect()
        sc.cmd("SET", "old", 1)
        for base in range(0, 40000, 1000):
            mc.send_raw(b"".join(servers.encode("SET", "k%d" % i, b"v%d" % i * 20) for i in range(base, base + 1000)))
            for _ in range(1000):
                mc.read()
        wire = Wire(m.port, limit=500000)
        follow(sc, wire.port)
        tap.ok(wire.stalled.wait(20), "a copy stands still half way")
        tap.until(lambda: info(sc)["master_sync_in_progress"] == "1", 20)
        tap.equal(sc.cmd("GET", "old"), b"1", "meanwhile the slave's old data is usable")
        mc.cmd("SET", "during", 1)
        tap.equal(mc.cmd("GET", "k5"), b"v5" * 20, "and the master serves")
        s.stop(signal.SIGKILL)
        wire.cut()
        s.start()
        sc = s.connect()
        tap.equal((sc.cmd("GET", "old"), sc.cmd("DBSIZE")), (b"1", 1), "a slave killed half way has its old data, and only that")
        wire.close()
        wire = Wire(m.port, limit=500000)
        follow(sc, wire.port)
        tap.ok(wire.stalled.wait(20), "the next copy stands still")
        wire.lift()
        wire.cut()
        same(mc, sc, "a cut link: the next attempt is whole")
        tap.ok(sc.cmd("GET", "old") is None, "and replaces the old data")
        # A slave that stops reading must not keep the master from saving.
        wire.close()
        wire = Wire(m.port, limit=100000)
        for i in range(24):
            mc.cmd("SET", "big%d" % i, os.urandom(1 << 20))
        mc.cmd("CONFIG", "SET", "repl-timeout", "2")
        sc.cmd("REPLICAOF", "NO", "ONE")
        sc.cmd("FLUSHALL")
        sc.cmd("SET", "another", "line")
        with duet() as t:
            tc = t.connect()
            follow(tc, wire.port)
            tap.ok(wire.stalled.wait(20), "a slave stops reading")
            mc.cmd("BGSAVE")
            tap.until(lambda: info(mc)["rdb_bgsave_in_progress"] == "0" and info(mc)["rdb_saves"] == "1", 30)
            tap.ok(True, "BGSAVE goes on meanwhile")
            tap.until(lambda: "did not move on" in m.log(), 30)
            tap.ok(True, "and it is given up after repl-timeout")
            wire.close()
            wire = Wire(m.port, limit=100000)
            mc.cmd("CONFIG", "SET", "repl-timeout", "60")
            follow(tc, wire.port)
            tap.ok(wire.stalled.wait(20), "a slave stops reading again")
            tap.equal(mc.cmd("SAVE"), b"OK", "SAVE does not wait for it")
        wire.close()


def old_slave(words):
    """What an old slave or tool sees: a copy whose length is told first, then the stream."""
    with duet() as m:
        mc = m.connect()
        for i in range(2000):
            mc.cmd("SET", "k%d" % i, os.urandom(200))
        before = everything(mc)
        c = m.connect()
        c.send(*words)
        line = c._line().lstrip(b"\n")
        if words[0] == "PSYNC":
            tap.ok(line.startswith(b"+FULLRESYNC "), "PSYNC without capa eof is answered by FULLRESYNC")
            line = c._line().lstrip(b"\n")
        size = int(line[1:])
        while len(c.buf) < size:
            c._more()
        copy, c.buf = c.buf[:size], c.buf[size:]
        mc.cmd("SET", "later", 1)
        stream = [c.read()]
        while stream[-1] != [b"SET", b"later", b"1"]:
            stream.append(c.read())
        tap.ok([b"SELECT", b"0"] in stream, "%s: the stream follows the copy, with its database" % words[0])
        with redis() as r:
            r.stop()
            with open(os.path.join(r.directory, "dump.rdb"), "wb") as f:
                f.write(copy)
            r.start()
            tap.ok(everything(r.connect()) == before, "%s: a real Redis loads the copy" % words[0])


def old_slaves():
    """slaves that do not know the form with a mark"""
    old_slave(["PSYNC", "?", "-1"])
    old_slave(["SYNC"])


def hostile():
    """a master that sends nonsense, and one that holds what cannot be loaded"""
    with duet() as s, redis() as m:
        sc, mc = s.connect(), m.connect()
        sc.cmd("SET", "mine", 1)
        with socket.create_server(("127.0.0.1", 0)) as l:
            follow(sc, l.getsockname()[1])
            for answer in (b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC x y\r\n", b"HTTP/1.0 400\r\n", b"+" * 5000,
                           b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + b"a" * 40 + b" 5\r\n$10\r\nREDIS0099x",
                           b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + b"a" * 40 + b" 5\r\n$18\r\nREDIS0010\0\1k\x81" + b"\xff" * 20,
                           b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + b"a" * 40 + b" 5\r\n$40\r\nREDIS0010\7\3mod" + b"\x81" + b"\1" * 26):
                a, _ = l.accept()
                a.settimeout(5)
                try:
                    head, copy = answer.split(b"+FULLRESYNC")[0], answer[answer.find(b"+FULLRESYNC"):] if b"+FULLRESYNC" in answer else b""
                    for line in head.splitlines(keepends=True) + [copy]:
                        a.recv(1000)
                        a.sendall(line)
                    while a.recv(1000):
                        pass
                except OSError:
                    pass
                a.close()
        tap.equal(sc.cmd("PING"), b"PONG", "nonsense from a master does no harm")
        tap.ok("a value of the module" in s.log(), "a key that cannot be held is named in the log") or tap.say(s.log())
        tap.equal(sc.cmd("GET", "mine"), b"1", "and the data is still there")
        mc.cmd("SET", "a", 1)
        follow(sc, m.port)
        same(mc, sc, "a good master is followed after all these")


tap.main(duet_duet, duet_redis, redis_duet, redis_disk_duet, chain, restarts, rdb_only, promotions, cuts, copy_under_load, interrupted, old_slaves, hostile)
