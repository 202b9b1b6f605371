#!/usr/bin/python3
"""Pub/sub as a service: messages reach the subscribers of slaves and stay out of a single server's log, big ones reach very many,
whoever does not read is closed by his class's limit while others go on, and in a pair messages wait as replies do."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers
import tap

BIG = b"b" * 300_000


def subscriber(server, *channels, resp=2):
    c = server.connect(30)
    if resp == 3:
        c.cmd("HELLO", "3")
    for name in channels:
        c.cmd("SUBSCRIBE", name)
    return c


def fan_out():
    """A big message to many, some of whom read late"""
    with servers.Server("--save", "") as s, s.connect(30) as c:
        readers = [subscriber(s, "big", resp=2 + i % 2) for i in range(60)]
        tap.equal(c.cmd("PUBLISH", "big", BIG), 60, "all of them are counted")
        tap.equal(c.cmd("PUBLISH", "big", "small"), 60, "and of the next message too")
        late = readers[:20]
        wrong = 0
        for r in readers[20:] + late:
            for text in (BIG, b"small"):
                got = r.read()
                wrong += [bytes(x) for x in got] != [b"message", b"big", text]
        tap.equal(wrong, 0, "each got both, whole and in order")
        r = readers[1]
        for i in range(20):  # its own replies stand where they belong
            r.send("ECHO", "e%d" % i)
            c.cmd("PUBLISH", "big", BIG if i % 3 == 0 else b"%d" % i)
        echoes, messages = [], []
        while len(echoes) + len(messages) < 40:
            got = r.read()
            (messages if isinstance(got, list) else echoes).append(got)
        tap.equal((echoes, [len(m[2]) for m in messages]), ([b"e%d" % i for i in range(20)], [len(BIG) if i % 3 == 0 else len(str(i)) for i in range(20)]),
                  "replies and messages of one connection keep their orders")
        for r in readers:
            r.close()
        tap.until(lambda: c.cmd("PUBSUB", "NUMSUB", "big")[1] == 0, 10, "nobody is left")
        tap.equal(c.cmd("PUBLISH", "big", "x"), 0, "who hung up is not counted")


def slow_reader():
    """A subscriber that does not read"""
    with servers.Server("--save", "") as s, s.connect(30) as c:
        c.cmd("CONFIG", "SET", "client-output-buffer-limit", "pubsub 8000000 0 0")
        deaf, awake = subscriber(s, "ch"), subscriber(s, "ch")
        me = [line for line in c.cmd("CLIENT", "LIST").splitlines() if b"flags=P" in line]
        tap.equal(len(me), 2, "CLIENT LIST marks subscribers")
        for n in range(200):
            both = c.cmd("PUBLISH", "ch", BIG)
            awake.read()
            if both == 1:
                break
        tap.ok(1 < n < 100, "it is closed after %d messages" % n)
        tap.ok(b"client_output_buffer_limit_disconnections:1" in c.cmd("INFO", "stats"), "INFO counts it")
        tap.equal(c.cmd("CLIENT", "KILL", "TYPE", "pubsub"), 1, "CLIENT KILL TYPE pubsub finds the other")
        deaf.close()


def slaves():
    """Subscribers of a slave"""
    with servers.Server("--save", "") as master, servers.Server("--save", "") as slave, master.connect(30) as c, slave.connect(30) as d:
        c.cmd("PUBLISH", "ch", "unheard")
        c.cmd("SET", "a", "1")
        tap.ok(log_lacks(master, b"unheard"), "without a slave a message is not in the log")
        d.cmd("REPLICAOF", "127.0.0.1", master.port)
        tap.until(lambda: b"master_link_status:up" in d.cmd("INFO", "replication"), 30, "the link is up")
        ears = subscriber(slave, "ch")
        ears.cmd("SSUBSCRIBE", "shard")
        events = slave.connect(30)
        d.cmd("CONFIG", "SET", "notify-keyspace-events", "KEA")
        events.cmd("PSUBSCRIBE", "__key*__:*")
        c.cmd("PUBLISH", "ch", "hello")
        c.cmd("SPUBLISH", "shard", "there")
        c.cmd("MULTI")
        c.cmd("SET", "k", "v")
        c.cmd("PUBLISH", "ch", "in a transaction")
        c.cmd("EXEC")
        tap.equal([ears.read()[1:] for _ in range(3)], [[b"ch", b"hello"], [b"shard", b"there"], [b"ch", b"in a transaction"]], "hear what is said at the master")
        tap.equal([events.read()[2:] for _ in range(2)], [[b"__keyspace@0__:k", b"set"], [b"__keyevent@0__:set", b"k"]], "and events of what it applies")
        tap.equal(d.cmd("PUBLISH", "ch", "local"), 1, "PUBLISH at the slave is for its own")


def log_lacks(server, word):
    found = False
    for where, _, names in os.walk(server.directory):
        for name in names:
            with open(os.path.join(where, name), "rb") as f:
                found = found or word in f.read()
    return not found


def held():
    """A message that tells of a write waits for the pair's slave"""
    import test_pair_server as pair
    with pair.Node("--save", "") as s:
        s.lease(60)
        s.duet("MASTER", "1")
        s.duet("ALONE", "1")
        ears, c = s.connect(30), s.connect(30)
        ears.cmd("SUBSCRIBE", "ch")
        tracker = s.connect(30)
        tracker.cmd("HELLO", "3")
        tracker.cmd("CLIENT", "TRACKING", "ON")
        tracker.cmd("GET", "k")
        s.duet("ALONE", "0")
        c.send("SET", "k", "v")
        c.send("PUBLISH", "ch", "told")
        tap.until(lambda: int(s.status()["held"]) > 0, 10, "replies are held")
        for who, what in ((ears, "the message"), (tracker, "the invalidation"), (c, "the reply")):
            tap.ok(who.silent(0.2), "%s is held" % what)
        s.duet("ALONE", "1")
        tap.equal(ears.read()[2], b"told", "and goes when the write is safe")
        tap.equal(tracker.read(), [b"invalidate", [b"k"]], "so does the invalidation")
        s.duet("NONE")
        tap.ok(ears.ends(10), "who subscribed is closed when this node is no master any more")


tap.main(fan_out, slow_reader, slaves, held)
