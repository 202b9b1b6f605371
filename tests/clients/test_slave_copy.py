#!/usr/bin/python3
"""A slave's full copy that is cut at any byte, damaged, or short of memory; a slave that is killed in the middle of it; and what its clients
see meanwhile: the old data until the new is whole."""
# timeout: 280

import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import servers

SEED = int(os.environ.get("DUET_SEED", str(random.randrange(1 << 30))))
LIMIT_S = 30
MASTER = ("--repl-diskless-sync-delay", "0", "--save", "")


class Wire:
    """Between slave and master. plan: what becomes of each connection, one after the other: bytes after which it is cut, or a function of the bytes
    and of where they stand that returns others; None: nothing."""

    def __init__(self, to_port):
        self.to_port, self.plan, self.seen, self.gate = to_port, [], [], threading.Event()
        self.gate.set()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.pairs, self.lock = [], threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.sock.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(("127.0.0.1", self.to_port), 5)
            except OSError:
                a.close()
                continue
            with self.lock:
                self.pairs.append((a, b))
                what = self.plan.pop(0) if self.plan else None
                self.seen.append(0)
                at = len(self.seen) - 1
            threading.Thread(target=self.pump, args=(a, b, None, None), daemon=True).start()
            threading.Thread(target=self.pump, args=(b, a, what, at), daemon=True).start()

    def pump(self, a, b, what, at):
        try:
            while data := a.recv(65536):
                if at is not None:
                    self.gate.wait()
                    before = self.seen[at]
                    if callable(what):
                        data = what(data, before)
                    elif what is not None and before + len(data) >= what:
                        b.sendall(data[:what - before])
                        self.seen[at] = what
                        return
                    self.seen[at] = before + len(data)
                b.sendall(data)
        except OSError:
            pass
        finally:
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.gate.set()
        self.sock.close()
        for a, b in self.pairs:
            a.close()
            b.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def info(c):
    return dict(l.split(":", 1) for l in c.cmd("INFO", "everything").decode().splitlines() if ":" in l)


def until(c, **fields):
    tap.until(lambda: all(info(c)[k] == v for k, v in fields.items()), LIMIT_S, "INFO says %s" % fields)


def fill(c, rng, keys, size):
    """Some of each kind, many strings."""
    out = [servers.encode("SET", "k:%d" % i, rng.randbytes(rng.randrange(size))) for i in range(keys)]
    for n in (3, 700):
        out.append(servers.encode("HSET", "hash:%d" % n, *(w for i in range(n) for w in ("f%d" % i, rng.randrange(1 << 40)))))
        out.append(servers.encode("SADD", "set:%d" % n, *("m%d" % i for i in range(n))))
        out.append(servers.encode("ZADD", "zset:%d" % n, *(w for i in range(n) for w in (i * 1.5, "m%d" % i))))
        out.append(servers.encode("RPUSH", "list:%d" % n, *("e%d" % i for i in range(n))))
        out.extend(servers.encode("XADD", "stream:%d" % n, "*", "f", i) for i in range(n))
    out.append(servers.encode("SET", "long", rng.randbytes(200 * 1000)))
    out.append(servers.encode("PEXPIRE", "k:1", 10 ** 9))
    c.send_raw(b"".join(out))
    for _ in out:
        c.read()


def digest(c):
    return c.cmd("DEBUG", "DIGEST")


def attach(c, port):
    return c.cmd("REPLICAOF", "127.0.0.1", port)


def make_old(c):
    """Data that the master does not know; its line is another one."""
    c.cmd("REPLICAOF", "NO", "ONE")
    c.cmd("FLUSHALL")
    for i in range(50):
        c.cmd("SET", "old:%d" % i, "before %d" % i)
    return digest(c)


def no_rest(s):
    return not os.path.exists(os.path.join(s.directory, "received.rdb"))


