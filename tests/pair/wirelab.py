"""A pair whose cables are the wire of tests/pair/wire.c: delay, loss, duplication, disorder, damage, by chance from a seed.

    with pairlab.Pair(lab=wirelab.Lab) as pair:
        pair.lab.every(loss=20)                      # percent, on all three cables, both ways
        pair.lab.wires["crossover"].set("ab", delay=50) # from a to b
        pair.lab.clear()

The cables are "crossover" (a to b), and "a" and "b" (the service cable: from the switch to the node)."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

WIRE = os.path.join(tap.TOP, "build", "tests", "pair", "wire")


class Wire:
    """One cable."""

    def __init__(self, seed, here, iface, there, other):
        self.process = subprocess.Popen([WIRE, str(seed), here, iface, there, other], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith("wire of seed"):
            raise RuntimeError("the wire between %s and %s does not begin" % (iface, other))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def set(self, way="both", **words):
        """way: "ab" from the first end to the second, "ba", "both". Words: see wire.c; percent, ms, bytes."""
        answer = self.say("set %s %s" % (way, " ".join("%s %g" % w for w in words.items())))
        if answer != "ok":
            raise ValueError("wire: %s: %r" % (answer, words))

    def clear(self):
        self.say("clear")

    def cut(self):
        self.say("cut")

    def join(self):
        self.say("join")

    def counts(self):
        """What happened to frames, both ways together."""
        ways = json.loads(self.say("count"))
        return {k: ways["ab"][k] + ways["ba"][k] for k in ways["ab"]}

    def close(self):
        self.process.kill()
        self.process.wait()


class Lab(pairlab.Lab):
    def build(self):
        self.wires, self.seed = {}, tap.seed()
        super().build()

    def cable(self, here, iface, there, other):
        name = "crossover" if here == "a" else there
        self.wires[name] = Wire(self.seed + len(self.wires), self.names[here], iface, self.names[there], other)

    def every(self, **words):
        for w in self.wires.values():
            w.set("both", **words)

    def clear(self):
        for w in self.wires.values():
            w.clear()

    def counts(self):
        each = [w.counts() for w in self.wires.values()]
        return {k: sum(c[k] for c in each) for k in each[0]}

    def crossover(self, state):
        self.wires["crossover"].say("cut" if state == "down" else "join")

    def service(self, node, state):
        self.wires[node].say("cut" if state == "down" else "join")

    def isolate(self, node, state):
        for name in (node, "crossover"):
            self.wires[name].say("cut" if state == "down" else "join")

    def close(self):
        super().close()
        for w in getattr(self, "wires", {}).values():
            w.close()
