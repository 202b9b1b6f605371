#!/usr/bin/python3
"""The whole server under ThreadSanitizer (build/tsan/duet) with I/O threads and a mixed load: pipelines, connects and
disconnects, kills, pauses, transactions, slow readers, bad input, a slave, a lapsing lease, an end under load."""

import glob
import mmap
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
TSAN = os.path.join(HERE, "..", "..", "build", "tsan", "duet")
LOAD_S = 60 if tap.FULL else 6


def server(logs, *options, **more):
    env = dict(os.environ, TSAN_OPTIONS="exitcode=66 suppressions=%s log_path=%s" % (os.path.join(HERE, "tsan.supp"), os.path.join(logs, "tsan")))
    env.pop("DUET_IO_THREADS", None)
    return servers.Server("--io-threads", "3", "--io-threads-do-reads", "yes", "--enable-debug-command", "yes", *options,
                          command=[os.path.abspath(TSAN), "server"], env=env, **more)


def judge(logs, status, what):
    reports = [open(p, errors="replace").read() for p in glob.glob(os.path.join(logs, "tsan*"))]
    for text in reports[:3]:
        tap.say(text[:6000])
    tap.equal((status, len(reports)), (0, 0), "%s: the server ends in order, and no thread ran into another" % what)


class Load:
    """Clients in threads of their own until stop(); an exception that is no connection's end is a failure."""

    def __init__(self, connect, seed):
        self.connect, self.rng = connect, random.Random(seed)
        self.over = threading.Event()
        self.errors, self.threads = [], []
        self.answered = 0

    def start(self, fn, count=1):
        for _ in range(count):
            t = threading.Thread(target=self.run, args=(fn, random.Random(self.rng.random())))
            self.threads.append(t)
            t.start()

    def run(self, fn, rng):
        while not self.over.is_set():
            try:
                with self.connect() as c:
                    while not self.over.is_set():
                        if fn(self, c, rng):
                            break
            except (servers.Closed, OSError):
                pass  # killed, or the server ended
            except Exception as e:  # noqa: what went wrong is shown
                self.errors.append(repr(e))
                return

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join(30)
        return not any(t.is_alive() for t in self.threads)


def pipeline(load, c, rng):
    """Each reply is the one that belongs to its request."""
    wanted, out = [], []
    for i in range(rng.choice((1, 1, 2, 16, 64, 300, 2000))):
        n = rng.randrange(1000)
        kind = rng.randrange(4)
        if kind == 0:
            out.append(servers.encode("SET", "k%d" % n, "v%d" % n))
            wanted.append(b"OK")
        elif kind == 1:
            out.append(servers.encode("ECHO", "e%d" % i))
            wanted.append(b"e%d" % i)
        elif kind == 2:
            out.append(b"PING p%d\r\n" % i)
            wanted.append(b"p%d" % i)
        else:
            out.append(servers.encode("GET", "k%d" % n))
            wanted.append((None, b"v%d" % n))
    c.send_raw(b"".join(out))
    for w in wanted:
        got = c.read()
        if got != w and not (isinstance(w, tuple) and got in w):
            raise ValueError("got %r, expected %r" % (got, w))
    load.answered += len(wanted)
    return rng.random() < 0.1


def come_and_go(load, c, rng):
    kind = rng.randrange(6)
    if kind == 0:
        c.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100\r\nhalf")
    elif kind == 1:
        c.send_raw(b"*1\r\n$x\r\n")
        c.ends(2)
    elif kind == 2:
        c.send("QUIT")
        c.ends(2)
    elif kind == 3:
        c.send_raw(servers.encode("GET", "k1") * 500)
    elif kind == 4:
        c.send("SUBSTR")
    return True


def slow_reader(load, c, rng):
    c.cmd("SETRANGE", "big", "200000", "x")
    c.send_raw(servers.encode("GET", "big") * rng.randrange(1, 40))
    load.over.wait(0.05)
    return True


def transaction(load, c, rng):
    c.cmd("WATCH", "k%d" % rng.randrange(10))
    c.cmd("MULTI")
    c.cmd("INCR", "n")
    c.cmd("INCR", "n")
    c.cmd("EXEC")
    c.send("WAIT", "1", "5")
    c.read()
    return rng.random() < 0.3


def blocker(load, c, rng):
    kind = rng.randrange(4)
    if kind == 0:
        c.cmd("BLPOP", "q", "q2", rng.choice(("0.01", "0.05", "1")))
    elif kind == 1:
        c.send_raw(servers.encode("BLPOP", "q3", "0") + servers.encode("PING") * rng.choice((1, 700, 1500)))
        load.over.wait(0.05)
        return True  # its end is noticed while it waits, whatever it had sent
    else:
        c.cmd("RPUSH", rng.choice(("q", "q2")), "a", "b")
    return rng.random() < 0.2


def administrator(load, c, rng):
    kind = rng.randrange(9)
    lines = c.cmd("CLIENT", "LIST").decode().splitlines()
    if kind < 3:
        c.send("CLIENT", "KILL", "ID", rng.choice(lines).split()[0][3:])
        c.read()
    elif kind == 3:
        c.cmd("CLIENT", "PAUSE", "20", rng.choice(("WRITE", "ALL")))
    elif kind == 4:
        c.cmd("CLIENT", "UNPAUSE")
    elif kind == 5:
        c.cmd("CONFIG", "SET", "proto-max-bulk-len", str(rng.choice((1, 512)) << 20), "client-query-buffer-limit", str(rng.choice((2, 1024)) << 20))
    elif kind == 6:
        c.cmd("INFO", "everything")
        c.cmd("CONFIG", "RESETSTAT")
    elif kind == 7:
        c.cmd("FLUSHALL")
    else:
        c.cmd("DEBUG", "SLEEP", "0.005")
    load.over.wait(0.01)
    return rng.random() < 0.2


