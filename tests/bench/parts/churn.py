"""Whether memory comes back: fill, delete 70 % at random, refill with other sizes; tests/bench/churn.py, smaller and beside a peer."""

import time

import churn
import rig
from frame import Step

ABOUT = "resident memory by what the server says it uses, after filling and after deleting 70 % at random, time and again"
MEGABYTES, ROUNDS = 48, 4
QUICK_SHAPES = ("strings",)
SETTLED, SETTLE_S = 1.12, 6  # a ratio that is good enough to go on, or so many seconds


def ratio(server, c):
    return server.rss_bytes() / churn.used(c)


def measure(bench, shape, spec):
    try:
        with rig.Server(spec, "--enable-debug-command", "yes", cores=set(rig.CORES)) as server, server.connect(120) as c:
            for words in (("activedefrag", "yes"), ("active-defrag-ignore-bytes", "1mb")):
                c.error("CONFIG", "SET", *words)  # a server that cannot shows what that means
            work = churn.Churn(c, shape, MEGABYTES)
            for low, high in churn.SIZES[:ROUNDS]:
                work.fill(low, high)
                full = ratio(server, c)
                work.delete()
                deadline = time.monotonic() + SETTLE_S
                while ratio(server, c) > SETTLED and time.monotonic() < deadline:
                    time.sleep(0.3)
            bench.add("churn", "resident / used, full, last round", shape, spec.name, full)
            bench.add("churn", "resident / used, after deleting, last round", shape, spec.name, ratio(server, c))
            bench.add("churn", "server CPU in all", shape, spec.name, server.cpu_us() / 1e6, "s", digits=1)
    except (churn.resp.Error, churn.resp.Closed, OSError) as e:
        bench.note("churn: %s skipped on %s: %s" % (shape, spec.name, str(e)[:100]))


def steps(bench):
    shapes = QUICK_SHAPES if bench.quick else list(churn.SHAPES)
    peer = [s for s in bench.real if s.name.startswith("valkey")][:1]
    return [Step("%s, %s" % (shape, spec.name), 12, lambda sh=shape, sp=spec: measure(bench, sh, sp), not spec.is_duet)
            for spec in [s for s in bench.real if s.is_duet] + peer for shape in shapes]
