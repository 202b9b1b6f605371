"""Each server as it comes: what it saves and logs when nobody tells it otherwise."""

import rig
from frame import Step
from parts.commands import COMMANDS, PRELOAD
from parts.cpu import Round, bulk

ABOUT = "every server with the settings it comes with (Duet logs with fsync every second; Redis and Valkey snapshot now and then)"


class AsTheyCome(Round):
    def begin(self):
        for spec in self.specs:
            try:
                self.running.append(rig.Server(spec, settings=[]))
                bulk(self.running[-1], *PRELOAD[0])
            except rig.Failed as e:
                self.bench.note("defaults: %s left out: %s" % (spec.name, e))


def steps(bench):
    found = []
    for number in range(1 if bench.quick else 2):
        turn = AsTheyCome(bench, "defaults", number, bench.real)
        found.append(Step("starting servers", 2.2 * len(bench.real), turn.begin, number > 0))
        for command in COMMANDS[:2]:
            for depth in (1, 16):
                found.append(Step("%s -P %d" % (command.name, depth), len(bench.real) * 0.6,
                                  lambda t=turn, c=command, d=depth: t.measure(c, d), number > 0))
        found.append(Step("ending servers", 0.3, turn.end, ends=True))
    return found
