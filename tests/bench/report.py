"""What was measured, for people on the terminal, as Markdown, as JSON, and as charts."""

import datetime
import json
import os
import platform
import re
import subprocess

import figures
import rig
import svg


def number(value, digits):
    return "-" if value is None else format(value, ",.%df" % digits)


def cell(table, row, server):
    """The figure, and in brackets Duet's divided by it."""
    value, duet = table.value(row, server), table.value(row, "duet")
    if value is None:
        return "-"
    text = number(value, table.digits)
    return text if server == "duet" or not value or duet is None else "%s (%.2f)" % (text, duet / value)


def servers_in(bench, table):
    return [s.name for s in bench.servers if any(name == s.name for _, name in table.samples)]


def heading(table):
    return "%s%s; %s is better; in brackets Duet's divided by it" % (table.measure, ", " + table.unit if table.unit else "",
                                                                     "more" if table.more_is_better else "less")


def on_terminal(bench, part):
    for table in [t for t in bench.tables.values() if t.part == part]:
        names = servers_in(bench, table)
        bench.show("\n  " + heading(table))
        bench.show("  %-36s" % "" + "".join("%21s" % n for n in names))
        for row in table.rows:
            bench.show("  %-36s" % row + "".join("%21s" % cell(table, row, n) for n in names))
    state = bench.loads[part]
    bench.show("\n  load average %.1f; other processes took %.0f %% of the machine\n" % (state["load_1_min"], state["others_share"] * 100))


def figures_on_terminal(bench):
    judged = figures.judge(bench)
    bench.show("Figures of the design%s:" % (", those of the parts that ran" if len(judged) < len(figures.FIGURES) else ""))
    for j in judged:
        bench.show("  %-12s %-52s %-26s wanted %s" % (j.verdict.split(":")[0], j.name, j.shown(), j.wanted()))


def duet_revision():
    done = subprocess.run(["git", "-C", rig.tap.TOP, "log", "-1", "--format=%h %s"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())


def charts(bench):
    """Writes the charts; [(title, file name)]."""
    made, colours = [], svg.palette([s.name for s in bench.servers])
    for table in bench.tables.values():
        names = servers_in(bench, table)
        under = heading(table).split(";")[0] + "; %s is better" % ("more" if table.more_is_better else "less")
        title = "%s: %s" % (table.part, table.measure)
        if table.part == "growth":
            points = {n: [(r, table.value(r, n)) for r in table.rows if table.value(r, n) is not None] for n in names}
            if not any(points.values()):
                continue
            drawing = svg.lines(title, under, names, colours, points, "keys")
        else:
            drawing = svg.bars(title, under, names, colours, [(r, [table.value(r, n) for n in names]) for r in table.rows])
        name = re.sub(r"[^a-z0-9.]+", "-", title.lower()) + ".svg"
        with open(os.path.join(rig.OUT, name), "w") as f:
            f.write(drawing)
        made.append((title, name))
    return made


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def write_markdown(bench, drawings):
    out = ["# Duet beside other servers", "",
           "%s, Duet %s. %s, %d cores, Linux %s. Servers on core %d, load on core %d unless a part says otherwise." % (
               datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), duet_revision(), cpu_model(), len(rig.CORES),
               platform.release(), rig.SERVER_CORE, rig.LOAD_CORE),
           "Settings of all servers: `%s`, except in the part `defaults`. Each figure is the median of up to %d rounds." % (
               " ".join(w or '""' for w in rig.SETTINGS), bench.rounds), ""]
    out += markdown_table(["server", "version"], [[s.name, s.version] for s in bench.servers])
    out += ["## Figures of the design", ""]
    out += markdown_table(["figure", "part", "measured", "wanted", ""],
                          [[j.name, j.part, j.shown(), j.wanted(), "**%s**" % j.verdict if j.verdict == "missed" else j.verdict] for j in figures.judge(bench)])
    for part, module in bench.parts:
        tables = [t for t in bench.tables.values() if t.part == part]
        if part not in bench.loads:
            continue
        state = bench.loads[part]
        out += ["## %s" % part, "", module.ABOUT + ".", "",
                "Load average %.1f; other processes took %.0f %% of the machine." % (state["load_1_min"], state["others_share"] * 100), ""]
        for table in tables:
            names = servers_in(bench, table)
            out += [heading(table) + ":", ""]
            out += markdown_table([""] + names, [[str(r)] + [cell(table, r, n) for n in names] for r in table.rows])
        out += ["![%s](%s)" % d for d in drawings if d[0].startswith(part + ":")] + [""]
    out += ["## Notes", ""] + ["- " + n for n in bench.notes or ["none"]] + [""]
    with open(os.path.join(rig.OUT, "report.md"), "w") as f:
        f.write("\n".join(out))


def write_json(bench):
    tables = [{"part": t.part, "measure": t.measure, "unit": t.unit, "more_is_better": t.more_is_better,
               "rows": [{"row": r, "servers": {n: {"median": t.value(r, n), "samples": t.samples[(r, n)]}
                                               for n in servers_in(bench, t) if (r, n) in t.samples}} for r in t.rows]}
              for t in bench.tables.values()]
    with open(os.path.join(rig.OUT, "results.json"), "w") as f:
        json.dump({"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "duet": duet_revision(), "cpu": cpu_model(),
                   "cores": len(rig.CORES), "kernel": platform.release(), "settings": rig.SETTINGS, "quick": bench.quick,
                   "servers": [{"name": s.name, "version": s.version, "command": s.command} for s in bench.servers],
                   "parts": bench.loads, "tables": tables, "notes": bench.notes,
                   "figures": [{"name": j.name, "part": j.part, "value": j.got, "wanted": j.wanted(), "verdict": j.verdict}
                               for j in figures.judge(bench)]}, f, indent=1)


def write(bench):
    os.makedirs(rig.OUT, exist_ok=True)
    write_markdown(bench, charts(bench))
    write_json(bench)
