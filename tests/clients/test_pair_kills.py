#!/usr/bin/python3
"""A pair whose master is killed at random moments, at durability pair and disk: whatever was acknowledged, or shown to anybody, is there
on the slave that is promoted; then the old master returns as slave, and the roles are changed.

had is played by this program: it keeps the in-sync flag by its rules and promotes a slave only by that. Clients write in every way:
pipelines, transactions, scripts, big values, blocking pops, streams; others read, and listen. Each knows what was answered."""
# timeout: 400

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pair_clients
import servers
import tap
from test_pair_link import Node, together

MOMENTS = ["load", "another path", "full copy", "slave restarted", "slave stopped", "slave restarted, full copy"]


class Pair:
    """Who leads, who follows, and what had would know."""

    NODE = Node

    def __init__(self, level, *options):
        self.nodes = [self.NODE(letter, "--durability", level, "--repl-diskless-sync-delay", "0", *options) for letter in "ab"]
        self.epoch, self.in_sync, self.path = 1, False, 0
        self.stats = {"promoted": 0, "restarted": 0, "tails": 0, "full": 0}
        self.m.lead(1, alone=True)
        self.follow()
        self.rejoin()

    m = property(lambda self: self.nodes[0])
    s = property(lambda self: self.nodes[1])

    @staticmethod
    def figures(node):
        return dict(line.split(":", 1) for line in node.duet_words("INFO", "everything").decode().splitlines() if ":" in line)

    def ballast(self, keys):
        """So much beside what is written that a full copy and its loading take a while."""
        with self.m.connect(60) as c:
            c.cmd("SELECT", 1)
            for at in range(0, keys, 1000):
                c.send_raw(b"".join(servers.encode("SET", "ballast:%d" % i, "x" * 200) for i in range(at, at + 1000)))
                for _ in range(1000):
                    c.read()

    def follow(self):
        """By the next path each time."""
        self.path += 1
        self.s.follow(self.epoch, self.m, "127.0.0.%d" % (self.path % 8 + 1))

    def rejoin(self):
        """Rule 4's way back: near, replies held, everything of before acknowledged; then it counts."""
        def near():
            m = self.m.status()
            return m["insync_link"] == "1" and int(m["acked"]) + (1 << 20) > int(m["offset"])

        def has_all():
            m = self.m.status()
            return m["insync_link"] == "1" and int(m["acked"]) >= held_from

        tap.until(near, 30, "the slave streams")
        self.m.duet("ALONE", "0")
        held_from = int(self.m.status()["offset"])
        tap.until(has_all, 30, "the slave has everything")
        self.in_sync = True

    def disturb(self, moment, rng):
        """Something happens to the slave, which has everything acknowledged and goes on counting."""
        if moment == "slave stopped":
            self.s.kill(signal.SIGSTOP)
            time.sleep(rng.random() * 0.05)
        if moment.startswith("slave restarted"):
            self.s.stop(signal.SIGKILL)
            self.s.again()
        if "full copy" in moment:
            self.s.duet("NONE")
            self.s.duet_words("DEBUG", "CHANGE-REPL-ID")  # what it holds has a name that its master does not know
        if moment != "load" and moment != "slave stopped":
            self.follow()
            time.sleep(rng.random() * rng.choice([0.01, 0.05, 0.3]))

    def master_killed(self):
        """SIGKILL; then the slave leads if it counts and has its data, else the old master again."""
        assert self.in_sync
        self.stats["full"] += int(self.figures(self.m)["sync_full"])
        self.m.stop(signal.SIGKILL)
        self.s.kill(signal.SIGCONT)
        self.epoch += 1
        try:
            self.s.lead(self.epoch, alone=True)
            self.nodes.reverse()
            self.stats["promoted"] += 1
        except servers.Error as e:  # in the middle of replacing its data: it is not whole, and had does not promote it
            assert "not complete" in str(e), e
            self.m.again()
            self.m.lead(self.epoch, alone=True)
            self.stats["restarted"] += 1
        self.in_sync = False

    def old_one_returns(self):
        if self.s.process.poll() is not None:
            self.s.again()
        self.follow()
        tap.until(lambda: together(self.m, self.s), 60, "the old master is in sync again")
        self.stats["tails"] += int(self.s.status()["rejoin_tail"])
        return [n.duet_words("DEBUG", "DIGEST") for n in self.nodes]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for n in self.nodes:
            if exc[0]:
                tap.say(n.log()[-2500:])
            n.kill(signal.SIGCONT) if n.process.poll() is None else None
            n.close()


def killed(level, rounds, seed):
    rng = random.Random(seed)
    wrong, looked, differ = [], 0, []
    with Pair(level) as p:
        p.ballast(30000)
        for n in range(rounds):
            moment = MOMENTS[n % len(MOMENTS)] if n < len(MOMENTS) else rng.choice(MOMENTS)
            crowd = pair_clients.Crowd(p.m, "r%d" % n, rng.randrange(1 << 30))
            try:
                goal = rng.randrange(100, 900)
                tap.until(lambda: crowd.acked() > goal, 60, "writes under way", 0.003)
                p.disturb(moment, rng)
                time.sleep(rng.random() * 0.03)
                p.master_killed()
            finally:
                if p.in_sync:
                    p.m.kill(signal.SIGKILL)
                crowd.join()
            with p.m.connect(30) as c:
                looked += crowd.acked()
                wrong += ["%s, kill %d (%s): %s" % (level, n, moment, w) for w in crowd.wrong(c)]
                c.cmd("FLUSHDB")  # the next round's own, and a long tail for the old master
            digests = p.old_one_returns()
            if digests[0] != digests[1]:
                differ.append("kill %d (%s)" % (n, moment))
            p.rejoin()
        tap.equal(wrong[:8], [], "%s: %d masters killed, %d acknowledged or shown steps looked at: none is missing, none halved" % (level, rounds, looked))
        tap.equal(differ, [], "%s: old masters that returned as slaves hold the same as the new ones" % level)
        tap.ok(p.stats["promoted"] > rounds // 2, "%s: most of the slaves were promoted" % level)
        tap.say("%s: %s" % (level, p.stats))


def at_pair():
    """durability pair"""
    killed("pair", 300 if tap.FULL else 10, tap.seed())


def at_disk():
    """durability disk"""
    killed("disk", 100 if tap.FULL else 5, tap.seed() + 1)


def at_async():
    """durability async: what is lost is what is reported"""
    rng = random.Random(tap.seed())
    sent = there = tails = 0
    with Pair("async") as p:
        for n in range(20 if tap.FULL else 3):
            c = p.m.connect()
            p.s.duet("NONE")  # the link is cut
            count = rng.randrange(1, 200)
            for i in range(count):
                c.cmd("SET", "r%d:%d" % (n, i), i)
            before = p.stats["promoted"]
            p.master_killed()
            assert p.stats["promoted"] == before + 1
            with p.m.connect() as d:
                kept = len(d.cmd("KEYS", "r%d:*" % n))
            was = sum(int(x.status()["rejoin_tail"]) for x in p.nodes if x.process.poll() is None)
            p.old_one_returns()
            tails += sum(int(x.status()["rejoin_tail"]) for x in p.nodes) - was
            sent, there = sent + count, there + kept
            p.rejoin()
        tap.equal(sent - there, tails, "async: %d of %d acknowledged writes were lost to the slave that was stopped, and as many are reported as put aside" % (sent - there, sent))


if __name__ == "__main__":
    tap.main(at_pair, at_disk, at_async)
