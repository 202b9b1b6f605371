"""The figures of throughput again, by Debian's redis-benchmark: another loader must tell the same story."""

import rig
from frame import Step
from parts.cpu import Round

ABOUT = "SET and GET by redis-benchmark instead of our own loader"
ROWS = [("SET", 1, 60000), ("GET", 1, 60000), ("SET", 16, 400000), ("GET", 16, 400000), ("GET", 64, 800000)]


def measure(bench, turn, command, depth, count):
    count = count // 2 if bench.quick else count
    words = [command, "key:__rand_int__"] + (["x" * 64] if command == "SET" else [])
    for server in bench.turn(turn.running, turn.number) if turn.running else []:
        rps, cpu_us = rig.redis_benchmark(server, ["-n", str(count), "-c", "50", "-P", str(depth), "-r", "1000000"] + words)
        row = "%s -P %d" % (command, depth)
        bench.add("cross", "server CPU a request", row, server.name, cpu_us, "us")
        bench.add("cross", "requests a second", row, server.name, rps, "/s", True, 0)


def steps(bench):
    found = []
    for number in range(bench.rounds):
        turn = Round(bench, "cross", number, bench.servers)
        label = "round %d of %d" % (number + 1, bench.rounds)
        found.append(Step(label + ", starting servers", 2.2 * len(bench.servers), turn.begin, number > 0))
        for command, depth, count in ROWS:
            found.append(Step("%s, %s -P %d" % (label, command, depth), len(bench.servers) * (0.7 if bench.quick else 1.0),
                              lambda t=turn, c=command, d=depth, n=count: measure(bench, t, c, d, n), number > 0))
        found.append(Step(label + ", ending servers", 0.3, turn.end, ends=True))
    return found
