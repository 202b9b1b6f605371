#!/usr/bin/python3
"""Durability disk: both machines of a pair lose power at the same moment, and what no fsync had covered is gone from both (power.py says what
is modelled). Either of them, by itself, holds everything that was acknowledged or shown."""
# timeout: 300

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pair_clients
import power
import servers
import tap
from test_pair_kills import Pair
from test_pair_link import Node, together


class Machine(Node):
    """A node whose log files know what is on the disk."""

    def start(self, wait=True):
        if not hasattr(self, "disk"):
            self.disk = power.Disk(self.directory)
        argv = self.command + ["--port", self.port, "--dir", self.directory] + servers.threads_of(self.command) + self.options
        self.process = power.Process(argv, self.log_path, self.disk)


class Machines(Pair):
    NODE = Machine


def lives(level, rounds, seed):
    rng, wrong, acked, lost, differ = random.Random(seed), [], 0, 0, []
    with Machines(level, "--appendfsync", "no") as p:
        for n in range(rounds):
            crowd = pair_clients.Crowd(p.m, "p%d" % n, rng.randrange(1 << 30))
            goal = rng.randrange(60, 400)
            tap.until(lambda: crowd.acked() > goal, 60, "writes under way", 0.003)
            time.sleep(rng.random() * 0.03)
            lost += sum(power.cut(p.nodes))
            crowd.join()
            p.epoch += 1
            for node in p.nodes:
                node.again()
            if n % 2:
                p.nodes.reverse()  # by itself each must have it
            p.m.lead(p.epoch, alone=True)
            with p.m.connect(30) as c:
                acked += crowd.acked()
                wrong += ["cut %d: %s" % (n, w) for w in crowd.wrong(c)]
            p.follow()
            tap.until(lambda: together(p.m, p.s), 60, "both are together again")
            if p.m.duet_words("DEBUG", "DIGEST") != p.s.duet_words("DEBUG", "DIGEST"):
                differ.append(n)
            p.rejoin()
        fsyncs = sum(node.disk.fsyncs for node in p.nodes)
    return wrong, acked, lost, differ, fsyncs


def disk():
    """both lose power at once, at durability disk"""
    rounds = 60 if tap.FULL else 5
    wrong, acked, lost, differ, fsyncs = lives("disk", rounds, tap.seed())
    tap.equal(wrong[:5], [], "%d cuts of both, %d acknowledged or shown steps: none is missing on either, none halved" % (rounds, acked))
    tap.equal(differ, [], "and both hold the same afterwards")
    tap.ok(lost > 0 and fsyncs > rounds, "though %d bytes were lost that no fsync had covered (%d fsyncs)" % (lost, fsyncs))


def pair():
    """the same at durability pair, which promises nothing of the kind: the model loses what it should"""
    wrong, acked, lost, differ, fsyncs = lives("pair", 2, tap.seed())
    tap.ok(wrong and lost > 0, "at durability pair, without fsyncs, such a cut does lose what was acknowledged (%d findings, %d bytes)" % (len(wrong), lost))


if __name__ == "__main__":
    if power.supported():
        tap.main(disk, pair)
    tap.skip("both lose power at once", "the tracer knows x86-64 only")
