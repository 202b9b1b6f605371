"""Growth: how throughput, CPU and memory a key change from 10 thousand keys to 10 million."""

import rig
from frame import Step
from parts.commands import VALUE_64

ABOUT = "from 10 thousand to 10 million keys of 16 B with values of 64 B"
SIZES = (10000, 100000, 1000000, 10000000)
QUICK_SIZES = (10000, 100000, 1000000)
BYTES_FROM = 1000000  # with fewer keys the process's own buffers outweigh them
KEY_BYTES_MAX = 220  # what a peer may take a key, for the check of free memory


class Growth:
    """All servers at once, growing in step, so that each size is measured side by side."""

    def __init__(self, bench):
        self.bench, self.running, self.empty, self.have = bench, [], {}, 0

    def begin(self):
        for spec in self.bench.real:
            try:
                server = rig.Server(spec)
            except rig.Failed as e:
                self.bench.note("growth: %s left out: %s" % (spec.name, e))
                continue
            self.running.append(server)
            rig.load(server, ["GET", "key:{r:12}"], conns=50, pipeline=32, requests=50000)  # buffers are no keys' memory
            self.empty[server.name] = server.settled_rss_bytes(1.0)

    def grow(self, size):
        need = (size - self.have) * KEY_BYTES_MAX * len(self.running)
        if need > rig.memory_free_bytes() * 0.8:
            self.bench.note("growth: %d keys left out: %d MB of memory are free, %d are needed"
                            % (size, rig.memory_free_bytes() >> 20, need >> 20))
            return
        for server in self.running:
            out = rig.load(server, ["SET", "key:{i:12}", VALUE_64], conns=10, pipeline=32, requests=size - self.have - 10, first=self.have, max_ms=120000)
            self.add("fill: server CPU a request", size, server, out["cpu_us"], "us")
            if size >= BYTES_FROM:
                self.add("bytes over payload a key", size, server, (server.settled_rss_bytes() - self.empty[server.name]) / size - 80, "B", digits=1)
        self.have = size
        for again in range(self.bench.rounds):
            for server in self.bench.turn(self.running, again):
                for name, words in (("GET", ["GET", "key:{r:12}"]), ("SET", ["SET", "key:{r:12}", VALUE_64])):
                    out = rig.load(server, words, pipeline=16, requests=100000 if self.bench.quick else 200000, key_range=size, seed=again + 1)
                    self.add("%s -P 16: server CPU a request" % name, size, server, out["cpu_us"], "us")
                    self.add("%s -P 16: requests a second" % name, size, server, out["rps"], "/s", True, 0)

    def add(self, measure, size, server, value, unit, more=False, digits=2):
        self.bench.add("growth", measure, size, server.name, value, unit, more, digits)

    def end(self):
        for server in self.running:
            server.close()


def steps(bench):
    growth, count = Growth(bench), len(bench.real)
    found = [Step("starting servers", 1.5 * count, growth.begin)]
    for size in QUICK_SIZES if bench.quick else SIZES:
        cost = count * (0.7 + size / 6e5 + bench.rounds * 2 * (0.25 if bench.quick else 0.4))
        found.append(Step("%s keys" % format(size, ","), cost, lambda s=size: growth.grow(s), size > QUICK_SIZES[-1]))
    return found + [Step("ending servers", 0.5, growth.end, ends=True)]
