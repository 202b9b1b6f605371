"""Keyspace events: the same generated commands must be told of in the same words and the same order as redis-server 7.0 tells
of them, keys that were missed and keys that are new included. What ends by itself (expired) is told when a server comes upon
it, each in its own time."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from words import Words  # noqa: E402

COMMANDS = 400_000 if tap.FULL else 20_000
BATCH = 200


class EventWords(Words):
    FAMILIES = [Words.hash, Words.set, Words.list, Words.list, Words.zset, Words.zset, Words.geo, Words.hll, Words.stream, Words.stream,
                Words.stream, Words.bits]
    ONLY = [f for f in FAMILIES if f.__name__ in os.environ.get("DUET_WORDS", "").split(",")]


class Listener:
    def __init__(self, server):
        wire = server.wire()
        wire.call("CONFIG", "SET", "notify-keyspace-events", "KEA" + "mn")
        self.wire = server.wire()
        self.wire.call("PSUBSCRIBE", "__key*__:*", "mark")
        self.wire.read()

    def until(self, mark):
        found = []
        while True:
            _, _, channel, text = self.wire.read()[1]
            if channel == b"mark" and text == mark:
                return found
            if text != b"expired" and not channel.endswith(b":expired"):
                found.append((channel, text))


def follow(duet, redis, seed):
    words = EventWords(random.Random(seed))
    listeners, wires = [Listener(s) for s in (duet, redis)], [s.wire() for s in (duet, redis)]
    events = different = 0
    for step in range(COMMANDS // BATCH):
        batch = [words.command() for _ in range(BATCH)]
        batch = [c for c in batch if b"FAIL" not in [w.upper() for w in c]]  # of BITFIELD: redis-server has changed the key by then
        mark = b"%d" % step
        for w in wires:
            w.pipeline(batch + [(b"PUBLISH", b"mark", mark)])
        ours, theirs = [each.until(mark) for each in listeners]
        events += len(theirs)
        if ours == theirs:
            continue
        different += 1
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        tap.say("before %.200r\nduet   %.300r\nredis  %.300r" % (theirs[max(0, at - 2):at], ours[at:at + 4], theirs[at:at + 4]))
        keys = {event[0].split(b":", 1)[1] for each in (ours, theirs) for event in each[at:at + 1]}
        tap.say("commands with the keys: %.900r" % [c for c in batch if keys & set(c)][-9:])
        if different == 5:
            break
    tap.equal(different, 0, "seed %d: %d events are the same" % (seed, events))


def test_events():
    """Keyspace events are the same"""
    duet, redis = servers.pair()
    follow(duet, redis, tap.seed())


tap.main(test_events)
