"""What the design asks of Duet, and whether this run shows it."""

FIRST = "to the first write, or longest without one"
CPU, RATE, OVER = "server CPU a request", "requests a second", "bytes over payload"

# name, part, measure, row (None: the worst of all), compared with, times: Duet's figure must be at most (for a rate: at least) so many times the
# other's; or, with None to compare with, at most that number.
FIGURES = [
    ("CPU a request, SET, no pipeline", "cpu", CPU, "SET -P 1", "limit", 1.08),
    ("CPU a request, GET, no pipeline", "cpu", CPU, "GET -P 1", "limit", 1.08),
    ("requests/s, SET, pipeline 16", "cpu", RATE, "SET -P 16", "valkey", 1.4),
    ("requests/s, GET, pipeline 16", "cpu", RATE, "GET -P 16", "valkey", 1.4),
    ("requests/s, GET, pipeline 64", "cpu", RATE, "GET -P 64", "valkey", 1.6),
    ("by redis-benchmark: CPU a request, SET, no pipeline", "cross", CPU, "SET -P 1", "limit", 1.08),
    ("by redis-benchmark: CPU a request, GET, no pipeline", "cross", CPU, "GET -P 1", "limit", 1.08),
    ("by redis-benchmark: requests/s, SET, pipeline 16", "cross", RATE, "SET -P 16", "valkey", 1.4),
    ("by redis-benchmark: requests/s, GET, pipeline 16", "cross", RATE, "GET -P 16", "valkey", 1.4),
    ("by redis-benchmark: requests/s, GET, pipeline 64", "cross", RATE, "GET -P 64", "valkey", 1.6),
    ("requests/s, SET, appendfsync always, 50 connections", "always", RATE, "SET, always, 50 connections", "redis7", 1.5),
    ("durability pair: time a request over async's, pipeline 16", "pair", "time a request over async's", "SET -P 16, 50 connections, pair", None, 1.11),
    ("durability pair: time a request over async's, pipeline 64", "pair", "time a request over async's", "SET -P 64, 50 connections, pair", None, 1.11),
    ("bytes over payload, string with 64 B value", "memory", OVER, "string 16 B key, 64 B value", None, 26),
    ("bytes over payload, the same with a TTL", "memory", OVER, "string with TTL", None, 34),
    ("bytes over payload, one sorted set of 1 M", "memory", OVER, "one sorted set of 1 M", None, 28),
    ("bytes over payload, one hash of 1 M", "memory", OVER, "one hash of 1 M", None, 22),
    ("bytes over payload, one set of 1 M strings", "memory", OVER, "one set of 1 M strings", None, 18),
    ("power cut to the first write, defaults, p99, ms", "failover", FIRST, "power cut, defaults: p99", None, 700),
    ("power cut to the first write, profile fast, p99, ms", "failover", FIRST, "power cut, profile fast: p99", None, 250),
    ("server killed to the first write, p99, ms", "failover", FIRST, "server killed, defaults: p99", None, 200),
    ("switchover under load, longest gap, p99, ms", "failover", FIRST, "switchover under load, defaults: p99", None, 50),
    ("slave's death, longest stall of writes, p99, ms", "failover", FIRST, "slave's death under load, defaults: p99", None, 1250),
    ("false takeovers, the worst of the conditions", "false-takeovers", "takeovers", None, None, 0),
    ("longest turn of the executor, whatever one client does, ms", "stalls", "longest turn", None, None, 5),
]


class Judged:
    """One figure: what was measured, what must be, and the verdict: met, missed, or why there is none."""

    def __init__(self, figure, bench):
        self.name, self.part, self.measure, self.row, against, self.times = figure
        self.other = next((s.name for s in bench.servers if s.name.startswith(against)), None) if against else None
        mine = bench.value(self.part, self.measure, self.row, "duet")
        theirs = bench.value(self.part, self.measure, self.row, self.other) if self.other else None
        self.more = self.measure == RATE
        self.got = self.cpu_ratio = None
        if mine is None:
            self.verdict = "not measured"
        elif against and theirs is None:
            self.verdict = "not measured: no %s beside it" % against
        else:
            self.got = bench.tables[self.part, self.measure].ratio(self.row, "duet", self.other) if against else mine
            self.verdict = "met" if (self.got >= self.times if self.more else self.got <= self.times) else "missed"
        if self.got and self.more:
            self.cpu_ratio = bench.tables[self.part, CPU].ratio(self.row, self.other, "duet")
        self.against = against

    def wanted(self):
        sign = ">=" if self.more else "<="
        return "%s %g x %s" % (sign, self.times, self.other or self.against) if self.against else "%s %g" % (sign, self.times)

    def shown(self):
        if self.got is None:
            return "-"
        said = "%.2f x" % self.got if self.against else "%.1f" % self.got
        return said + (" (by CPU %.2f x)" % self.cpu_ratio if self.cpu_ratio else "")


def judge(bench):
    """The figures of the parts of this run."""
    run = [name for name, _ in bench.parts]
    return [Judged(f, bench) for f in FIGURES if f[1] in run]