def half_slave(load, c, rng):
    """Becomes a slave's connection, with something behind the PSYNC now and then."""
    c.send("REPLCONF", "listening-port", "1")
    c.read()
    c.send_raw(servers.encode("PSYNC", "?", "-1") + (servers.encode("REPLCONF", "ACK", "0") if rng.random() < 0.5 else b""))
    c.silent(0.3)
    load.over.wait(0.3)
    return True


def mixed():
    """A mixed load"""
    with tempfile.TemporaryDirectory() as logs:
        with server(logs, "--client-output-buffer-limit", "normal", "4mb", "1mb", "1", "--timeout", "30", "--save", "") as s:
            load = Load(lambda: s.connect(30), tap.seed())
            for fn, count in ((pipeline, 6), (come_and_go, 2), (slow_reader, 2), (transaction, 2), (blocker, 3), (administrator, 1), (half_slave, 1)):
                load.start(fn, count)
            load.over.wait(LOAD_S)
            with s.connect(30) as c:
                tap.equal(c.cmd("PING"), b"PONG", "a new client is answered in the middle of it")
                info = c.cmd("INFO", "server", "stats").decode()
                tap.ok("io_threads_active:1" in info and "io_threaded_reads_processed:0\r" not in info, "and the threads do the reading")
            ended = load.stop()
            tap.ok(ended and not load.errors and load.answered > 1000, "%d replies were the right ones" % load.answered) or tap.say(load.errors)
            with s.connect(30) as c:
                tap.equal(c.cmd("DEBUG", "VERIFY"), b"OK", "the data is sound")
                tap.ok(tap.until(lambda: c.cmd("CLIENT", "LIST").count(b"id=") == 1, 20), "and nobody is left over")
            judge(logs, s.stop(), "a mixed load")


def end_under_load():
    """The end under load"""
    for how in ("SIGTERM", "SHUTDOWN"):
        with tempfile.TemporaryDirectory() as logs:
            with server(logs, "--save", "") as s:
                load = Load(lambda: s.connect(5), tap.seed() + 1)
                load.start(pipeline, 4)
                load.start(come_and_go, 2)
                load.over.wait(1)
                if how == "SIGTERM":
                    status = s.stop()
                else:
                    with s.connect(30) as c:
                        c.send_raw(servers.encode("SHUTDOWN", "NOSAVE") + servers.encode("SET", "a", "1"))
                        c.ends(20)
                    status = s.process.wait(20)
                load.stop()
                tap.equal(load.errors, [], "%s in the middle of pipelines cuts none of their replies apart" % how)
                judge(logs, status, how)


def lapsing_lease():
    """A lease that comes and goes"""
    fields = ["magic", "deadline_ns", "epoch"]
    with tempfile.TemporaryDirectory() as logs:
        d = tempfile.mkdtemp(prefix="duet-threads-")
        lease, control = os.path.join(d, "lease"), os.path.join(d, "control.sock")
        with server(logs, "--pair-lease", lease, "--control", control, "--pair-node", "a", "--save", "", directory=d, wait=False) as s:
            s.own_directory = True
            tap.until(lambda: os.path.exists(control), 20, "the control socket is there")

            def duet(*words):
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(control)
                with servers.Connection(sock) as c:
                    c.sock.settimeout(20)
                    return c.cmd("DUET", *words)

            tap.until(lambda: b"loading" in duet("STATUS") and duet("STATUS")[duet("STATUS").index(b"loading") + 1] == b"0", 20, "the log is loaded")
            with open(lease, "r+b") as f:
                page = mmap.mmap(f.fileno(), 72)

            def renew(epoch, for_s):
                now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                for name, value in (("epoch", epoch), ("deadline_ns", now + int(for_s * 1e9) if for_s else 0)):
                    at = 8 * fields.index(name)
                    page[at:at + 8] = struct.pack("<Q", value)

            def served(load, c, rng):
                try:
                    return pipeline(load, c, rng)
                except servers.Error as e:
                    if "LOADING" not in str(e):
                        raise
                    return True  # without a role for a moment

            load = Load(lambda: s.connect(30), tap.seed() + 2)
            load.start(served, 4)
            rng = random.Random(tap.seed() + 3)
            epoch, deadline = 0, time.monotonic() + LOAD_S / 2
            while time.monotonic() < deadline:
                epoch += 1
                duet("MASTER", epoch)
                duet("ALONE", "1")
                for _ in range(6):
                    renew(epoch, rng.choice((0, 0.005, 0.1)))
                    load.over.wait(rng.choice((0.01, 0.05)))
                if rng.random() < 0.5:
                    duet("NONE")
            epoch += 1
            duet("MASTER", epoch)
            duet("ALONE", "1")
            renew(epoch, 60)
            with s.connect(30) as c:
                tap.equal(c.cmd("PING"), b"PONG", "who waited for the lease is served when it is back")
            answered = load.answered
            tap.ok(tap.until(lambda: load.answered > answered, 20), "and so are all others")
            ended = load.stop()
            tap.ok(ended and not load.errors, "no reply was a wrong one") or tap.say(load.errors)
            judge(logs, s.stop(), "a lapsing lease")


tap.main(mixed, end_under_load, lapsing_lease)
