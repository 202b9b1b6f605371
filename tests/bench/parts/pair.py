"""What an acknowledgement costs: one pair of servers on this machine, its level of durability changed from round to round.

`async` answers when a write was executed, `pair` when the slave holds it too, `disk` when both have it on disk; the log is on, and fsynced
every second but for `disk`. Master and load have a core each as everywhere; the slave shares the load's. At `async` it is far behind when
the load ends, because it gets too little of that core: so the levels are compared by the requests a second until the slave has them
all, as two machines would have to do in the long run. had is played by this program."""

import mmap
import os
import struct
import time

import rig
import tap
from frame import Step

ABOUT = "a pair at durability async, pair and disk: throughput with pipelining, latency without, processor a request of both"
LEVELS = ("async", "pair", "disk")
LOADS = ((50, 16), (50, 64), (50, 1), (1, 1))  # connections, pipeline
OVER_ASYNC = "time a request over async's"
WORDS = "SET key:{r:12} " + "x" * 64
SETTINGS = ["--save", "", "--appendonly", "yes"]
CONTROL = "control.sock"


class Node(rig.Server):
    """A server of the pair. Its lease is given for an hour."""

    def __init__(self, spec, letter, core):
        folder = rig.scratch_folder()
        self.lease, self.control = os.path.join(folder, "lease"), os.path.join(folder, CONTROL)
        super().__init__(spec, "--pair-lease", self.lease, "--control", self.control, "--pair-node", letter, cores={core}, settings=SETTINGS)

    def _ready(self):
        return self.process.poll() is not None or self.status()["loading"] == "0"

    def duet(self, *words):
        s = rig.resp.socket.socket(rig.resp.socket.AF_UNIX)
        s.connect(self.control)
        with rig.resp.Connection(s) as c:
            return c.cmd(*words)

    def status(self):
        flat = [x.decode() for x in self.duet("DUET", "STATUS")]
        return dict(zip(flat[::2], flat[1::2]))

    def lead(self):
        with open(self.lease, "r+b") as f, mmap.mmap(f.fileno(), 72) as page:
            page[16:24] = struct.pack("<Q", 1)
            page[8:16] = struct.pack("<Q", time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(3600e9))
        self.duet("DUET", "MASTER", "1")


class Pair:
    def __init__(self, bench):
        self.bench, self.nodes = bench, []

    def begin(self):
        duet = next(s for s in self.bench.servers if s.is_duet)
        self.nodes = [Node(duet, "a", rig.SERVER_CORE), Node(duet, "b", rig.LOAD_CORE)]
        master, slave = self.nodes
        master.lead()
        slave.duet("DUET", "SLAVE", "1", "127.0.0.1", str(master.port))
        tap.until(self.together, 20, "the slave streams")
        master.duet("DUET", "ALONE", "0")

    def together(self):
        m, s = (n.status() for n in self.nodes)
        return m["insync_link"] == "1" and m["acked"] == m["offset"] == s["offset"]

    def set_level(self, level):
        tap.until(self.together, 60, "the slave has everything")
        for node in self.nodes:
            node.duet("CONFIG", "SET", "durability", level)

    def measure(self, number, conns, depth, took_ms):
        """Every level in turn, so that what disturbs a round disturbs all."""
        if not self.nodes:
            raise rig.Failed("there is no pair")
        master, slave = self.nodes
        rates = {}
        for level in self.bench.turn(list(LEVELS), number):
            self.set_level(level)
            before = slave.cpu_us()
            out = rig.load(master, WORDS.split(), conns=conns, pipeline=depth, requests=10 ** 9, max_ms=took_ms)
            row = "SET -P %d, %d connection%s, %s" % (depth, conns, "" if conns == 1 else "s", level)
            ended = time.monotonic()
            tap.until(self.together, 60, "the slave has everything", 0.001)
            behind_s = time.monotonic() - ended
            kept = rates[level] = out["requests"] / (out["requests"] / out["rps"] + behind_s)
            self.bench.add("pair", "requests a second", row, "duet", out["rps"], "/s", True, 0)
            self.bench.add("pair", "requests a second, the slave's part included", row, "duet", kept, "/s", True, 0)
            self.bench.add("pair", "master's CPU a request", row, "duet", out["cpu_us"], "us")
            self.bench.add("pair", "slave's CPU a request", row, "duet", (slave.cpu_us() - before) / out["requests"], "us")
            for part in ("p50", "p99"):
                self.bench.add("pair", "latency " + part, row, "duet", out[part], "us", digits=0)
        for level in LEVELS[1:]:
            self.bench.add("pair", OVER_ASYNC, "SET -P %d, %d connections, %s" % (depth, conns, level), "duet", rates["async"] / rates[level], "x")

    def end(self):
        for node in self.nodes:
            node.close()


def steps(bench):
    pair, took_ms, rounds = Pair(bench), 1000 if bench.quick else 2000, bench.rounds + 2
    found = [Step("starting the pair", 2, pair.begin)]
    for number in range(rounds):
        for conns, depth in LOADS:
            found.append(Step("round %d of %d, %d connections, -P %d" % (number + 1, rounds, conns, depth), len(LEVELS) * (took_ms / 1000 + 0.3),
                              lambda n=number, c=conns, d=depth: pair.measure(n, c, d, took_ms), number > 1))
    return found + [Step("ending the pair", 0.3, pair.end, ends=True)]
