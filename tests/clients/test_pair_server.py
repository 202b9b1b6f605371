#!/usr/bin/python3
"""One server in pair mode, steered by a fake had: the write lease, held replies, roles.

had is this program: it maps the lease file and speaks DUET on the control socket. The pair's slave is
this program too: it does the handshake and acknowledges only when it is told to."""

import mmap
import os
import signal
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pairwire
import servers
import tap

FIELDS = ["magic", "deadline_ns", "epoch", "had_id", "server_id", "server_pid", "alive_ns", "executor_ns", "busy_since_ns"]


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Node(servers.Server):
    """A server in pair mode, with its lease page and control socket."""

    def __init__(self, *options):
        d = tempfile.mkdtemp(prefix="duet-pair-")
        self.lease_path, self.control_path = os.path.join(d, "lease"), os.path.join(d, "control.sock")
        super().__init__("--pair-lease", self.lease_path, "--control", self.control_path, "--pair-node", "a",
                         *options, directory=d, wait=False)
        self.own_directory = True
        tap.until(lambda: os.path.exists(self.control_path), 10, "the control socket is there")
        tap.until(lambda: self.status()["loading"] == "0", 10, "the log is loaded")
        with open(self.lease_path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 72)

    def field(self, name, value=None):
        at = 8 * FIELDS.index(name)
        if value is not None:
            self.page[at:at + 8] = struct.pack("<Q", value)
        return struct.unpack("<Q", self.page[at:at + 8])[0]

    def lease(self, for_s, epoch=1):
        """A lease that ends in for_s seconds; 0 drops it."""
        self.field("epoch", epoch)
        self.field("deadline_ns", boot_ns() + int(for_s * 1e9) if for_s else 0)

    def control(self, *words):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.control_path)
        with servers.Connection(s) as c:
            return c.cmd(*words)

    def duet(self, *words):
        return self.control("DUET", *words)

    def status(self):
        flat = [x.decode() for x in self.duet("STATUS")]
        return dict(zip(flat[::2], flat[1::2]))


class Slave:
    """The pair's other node as the master sees it."""

    def __init__(self, node):
        self.c = node.connect()
        assert self.c.cmd("PING") == b"PONG"
        self.c.cmd("REPLCONF", "listening-port", "1")
        self.c.cmd("REPLCONF", "capa", "eof", "capa", "psync2")
        guest = pairwire.Guest(self.c)
        guest.hello()
        self.session = guest.pair()
        self.c = guest.blocks()
        self.c.send("PSYNC", "?", "-1")
        line = self.c._line()
        while not line.startswith(b"+FULLRESYNC"):
            line = self.c._line()
        self.offset = int(line.split()[2])
        self._copy()

    def _copy(self):
        line = self.c._line()
        while b"$" not in line:  # keepalive newlines may stand before it
            line = self.c._line()
        line = line[line.index(b"$"):]
        if line.startswith(b"$EOF:"):
            mark = line[5:]
            while mark not in self.c.buf:
                self.c._more()
            self.c.buf = self.c.buf.split(mark, 1)[1]
        else:
            n = int(line[1:])
            while len(self.c.buf) < n:
                self.c._more()
            self.c.buf = self.c.buf[n:]

    def ack(self, offset):
        self.c.send("REPLCONF", "ACK", offset)

    def close(self):
        self.c.close()


def master(node, alone=True, lease_s=60):
    node.lease(lease_s)
    node.duet("MASTER", "1")
    node.duet("ALONE", "1" if alone else "0")


def in_sync(node):
    """A slave that has acknowledged everything so far."""
    s = Slave(node)

    def acknowledged():
        offset = node.status()["offset"]
        s.ack(int(offset))
        st = node.status()
        return st["insync_link"] == "1" and st["acked"] == offset

    tap.until(acknowledged, 10, "the slave is in sync")
    return s


