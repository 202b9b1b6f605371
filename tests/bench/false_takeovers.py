#!/usr/bin/python3
"""A pair under a bad network, or on machines that stall, for a long time: who changes roles though nobody died?

    false_takeovers.py CONDITION SECONDS [SEED]        loss | jitter | stalls | all

loss    20 % of all frames, on all cables, both ways        jitter  each frame is late by 0 to 200 ms
stalls  all processes of a node stopped for 300 ms, at random, every 3 s or so, either node
all     all three together

Prints one JSON line a minute, each with the counts so far, and the last one at the end. A takeover is a slave that
promotes, by itself or asked to; a demotion is a master that stops serving because its lease ran out (it resumes on the other one's word)."""

import json
import os
import random
import re
import signal
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "pair"))
sys.path.insert(0, TESTS)
import netlab  # noqa: E402
import pairlab  # noqa: E402
import retry  # noqa: E402
import tap  # noqa: E402
import wirelab  # noqa: E402

WIRE = {"loss": {"loss": 20}, "jitter": {"jitter": 200}, "stalls": {}, "all": {"loss": 20, "jitter": 200}}
STALL_S, STALL_EVERY_S, SAY_EVERY_S = 0.3, 3.0, 60
LATE_S = 0.05  # a stall that took longer than that is counted: the machine was too busy for the figure
MOVE = re.compile(r"\((?P<why>[^)]*)\): (?P<old>[a-z-]+) -> (?P<new>[a-z-]+), epoch (?P<epoch>\d+/[ab])")


def never_waits(pid):
    """A cable does not wait for a processor, and a stall of 300 ms does not last 500 because the machine is busy."""
    os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(30))


class Watched:
    """The transitions that a node's had has logged, read on as they come."""

    def __init__(self, node):
        self.node, self.at, self.moves = node, {}, []

    def read(self):
        folder = os.path.join(self.node.root, "data", "log")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                key = os.fstat(f.fileno()).st_ino
                f.seek(self.at.get(key, 0))
                for line in f:
                    if not line.endswith(b"\n"):
                        break
                    self.at[key] = self.at.get(key, 0) + len(line)
                    found = MOVE.search(line.decode(errors="replace"))
                    if found and b" had " in line:
                        self.moves.append("%s %s: %s -> %s (%s)" % (line[:23].decode(), self.node.name, found["old"], found["new"], found["why"]))


class Run:
    def __init__(self, condition, seconds, seed):
        self.condition, self.seconds, self.seed, self.chance = condition, seconds, seed, random.Random(seed)
        self.stalls = self.late = 0
        os.environ["DUET_SEED"] = str(seed)
        self.pair = pairlab.Pair(lab=wirelab.Lab)
        for wire in self.pair.lab.wires.values():
            never_waits(wire.process.pid)
        self.master = self.pair.settled()
        self.watched = [Watched(n) for n in self.pair.nodes.values()]
        for w in self.watched:
            w.read()
            w.moves.clear()
        self.epoch = self.master.status()["node"]["epoch"]
        self.load = retry.Waiting((netlab.VIP, pairlab.PORT), 2, 0.02, connect_s=1).start()

    def stall(self):
        """All of a node's processes stop and go on."""
        pids = self.chance.choice(list(self.pair.nodes.values())).pids()
        began = time.monotonic()
        for signo in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                try:
                    os.kill(pid, signo)
                except ProcessLookupError:
                    pass
            if signo == signal.SIGSTOP:
                time.sleep(STALL_S)
        self.stalls += 1
        self.late += time.monotonic() - began > STALL_S + LATE_S

    def counts(self, began):
        moves = [m for w in self.watched for m in w.moves]
        return {"condition": self.condition, "seed": self.seed, "minutes": round((time.monotonic() - began) / 60, 1),
                "takeovers": sum("slave -> promoting" in m for m in moves), "demotions": sum("master -> suspended" in m for m in moves),
                "handovers": sum("master -> yielded" in m for m in moves), "stalls": self.stalls, "late_stalls": self.late, "frames": self.pair.lab.counts(),
                "writes": len(self.load.done), "longest_gap_ms": round(self.load.longest_gap_s()[0] * 1000), "load": os.getloadavg()[0],
                "moves": moves[-40:]}

    def go(self):
        never_waits(0)  # this thread, once all others run
        if WIRE[self.condition]:
            self.pair.lab.every(**WIRE[self.condition])
        began = said = time.monotonic()
        stall_at = began + self.chance.expovariate(1 / STALL_EVERY_S)
        while time.monotonic() - began < self.seconds:
            if self.condition in ("stalls", "all") and time.monotonic() >= stall_at:
                self.stall()
                stall_at = time.monotonic() + self.chance.expovariate(1 / STALL_EVERY_S)
            time.sleep(0.02)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                for w in self.watched:
                    w.read()
                print(json.dumps(self.counts(began)), flush=True)
        for w in self.watched:
            w.read()
        out = self.counts(began)
        self.pair.lab.clear()
        out["same_master_after"] = self.pair.settled() is self.master and self.master.status()["node"]["epoch"] == self.epoch
        out["ended"] = True
        self.load.stop()
        print(json.dumps(out), flush=True)


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in WIRE:
        raise SystemExit(__doc__)
    run = Run(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else tap.seed())
    try:
        run.go()
    finally:
        run.pair.close()


if __name__ == "__main__":
    main()
