"""Many connections: what each takes of memory when idle, and what a request costs when all of them ask."""

import resource

import rig
from frame import Step
from parts.cpu import Round

ABOUT = "50 to 8,000 connections, all of them busy; and the memory of an idle one"
COUNTS = (50, 500, 2000, 8000)
IDLE = 4000
WORDS = ["GET", "key:{r:12}"]


def files_max():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def idle(bench, turn):
    for server in [s for s in turn.running if not s.spec.is_limit]:
        before = server.settled_rss_bytes(1.0)
        conns = []
        try:
            for _ in range(IDLE):
                conns.append(server.connect())
                conns[-1].cmd("PING")
            bench.add("clients", "memory of an idle connection", "%d idle" % IDLE, server.name, (server.settled_rss_bytes() - before) / IDLE, "B", digits=0)
        except (OSError, rig.resp.Closed, rig.resp.Error) as e:
            bench.note("clients: %s: connection %d of %d: %s" % (server.name, len(conns), IDLE, e))
        finally:
            for c in conns:
                c.close()


def measure(bench, turn, count):
    requests = max(30000 if bench.quick else 60000, count * 4)
    for server in bench.turn(turn.running, turn.number) if turn.running else []:
        try:
            out = rig.load(server, WORDS, conns=count, requests=requests, max_ms=6000, seed=turn.number + 1)
        except rig.Failed as e:
            bench.note("clients: %d on %s: %s" % (count, server.name, e))
            continue
        row = "GET, %s connections" % format(count, ",")
        bench.add("clients", "server CPU a request", row, server.name, out["cpu_us"], "us")
        bench.add("clients", "requests a second", row, server.name, out["rps"], "/s", True, 0)
        bench.add("clients", "latency p99", row, server.name, out["p99"] / 1e3, "ms", digits=1)


def steps(bench):
    found = []
    counts = [c for c in ((50, 2000) if bench.quick else COUNTS) if c + 200 <= files_max()]
    for number in range(bench.rounds):
        turn = Round(bench, "clients", number, bench.servers)
        label = "round %d of %d" % (number + 1, bench.rounds)
        found.append(Step(label + ", starting servers", 2.2 * len(bench.servers), turn.begin, number > 0))
        if number == 0:
            found.append(Step(label + ", idle connections", 2.5 * len(bench.real), lambda t=turn: idle(bench, t)))
        for count in counts:
            found.append(Step("%s, %d connections" % (label, count), len(bench.servers) * 1.0, lambda t=turn, c=count: measure(bench, t, c), number > 0))
        found.append(Step(label + ", ending servers", 0.3, turn.end, ends=True))
    return found
