#!/usr/bin/python3
"""maxmemory: who goes under which policy, what is refused when nobody may, and that slaves follow."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers  # noqa: E402
import tap  # noqa: E402

MB = 1 << 20
OOM = "OOM command not allowed when used memory > 'maxmemory'."
VALUE = "x" * 500


def info(c):
    lines = c.cmd("INFO", "everything").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def used(c):
    return int(info(c)["used_memory"])


def limit(c, policy, room=8 * MB):
    c.cmd("FLUSHALL")
    tap.until(lambda: int(info(c)["lazyfree_pending_objects"]) == 0, 10, "an empty start")
    c.cmd("CONFIG", "RESETSTAT")
    c.cmd("CONFIG", "SET", "maxmemory", used(c) + room)
    c.cmd("CONFIG", "SET", "maxmemory-policy", policy)


def fill(c, n, prefix="key", *options):
    errors = 0
    for first in range(0, n, 500):
        for i in range(first, min(n, first + 500)):
            c.send("SET", "%s:%06d" % (prefix, i), VALUE, *options)
        for i in range(first, min(n, first + 500)):
            try:
                c.read()
            except servers.Error as e:
                errors += 1
                if str(e) != OOM:
                    raise
    return errors


def bounded(c, what):
    top = int(c.cmd("CONFIG", "GET", "maxmemory")[1])
    tap.until(lambda: used(c) <= top + MB // 4, 5,  # INFO takes some itself
              "memory below the limit")
    tap.ok(used(c) > top - 3 * MB, "%s: memory is full to the limit and not past it" % what)
    tap.ok(int(info(c)["evicted_keys"]) > 1000, "%s: evicted keys are counted" % what)


def refusal():
    with servers.Server("--appendonly", "no") as s:
        c = s.connect()
        limit(c, "noeviction")
        tap.ok(fill(c, 30000) > 1000, "noeviction: writes are refused when memory is full, by Redis's words")
        tap.ok(c.cmd("GET", "key:000000") == VALUE.encode() and c.cmd("DEL", "key:000000") == 1, "reading and deleting go on")
        c.cmd("CONFIG", "SET", "maxmemory", "1mb")
        tap.ok(c.cmd("MULTI") == b"OK", "MULTI goes on as well")
        tap.ok(c.error("SET", "a", "b") == OOM, "what is queued is refused")
        tap.ok((c.error("EXEC") or "").startswith("EXECABORT"), "and the transaction with it")
        limit(c, "volatile-lru")
        tap.ok(fill(c, 30000) > 1000 and int(info(c)["evicted_keys"]) == 0, "volatile-lru: without stamps nobody goes, and writes are refused")
        c.cmd("CONFIG", "SET", "maxmemory", "0")
        tap.ok(c.cmd("SET", "a", "b") == b"OK", "without a limit all is as before")


def policies():
    with servers.Server("--appendonly", "no", "--maxmemory-samples", "10") as s:
        c = s.connect()
        for policy in ("allkeys-random", "allkeys-lru", "allkeys-lfu"):
            limit(c, policy)
            tap.ok(fill(c, 30000) == 0, "%s: nothing is refused" % policy)
            bounded(c, policy)
        for policy in ("volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"):
            limit(c, policy)
            fill(c, 3000, "stays")
            tap.ok(fill(c, 30000, "goes", "EX", "10000") == 0, "%s: nothing is refused" % policy)
            bounded(c, policy)
            tap.ok(c.cmd("EXISTS", *["stays:%06d" % i for i in range(3000)]) == 3000, "%s: keys without a stamp stay" % policy)


def choice():
    with servers.Server("--appendonly", "no", "--maxmemory-samples", "10") as s:
        c = s.connect()
        limit(c, "volatile-ttl")
        for i in range(3000):
            c.send("SET", "soon:%06d" % i, VALUE, "EX", str(100 + i))
        for i in range(3000):
            c.read()
        fill(c, 15000, "late", "EX", "1000000")
        late = c.cmd("EXISTS", *["late:%06d" % i for i in range(9000)])
        tap.ok(c.cmd("EXISTS", *["soon:%06d" % i for i in range(3000)]) < 600 and late > 5000, "volatile-ttl: those that expire first go first")
        limit(c, "allkeys-lfu")
        fill(c, 3000, "loved")
        for _ in range(30):
            c.cmd("MGET", *["loved:%06d" % i for i in range(3000)])
        fill(c, 20000, "rare")
        tap.ok(c.cmd("EXISTS", *["loved:%06d" % i for i in range(3000)]) > 2900, "allkeys-lfu: what is asked for often stays")
        limit(c, "allkeys-lru")
        fill(c, 3000, "old")
        tap.until(lambda: c.cmd("OBJECT", "IDLETIME", "old:000000") >= 2, 5, "keys two seconds old")
        c.cmd("MGET", *["old:%06d" % i for i in range(1000)])
        fill(c, 13500, "new")
        kept = c.cmd("EXISTS", *["old:%06d" % i for i in range(1000)])
        gone = 2000 - c.cmd("EXISTS", *["old:%06d" % i for i in range(1000, 3000)])
        tap.ok(kept > 800 and gone > 1000, "allkeys-lru: what was just read stays, what was not goes")


def slaves():
    with servers.Server("--appendonly", "no") as master, servers.Server("--appendonly", "no", "--maxmemory", "1mb") as slave:
        m, s = master.connect(), slave.connect()
        s.cmd("REPLICAOF", "127.0.0.1", master.port)
        tap.until(lambda: info(s).get("master_link_status") == "up", 20, "the link")
        limit(m, "allkeys-random")
        fill(m, 20000)
        bounded(m, "a master")
        tap.until(lambda: m.cmd("DBSIZE") == s.cmd("DBSIZE"), 10, "the same keys on both")
        tap.ok(int(info(s)["evicted_keys"]) == 0, "a slave evicts nothing by itself, whatever its own limit, and loses what its master evicted")
        m.cmd("SET", "last", "x")
        tap.until(lambda: s.cmd("GET", "last") == b"x", 10, "the last write")
        tap.ok(True, "and the stream goes on")


tap.main(refusal, policies, choice, slaves)
