#!/usr/bin/python3
"""Measures Duet beside other servers, in one run: `make bench`, or tests/bench/bench.py after a build.

Environment: QUICK=1 a short run; PART=cpu,memory those parts only; PEERS=DIR a folder with programs named *-server
(by default peers/ in the cache); BENCH_PEERS='name=command;name=command' further servers, for example an older Duet;
LIMIT=900 the seconds that it may take (later rounds are left out first); MINUTES=60 of the part false-takeovers.
Results: build/bench/report.md, results.json and charts. --list names the parts.
"""

import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import frame  # noqa: E402
import report  # noqa: E402
import rig  # noqa: E402

PARTS = ["cpu", "cross", "memory", "latency", "threads", "tls", "clients", "defaults", "growth", "stalls", "churn", "streams", "pubsub", "snapshot", "restart", "fullsync", "pair", "always", "failover", "false-takeovers"]
NOT_QUICK = ("clients", "defaults", "fullsync", "pair", "always")  # unless PART asks for them
ALONE = ("failover", "false-takeovers")  # only when PART asks for them: they take an hour
QUICK_LIMIT_S, LIMIT_S = 215, 1340
BUSY_LOAD = 0.5  # load average above which figures of time are doubtful


def chosen_parts(quick):
    wanted = [p for p in os.environ.get("PART", "").replace(",", " ").split() if p]
    unknown = [p for p in wanted if p not in PARTS]
    if unknown:
        raise SystemExit("bench: no part is called %s; there are: %s" % (unknown[0], " ".join(PARTS)))
    return wanted or [p for p in PARTS if p not in ALONE and not (quick and p in NOT_QUICK)]


def ended(number, _frame):
    raise SystemExit("bench: ended by signal %d; nothing is left running" % number)


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return
    if "--list" in sys.argv:
        print("\n".join("%-15s %s" % (n, m.ABOUT) for n, m in frame.Bench([], PARTS, False, 0).parts))
        return
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, ended)
    for path in (rig.LOAD, rig.RESPONDER, rig.tap.DUET):
        if not os.path.exists(path):
            raise SystemExit("bench: %s is missing: `make bench` builds it" % path)
    quick = os.environ.get("QUICK", "") not in ("", "0")
    limit = os.environ.get("LIMIT") or str(QUICK_LIMIT_S if quick else LIMIT_S)
    if not limit.isdigit():
        raise SystemExit("bench: LIMIT=%s is no number of seconds" % limit)
    bench = frame.Bench(rig.find_servers(), chosen_parts(quick), quick, int(limit))
    if not os.environ.get("LIMIT"):
        bench.limit_s = max([bench.limit_s] + [m.LIMIT_S for _, m in bench.parts if hasattr(m, "LIMIT_S")])
    for s in bench.servers:
        bench.show("%-10s %s" % (s.name, s.version))
    if not any(s.name.startswith("valkey") for s in bench.servers):
        bench.note("no Valkey was found: the figures that compare with it are not judged (PEERS=DIR names a folder that holds valkey-server)")
    if os.getloadavg()[0] > BUSY_LOAD:
        bench.note("the machine is busy (load average %.1f): trust CPU a request and bytes, not rates and latencies" % os.getloadavg()[0])
    try:
        bench.run(lambda part: (report.on_terminal(bench, part), report.write(bench)))
    finally:
        rig.close_all()
    bench.show("")
    report.figures_on_terminal(bench)
    bench.show("%d s. The whole report: %s" % (frame.time.monotonic() - bench.began, os.path.relpath(os.path.join(rig.OUT, "report.md"))))


main()
