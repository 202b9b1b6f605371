#!/usr/bin/python3
"""Chains and trees of slaves among Duet, Debian's redis-server and Valkey, under a load in which every write command occurs:
at rest all hold the same data, key by key, on one line and at one offset."""
# timeout: 300

import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import replload
from replload import duet, redis, valkey
import tap

COUNT = 40_000 if tap.FULL else 1000
ROUNDS = 5 if tap.FULL else 1


def tree(what, makes, edges, seed, dumper=0):
    """makes: how each node is started; edges: (slave, master) by number; node 0 is the head; dumper: whose payloads are restored."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(make()) for make in makes]
        spare = stack.enter_context(makes[0]())
        load = replload.Load(nodes[0], seed, spare, nodes[dumper])
        load.rare()
        load.run(COUNT)
        for at, (slave, master) in enumerate(edges):
            with nodes[slave].connect() as c:
                c.cmd("SET", "its own", "gone")
                c.cmd("REPLICAOF", "127.0.0.1", nodes[master].port)
            load.some(COUNT // 8)  # some come while others are at their copy, some while there is peace
            if at % 2:
                tap.until(lambda: replload.up(nodes[slave]), replload.LIMIT_S, "%s: slave %d is up" % (what, slave))
        tap.until(lambda: all(replload.up(n) for n in nodes[1:]), replload.LIMIT_S, "%s: all links are up" % what)
        replload.same(nodes[0], nodes[1:], "%s: the first copies" % what)
        for i in range(ROUNDS):
            load.run(COUNT)
            if i + 1 == ROUNDS:
                tap.equal(load.missing(next(n for n in nodes if n.command[-1] == "server")), [], "%s: every write command has been there" % what)
            replload.same(nodes[0], nodes[1:], "%s: the stream of every write command" % what)
        load.rare()
        load.run(COUNT // 4)
        replload.same(nodes[0], nodes[1:], "%s: all was emptied, and began anew" % what)


def redis_first():
    """Redis -> Duet -> (Duet -> Redis, Redis)"""
    tree(redis_first.__doc__, [redis, duet, duet, redis, redis], [(4, 1), (3, 2), (2, 1), (1, 0)], tap.seed())


def duet_first():
    """Duet -> (Redis -> Duet, Duet, Duet without a log)"""
    tree(duet_first.__doc__, [duet, redis, duet, duet, lambda: duet("--appendonly", "no")], [(1, 0), (2, 1), (3, 0), (4, 0)], tap.seed() + 1)


def with_valkey():
    """Valkey -> Duet -> (Valkey, Duet -> Redis)"""
    if not replload.has_valkey():
        tap.skip(with_valkey.__doc__, "Valkey is not in the cache")
        return
    tree(with_valkey.__doc__, [valkey, duet, valkey, duet, redis], [(1, 0), (2, 1), (3, 1), (4, 3)], tap.seed() + 2, dumper=1)


def valkey_payloads():
    """Valkey -> Duet -> Valkey"""
    if not replload.has_valkey():
        tap.skip(valkey_payloads.__doc__, "Valkey is not in the cache")
        return
    tree(valkey_payloads.__doc__, [valkey, duet, valkey], [(1, 0), (2, 1)], tap.seed() + 4)


def valkey_between():
    """Duet -> Valkey -> Duet"""
    if not replload.has_valkey():
        tap.skip(valkey_between.__doc__, "Valkey is not in the cache")
        return
    tree(valkey_between.__doc__, [duet, valkey, duet], [(1, 0), (2, 1)], tap.seed() + 3)


tap.main(redis_first, duet_first, with_valkey, valkey_between, valkey_payloads)