def cut_everywhere(rng, cuts, *options):
    what = " ".join(options) or "beside the data"
    debug = ("--enable-debug-command", "yes")
    with servers.Server(*MASTER, *debug) as m, servers.Server(*debug, *options) as s, Wire(m.port) as w1, Wire(m.port) as w2:
        mc, sc = m.connect(30), s.connect(30)
        fill(mc, rng, 600, 600)
        new, old = digest(mc), make_old(sc)
        attach(sc, w1.port)
        until(sc, master_link_status="up")
        size = w1.seen[-1]
        tap.equal(digest(sc), new, "%s: the copy is the master's data" % what)
        old = make_old(sc)
        memory, wrong, came, wires = int(info(sc)["used_memory"]), 0, 0, [w1, w2]
        for n in range(cuts):
            w = wires[n % 2]
            w.plan = [rng.randrange(size + 300)]
            if n % 5 == 0:
                w.plan = [size - rng.randrange(60) * (n % 2)]  # about the end mark, and behind it
            before = len(w.seen)
            attach(sc, w.port)
            tap.until(lambda: len(w.seen) > before and not alive(w.pairs[before]), LIMIT_S, "the wire is cut")
            def settled():
                i = info(sc)
                return i["duet_slave_copy"] == "none" and i["async_loading"] == "0" and i["loading"] == "0"
            tap.until(settled, LIMIT_S, "the slave has given the copy up, or taken it")
            got = digest(sc)
            if got == new:
                came += 1
                old = make_old(sc)
            elif got != old or not no_rest(s):
                wrong += 1
                tap.say("cut %d of %d at %d: %r" % (n, cuts, w.seen[before], info(sc)))
        tap.equal(wrong, 0, "%s: %d cuts at any byte of a copy: the data is the old one, or the new one (%d times)" % (what, cuts, came))
        tap.ok(no_rest(s), "%s: no file of a copy is left" % what)
        tap.until(lambda: int(info(sc)["used_memory"]) < memory + 3000000, LIMIT_S, "%s: memory is back" % what)
        tap.ok(True, "%s: memory is back" % what)
        attach(sc, w1.port if cuts % 2 else w2.port)
        until(sc, master_link_status="up")
        tap.equal(digest(sc), new, "%s: then one comes through" % what)
        mc.cmd("SET", "after", "1")
        tap.until(lambda: sc.cmd("GET", "after") == b"1", LIMIT_S, "the stream follows")


def alive(pair):
    """Whether the wire's side to the slave still stands."""
    try:
        return pair[0].getpeername() and pair[0].send(b"") == 0
    except OSError:
        return False


def killed(rng, rounds, *options):
    what = " ".join(options) or "beside the data"
    debug = ("--enable-debug-command", "yes")
    with servers.Server(*MASTER, *debug) as m, servers.Server(*debug, *options) as s:
        mc = m.connect(30)
        fill(mc, rng, 20000, 400)
        new, seen = digest(mc), {"old": 0, "new": 0}
        wrong, partial, full_before, took = 0, 0, 0, 0.3
        for n in range(rounds):
            sc = s.connect(30)
            old = make_old(sc)
            attach(sc, m.port)
            begin = time.monotonic()
            if n == 0:
                until(sc, master_link_status="up")
                took = time.monotonic() - begin
            else:
                time.sleep(rng.random() * took * 1.1)  # the moment is what is tried
            s.kill(signal.SIGKILL)
            s.process.wait()
            sc.close()
            s.start()
            sc = s.connect(30)
            until(sc, loading="0")
            got = digest(sc)
            kind = "new" if got == new else "old" if got == old else None
            if not kind or not no_rest(s):
                wrong += 1
                tap.say("round %d: %r keys: %r" % (n, sc.cmd("DBSIZE"), s.log()[-1500:]))
                continue
            seen[kind] += 1
            full_before = int(info(mc)["sync_full"])
            attach(sc, m.port)
            until(sc, master_link_status="up")
            if digest(sc) != new:
                wrong += 1
                tap.say("round %d: after %s the data is not the master's" % (n, kind))
            if kind == "new":
                partial += int(info(mc)["sync_full"]) == full_before
            sc.close()
        tap.equal(wrong, 0, "%s: killed at %d moments of a copy: old or new data after the restart (%r)" % (what, rounds, seen))
        tap.equal(partial, seen["new"], "%s: with the new data it goes on by partial resynchronisation" % what)


def test_cuts():
    """cut at any byte"""
    rng = random.Random(SEED)
    cut_everywhere(rng, 1500 if tap.FULL else 150)
    cut_everywhere(rng, 500 if tap.FULL else 50, "--slave-copy-memory", "0")


def test_kills():
    """killed at any moment"""
    rng = random.Random(SEED + 1)
    killed(rng, 120 if tap.FULL else 10)
    killed(rng, 60 if tap.FULL else 5, "--slave-copy-memory", "0")


