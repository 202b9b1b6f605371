#!/usr/bin/python3
"""A tree of masters and slaves that is changed while it lives: its middle is killed and started again, or promoted; slaves move to
another node of the same tree; REPLICAOF in quick succession, to oneself, in a circle, to nobody; names and IPv6."""
# timeout: 300

import contextlib
import os
import random
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import replload
from badwire import Wire
from replload import duet, info, redis, valkey
import servers
import tap

ROUNDS = 20 if tap.FULL else 1


def stats(server):
    with server.connect() as c:
        found = info(c, "stats")
        return int(found["sync_full"]), int(found["sync_partial_ok"])


def follow(slave, port, host="127.0.0.1"):
    with slave.connect() as c:
        return c.cmd("REPLICAOF", host, port)


def up(*slaves):
    tap.until(lambda: all(replload.up(s) for s in slaves), replload.LIMIT_S, "all links are up")


def write(server, rng, count=200):
    with server.connect() as c:
        replload.pipe(c, [(b"SET", b"k%d" % rng.randrange(300), rng.randbytes(rng.randrange(60))) for _ in range(count)])
        replload.pipe(c, [(b"MULTI",), (b"INCR", b"n"), (b"RPUSH", b"l", b"x"), (b"EXEC",)])


def killed_in_the_middle():
    """the middle of a chain is killed, or ended, and started again"""
    rng = random.Random(tap.seed())
    for makes in ((redis, duet, duet), (duet, duet, redis)):
        with contextlib.ExitStack() as stack:
            top, middle, low = [stack.enter_context(m()) for m in makes]
            what = " -> ".join(m.__name__ for m in makes)
            write(top, rng)
            middle.options += ["--replicaof", "127.0.0.1", str(top.port)]
            follow(middle, top.port)
            up(middle)
            follow(low, middle.port)
            up(low)
            for signo, how in ((signal.SIGKILL, "killed"), (signal.SIGTERM, "ended")):
                write(top, rng)
                full = stats(top)[0]
                middle.stop(signo)
                write(top, rng)
                middle.start()
                up(middle, low)
                replload.same(top, [middle, low], "%s: the middle was %s and started again" % (what, how))
                tap.equal((stats(top)[0] - full, stats(middle)[0]), (0, 0), "%s: without a copy for it or for its slave" % what)


def promoted():
    """the middle is promoted, and the whole tree goes on below it"""
    rng = random.Random(tap.seed())
    for makes in ((duet, duet, redis, duet), (redis, duet, duet, redis)) + (((valkey, duet, valkey, duet),) if replload.has_valkey() else ()):
        with contextlib.ExitStack() as stack:
            top, heir, below, beside = [stack.enter_context(m()) for m in makes]
            what = "%s -> (%s -> %s, %s)" % tuple(m.__name__ for m in makes)
            write(top, rng)
            follow(heir, top.port)
            up(heir)
            follow(below, heir.port)
            follow(beside, top.port)
            up(heir, below, beside)
            write(top, rng)
            replload.same(top, [heir, below, beside], "%s: level" % what)
            old = replload.place(top)[0]
            with heir.connect() as c:
                c.cmd("REPLICAOF", "NO", "ONE")
            before = stats(heir)[0]
            write(heir, rng)
            follow(beside, heir.port)
            follow(top, heir.port)
            up(below, beside, top)
            write(heir, rng)
            replload.same(heir, [below, beside, top], "%s: the first slave is promoted, the others and the old master follow it" % what)
            with heir.connect() as c:
                tap.equal(info(c)["master_replid2"], old, "%s: the old line is its second" % what)
            tap.equal(stats(heir)[0] - before, 0, "%s: nobody needed a copy" % what)
            # Down the chain: the promoted one's slave becomes the next master's slave, and so on.
            follow(beside, below.port)
            up(beside)
            write(heir, rng)
            replload.same(heir, [below, beside, top], "%s: a slave moves below another one" % what)
            tap.equal(stats(below)[0], 0, "%s: and continues there" % what)


def moving():
    """slaves move about in a tree under load; every move continues"""
    seed = tap.seed()
    rng = random.Random(seed)
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(m()) for m in (duet, duet, redis, duet, redis)]
        master = {1: 0, 2: 0, 3: 1, 4: 2}
        for s, m in master.items():
            follow(nodes[s], nodes[m].port)
            up(nodes[s])
        write(nodes[0], rng)
        replload.same(nodes[0], nodes[1:], "moving: level")
        full = sum(stats(n)[0] for n in nodes)

        def is_above(a, b):
            """Whether a is b, or some master of it."""
            while b is not None:
                if a == b:
                    return True
                b = master.get(b)
            return False

        moves = 0
        for _ in range(12 * ROUNDS):
            s = rng.randrange(1, 5)
            m = rng.choice([n for n in range(5) if not is_above(s, n)])
            write(nodes[0], rng, rng.randrange(100))
            # Who is asked for a line that it has not reached itself yet must send a copy; in Redis as well.
            replload.same(nodes[0], nodes[1:], "moving: level before slave %d moves below %d" % (s, m)) if ROUNDS == 1 else None
            tap.until(lambda: len({replload.place(n) for n in nodes}) == 1, replload.LIMIT_S, "level")
            follow(nodes[s], nodes[m].port)
            master[s] = m
            moves += 1
            up(*nodes[1:])
        write(nodes[0], rng)
        replload.same(nodes[0], nodes[1:], "moving: after %d moves all hold the same" % moves)
        tap.equal(sum(stats(n)[0] for n in nodes) - full, 0, "moving: none of them needed a copy")


