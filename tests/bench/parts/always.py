"""appendfsync always: each write is on the disk before it is answered. All servers' directories lie on the same disk; a server may use
every core here, since the threads that fsync are part of it."""

import os

import rig
from frame import Step
from parts.commands import VALUE_64, split
from parts.cpu import Round, bulk

ABOUT = "SET with appendfsync always at 1 and 50 connections, and with everysec beside it (a real disk under build/, please)"
WORDS = split("SET key:{r:12} " + VALUE_64)
SETTINGS = ["--save", "", "--appendonly", "yes", "--appendfsync"]
CELLS = [("always", 1, 1), ("always", 50, 1), ("everysec", 50, 1), ("everysec", 50, 16)]


class Logging(Round):
    def __init__(self, bench, number, policy):
        super().__init__(bench, "always", number, bench.real)
        self.policy = policy

    def begin(self):
        for spec in self.specs:
            try:
                self.running.append(rig.Server(spec, settings=SETTINGS + [self.policy], cores=os.sched_getaffinity(0)))
                bulk(self.running[-1], "SET key:{r:12} " + VALUE_64, 20000)
            except rig.Failed as e:
                self.bench.note("always: %s left out: %s" % (spec.name, e))

    def cell(self, conns, depth):
        for server in self.bench.turn(self.running, self.number) if self.running else []:
            try:
                out = rig.load(server, WORDS, conns=conns, pipeline=depth, requests=(4000 if conns == 1 else 60000 * depth) // (2 if self.bench.quick else 1),
                               max_ms=3000, seed=self.number + 1)
            except rig.Failed as e:
                self.bench.note("always: %s: %s" % (server.name, e))
                continue
            row = "SET, %s, %d connection%s%s" % (self.policy, conns, "s" if conns > 1 else "", ", -P %d" % depth if depth > 1 else "")
            self.bench.add("always", "server CPU a request", row, server.name, out["cpu_us"], "us")
            self.bench.add("always", "requests a second", row, server.name, out["rps"], "/s", True, 0)


def steps(bench):
    found = []
    for number in range(1 if bench.quick else 3):
        for policy in ("always", "everysec"):
            turn = Logging(bench, number, policy)
            label = "%s, round %d" % (policy, number + 1)
            found.append(Step(label + ", starting servers", 2.2 * len(bench.real), turn.begin, number > 0))
            for _, conns, depth in (c for c in CELLS if c[0] == policy):
                found.append(Step("%s, %d connections" % (label, conns), len(bench.real) * 2.0, lambda t=turn, c=conns, d=depth: t.cell(c, d), number > 0))
            found.append(Step(label + ", ending servers", 0.3, turn.end, ends=True))
    return found
