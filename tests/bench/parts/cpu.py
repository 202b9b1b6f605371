"""Throughput and CPU a request, command by command, with and without pipelining."""

import rig
from frame import Step
from parts.commands import COMMANDS, PRELOAD, split

ABOUT = "50 connections, one command at a time, 1, 16 and 64 requests in flight a connection"
DEPTHS = (1, 16, 64)
SLICE_MAX_MS = 1500  # on a busy machine a slice has fewer requests rather than more time
QUICK_DEPTHS = {"SET": (1, 16), "GET": (1, 16, 64)}


def cells(bench):
    """(command, depth) in the order in which they are measured."""
    for c in COMMANDS:
        if bench.quick and not c.quick:
            continue
        for depth in QUICK_DEPTHS.get(c.name, (16,)) if bench.quick else c.depths:
            yield c, depth


def bulk(server, words, count, **options):
    """Puts data in, unmeasured."""
    if count:
        rig.load(server, split(words), conns=4, pipeline=100, requests=count, max_ms=30000, **options)


class Round:
    """Fresh servers, started together, which then take turns cell by cell: what else the machine does hits all alike."""

    def __init__(self, bench, part, number, servers, options=(), cores=None):
        self.bench, self.part, self.number, self.options, self.cores = bench, part, number, options, cores
        self.specs, self.running = servers, []

    def begin(self):
        for spec in self.specs:
            try:
                server = rig.Server(spec, *self.options, cores=self.cores)
                self.running.append(server)
                if not spec.is_limit:
                    for words, count in PRELOAD:
                        bulk(server, words, count)
            except rig.Failed as e:
                self.bench.note("%s: %s left out of round %d: %s" % (self.part, spec.name, self.number + 1, e))

    def end(self):
        for server in self.running:
            server.close()
        self.running = []

    def measure(self, command, depth, suffix=""):
        """One cell, in slices in which the servers take turns: what disturbs one for a moment disturbs the others as well."""
        count = command.count(depth, self.bench.quick)
        able = [s for s in self.running if self.able(command, s)]
        for server in list(able):
            try:
                for words, times in [] if server.spec.is_limit else command.before(count):
                    bulk(server, words, times)
            except rig.Failed as e:
                self.bench.note("%s: %s -P %d on %s: %s" % (self.part, command.name, depth, server.name, e))
                able.remove(server)
        row = "%s -P %d%s" % (command.name, depth, suffix)
        for number in range(command.slices):
            for server in self.bench.turn(able, self.number + number) if able else []:  # a copy: one that fails is left out
                try:
                    out = rig.load(server, command.words, pipeline=depth, requests=count // command.slices, max_ms=SLICE_MAX_MS, seed=self.number * 10 + number + 1)
                except rig.Failed as e:
                    self.bench.note("%s: %s on %s: %s" % (self.part, row, server.name, e))
                    able.remove(server)
                    continue
                self.bench.add(self.part, "server CPU a request", row, server.name, out["cpu_us"], "us")
                self.bench.add(self.part, "requests a second", row, server.name, out["rps"], "/s", True, 0)

    def able(self, command, server):
        if server.spec.is_limit:
            return command.limit
        why = server.refuses(command.words)
        if why:
            self.bench.note("%s: %s skipped on %s: it answers %s" % (self.part, command.name, server.name, why))
        return not why


def round_steps(bench, part, servers, wanted, **options):
    steps = []
    for number in range(bench.rounds):
        turn = Round(bench, part, number, servers, **options)
        label = "round %d of %d" % (number + 1, bench.rounds)
        steps.append(Step(label + ", starting servers", 2.2 * len(servers), turn.begin, number > 0))
        for command, depth in wanted:
            there = len(servers) if command.limit else len([s for s in servers if not s.is_limit])
            each_s = 0.12 + (0.35 if bench.quick else 0.55)
            steps.append(Step("%s, %s -P %d" % (label, command.name, depth), there * each_s,
                              lambda t=turn, c=command, d=depth: t.measure(c, d), number > 0))
        steps.append(Step(label + ", ending servers", 0.3, turn.end, ends=True))
    return steps


def steps(bench):
    return round_steps(bench, "cpu", bench.servers, list(cells(bench)))
