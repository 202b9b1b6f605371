#!/usr/bin/python3
"""REPLICAOF between servers: duet and duet, duet and Debian's redis-server in both directions; WAIT, ROLE, INFO."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

DUET = [tap.DUET, "server"]
REDIS = [servers.REDIS_SERVER]
QUICK = ["--repl-diskless-sync-delay", "0", "--save", ""]


def same_data(a, b):
    keys = sorted(a.cmd("KEYS", "*"))
    if keys != sorted(b.cmd("KEYS", "*")):
        return False
    for i in range(0, len(keys), 500):
        if a.cmd("MGET", *keys[i:i + 500]) != b.cmd("MGET", *keys[i:i + 500]):
            return False
    return True


def info(c, field):
    for line in c.cmd("INFO", "replication").decode().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]
    return None


def follow(master_kind, slave_kind):
    name = "%s follows %s: " % (os.path.basename(slave_kind[0]).replace("duet", "Duet"), os.path.basename(master_kind[0]).replace("duet", "Duet"))
    with servers.Server(*QUICK, command=master_kind) as m, servers.Server(*QUICK, command=slave_kind) as s:
        with m.connect() as mc, s.connect() as sc:
            mc.send_raw(b"".join(servers.encode("SET", "key:%d" % i, "value %d" % i) for i in range(5000)))
            for _ in range(5000):
                mc.read()
            sc.cmd("SET", "mine", "goes")
            tap.equal(sc.cmd("REPLICAOF", "127.0.0.1", m.port), b"OK", name + "REPLICAOF")
            tap.until(lambda: info(sc, "master_link_status") == "up", 20, "the link is up")
            tap.ok(tap.until(lambda: same_data(mc, sc), 10), name + "a full copy")
            tap.ok(sc.error("SET", "a", "1").startswith("READONLY"), name + "the slave refuses writes")
            mc.cmd("SET", "after", "1")
            mc.cmd("INCRBY", "n", "41")
            mc.cmd("SET", "ttl", "1", "EX", "1000")
            mc.cmd("DEL", "key:1", "key:2")
            mc.cmd("MULTI")
            mc.cmd("INCR", "n")
            mc.cmd("APPEND", "after", "x")
            mc.cmd("EXEC")
            tap.equal(mc.cmd("WAIT", 1, 5000), 1, name + "WAIT counts it")
            tap.ok(tap.until(lambda: same_data(mc, sc), 10) and sc.cmd("GET", "n") == b"42", name + "writes follow")
            tap.ok(0 < sc.cmd("TTL", "ttl") <= 1000, name + "with their expiry")
            tap.equal(mc.cmd("ROLE")[2][0][1], str(s.port).encode(), name + "ROLE of the master names it")
            role = sc.cmd("ROLE")
            tap.equal((role[0], role[2], role[3]), (b"slave", m.port, b"connected"), name + "ROLE of the slave")
            tap.equal((info(mc, "connected_slaves"), info(sc, "role")), ("1", "slave"), name + "INFO")
            tap.equal(sc.cmd("REPLICAOF", "NO", "ONE"), b"OK", name + "REPLICAOF NO ONE")
            tap.equal((sc.cmd("SET", "own", "1"), sc.cmd("GET", "after")), (b"OK", b"1x"), name + "a master with the data")


def directions():
    """REPLICAOF"""
    follow(DUET, DUET)
    follow(REDIS, DUET)
    follow(DUET, REDIS)


def rules():
    """What a slave and a lonely master answer"""
    with servers.Server(*QUICK, "--replica-serve-stale-data", "no") as s, s.connect() as c:
        c.cmd("SET", "a", "1")
        c.cmd("REPLICAOF", "127.0.0.1", servers.free_port())
        tap.equal(c.error("GET", "a"), "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                  "stale data is not served when that is configured")
        c.cmd("CONFIG", "SET", "slave-serve-stale-data", "yes")
        tap.equal(c.cmd("GET", "a"), b"1", "and is by default")
        c.cmd("CONFIG", "SET", "replica-read-only", "no")
        tap.equal(c.cmd("SET", "a", "2"), b"OK", "a writable slave writes")
        c.cmd("REPLICAOF", "NO", "ONE")
        c.cmd("CONFIG", "SET", "min-replicas-to-write", "1")
        tap.equal(c.error("SET", "a", "1"), "NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write")


def answers_go_on():
    """A slave answers while it takes full copies, whose offsets begin below what was its own"""
    with servers.Server(*QUICK) as m, servers.Server(*QUICK) as s, s.connect() as c:
        stop, answered, errors = threading.Event(), [0] * 6, []

        def ask(i):
            try:
                with s.connect() as mine:
                    while not stop.is_set():
                        mine.error("PING")  # LOADING is an answer too
                        answered[i] += 1
            except Exception as e:  # noqa: BLE001
                errors.append(repr(e))
        threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(len(answered))]
        for t in threads:
            t.start()
        for _ in range(8):
            for n in range(200):
                c.cmd("SET", "mine:%d" % n, "x" * 100)
            c.cmd("REPLICAOF", "127.0.0.1", m.port)
            tap.until(lambda: info(c, "master_link_status") == "up", 20, "the link is up")
            c.cmd("REPLICAOF", "NO", "ONE")
        before = list(answered)
        going_on = tap.until(lambda: errors or all(a > b for a, b in zip(answered, before)), 20, "all are answered")
        stop.set()
        for t in threads:
            t.join(15)
        tap.ok(going_on and not errors, "six clients are answered through eight full copies") or tap.say(str(errors))


tap.main(directions, rules, answers_go_on)
