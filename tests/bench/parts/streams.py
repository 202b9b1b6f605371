"""Streams: what an entry and a pending one take, and what adding, reading and a job queue's round cost."""

import rig
from frame import Step

ABOUT = "streams: bytes an entry and a pending one, CPU a request of adding, reading, a group's reading and acknowledging"
N = 1000000
ENTRY = "temperature {i%15+20} name sensor-{i%1000:6}"
# What is measured on a stream of ids 1-1, 2-1 ..., in this order: row, words, requests a thousand entries
ROWS = [
    ("XRANGE of 10", "XRANGE t {r}-0 + COUNT 10", 100),
    ("XREVRANGE of 10, the last", "XREVRANGE t + - COUNT 10", 100),
    ("XREAD of 10", "XREAD COUNT 10 STREAMS t {r}-1", 100),
    ("XREADGROUP of 1", "XREADGROUP GROUP jobs worker-{i%8:1} COUNT 1 STREAMS t >", 200),
    ("XACK", "XACK t jobs {i+1}-1", 200),
]


def count(bench):
    return N // 5 if bench.quick else N


def refused(bench, server):
    why = server.refuses(["XADD", "t", "1-1", "f", "v"])
    if why:
        bench.note("streams: skipped on %s: it answers %s" % (server.name, why))
    return bool(why)


def memory(bench, spec):
    n = count(bench)
    with rig.Server(spec) as server:
        if refused(bench, server):
            return
        with server.connect() as c:
            c.cmd("DEL", "t")
            c.cmd("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
        before = server.settled_rss_bytes(1.0)
        rig.load(server, ("XADD s * " + ENTRY).split(), conns=4, pipeline=100, requests=n - 4, max_ms=60000)
        filled = server.settled_rss_bytes()
        bench.add("streams", "bytes in all", "an entry of two fields", spec.name, (filled - before) / n, "B", digits=1)
        rig.load(server, "XREADGROUP GROUP g worker COUNT 100 STREAMS s >".split(), conns=1, pipeline=4, requests=n // 100 - 1, max_ms=60000)
        bench.add("streams", "bytes in all", "a pending entry", spec.name, (server.settled_rss_bytes() - filled) / n, "B", digits=1)


def measure(bench, spec, number):
    n = count(bench) // 5
    with rig.Server(spec) as server:
        if refused(bench, server):
            return
        with server.connect() as c:
            c.cmd("DEL", "t")
            c.cmd("XGROUP", "CREATE", "t", "jobs", "0", "MKSTREAM")
        for row, words, requests in [("XADD", "XADD t {i+1}-1 " + ENTRY, 1000)] + ROWS:
            out = rig.load(server, words.split(), conns=1, pipeline=16, requests=n * requests // 1000, key_range=n, seed=number + 1, max_ms=20000)
            bench.add("streams", "server CPU a request", row + " -P 16", spec.name, out["cpu_us"], "us")


def steps(bench):
    found = [Step("memory, %s" % s.name, 4, lambda s=s: memory(bench, s)) for s in bench.real]
    for number in range(bench.rounds):
        found += [Step("round %d, %s" % (number + 1, s.name), 3, lambda s=s, k=number: measure(bench, s, k), optional=number > 0)
                  for s in bench.turn(bench.real, number)]
    return found
