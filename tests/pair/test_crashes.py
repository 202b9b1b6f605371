"""Crash loops and flapping, with the rails on that other tests switch off: FAULTS 32, 63, 64."""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402
from story import LIMIT_S, Story, alarms, comes, stays, tell  # noqa: E402

RAILS = "[ha]\nhold-down-ms 60000\nbench-after 2\n"


def the_masters_server_dies(pair):
    """And the other node takes over."""
    old = comes(pair.is_settled, "the pair is settled")
    old.signal("server", signal.SIGKILL)
    comes(old.other.serving, "the other node serves")
    return old


def unbench(pair):
    for n in pair.nodes.values():
        n.hactl("unbench", check=False)


def in_sync(pair):
    """The node that serves, when the other one has what it has."""
    master = pair.master
    return master if master.status()["sync"]["in_sync"] and master.other.status()["sync"]["in_sync"] else None


def fault_32_roles_move_too_often(pair):
    """32: service links that flap have moved the role twice within minutes: held down with an alarm, they move it no more"""
    with Story(pair, 32) as s:
        for _ in range(2):
            master = comes(lambda: in_sync(pair), "in sync")
            pair.lab.service(master.name, "down")
            comes(master.other.serving, "the role moves to the node that sees the gateway")
            pair.lab.service(master.name, "up")
        comes(lambda: "hold-down" in alarms(s.old), "an alarm")
        comes(lambda: in_sync(pair), "in sync")
        pair.lab.service(s.old.name, "down")
        s.ok(stays(lambda: not s.new.serving(), 2), "held down, a lost service link moves the role no more")
        pair.lab.service(s.old.name, "up")
        unbench(pair)
        s.settled(s.old)


def fault_63_a_master_that_crashes_again_and_again(pair):
    """63: a node's server dies each time it is master: it is benched until an operator says otherwise, the other one serves"""
    with Story(pair, 63) as s:
        the_masters_server_dies(pair)
        s.settled(s.new)
        s.new.hactl("switchover")
        comes(lambda: pair.is_settled() is s.old, "the operator has moved the role back")
        s.old.signal("server", signal.SIGKILL)
        s.takes_over(s.new)
        s.named(s.old, "benched", "crash loop")
        comes(lambda: not s.new.status()["takeover"]["on"], "no takeover by a benched node")
        s.ok(s.new.hactl("switchover", check=False).returncode == 1, "a switchover to it is refused")
        unbench(pair)
        s.settled(s.new)


def fault_64_a_command_kills_whoever_serves(pair):
    """64: whoever serves is killed, again and again: one is benched, the other one is not taken down for ever, nothing is lost"""
    with Story(pair, 64) as s:
        def killed_until_benched():
            for n in pair.nodes.values():
                if "benched" in alarms(n):
                    return True
                if n.serving():
                    n.signal("server", signal.SIGSEGV)
            return False
        tap.until(killed_until_benched, LIMIT_S, "one is benched", 0.3)
        s.ok(True, "a node is benched, with an alarm")
        unbench(pair)
        comes(lambda: pair.is_settled() or unbench(pair), "the operator clears it")
        s.goes_on()


if __name__ == "__main__":
    tell(lambda: pairlab.Pair(extra=RAILS), fault_32_roles_move_too_often, fault_63_a_master_that_crashes_again_and_again,
         fault_64_a_command_kills_whoever_serves)
