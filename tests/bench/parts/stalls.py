"""How long one client's work keeps another waiting: tests/bench/stall.py, smaller and beside a peer.

`others wait` is the longest wait of a client that asks GET all the while, less what a client of an idle server waited in
the same seconds; `longest turn` is the processor time of the longest turn of Duet's executor, which no noise touches."""

import rig
import stall
from frame import Step

ABOUT = "the longest wait of one client while another deletes, fills, expires something big"
ELEMENTS, QUICK_ELEMENTS = 2000000, 500000
QUICK_CASES = ("DEL of a hash", "growth of the key table", "expiry in one second", "DEL of a sorted set")
RATE_S = 400000  # elements put in a second, by a client in Python
SKIPPED = ("SWAPDB",)  # much like FLUSHALL, and slow to prepare


def measure(bench, case, spec, count):
    name = case[0]
    try:
        with rig.Server(bench.real[0], cores=set(rig.CORES)) as idle, \
                rig.Server(spec, "--enable-debug-command", "yes", cores=set(rig.CORES)) as server:
            others_ms, machine_ms, _, _, _, *turn_ms = stall.measure(server, idle, case, count)
    except (stall.resp.Error, stall.resp.Closed, OSError) as e:
        bench.note("stalls: %s skipped on %s: %s" % (name, spec.name, str(e)[:100]))
        return
    bench.add("stalls", "others wait", name, spec.name, max(0.0, others_ms - machine_ms), "ms", digits=1)
    bench.add("stalls", "the machine adds", name, spec.name, machine_ms, "ms", digits=1)
    if turn_ms:
        bench.add("stalls", "longest turn", name, spec.name, float(turn_ms[0]), "ms", digits=1)


def steps(bench):
    count = QUICK_ELEMENTS if bench.quick else ELEMENTS
    cases = [c for c in stall.CASES if not c[0].startswith("*") and not c[0].startswith(SKIPPED)]
    if bench.quick:
        cases = [c for c in cases if c[0] in QUICK_CASES]
    bench.note("stalls: %s elements each; tests/bench/stall.py takes 10 million" % format(count, ","))
    peer = [] if bench.quick else [s for s in bench.real if s.name.startswith("valkey")][:1]
    return [Step("%s, %s" % (case[0], spec.name), 5 + count * case[2] * (2 if case[1] == "hash+" else 1) / RATE_S + (12 if "expiry" in case[0] else 0),
                 lambda c=case, s=spec: measure(bench, c, s, count), not spec.is_duet)
            for spec in [s for s in bench.real if s.is_duet] + peer for case in cases]
