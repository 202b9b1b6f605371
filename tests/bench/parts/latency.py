"""Latency: at fixed rates of requests, sent when due whatever is unanswered, and in a closed loop."""

import rig
from frame import Step
from parts.cpu import Round

ABOUT = "p50, p99, p99.9 and maximum; at fixed rates a late reply also counts for those who would have come meanwhile"
WORDS = "SET key:{r:12} " + "x" * 64
RATES = (5000, 20000, 50000)
PARTS = ("p50", "p99", "p99.9", "max")


def measure(bench, turn, rate):
    took_s = 1.0 if bench.quick else 2.0
    for server in bench.turn(turn.running, turn.number) if turn.running else []:
        try:
            if rate:
                out = rig.load(server, WORDS.split(), rate=rate, requests=int(rate * took_s), max_ms=int(took_s * 3000))
            else:
                out = rig.load(server, WORDS.split(), requests=10 ** 9, max_ms=int(took_s * 1000))
        except rig.Failed as e:
            bench.note("latency: %s: %s" % (server.name, e))
            continue
        row = "SET at %d k/s" % (rate // 1000) if rate else "SET, closed loop"
        for part in PARTS:
            bench.add("latency", "latency " + part, row, server.name, out[part], "us", digits=0)
        if rate:
            bench.add("latency", "the loader itself was late by up to", row, server.name, out["late_us"], "us", digits=0)


def steps(bench):
    found = []
    for number in range(bench.rounds):
        turn = Round(bench, "latency", number, bench.servers)
        label = "round %d of %d" % (number + 1, bench.rounds)
        found.append(Step(label + ", starting servers", 2.2 * len(bench.servers), turn.begin, number > 0))
        for rate in RATES[1:2] if bench.quick else RATES + (0,):
            text = "%s, %s" % (label, "SET at %d/s" % rate if rate else "closed loop")
            found.append(Step(text, len(bench.servers) * (1.2 if bench.quick else 2.2), lambda t=turn, r=rate: measure(bench, t, r), number > 0))
        found.append(Step(label + ", ending servers", 0.3, turn.end, ends=True))
    return found
