"""How long nobody can write: power cuts, killed servers, switchovers, the slave's death; tests/bench/takeover.py in network namespaces.

Long: the part runs only when PART names it; REPETITIONS=50 (QUICK=1: 5). All repetitions and the log of the worst one stand in build/bench/failover.json."""

import json
import os
import statistics
import subprocess
import sys

import figures
import rig
from frame import Step

ABOUT = "milliseconds from a fault to the first write at the VIP, or the longest without one; by fault"
LIMIT_S = 3600  # what the part may take, instead of bench.py's limit
TAKEOVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "takeover.py")
WORST_CLIENT = "longest of a connection that waits to be told"

# Row, what runs, fault, profile, the field that counts, seconds a repetition takes.
KINDS = [
    ("power cut, defaults", "duet", "power", "default", "first_ms", 8),
    ("power cut, profile fast", "duet", "power", "fast", "first_ms", 7),
    ("server killed, defaults", "duet", "server", "default", "first_ms", 6),
    ("switchover under load, defaults", "duet", "switch", "default", "gap_ms", 5),
    ("slave's death under load, defaults", "duet", "slave", "default", "gap_ms", 9),
    ("power cut, defaults", "keepalived", "power", "default", "first_ms", 9),
    ("power cut, profile fast", "keepalived", "power", "fast", "first_ms", 6),
]


class Part:
    def __init__(self, bench):
        self.bench, self.count, self.all = bench, int(os.environ.get("REPETITIONS") or (5 if bench.quick else 50)), []

    def run(self, row, what, fault, profile, field, seconds):
        """One kind: its program is started once, each line of its output is a repetition."""
        limit_s = 60 + self.count * seconds * 4
        try:
            done = subprocess.run([sys.executable, TAKEOVER, what, fault, profile, str(self.count)], capture_output=True, text=True,
                                  timeout=limit_s, preexec_fn=lambda: rig._libc.prctl(1, 15))
        except subprocess.TimeoutExpired as e:
            self.bench.note("failover, %s, %s: ended after %d s" % (row, what, limit_s))
            text = e.stdout or b""
            lines = text.decode() if isinstance(text, bytes) else text
        else:
            lines = done.stdout
            if done.returncode:
                self.bench.note("failover, %s, %s: %s" % (row, what, (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]))
        found = [json.loads(line) for line in lines.splitlines() if line.endswith("}")]
        for failed in {f["failed"] for f in found if "failed" in f}:
            self.bench.note("failover, %s, %s: a repetition failed: %s" % (row, what, failed[:150]))
        self.keep(row, what, profile, field, [f for f in found if "failed" not in f])

    def keep(self, row, what, profile, field, found):
        if not found:
            raise rig.Failed("no repetition succeeded")
        self.statistics(row, what, figures.FIRST, [f[field] for f in found])
        if what == "duet":
            self.statistics(row, what, WORST_CLIENT, [f["waiting_gap_ms"] for f in found])
        worst = max(found, key=lambda f: f[field])
        self.all.append({"row": row, "server": what, "profile": profile, "field": field, "wanted": self.count,
                         "repetitions": [{k: v for k, v in f.items() if k != "trace"} for f in found], "worst": worst})
        self.bench.show("  %s, %s: %d repetitions, load of the machine %.1f to %.1f; the worst, %.1f ms:" % (
            row, what, len(found), min(f["load"] for f in found), max(f["load"] for f in found), worst[field]))
        for line in worst["trace"][:25]:
            self.bench.show("      " + line[:170])
        self.write()

    def statistics(self, row, what, measure, values):
        for name, value in (("minimum", min(values)), ("median", statistics.median(values)), ("p99", p99(values))):
            self.bench.add("failover", measure, "%s: %s" % (row, name), what, value, "ms", digits=1)

    def write(self):
        os.makedirs(rig.OUT, exist_ok=True)
        with open(os.path.join(rig.OUT, "failover.json"), "w") as f:
            json.dump(self.all, f, indent=1)


def p99(values):
    """Of so few the highest but those beyond the 99th of a hundred: of 50, the highest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * 99 // 100) - 1)]


def steps(bench):
    part = Part(bench)
    import_keepalived = os.path.join(rig.tap.TOP, "build", "deps", "debs", "keepalived", "bin", "keepalived")
    kinds = KINDS
    if not os.path.exists(import_keepalived):
        bench.note("failover: no keepalived to compare with: `make bench PART=failover` unpacks it")
        kinds = [k for k in KINDS if k[1] == "duet"]
    else:
        bench.servers.append(rig.Spec("keepalived", [import_keepalived], "Debian's, with redis-server 7.0.15"))
    return [Step("%s, %s" % (row, what), part.count * seconds + 5, lambda k=(row, what, fault, profile, field, seconds): part.run(*k))
            for row, what, fault, profile, field, seconds in kinds]
