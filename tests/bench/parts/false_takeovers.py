"""Does a pair change roles though nobody died? Four labs side by side: 20 % loss, 200 ms of jitter, 300 ms stalls, all three.

Takes MINUTES (60, QUICK=1: 1) and runs only when PART names it. build/bench/false-takeovers.json holds the newest counts from the first
minute on."""

import json
import os
import subprocess
import sys
import threading

import rig
from frame import Step

ABOUT = "role changes of a pair that lives, in MINUTES= of 20 % loss, 200 ms jitter, 300 ms stalls, and all three together"
LIMIT_S = 8000
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "false_takeovers.py")
CONDITIONS = ["loss", "jitter", "stalls", "all"]
ROWS = {"loss": "20 % loss", "jitter": "200 ms jitter", "stalls": "300 ms stalls", "all": "all three together"}
COUNTED = [("takeovers", 0), ("demotions", 0), ("handovers", 0), ("longest_gap_ms", 0)]


class Part:
    def __init__(self, bench):
        self.bench, self.newest, self.lock = bench, {}, threading.Lock()
        self.minutes = float(os.environ.get("MINUTES") or (1 if bench.quick else 60))

    def watch(self, condition):
        program = subprocess.Popen([sys.executable, PROGRAM, condition, str(self.minutes * 60)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: rig._libc.prctl(1, 15))
        try:
            for line in program.stdout:
                if line.startswith("{"):
                    self.keep(condition, json.loads(line))
            words = program.stderr.read().strip().splitlines()
            if program.wait():
                self.bench.note("false takeovers, %s: %s" % (ROWS[condition], words[-1][:200] if words else "the program failed"))
        finally:
            program.kill()
            program.wait()

    def keep(self, condition, counts):
        with self.lock:
            self.newest[condition] = counts
            os.makedirs(rig.OUT, exist_ok=True)
            with open(os.path.join(rig.OUT, "false-takeovers.json"), "w") as f:
                json.dump(self.newest, f, indent=1)
        self.bench.show("  %-20s %5.1f minutes: %d takeovers, %d demotions, longest gap %d ms, load %.1f" % (
            ROWS[condition], counts["minutes"], counts["takeovers"], counts["demotions"], counts["longest_gap_ms"], counts["load"]))

    def run(self):
        threads = [threading.Thread(target=self.watch, args=(c,)) for c in CONDITIONS]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for c in CONDITIONS:
            if c not in self.newest:
                continue
            for what, digits in COUNTED:
                self.bench.add("false-takeovers", what, ROWS[c], "duet", self.newest[c][what], digits=digits)
            for move in self.newest[c]["moves"]:
                self.bench.show("    %s: %s" % (ROWS[c], move))


def steps(bench):
    part = Part(bench)
    return [Step("%g minutes of four labs" % part.minutes, part.minutes * 60 + 40, part.run)]
