"""What is replicated: a listener follows Duet, another one redis-server 7.0; the same generated commands must put the same bytes into both
streams. Families whose effects hold a moment (expiry) or chance are left out: test_effects compares what they leave behind."""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from words import Words  # noqa: E402

COMMANDS = 400_000 if tap.FULL else 20_000
BATCH = 200
CLOSE_MS = 5000
QUIET = {b"PING", b"REPLCONF"}  # the master's own


class SomeWords(Words):
    FAMILIES = [Words.hll, Words.hash, Words.set, Words.list, Words.zset, Words.zset, Words.sort, Words.geo, Words.stream, Words.stream, Words.stream]


def same(ours, theirs):
    """Equal, but for the time of a delivery: the servers' clocks were read at two moments."""
    if len(ours) == len(theirs) == 14 and ours[0] == theirs[0] == b"XCLAIM" and abs(int(ours[7]) - int(theirs[7])) <= CLOSE_MS:
        return ours[:7] + ours[8:] == theirs[:7] + theirs[8:]
    return ours == theirs


class Listener:
    """A slave that takes the first copy and then reads commands."""

    def __init__(self, server):
        self.wire = server.wire()
        self.wire.send([(b"PSYNC", b"?", b"-1")])
        line = b"\n"
        while line in (b"\n", b"\r\n") or line.startswith(b"+"):
            line = self.wire.file.readline()
        self.wire.file.read(int(line[1:]))
        self.wire.socket.settimeout(60)

    def until(self, mark):
        """All commands before SET mark."""
        found = []
        self.wire.send([(b"REPLCONF", b"ACK", b"0")])  # it lives
        while True:
            words = self.wire.read()[1]
            if words[:2] == [b"SET", mark]:
                return found
            if words[0].upper() not in QUIET:
                found.append(words)


def follow(duet, redis, seed):
    words = SomeWords(random.Random(seed))
    wires, listeners = [s.wire() for s in (duet, redis)], [Listener(s) for s in (duet, redis)]
    commands = different = 0
    for step in range(COMMANDS // BATCH):
        batch = [words.command() for _ in range(BATCH)]
        mark = b"mark%d" % step
        for w in wires:
            w.pipeline(batch + [(b"SET", mark, b"x")])
        ours, theirs = [each.until(mark) for each in listeners]
        commands += len(theirs)
        if len(ours) == len(theirs) and all(map(same, ours, theirs)):
            continue
        different += 1
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if not same(a, b)), min(len(ours), len(theirs)))
        tap.say("duet  %.300r\nredis %.300r" % (ours[at:at + 2], theirs[at:at + 2]))
        if different == 5:
            break
    tap.equal(different, 0, "seed %d: %d commands in the stream are the same" % (seed, commands))


def test_stream():
    """The streams are the same"""
    duet, redis = servers.pair()
    follow(duet, redis, tap.seed())


if __name__ == "__main__":  # test_script.py takes Listener from here
    tap.main(test_stream)