def test_while_it_comes():
    """The old data is there until the new is"""
    with servers.Server(*MASTER) as m, servers.Server() as s, Wire(m.port) as w:
        mc, sc, other = m.connect(), s.connect(), s.connect()
        fill(mc, random.Random(SEED + 2), 3000, 2000)
        for i in range(50):
            sc.cmd("SET", "old:%d" % i, "before")
        tracker, invalid = s.connect(), s.connect()
        other.cmd("WATCH", "old:1")
        other.cmd("MULTI")
        other.cmd("GET", "old:1")
        tracker.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", invalid.cmd("CLIENT", "ID"))
        invalid.cmd("SUBSCRIBE", "__redis__:invalidate")
        tracker.cmd("GET", "old:2")
        gone = 1000 * 1000

        def hold(data, before):
            if before + len(data) > gone and not held.is_set():
                held.set()
                go_on.wait(LIMIT_S)
            return data
        held, go_on = threading.Event(), threading.Event()
        w.plan = [hold]
        attach(sc, w.port)
        held.wait(LIMIT_S)
        until(sc, duet_slave_copy="beside", async_loading="1")
        i = info(sc)
        tap.equal((i["loading"], i["master_link_status"], i["master_sync_in_progress"]), ("0", "down", "1"), "INFO tells of a copy that is loaded beside the data")
        tap.ok(int(i["master_sync_read_bytes"]) > 0, "and how much of it is there")
        tap.equal((sc.cmd("GET", "old:1"), sc.cmd("DBSIZE"), len(sc.cmd("KEYS", "*"))), (b"before", 50, 50), "reads see the old data, all of it and nothing else")
        tap.equal(sc.cmd("ROLE")[3], b"sync", "ROLE says sync")
        sc.cmd("CONFIG", "SET", "replica-serve-stale-data", "no")
        tap.ok((sc.error("GET", "old:1") or "").startswith("MASTERDOWN"), "without replica-serve-stale-data they are refused")
        sc.cmd("CONFIG", "SET", "replica-serve-stale-data", "yes")
        go_on.set()
        until(sc, master_link_status="up")
        tap.equal((sc.cmd("EXISTS", "old:1"), sc.cmd("DBSIZE")), (0, mc.cmd("DBSIZE")), "then they see the new data")
        tap.equal(other.cmd("EXEC"), None, "a transaction that watched an old key is not executed")
        tap.equal(invalid.read()[2], None, "clients that track keys are told to forget all of them")
        tap.equal((info(sc)["async_loading"], info(sc)["duet_slave_copy"]), ("0", "none"), "and INFO has done with it")


def test_damage():
    """A copy with a wrong byte costs nothing"""
    rng = random.Random(SEED + 3)
    for options in ((), ("--slave-copy-memory", "0")):
        with servers.Server(*MASTER) as m, servers.Server(*options) as s, Wire(m.port) as w:
            mc, sc = m.connect(), s.connect()
            fill(mc, rng, 500, 500)
            sc.cmd("SET", "old", "data")

            def flip(data, before):
                at = 100 * 1000 - before
                return data[:at] + bytes([data[at] ^ 4]) + data[at + 1:] if 0 <= at < len(data) else data
            w.plan = [flip, flip]
            attach(sc, w.port)
            tap.until(lambda: len(w.seen) > 1, LIMIT_S, "it is tried again")
            tap.ok("damaged" in s.log() or "checksum" in s.log(), "%s: the log says that the copy was damaged" % (options,))
            tap.equal(sc.cmd("GET", "old"), b"data", "%s: the old data is there" % (options,))
            until(sc, master_link_status="up")
            tap.equal((sc.cmd("EXISTS", "old"), sc.cmd("DBSIZE")), (0, mc.cmd("DBSIZE")), "%s: a sound one is taken" % (options,))


def test_short_of_memory():
    """Where memory is short the old data goes first, and it is said"""
    rng = random.Random(SEED + 4)
    with servers.Server(*MASTER) as m, servers.Server("--slave-copy-memory", "2000000") as s, Wire(m.port) as w:
        mc, sc = m.connect(), s.connect()
        fill(mc, rng, 6000, 2000)
        sc.cmd("SET", "old", "data")
        held, go_on = threading.Event(), threading.Event()

        def hold(data, before):
            if before > 5000 * 1000 and not held.is_set():
                held.set()
                go_on.wait(LIMIT_S)
            return data
        w.plan = [hold]
        attach(sc, w.port)
        held.wait(LIMIT_S)
        until(sc, duet_slave_copy="instead")
        tap.ok("memory is short" in s.log(), "the log says that memory is short")
        tap.equal((sc.cmd("GET", "old"), info(sc)["async_loading"]), (b"data", "0"), "the old data is there until the copy is whole")
        go_on.set()
        until(sc, master_link_status="up")
        tap.equal((sc.cmd("EXISTS", "old"), sc.cmd("DBSIZE")), (0, mc.cmd("DBSIZE")), "then the copy is loaded from the file")


if __name__ == "__main__":
    print("# seed %d" % SEED)
    tap.main(test_while_it_comes, test_damage, test_short_of_memory, test_cuts, test_kills)
