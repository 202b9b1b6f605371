#!/usr/bin/python3
"""INFO beside redis-server's: the same sections under the same names, every field that redis-server has in each, with values of the same type;
errors by code, commands' counts and LATENCY after the same commands; what INFO's arguments select."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

# Redis's fields that are not here, and why.
MISSING = {
    "aof_base_size": "only when the log is on, where Redis has it too",
}
TEXTS = {"redis_git_sha1", "redis_build_id", "os", "monotonic_clock", "multiplexing_api", "atomicvar_api", "gcc_version", "run_id", "executable", "config_file",
         "mem_allocator", "master_replid", "master_replid2", "redis_mode", "role", "maxmemory_policy", "master_failover_state"}


def parse(text):
    """{section: {field: value}} in order."""
    found, fields = {}, None
    for line in text.decode().split("\r\n"):
        if line.startswith("# "):
            fields = found.setdefault(line[2:], {})
        elif line:
            name, value = line.split(":", 1)
            fields[name] = value
    return found


def kind(name, value):
    """int, float, size (1.5M), percent, name=value list, text"""
    if name in TEXTS:
        return "text"
    for pattern, what in ((r"-?\d+", "int"), (r"-?\d+\.\d+", "float"), (r"-?\d+(\.\d+)?[BKMGT]", "size"), (r"-?\d+(\.\d+)?%", "percent"), (r"\w+=.*", "list")):
        if re.fullmatch(pattern, value):
            return what
    return "text"


def compare(ours, theirs, what):
    tap.equal(list(ours), list(theirs), "the sections of %s" % what)
    for section in theirs:
        if section in ("Commandstats", "Latencystats"):
            continue  # after the same commands, below
        mine, wanted = ours.get(section, {}), theirs[section]
        missing = [n for n in wanted if n not in mine and n not in MISSING]
        tap.equal(missing, [], "%s, %s: every field of redis-server" % (what, section))
        types = {n: (mine[n], wanted[n]) for n in wanted if n in mine and kind(n, mine[n]) != kind(n, wanted[n])}
        tap.equal(types, {}, "%s, %s: values of the same type" % (what, section))
        more = [n for n in mine if n not in wanted and not n.startswith("duet_") and section not in ("Commandstats", "Latencystats", "Errorstats", "Keyspace")]
        allowed = {"edition", "aof_fsync_age_ms", "aof_kept_size", "disk_free_bytes", "disk_total_bytes", "disk_low", "client_output_buffer_limit_disconnections", "tls_"}
        tap.equal([n for n in more if n not in allowed and not n.startswith("tls_")], [], "%s, %s: and no other but Duet's own" % (what, section))
        order = [n for n in mine if n in wanted]
        tap.equal(order, [n for n in wanted if n in mine], "%s, %s: in the same order" % (what, section)) if section not in ("Commandstats", "Latencystats") else None


COMMANDS = [["SET", "a", "1"], ["GET", "a"], ["INCR", "a"], ["FOO", "x"], ["GET"], ["LPUSH", "a", "b"], ["SET", "b", "x"], ["INCR", "b"], ["CONFIG", "SET", "hz", "x"], ["AUTH", "x"],
            ["MULTI"], ["SET", "c", "d"], ["LPUSH", "a", "b"], ["EXEC"], ["EXEC"], ["MULTI"], ["GET"], ["EXEC"], ["CLIENT", "FOO"], ["OBJECT", "ENCODING", "none"], ["DEBUG", "SLEEP", "0"],
            ["EVALSHA", "x", "0"], ["PEXPIREAT", "b", "99999999999999"]]


def main():
    options = ["--appendonly", "yes", "--enable-debug-command", "yes"]
    duet, redis = servers.pair(options)
    wires = [duet.wire(), redis.wire()]
    tap.until(lambda: b"aof_rewrite_in_progress:0" in wires[1].call("INFO", "persistence"), 20, "redis-server's first rewrite")
    compare(*(parse(w.call("INFO", "everything")) for w in wires), "INFO everything")
    for w in wires:
        w.call("CONFIG", "RESETSTAT")
        w.pipeline([[x.encode() for x in c] for c in COMMANDS])
    ours, theirs = (parse(w.call("INFO", "errorstats", "stats")) for w in wires)
    tap.equal(ours["Errorstats"], theirs["Errorstats"], "errors are counted by their codes")
    tap.equal(ours["Stats"]["total_error_replies"], theirs["Stats"]["total_error_replies"], "and all together")
    ours, theirs = (parse(w.call("INFO", "COMMANDSTATS"))["Commandstats"] for w in wires)
    counts = [{k: re.sub(r"usec=\d+,usec_per_call=[\d.]+,", "", v) for k, v in x.items()} for x in (ours, theirs)]
    tap.equal(counts[0], counts[1], "calls, refused and failed ones of each command")
    ours, theirs = (set(parse(w.call("INFO", "latencystats"))["Latencystats"]) for w in wires)
    tap.equal(sorted(ours), sorted(theirs), "percentiles of the same commands")
    for words in (["a"], ["server", "nosuch"], ["SERVER", "cpu"], ["all"], ["default"], ["everything"], ["server", "default"], ["errorstats"], []):
        ours, theirs = (list(parse(w.call("INFO", *words))) for w in wires)
        tap.equal(ours, theirs, "sections of INFO %s" % " ".join(words))
    for words in (["LATENCY", "HISTOGRAM", "nosuch"], ["LATENCY", "LATEST"], ["LATENCY", "HISTORY", "x"], ["LATENCY", "GRAPH", "x"], ["LATENCY", "RESET"], ["LATENCY", "RESET", "a", "b"],
                  ["LATENCY"], ["LATENCY", "FOO"], ["LATENCY", "LATEST", "x"], ["LATENCY", "GRAPH"], ["CONFIG", "SET", "latency-monitor-threshold", "50"]):
        ours, theirs = (w.pipeline([[x.encode() for x in words]])[0][0] for w in wires)
        tap.equal(ours, theirs, " ".join(words))
    for w in wires:
        w.call("DEBUG", "SLEEP", "0.06")
    shapes = []
    for w in wires:
        name, when, last, high = w.call("LATENCY", "LATEST")[0]
        history, graph = w.call("LATENCY", "HISTORY", "command"), w.call("LATENCY", "GRAPH", "command").decode()
        shapes.append((name, last >= 60, high == last, len(history), history[0][0] == when, re.sub(r"\d+", "N", graph).split("\n")[0], len(graph.split("\n")[1]), w.call("LATENCY", "RESET", "COMMAND")))
    tap.equal(shapes[0], shapes[1], "a command that took long: LATEST, HISTORY, GRAPH, RESET")
    for resp in 2, 3:
        found = []
        for w in wires:
            w.call("HELLO", resp)
            got = w.call("LATENCY", "HISTOGRAM", "debug", "set")
            table = {got[i]: dict(zip(got[i + 1][::2], got[i + 1][1::2])) for i in range(0, len(got), 2)}
            found.append({k: (v[b"calls"], v[b"histogram_usec"][-1], len(v[b"histogram_usec"]) % 2) for k, v in table.items()})
        tap.equal(found[0], found[1], "LATENCY HISTOGRAM in RESP%d" % resp)
    ours, theirs = (sorted(x.decode() for x in w.call("MEMORY", "STATS")[::2] if isinstance(x, bytes)) for w in wires)
    tap.equal(ours, theirs, "MEMORY STATS has the same names")


tap.main(main)