def roles():
    """No role, master, slave"""
    with Node() as n:
        tap.equal(n.status()["role"], "none", "a server in a pair begins without a role")
        with n.connect() as c:
            tap.ok((c.error("GET", "a") or "").startswith("LOADING"), "without a role clients get an error that tells them to wait")
        master(n)
        st = n.status()
        tap.equal((st["role"], st["epoch"], st["alone"]), ("master", "1", "1"), "DUET MASTER makes it master of the epoch")
        with n.connect() as c:
            tap.equal(c.cmd("SET", "a", "1"), b"OK", "a lone master with a lease serves writes")
            for words in (("REPLICAOF", "NO", "ONE"), ("SLAVEOF", "h", "1"), ("SHUTDOWN",), ("FAILOVER",)):
                tap.ok("hactl" in (c.error(*words) or ""), "%s of a service client names hactl" % words[0])
            tap.ok("unknown command" in (c.error("DUET", "STATUS") or ""), "DUET is not there for service clients")
        tap.equal(n.control("GET", "a"), b"1", "the control socket reaches data too")
        c = n.connect()
        c.cmd("PING")
        n.duet("SLAVE", "2", "127.0.0.1", "1")
        tap.ok(c.ends(), "a demotion disconnects clients, so that they come back through the VIP")
        with n.connect() as c:
            tap.ok((c.error("SET", "a", "2") or "").startswith(("READONLY", "LOADING")), "a slave refuses writes")
        n.duet("NONE")
        tap.equal(n.status()["role"], "none", "DUET NONE takes the role away")
        tap.equal(n.stop(), 0, "SIGTERM ends it with status 0")


def liveness():
    """The two counters"""
    with Node() as n:
        tap.equal(n.field("server_pid"), n.pid, "the page names the process")
        tap.equal(str(n.field("server_id")), n.status()["boot_id"], "and its start")
        tap.until(lambda: boot_ns() - n.field("alive_ns") < 100e6, 5, "alive_ns is stamped")
        master(n)
        with n.connect() as c:
            c.cmd("SET", "k", "v")
            moved = n.field("executor_ns")
            c.cmd("SET", "k", "v")
            tap.ok(tap.until(lambda: n.field("executor_ns") > moved, 5), "executor_ns moves with commands")
        tap.ok(tap.until(lambda: n.field("busy_since_ns") == 0, 5), "an idle executor says that it waits")
        n.kill(signal.SIGSTOP)
        was = n.field("alive_ns")
        tap.until(lambda: boot_ns() - n.field("alive_ns") > 150e6, 5)
        n.kill(signal.SIGCONT)
        tap.ok(tap.until(lambda: n.field("alive_ns") > was, 5), "a stopped process is silent, a continued one is not")


def lease_lapses():
    """No lease, no write and no reply"""
    with Node() as n:
        master(n)
        with n.connect() as c, n.connect() as d:
            c.cmd("SET", "a", "1")
            d.cmd("GET", "a")
            n.lease(0)
            c.send("SET", "a", "2")
            d.send("GET", "a")
            tap.ok(c.silent(0.3), "without a lease a write gets no reply")
            tap.ok(d.silent(0.1), "nor does a read")
            tap.equal(n.control("GET", "a"), b"1", "and the write was not executed")
            with n.connect() as e:
                e.send("PING")
                e.read()
                e.send("PING")
                tap.ok(e.silent(0.2), "PING is answered once, as the start of a slave's link, not twice")
            n.lease(60, epoch=2)
            tap.ok(c.silent(0.2), "a lease of another epoch is not ours")
            n.lease(60)
            tap.equal(c.read(), b"OK", "a lease that comes back lets a write go on")
            tap.ok(d.read() in (b"1", b"2"), "and a read")
            n.lease(0)
            c.send("SET", "a", "3")
            c.silent(0.1)
            n.duet("NONE")
            tap.ok(c.ends(), "a demotion closes a client that waits, without a reply")
            tap.equal(n.control("GET", "a"), b"2", "and its write was never executed")


def stopped_and_continued():
    """SIGSTOP beyond the lease, SIGCONT after another has taken over"""
    rounds = 20 if tap.FULL else 5
    executed = replied = 0
    with Node() as n:
        master(n)
        for i in range(rounds):
            n.lease(60)
            clients = [n.connect() for _ in range(8)]
            for c in clients:
                c.cmd("SET", "k", "before")
            n.kill(signal.SIGSTOP)
            n.lease(0)
            for c in clients:
                c.send_raw(servers.encode("SET", "k", "after") * 20)
            n.kill(signal.SIGCONT)
            tap.until(lambda: boot_ns() - n.field("alive_ns") < 50e6, 5)
            executed += n.control("GET", "k") != b"before"
            for c in clients:
                replied += not c.silent(0.02)
            executed += n.control("GET", "k") != b"before"
            n.duet("NONE")
            n.lease(60)
            n.duet("MASTER", "1")
            for c in clients:
                replied += not c.ends()
                c.close()
    tap.equal(executed, 0, "after SIGSTOP, a lapsed lease and SIGCONT no write was executed (%d rounds)" % rounds)
    tap.equal(replied, 0, "and no reply was sent")


