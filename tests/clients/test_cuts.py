#!/usr/bin/python3
"""Links cut and restored: a partial resynchronisation whenever the master still has what its slave lacks, as INFO counts it on every
make of master, and a full one only when not. Cuts fall in the middle of commands, transactions and copies."""
# timeout: 300

import contextlib
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import replload
from badwire import Wire
from replload import duet, info, redis, valkey
import servers
import tap

CUTS = 300 if tap.FULL else 6
MAKES = [duet, redis] + ([valkey] if replload.has_valkey() else [])


def counts(server):
    with server.connect() as c:
        found = info(c, "stats")
        return int(found["sync_full"]), int(found["sync_partial_ok"]), int(found["sync_partial_err"])


def place(server, field):
    with server.connect() as c:
        return int(info(c)[field])


def follow(slave, port, host="127.0.0.1"):
    with slave.connect() as c:
        c.cmd("REPLICAOF", host, port)


def up(*slaves):
    tap.until(lambda: all(replload.up(s) for s in slaves), replload.LIMIT_S, "all links are up")


def cut_often(name, make):
    """Cuts at chance places, each of which the master can make good."""
    seed = tap.seed() + len(name)
    rng = random.Random(seed)
    with contextlib.ExitStack() as stack:
        master, spare = stack.enter_context(make("--repl-backlog-size", "100mb")), stack.enter_context(make())
        slaves = [stack.enter_context(duet()), stack.enter_context(redis() if make is not valkey else duet())]
        wires = [stack.enter_context(Wire(master.port, seed + i, pieces=True)) for i in range(2)]
        load = replload.Load(master, seed, spare, spare if make is not valkey else slaves[0])
        for s, w in zip(slaves, wires):
            follow(s, w.port)
        up(*slaves)
        before = counts(master)
        for i in range(CUTS):
            wire = wires[rng.randrange(2)]
            how = rng.randrange(3)
            seen = wire.connections
            if how == 0:
                wire.cut()  # between any two bytes, with much on its way
            else:
                wire.cut_after = rng.randrange(1, 3000)  # inside of a command
            load.some(rng.randrange(30, 200))
            if how == 2:
                load.every()  # transactions among them
            tap.until(lambda: wire.connections > seen or load.some(20), replload.LIMIT_S, "the cut")
        for w in wires:
            w.cut_after = None
        up(*slaves)
        full, partial, err = (b - a for a, b in zip(before, counts(master)))
        tap.equal((full, err), (0, 0), "%s as master: %d cuts, and no copy for any of them" % (name, CUTS))
        # A cut that comes before the last one is mended, in the handshake, is no resynchronisation of its own.
        tap.ok(CUTS // 2 < partial <= sum(w.connections for w in wires) - 2, "%s as master: but %d partial resynchronisations" % (name, partial))
        replload.same(master, slaves, "%s as master: the slaves hold the same after the cuts" % name)


def cut_masters():
    """cuts at chance places under load"""
    for make in MAKES:
        cut_often(make.__name__, make)


def foretold(name, make):
    """Each time the link is away, what the master forgets meanwhile is looked up, and so is what must happen."""
    rng = random.Random(tap.seed())
    log = ["--appendonly", "no"] if make is duet else []
    wrong, fulls, partials = [], 0, 0
    with make("--repl-backlog-size", "65536", "--repl-backlog-ttl", "0", *log) as master, duet() as slave, Wire(master.port) as wire:
        c = master.connect(60)
        follow(slave, wire.port)
        up(slave)
        for i in range(60 if tap.FULL else 4):
            at = counts(master)
            wire.cut(stay=True)
            tap.until(lambda: place(master, "connected_slaves") == 0 and not replload.up(slave), replload.LIMIT_S, "the slave is away")
            for _ in range(rng.choice((1, 10, 40)) if i != 1 else 400):
                c.cmd("SET", "k%d" % rng.randrange(50), rng.randbytes(rng.randrange(3000)))
            covers = place(slave, "slave_repl_offset") + 1 >= place(master, "repl_backlog_first_byte_offset")
            wire.mend()
            tap.until(lambda: replload.up(slave) and counts(master)[:2] != at[:2], replload.LIMIT_S, "it is back")
            got = tuple(b - a for a, b in zip(at, counts(master)))
            fulls, partials = fulls + (not covers), partials + covers
            if got != ((0, 1, 0) if covers else (1, 0, 1)):
                wrong.append((i, covers, got))
        tap.equal(wrong, [], "%s with a backlog of 64 KB: %d partial and %d full resynchronisations, each where it must be" % (name, partials, fulls))
        tap.ok(fulls and partials, "%s: both have occurred" % name)
        replload.same(master, [slave], "%s: and the data is the same" % name)


def small_backlogs():
    """a backlog that does not cover every cut"""
    for make in MAKES:
        foretold(make.__name__, make)


def cut_copies():
    """a full copy that is cut again and again"""
    rng = random.Random(tap.seed())
    for make in (duet, redis):
        with make() as master, duet() as slave, Wire(master.port, tap.seed(), pieces=False) as wire:
            c = master.connect(60)
            for at in range(200):
                replload.pipe(c, [(b"SET", b"k%d" % (at * 20 + i), rng.randbytes(200)) for i in range(20)])
            with slave.connect() as s:
                s.cmd("SET", "own", "data")
            cuts = 20 if tap.FULL else 3
            wire.plan = [rng.randrange(100, 600000 if i % 2 else 3000) for i in range(cuts)]
            follow(slave, wire.port)
            for i in range(cuts):
                tap.until(lambda: wire.connections > i, replload.LIMIT_S, "the next attempt")
                if len(wire.plan):
                    with slave.connect() as s:
                        if s.cmd("GET", "own") != b"data" or s.cmd("DBSIZE") != 1:
                            tap.ok(False, "%s: a slave shows its old data until a copy is whole" % make.__name__)
                replload.pipe(c, [(b"SET", b"during", b"%d" % i)])
            tap.until(lambda: wire.connections > cuts, replload.LIMIT_S, "the last attempt")
            up(slave)
            replload.same(master, [slave], "%s: a copy that was cut in its middle, time and again, is whole in the end" % make.__name__)


tap.main(cut_masters, small_backlogs, cut_copies)
