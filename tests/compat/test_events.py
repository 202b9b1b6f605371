"""Keyspace events: generated commands on Duet and on redis-server 7.0, each with every class of events on; what a subscriber of
all of them hears of each command is the same, in the same order. Expiry and eviction too."""
# timeout: 280

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from words import Words  # noqa: E402

COMMANDS = 1_000_000 if tap.FULL else 30_000
BATCH = 100
FENCE = b"__keyfence__:"
UNORDERED = {b"SORT", b"SORT_RO"}  # what it looks up, in the order in which members are kept


class Heard:
    """A server with its subscriber."""

    def __init__(self, server, pattern="__key*__:*"):
        self.wire, self.ears = server.wire(), server.wire()
        self.wire.call("FLUSHALL")
        self.wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        self.ears.call("PSUBSCRIBE", pattern)

    def run(self, commands):
        """A list of events for each command."""
        fenced = [w for c in commands for w in (c, (b"PUBLISH", FENCE, b"x"))]
        self.wire.pipeline(fenced)
        return [self.until_fence() for _ in commands]

    def until_fence(self):
        events = []
        while True:
            _, _, channel, message = self.ears.read()[1]
            if channel == FENCE:
                return events
            events.append((channel, message))


# FLUSHALL and its kin tell nothing and leave nothing to tell of; what RESTORE takes is test_commands' concern; SCAN and RANDOMKEY find
# what has expired, if at all, by chance (redis-server's SCAN deletes it).
LEFT_OUT = {b"FLUSHALL", b"FLUSHDB", b"SWAPDB", b"RESTORE", b"RESTORE-ASKING", b"SCAN", b"RANDOMKEY"}


def compared(words):
    if b"FAIL" in [w.upper() for w in words]:
        return False  # a BITFIELD that fails for overflow leaves the string longer in redis-server, and tells nobody
    return words[0].upper() not in LEFT_OUT


def test_generated():
    """What generated commands tell is what redis-server tells"""
    duet, redis = servers.pair(["--notify-keyspace-events", "KEAmn", "--enable-debug-command", "yes"])
    words, sides = Words(random.Random(tap.seed())), [Heard(duet), Heard(redis)]
    sent = different = told = 0
    history = []
    while sent < COMMANDS and different < 20:
        batch = [w for w in (words.command() for _ in range(BATCH)) if compared(w)]
        ours, theirs = [side.run(batch) for side in sides]
        sent += len(batch)
        for w, a, b in zip(batch, ours, theirs):
            history = (history + [w])[-2000:]
            told += len(b)
            limited = b"LIMIT" in [x.upper() for x in w]  # of equal weights, any may be the part that is looked up
            if a == b or (w[0].upper() in UNORDERED and (limited or sorted(a) == sorted(b))):
                continue
            different += 1
            tap.say("differs: %.200r" % (w,))
            tap.say("  duet  %.300r" % (a,))
            tap.say("  redis %.300r" % (b,))
            for old in [h for h in history[:-1] if len(h) > 1 and len(w) > 1 and w[1] in h[1:]][-3:]:
                tap.say("  before it: %.200r" % (old,))
    tap.equal(different, 0, "%d commands told %d events, the same ones" % (sent, told))


class Own:
    """A connection that hears (RESP3) what it does itself: events stand before its replies, or behind them."""

    def __init__(self, server):
        self.wire = server.wire()
        self.wire.call("FLUSHALL")
        self.wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        self.wire.call("HELLO", "3")
        self.wire.call("PSUBSCRIBE", "__key*__:*")

    def run(self, commands):
        """For each command the kinds of what came, pushes by their words."""
        self.wire.send([w for c in commands for w in (c, (b"PING", b"fence"))])
        return [self.until_fence() for _ in commands]

    def until_fence(self):
        got = []
        while True:
            raw, value = self.wire.read()
            if value == b"fence":
                return got
            got.append(value if raw[:1] == b">" else b"reply")


INSIDE = {b"ZPOPMIN", b"ZPOPMAX", b"ZMPOP", b"SPOP", b"XAUTOCLAIM"}  # redis-server puts the event into the reply's array, where no client can read it


