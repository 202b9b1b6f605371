"""What generated commands leave behind: a redis-server that follows Duet ends with the same data (first copy and stream), a Duet
that follows redis-server too, and a Duet that is ended and started again has what it had."""
# timeout: 280

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import data, differing  # noqa: E402
from words import Words  # noqa: E402

COMMANDS = 400_000 if tap.FULL else 20_000
BATCH = 200


def propagates(words):
    """A BITFIELD that fails for overflow leaves the string longer in redis-server, and its slaves are not told."""
    return b"FAIL" not in [w.upper() for w in words]


def run(wire, words, count):
    for _ in range(count // BATCH):
        wire.pipeline([w for w in (words.command() for _ in range(BATCH)) if propagates(w)])


def compare(master, other, what):
    """Polls: a slave may be behind by what is on its way."""
    try:
        tap.until(lambda: not differing(data(master.wire(), False), data(other.wire(), False)), 20, what)
    except TimeoutError:
        pass
    left = differing(data(master.wire(), False), data(other.wire(), False))
    for line in left[:10]:
        tap.say(line)
    tap.ok(not left, what)


def follow(master, slave, seed):
    wire, words = master.wire(), Words(random.Random(seed))
    run(wire, words, COMMANDS)
    answer = slave.wire().call("REPLICAOF", "127.0.0.1", master.port)
    tap.equal(answer, b"+OK", "%s takes REPLICAOF" % slave.name)
    tap.until(lambda: b"master_link_status:up" in slave.wire().call("INFO", "replication"), 30, "%s's link is up" % slave.name)
    compare(master, slave, "the first copy of %s is the same in %s" % (master.name, slave.name))
    run(wire, words, COMMANDS)
    wire.call("SELECT", 0)
    wire.call("SADD", "chance", *range(3000), "word")
    for count in (1, 700, 20):
        wire.call("SPOP", "chance", count)
    tap.equal((wire.call("SPOP", "chance") is not None, wire.call("SCARD", "chance")), (True, 3001 - 722), "SPOP takes as many as it was asked for")
    wire.call("SET", "last", "word")
    tap.until(lambda: slave.wire().call("GET", "last") == b"word", 30, "the stream to have come through")
    compare(master, slave, "after the stream of commands too")


def test_redis_follows_duet():
    """redis-server follows Duet"""
    duet, redis = servers.pair(["--sanitize-dump-payload", "yes"])  # else redis-server takes what no one can load
    follow(duet, redis, tap.seed())


def test_duet_follows_redis():
    """Duet follows redis-server"""
    duet, redis = servers.pair(["--sanitize-dump-payload", "yes"])  # else redis-server takes what no one can load
    follow(redis, duet, tap.seed() + 1)


def test_restart():
    """Duet has its data after a restart"""
    duet = servers.Server("duet", [tap.DUET, "server"], ["--appendonly", "yes"])
    run(duet.wire(), Words(random.Random(tap.seed() + 2)), COMMANDS)
    before = data(duet.wire(), False)
    duet.end()
    duet.start()
    left = differing(before, data(duet.wire(), False))
    for line in left[:10]:
        tap.say(line)
    tap.ok(not left, "%d keys are as they were before the restart" % len(before))


tap.main(test_redis_follows_duet, test_duet_follows_redis, test_restart)
