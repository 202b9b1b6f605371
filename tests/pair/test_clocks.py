"""Wall clocks that jump or differ: FAULTS 53, 54. The nodes run the product linked with a wall clock that this test moves
(clock_shift.c); CLOCK_BOOTTIME, by which the pair decides, is nobody's to move."""

import json
import mmap
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402
from story import Story, stays, tell  # noqa: E402

HOUR_S, YEAR_S = 3600, 365 * 24 * 3600
BINARY = os.path.join(tap.TOP, "build", "tests", "pair", "duet-clock")


class Clock:
    """One node's wall clock."""

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.write(bytes(4096))
            f.flush()
            self.page = mmap.mmap(f.fileno(), 4096)

    def is_off_by(self, seconds):
        self.page[:8] = struct.pack("q", seconds * 1000000000)


def with_clocks(p):
    for n in p.nodes.values():
        path = os.path.join(p.work, "clock-" + n.name)
        n.clock, n.binary = Clock(path), BINARY
        n.environment = {"DUET_TEST_CLOCK": path}


def keep_keys(pair):
    """Keys that live for a day and for ever."""
    with pair.client() as c:
        c.set("for-ever", "1")
        c.set("for-two-days", "1", ex=48 * HOUR_S)


def fault_53_the_masters_clock_jumps(pair):
    """53: the master's wall clock jumps an hour ahead, an hour back, ten years ahead: nobody changes a role"""
    with Story(pair, 53) as s:
        keep_keys(pair)
        for seconds in (HOUR_S, -HOUR_S, 10 * YEAR_S, -10 * YEAR_S, 1, 0):
            s.old.clock.is_off_by(seconds)
            s.ok(stays(s.old.serving, 0.7), "the clock is off by %d s: the master serves on" % seconds)
        s.goes_on()
        s.settled(s.old)
        s.unmoved()
        with pair.client() as c:
            s.ok(c.get("for-ever") == b"1", "a key without an end is there")


def fault_53_the_slaves_clock_jumps(pair):
    """53: the slave's wall clock jumps: it deletes nothing by itself, for the master decides what has ended"""
    with Story(pair, 53) as s:
        keep_keys(pair)
        for seconds in (100 * HOUR_S, -HOUR_S, 10 * YEAR_S, 0):
            s.new.clock.is_off_by(seconds)
            s.ok(stays(s.old.serving, 0.7), "the clock is off by %d s: nobody moves" % seconds)
        s.ok(s.new.control().ttl("for-two-days") > 47 * HOUR_S, "the slave still holds the key that lives for two days")
        s.settled(s.old)
        s.unmoved()


def fault_53_the_clocks_are_an_hour_apart(pair):
    """53: the nodes' clocks are an hour apart: a takeover loses no key whose end is further away, and both say the same of it"""
    with Story(pair, 53) as s:
        s.new.clock.is_off_by(HOUR_S)
        keep_keys(pair)
        s.settled(s.old)
        ttl = s.old.control().ttl("for-two-days")
        s.old.power_cut()
        s.takes_over(s.new)
        with pair.client() as c:
            s.ok(abs(c.ttl("for-two-days") - ttl) <= HOUR_S + 60, "the key lives on the new master")
        s.new.clock.is_off_by(0)
        s.old.power_on()
        s.settled(s.new)
        a, b = (n.control().execute_command("PEXPIRETIME", "for-two-days") for n in pair.nodes.values())
        s.ok(a == b > 0, "its end is the same moment on both")


def fault_53_nothing_ends_by_a_step(pair):
    """53: the master's clock jumps ahead: no key ends by it until an operator says that the clock is right"""
    with Story(pair, 53) as s:
        keep_keys(pair)
        with pair.client() as c:
            c.set("for-an-hour", "1", ex=HOUR_S)
        s.settled(s.old)
        s.old.clock.is_off_by(12 * HOUR_S)
        tap.until(lambda: json.loads(s.old.hactl("--json", "clock").stdout)["step_ms"] > 11 * HOUR_S * 1000, 10, "the step is told")
        with pair.client() as c:
            s.ok(HOUR_S - 120 < c.ttl("for-an-hour") <= HOUR_S, "the key has its time still")
            c.set("short", "1", px=300)
            s.ok(tap.until(lambda: c.get("short") is None, 10), "and time goes on: a short one ends")
        s.old.hactl("watch", "tick")
        s.ok("clock-step" in s.old.hactl("status").stdout, "an alarm names the step")
        s.ok(s.old.hactl("clock", "follow", "--confirm", "yes", check=False).returncode != 0, "a wrong confirmation changes nothing")
        s.old.hactl("clock", "follow", "--confirm", "the clock is right")
        with pair.client() as c:
            s.ok(tap.until(lambda: c.get("for-an-hour") is None, 10), "once the clock is said to be right, the key has ended")
            s.ok(c.ttl("for-two-days") < 37 * HOUR_S, "and the other one is so much nearer to its end")
        s.old.clock.is_off_by(0)
        s.old.hactl("clock", "follow", "--confirm", "the clock is right")
        s.settled(s.old)
        s.unmoved()


def fault_54_a_node_boots_in_1970(pair):
    """54: the slave's clock battery is dead, it boots in 1970: it follows, deletes nothing, and the pair works"""
    with Story(pair, 54) as s:
        keep_keys(pair)
        s.new.power_cut()
        s.new.clock.is_off_by(-56 * YEAR_S)
        s.new.power_on()
        s.settled(s.old)
        s.ok(s.new.control().exists("for-ever", "for-two-days") == 2, "it holds every key")
        s.ok(s.old.hactl("check", check=False).returncode in (0, 1), "hactl answers")
        s.new.clock.is_off_by(0)
        s.goes_on()


if __name__ == "__main__":
    tell(lambda: pairlab.Pair(before=with_clocks), fault_53_the_masters_clock_jumps, fault_53_the_slaves_clock_jumps, fault_53_nothing_ends_by_a_step,
         fault_53_the_clocks_are_an_hour_apart, fault_54_a_node_boots_in_1970)