def test_own():
    """Events stand on the same side of the reply as redis-server's"""
    duet, redis = servers.pair(["--notify-keyspace-events", "Egxe$lshzxtdmn", "--enable-debug-command", "yes"])
    words, sides = Words(random.Random(tap.seed() + 1)), [Own(duet), Own(redis)]
    sent, wrong = 0, {}
    while sent < COMMANDS and len(wrong) < 20:
        batch = [w for w in (words.command() for _ in range(BATCH)) if compared(w)]
        ours, theirs = [side.run(batch) for side in sides]
        sent += len(batch)
        for w, a, b in zip(batch, ours, theirs):
            if a != b and w[0].upper() not in wrong and w[0].upper() not in UNORDERED | INSIDE:
                wrong[w[0].upper()] = (w, a, b)
    for w, a, b in wrong.values():
        tap.say("%.100r" % (w,))
        tap.say("  duet  %.300r" % (a,))
        tap.say("  redis %.300r" % (b,))
    tap.equal(sorted(wrong), [], "%d commands of one that hears itself" % sent)


def both(pair, fn, what):
    ours, theirs = [fn(s) for s in pair]
    if not tap.ok(ours == theirs, what):
        tap.say("duet  %r" % (ours,))
        tap.say("redis %r" % (theirs,))


def test_expiry():
    """Keys that expire, found or not, and keys that are evicted"""
    pair = servers.pair(["--notify-keyspace-events", "Exe", "--enable-debug-command", "yes"])

    def found(server):
        side = Heard(server)
        side.run([(b"SET", b"k", b"v", b"PX", b"1"), (b"SET", b"j", b"v", b"PX", b"1"), (b"SELECT", b"2"), (b"SET", b"k", b"v", b"PXAT", b"1")])
        tap.until(lambda: side.wire.call("TTL", "k") == -2, 10, "a key to expire")
        tap.until(lambda: server.wire().call("GET", "k") is None, 10, "another key to expire")
        return sorted(side.run([(b"SELECT", b"0"), (b"EXISTS", b"k"), (b"GET", b"j"), (b"MGET", b"k", b"j")])[0]), side.run([(b"GET", b"j")])
    both(pair, found, "who finds an expired key tells of it, in its database")

    def in_time(server):
        side = Heard(server)
        side.wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        side.wire.pipeline([(b"SET", b"t%d" % i, b"v", b"PX", b"1") for i in range(20)])
        return sorted(side.ears.read()[1][3] for _ in range(20))
    both(pair, in_time, "what expires unseen is told too")

    def evicted(server):
        side = Heard(server)
        side.wire.pipeline([(b"SET", b"e%d" % i, b"v" * 5000) for i in range(200)])
        used = int(side.wire.call("INFO", "memory").split(b"used_memory:")[1].split(b"\r")[0])
        side.wire.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", used - 100_000)
        side.wire.call("SET", "e0", "x")
        _, _, channel, key = side.ears.read()[1]
        side.wire.call("CONFIG", "SET", "maxmemory", 0)
        return channel, side.wire.call("EXISTS", key) if key != b"e0" else 0
    both(pair, evicted, "and so is an evicted key")


def test_directive():
    """notify-keyspace-events takes the letters that redis-server takes, and shows them as it does"""
    pair = servers.pair()
    rng = random.Random(tap.seed())
    letters = b"KEg$lshzxetdmnA"
    cases = [b"", b"KEA", b"q", b"KEA ", b"AKE", b"An", b"nA", b"Am", b"mAn", b"g$lshzxetd", b"K", b"E", b"KE"]
    cases += [bytes(rng.choice(letters) for _ in range(rng.randint(1, 8))) for _ in range(200)]

    def say(server):
        w = server.wire()
        return [[c] + [raw for raw, _ in w.pipeline([(b"CONFIG", b"SET", b"notify-keyspace-events", c), (b"CONFIG", b"GET", b"notify-keyspace-events")])] for c in cases]
    ours, theirs = [say(s) for s in pair]
    wrong = [(a, b) for a, b in zip(ours, theirs) if a != b]
    tap.equal(wrong[:3], [], "%d settings" % len(cases))

    def classes(server):
        w, got = server.wire(), []
        for letter in b"g$lshzxetdmnA":
            w.call("CONFIG", "SET", "notify-keyspace-events", b"E%c" % letter)
            side = Heard(server)
            got.append(side.run([(b"SET", b"s", b"v"), (b"GET", b"none"), (b"RPUSH", b"l", b"a"), (b"SADD", b"t", b"a"), (b"HSET", b"h", b"f", b"v"),
                                 (b"ZADD", b"z", b"1", b"a"), (b"DEL", b"s", b"l"), (b"EXPIRE", b"t", b"100")]))
        return got
    both(pair, classes, "each class by itself")


tap.main(test_generated, test_own, test_expiry, test_directive)
