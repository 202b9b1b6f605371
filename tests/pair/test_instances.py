"""Two servers on a pair: one role for the node, whichever of its servers dies."""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402

SECOND = 7000
pair = None


def second():
    return redis.Redis(host=netlab.VIP, port=SECOND, socket_timeout=2)


def both_serve_and_both_move():
    """both instances are served at the VIP, and survive the master's power cut"""
    old = pair.settled()
    tap.equal([i["port"] for i in old.status()["instances"]], [pairlab.PORT, SECOND], "status lists both")
    pair.client().set("one", "1")
    second().set("two", "2")
    old.power_cut()
    pair.writes_work()
    tap.equal((pair.client().get("one"), second().get("two")), (b"1", b"2"), "the other node has the writes of both")
    old.power_on()
    tap.ok(pair.settled(old.other) is old.other, "the old master follows with both in sync")


def one_dies():
    """one of the two servers is killed: the node hands both over"""
    old = pair.settled()
    os.kill(old.pids("server")[1], signal.SIGKILL)
    pair.writes_work()
    tap.ok(pair.settled(old.other) is old.other, "the other node serves both, the killed one is back as slave")
    tap.equal([i["role"] for i in old.status()["instances"]], ["slave", "slave"], "both of the old master's servers follow")
    tap.equal((pair.client().get("one"), second().get("two")), (b"1", b"2"), "nothing is lost")


def main():
    global pair
    with pairlab.Pair(extra="[instance 1]\nport %d\nmemory 64mb\n" % SECOND) as pair:
        pairlab.run(both_serve_and_both_move, one_dies)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