def stop_before_reply():
    """A reply that was due before the stop"""
    with Node() as n:
        master(n, alone=False)
        s = in_sync(n)
        with n.connect() as c:
            c.send("SET", "k", "v")
            tap.until(lambda: n.status()["held"] != "0", 5, "the reply is held")
            n.lease(0)
            s.ack(int(n.status()["offset"]))
            tap.ok(c.silent(0.3), "a reply that the slave has covered is not sent without a lease")
            n.lease(60)
            tap.equal(c.read(), b"OK", "and goes out when the lease is back")
        s.close()


def held():
    """Replies wait for the pair's slave"""
    with Node() as n:
        master(n, alone=False)
        s = in_sync(n)
        with n.connect() as c, n.connect() as d:
            c.send("SET", "k", "v")
            tap.ok(c.silent(0.3), "a write's reply waits for the slave")
            d.send("GET", "k")
            tap.ok(d.silent(0.2), "a read that would show the held write waits too")
            st = n.status()
            tap.equal(st["held"], "2", "DUET STATUS counts the held replies")
            tap.ok(int(st["held_oldest_ms"]) >= 200, "and tells how long the oldest has waited")
            tap.equal(n.control("GET", "k"), b"v", "the control socket is not held")
            s.ack(int(st["offset"]) - 1)
            tap.ok(c.silent(0.2), "an acknowledgement one byte short releases nothing")
            s.ack(int(st["offset"]))
            tap.equal((c.read(), d.read()), (b"OK", b"v"), "the acknowledgement releases both")
            for _ in range(200):
                c.send("INCR", "n")
            tap.until(lambda: n.control("GET", "n") == b"200", 5, "commands go on executing behind held replies")
            tap.ok(c.silent(0.1), "and all of their replies wait")
            n.duet("ALONE", "1")
            tap.equal([c.read() for _ in range(200)], list(range(1, 201)), "DUET ALONE 1 releases them in order")
            n.duet("ALONE", "0")
        s.close()


def woken():
    """Who waited for a key is answered under the same rules"""
    with Node() as n:
        master(n, alone=False)
        s = in_sync(n)

        def waits(c, *words):
            before = n.control("INFO", "clients").count(b"blocked_clients:1")
            c.send(*words)
            tap.until(lambda: n.control("INFO", "clients").count(b"blocked_clients:1") > before, 5, "a wait")

        with n.connect() as c, n.connect() as d:
            waits(c, "BLPOP", "q", "0")
            d.send("RPUSH", "q", "v")
            tap.until(lambda: n.status()["held"] == "2", 5, "two held replies")
            tap.ok(c.silent(0.2) and d.silent(0.1), "the push and what it woke wait for the slave")
            tap.equal(n.control("EXISTS", "q"), 0, "though the element is taken")
            s.ack(int(n.status()["offset"]) - 1)
            tap.ok(c.silent(0.2), "an acknowledgement that lacks the pop's last byte does not release it")
            s.ack(int(n.status()["offset"]))
            tap.equal((c.read(), d.read()), ([b"q", b"v"], 1), "the acknowledgement releases both")
            waits(c, "BLPOP", "q", "0.2")
            n.lease(0)
            tap.ok(c.silent(0.4), "a wait that ends without a lease is not answered")
            n.lease(60)
            tap.equal(c.read(), None, "until the lease is back")
            waits(c, "BLPOP", "q", "0")
            n.duet("NONE")
            tap.ok(c.ends(), "who waits when the role goes is disconnected")
        s.close()


def held_too_much():
    """A client with too many held bytes"""
    with Node() as n:
        master(n)
        n.control("SET", "big", "x" * 100000)
        n.duet("ALONE", "0")
        s = in_sync(n)
        with n.connect(timeout_s=30) as c:
            c.send_raw(servers.encode("SET", "a", "1") + servers.encode("GET", "big") * 400)
            tap.until(lambda: int(n.status()["held"]) > 5, 5)
            time.sleep(0.2)
            executed = int(n.status()["held"])
            tap.ok(executed < 100, "a client with too many held bytes is not read further (%d of 401 replies)" % executed)
            got = 0
            deadline = time.monotonic() + 20
            while got < 401 and time.monotonic() < deadline:
                s.ack(int(n.status()["offset"]))
                while c.buf or not c.silent(0.05):
                    c.read()
                    got += 1
            tap.equal(got, 401, "and is served to the end once the slave acknowledges")
        s.close()