def quick():
    """REPLICAOF in quick succession"""
    rng = random.Random(tap.seed())
    with duet() as a, redis() as b, duet() as s, duet() as low, Wire(a.port, tap.seed(), pieces=True) as wire:
        follow(b, a.port)
        write(a, rng)
        up(b)
        follow(low, s.port)
        with s.connect() as c:
            for i in range(100 * ROUNDS):
                port = rng.choice((a.port, b.port, wire.port, 1, s.port))
                said = c.error("REPLICAOF", *rng.choice([("127.0.0.1", port)] * 4 + [("NO", "ONE")]))
                if said and not said.startswith(("LOADING", "ERR the data here is not complete")):  # a copy is being loaded
                    raise RuntimeError(said)
                if i % 7 == 0:
                    write(a, rng, 20)
                if rng.random() < 0.3:
                    replload.place(s)
            tap.until(lambda: c.cmd("REPLICAOF", "127.0.0.1", b.port), 20)
        up(s, low)
        replload.same(a, [b, s, low], "quick: the last word counts")
        tap.ok(s.process.poll() is None, "quick: and the server lives")


def oneself():
    """REPLICAOF oneself, and in a circle"""
    rng = random.Random(tap.seed())
    with duet() as a, duet() as b:
        write(a, rng)
        before = replload.everything(a)
        tap.equal(follow(a, a.port), b"OK", "oneself: it is taken, as Redis takes it")
        with a.connect() as c:
            tap.until(lambda: info(c)["master_link_down_since_seconds"] is not None and c.cmd("ROLE")[0] == b"slave", 10)
            tap.ok("NOMASTERLINK" in tap.until(lambda: next((l for l in a.log().split("\n") if "NOMASTERLINK" in l), None), 10), "oneself: it has no link to itself")
            tap.ok((c.error("SET", "x", "y") or "").startswith("READONLY"), "oneself: it is a slave")
            c.cmd("REPLICAOF", "NO", "ONE")
        tap.ok(replload.everything(a) == before, "oneself: and after NO ONE all is as it was")
        follow(b, a.port)
        up(b)
        follow(a, b.port)
        tap.until(lambda: not replload.up(a) and not replload.up(b) or replload.place(a) == replload.place(b), 20, "a circle comes to rest")
        with a.connect() as c:
            c.cmd("REPLICAOF", "NO", "ONE")
        up(b)
        write(a, rng)
        replload.same(a, [b], "a circle: one is taken out, and the other follows it")


def names():
    """a host by its name, by IPv6, and one that is not there"""
    rng = random.Random(tap.seed())
    with duet("--bind", "127.0.0.1", "::1") as m, duet() as s:
        write(m, rng)
        hosts = ["localhost", "127.0.0.1"]
        try:
            socket.create_connection(("::1", m.port), 2).close()
            hosts.append("::1")
        except OSError as e:
            tap.skip("names: IPv6", str(e))
        for host in hosts:
            follow(s, m.port, host)
            up(s)
            write(m, rng, 20)
            replload.same(m, [s], "names: a master called %s" % host)
            with s.connect() as c:
                tap.equal((info(c)["master_host"], c.cmd("ROLE")[1].decode()), (host, host), "names: INFO and ROLE say %s" % host)
            with m.connect() as c:
                tap.ok("ip=%s," % ("::1" if host == "::1" else "127.0.0.1") in info(c)["slave0"] or (host == "localhost" and "ip=::1," in info(c)["slave0"]), "names: and the master says where it came from")
        full = stats(m)[0]
        for host, port in (("no.such.host.invalid", m.port), ("127.0.0.1", 1), ("256.1.1.1", 1)):
            follow(s, port, host)
            with s.connect() as c:
                tap.until(lambda: info(c)["master_link_status"] == "down" and c.cmd("ROLE")[3] in (b"connect", b"connecting"), 20, "the link is down")
                began = s.log().count("replication: master %s:%d" % (host, port))
                tap.equal(c.cmd("PING"), b"PONG", "names: with %s as its master a server serves" % host)
                tap.until(lambda: "replication: master %s:%d" % (host, port) in s.log(), 20, "it says why")
                tap.ok(began <= 1, "names: and says why in its log, once")
        follow(s, m.port)
        up(s)
        tap.equal(stats(m)[0], full, "names: with its master named again it continues")


tap.main(killed_in_the_middle, promoted, moving, quick, oneself, names)
