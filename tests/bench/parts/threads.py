"""With an I/O thread (io-threads 2) and without (io-threads 1)."""

import os

import rig
from frame import Step
from parts.commands import COMMANDS
from parts.cpu import Round

ABOUT = "io-threads 1 and 2"


def steps(bench):
    cores = set(rig.CORES) - {rig.LOAD_CORE} if len(rig.CORES) > 2 else set(rig.CORES)
    if len(rig.CORES) <= 2:
        bench.note("threads: with %d cores the servers share both with the load: judge the CPU a request, not the throughput" % os.cpu_count())
    wanted = [(c, d) for c in COMMANDS if c.name in ("SET", "GET") for d in ((16,) if bench.quick else (1, 16, 64))]
    found = []
    for number in range(bench.rounds):
        for threads in (1, 2):
            turn = Round(bench, "threads", number, bench.real, ("--io-threads", threads), cores)
            label = "round %d of %d, io-threads %d" % (number + 1, bench.rounds, threads)
            found.append(Step(label, 2.2 * len(bench.real), turn.begin, number > 0))
            for command, depth in wanted:
                found.append(Step("%s, %s -P %d" % (label, command.name, depth), len(bench.real) * 0.6,
                                  lambda t=turn, c=command, d=depth, s=", io-threads %d" % threads: t.measure(c, d, s), number > 0))
            found.append(Step(label + ", ending", 0.3, turn.end, ends=True))
    return found