def deposed():
    """A deposed master's held replies are never sent"""
    for word in (("NONE",), ("SLAVE", "2", "127.0.0.1", "1")):
        with Node() as n:
            master(n, alone=False)
            s = in_sync(n)
            with n.connect() as c:
                c.send("SET", "k", "v")
                tap.until(lambda: n.status()["held"] != "0", 5)
                n.duet(*word)
                tap.ok(c.ends(), "DUET %s closes a connection with a held reply, without sending it" % word[0])
                tap.ok(tap.until(lambda: n.status()["held"] == "0", 5), "nothing is held afterwards")
            s.close()


def slave_lost():
    """Without its slave a master that is not alone holds"""
    with Node() as n:
        master(n, alone=False)
        s = in_sync(n)
        s.close()
        tap.until(lambda: n.status()["insync_link"] == "0", 5)
        with n.connect() as c:
            c.send("SET", "k", "v")
            tap.ok(c.silent(0.3), "a write is not acknowledged after the slave went")
            n.duet("ALONE", "1")
            tap.equal(c.read(), b"OK", "until had says that it is alone")


def editions():
    """An edition hides commands, not the pair's link"""
    for edition in ("master-slave", "ckv", "cluster"):
        with Node("--edition", edition) as n:
            master(n, alone=False)
            s = in_sync(n)
            tap.equal(n.status()["insync_link"], "1", edition + ": the pair's slave gets in sync")
            with n.connect() as c:
                c.send("SET", "a", "1")
                tap.until(lambda: n.status()["held"] != "0", 5)
                s.ack(int(n.status()["offset"]))
                tap.equal(c.read(), b"OK", edition + ": and counts")
                tap.ok((c.error("REPLCONF", "a", "b") or "").startswith("ERR unknown command"), edition + ": clients do not find REPLCONF")
                tap.ok((c.error("CONFIG", "GET", "a") or "").startswith("ERR unknown command"), edition + ": nor CONFIG")
            tap.equal(n.control("CONFIG", "GET", "edition")[1], edition.encode(), edition + ": the control socket reaches every command")
            s.close()


def pause_and_fsync():
    """DUET PAUSE, RESUME, FSYNC"""
    with Node() as n:
        master(n)
        with n.connect() as c, n.connect() as d:
            c.cmd("SET", "k", "1")
            answer = n.duet("PAUSE", "10000").decode()
            tap.equal(answer, "OK " + n.status()["offset"], "DUET PAUSE answers the offset")
            c.send("SET", "k", "2")
            tap.ok(c.silent(0.2), "a paused write waits")
            tap.equal(d.cmd("GET", "k"), b"1", "reads go on")
            d.cmd("CLIENT", "UNPAUSE")
            tap.ok(c.silent(0.1), "a client's CLIENT UNPAUSE does not end had's pause")
            tap.equal(n.status()["offset"], answer.split()[1], "and the offset stands still")
            n.duet("RESUME")
            tap.equal(c.read(), b"OK", "DUET RESUME lets it go on")
            began = time.monotonic()
            n.duet("PAUSE", "200")
            c.send("SET", "k", "3")
            tap.equal(c.read(), b"OK", "a pause ends by itself")
            tap.ok(time.monotonic() - began > 0.15, "but not before its time")
        tap.equal(n.duet("FSYNC"), b"OK", "DUET FSYNC answers when the log is on disk")
        tap.equal(n.status()["fsync_age_ms"], "0", "nothing is left unsynced")
        os.kill(n.pid, signal.SIGKILL)
        n.process.wait()
        os.unlink(n.control_path)
        n.start(wait=False)
        tap.until(lambda: n.status()["loading"] == "0", 10)
        tap.equal(n.control("GET", "k"), b"3", "SIGKILL loses nothing")
        tap.equal(n.status()["role"], "none", "a server that restarted has no role")
        tap.equal(n.field("deadline_ns"), 0, "nor a lease")


if __name__ == "__main__":  # test_script_busy.py takes Node from here
    tap.main(roles, liveness, lease_lapses, stopped_and_continued, stop_before_reply, held, woken, held_too_much, deposed, slave_lost,
             editions, pause_and_fsync)
