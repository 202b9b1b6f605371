"""The frame that the parts of the benchmark run in: steps with estimates, a progress line, samples, skips.

A part is a module of tests/bench/parts with
    ABOUT            one line on what it measures
    steps(bench)     -> list of Step
It calls bench.add() for each sample; the report takes the median of a cell's samples. For a new part: write the
module, name it in bench.PARTS. Steps of a later round are optional: they are left out, and that is said, when time is short;
on a machine so busy that this is not enough each part keeps to its share of the time, and what is over is left out, but for
steps that end what others began.
"""

import importlib
import statistics
import sys
import time

import rig


LATE = 1.1  # how much of the limit the needed steps may take


class Step:
    """One piece of work: `seconds` is what it should take on a quiet machine, `run` does it."""

    def __init__(self, text, seconds, run, optional=False, ends=False):
        self.text, self.seconds, self.run, self.optional, self.ends = text, seconds, run, optional, ends


class Table:
    """Samples of one part and one measure: rows x servers."""

    def __init__(self, part, measure, unit, more_is_better, digits):
        self.part, self.measure, self.unit, self.more_is_better, self.digits = part, measure, unit, more_is_better, digits
        self.samples = {}  # (row, server) -> list
        self.rows = []

    def value(self, row, server):
        samples = self.samples.get((row, server))
        return statistics.median(samples) if samples else None

    def ratio(self, row, server, other):
        """The median of the rounds' ratios where both were there in every round: what disturbs a round disturbs both."""
        a, b = self.samples.get((row, server), []), self.samples.get((row, other), [])
        if len(a) != len(b):
            return self.value(row, server) / self.value(row, other)
        return statistics.median(x / y for x, y in zip(a, b))


class Bench:
    def __init__(self, servers, parts, quick, limit_s):
        self.servers, self.quick, self.limit_s = servers, quick, limit_s
        self.tables = {}
        self.notes = []  # sentences about what was skipped or is doubtful
        self.loads = {}  # part -> what the machine was doing
        self.began = time.monotonic()
        self.parts = [(name, importlib.import_module("parts." + name.replace("-", "_"))) for name in parts]

    @property
    def rounds(self):
        return 2 if self.quick else 3

    @property
    def real(self):
        """The servers that hold data."""
        return [s for s in self.servers if not s.is_limit]

    def turn(self, servers, number):
        """The servers in this round's order: each goes first in its turn."""
        at = number % len(servers)
        return servers[at:] + servers[:at]

    def add(self, part, measure, row, server, value, unit="", more_is_better=False, digits=2):
        table = self.tables.setdefault((part, measure), Table(part, measure, unit, more_is_better, digits))
        if row not in table.rows:
            table.rows.append(row)
        table.samples.setdefault((row, server), []).append(value)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.show("  " + text)

    def value(self, part, measure, row, server):
        """The median of a cell; without a row the highest of the column; None where there is none."""
        table = self.tables.get((part, measure))
        values = [table.value(r, server) for r in (table.rows if row is None else [row])] if table else []
        return max((v for v in values if v is not None), default=None)

    # ---- running ----

    def show(self, text):
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")
        print(text, flush=True)

    def _progress(self, part, step, left_s):
        line = "%s: %s; about %d min %02d s left" % (part, step.text, left_s // 60, left_s % 60)
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K" + line[:150])
            sys.stdout.flush()
        elif time.monotonic() - self.last_line >= 10:
            self.last_line = time.monotonic()
            print(line, flush=True)

    def _share_s(self, plan, at):
        """The time that the part which begins at this step may take: its share of what is left, as if all were slow alike."""
        needed = [(name, s.seconds) for name, s in plan[at:] if not s.optional]
        mine = sum(seconds for name, seconds in needed if name == plan[at][0])
        left_s = self.limit_s * LATE - (time.monotonic() - self.began)
        return max(left_s, 0) * mine / max(sum(seconds for _, seconds in needed), 1)

    def run(self, after_part):
        """Runs all steps; after_part(name) is called when a part is through."""
        plan = [(name, step) for name, part in self.parts for step in part.steps(self)]
        self.last_line = done_s = spent_s = 0.0
        total_s, left_out, current = sum(s.seconds for _, s in plan), 0, None
        for at, (name, step) in enumerate(plan):
            if name != current:
                current, machine, left_out = name, rig.Machine(), 0
                ends_at = time.monotonic() + self._share_s(plan, at)
                self.show("---- %s: %s" % (name, dict(self.parts)[name].ABOUT))
            slow = max(spent_s / done_s, 0.5) if done_s > 10 else 1.2
            needed_s = slow * sum(s.seconds for _, s in plan[at:] if not s.optional)
            so_far_s = time.monotonic() - self.began
            late = time.monotonic() > ends_at
            if not step.ends and (late or step.optional and so_far_s + needed_s + slow * step.seconds > self.limit_s):
                left_out += 1
                total_s -= step.seconds
            else:
                self._progress(name, step, min((total_s - done_s) * slow, max(self.limit_s * LATE - so_far_s, 0)))
                started = time.monotonic()
                try:
                    step.run()
                except rig.Failed as e:
                    self.note("%s, %s: not measured: %s" % (name, step.text, e))
                done_s += step.seconds
                spent_s += time.monotonic() - started
            if at + 1 == len(plan) or plan[at + 1][0] != name:
                self.loads[name] = {"others_share": machine.others_share(), "load_1_min": rig.os.getloadavg()[0]}
                if left_out:
                    self.note("%s: %d steps were left out for want of time" % (name, left_out))
                after_part(name)
