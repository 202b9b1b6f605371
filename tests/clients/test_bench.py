#!/usr/bin/python3
"""What `make bench` measures with: the loader counts right, the responder answers, figures are judged, charts are SVG."""

import json
import os
import socket
import subprocess
import sys
import threading
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

sys.path.insert(0, os.path.join(tap.TOP, "tests", "bench"))
import figures  # noqa: E402
import frame  # noqa: E402
import rig  # noqa: E402
import svg  # noqa: E402


def load(port, *words):
    done = subprocess.run([rig.LOAD, "--port", str(port)] + [str(w) for w in words], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else done


def numbered():
    """the loader numbers its requests"""
    with servers.Server("--appendonly", "no") as s, s.connect() as c:
        load(s.port, "--conns", 4, "--pipeline", 7, "--requests", 996, "--", "SET", "key:{i:5}", "v{i*3%7+1}")
        tap.equal(c.cmd("DBSIZE"), 1000, "1,000 requests with numbers of 5 digits make 1,000 keys, the warm-up's among them")
        tap.equal([c.cmd("GET", "key:00010"), c.cmd("GET", "key:00999")], [b"v3", b"v2"], "numbers without a width are as long as they are")
        out = load(s.port, "--conns", 3, "--pipeline", 5, "--requests", 500, "--range", 1000, "--", "MGET", "key:{r:5}", "none", "--", "GET", "none")
        tap.equal((out["requests"], out["errors"]), (500, 0), "arrays with nulls count as one reply each, two commands take turns")
        out = load(s.port, "--conns", 2, "--requests", 50, "--", "INCR", "key:00001")
        tap.ok(out["errors"] == 52 and "not an integer" in out["error"], "errors are counted and the first is kept") or tap.say(out)
        out = load(s.port, "--conns", 2, "--rate", 1000, "--requests", 200, "--", "GET", "key:{r:5}")
        tap.ok(out["requests"] == 200 and out["seconds"] > 0.15 and out["max"] >= out["p99"] >= out["p50"] > 0,
               "200 requests at 1,000 a second are not sent at once") or tap.say(out)


def refused():
    """the loader says what is wrong"""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        threading.Thread(target=lambda: listening.accept()[0].close(), daemon=True).start()
        done = load(listening.getsockname()[1], "--conns", 1, "--", "PING")
        tap.ok(done.returncode != 0 and "closed a connection" in done.stderr, "a server that hangs up is said to") or tap.say(done)
    done = load(1, "--", "GET", "{x}")
    tap.ok(done.returncode == 2 and "{x}" in done.stderr, "a number that is none is refused") or tap.say(done)


def responder():
    """the bare responder"""
    with servers.Server(command=[rig.RESPONDER], wait=False) as s:
        servers.wait_for_port(s.port)
        for depth in (1, 16, 64):
            out = load(s.port, "--conns", 5, "--pipeline", depth, "--requests", 5000, "--range", 1000, "--", "SET", "key:{r:12}", "x" * 64)
            tap.equal((out["requests"], out["errors"]), (5000, 0), "the bare responder answers every request, %d in flight" % depth)


def judged():
    """figures are judged"""
    specs = [rig.Spec(n, ["true"], "1") for n in ("limit", "duet", "valkey9")]
    bench = frame.Bench(specs, ["cpu"], True, 1)
    for samples in ((4.0, 4.3, 5.0), (8.0, 8.5, 10.0), (4.0, 5.0, 5.0)):
        for spec, value in zip(specs, samples):
            bench.add("cpu", figures.CPU, "SET -P 1", spec.name, value)
            bench.add("cpu", figures.CPU, "SET -P 16", spec.name, value)
            bench.add("cpu", figures.RATE, "SET -P 16", spec.name, 1e6 / value, more_is_better=True)
    verdicts = {j.row: j for j in figures.judge(bench) if j.measure == figures.CPU or j.row == "SET -P 16"}
    tap.equal(verdicts["SET -P 1"].verdict, "met", "the median of the rounds' ratios counts: 1.075 is within 8 %")
    tap.equal(verdicts["SET -P 16"].verdict, "missed", "a rate of 1.16 times Valkey's is not 1.4 times")
    tap.equal(verdicts["GET -P 1"].verdict, "not measured", "what was not measured is said to be so")


def charts():
    """charts are SVG"""
    colours = svg.palette(["a", "b"])
    drawing = svg.bars("a & b", "<under>", ["a", "b"], colours, [("row", [1.0, None]), ("other", [250000.0, 3])])
    tap.ok(len(xml.dom.minidom.parseString(drawing).getElementsByTagName("rect")) >= 7, "bars are well-formed")
    drawing = svg.lines("t", "u", ["a", "b"], colours, {"a": [(1000, 1.0), (1000000, 2.0)]}, "keys")
    tap.equal(len(xml.dom.minidom.parseString(drawing).getElementsByTagName("circle")), 2, "lines are well-formed, a point for each figure")


def command_line():
    """the command line"""
    def bench(part, *words):
        return subprocess.run(["/usr/bin/python3", os.path.join(tap.TOP, "tests", "bench", "bench.py"), *words],
                              capture_output=True, text=True, env=dict(os.environ, PART=part), timeout=30)
    done = bench("cpu,nonsense")
    tap.ok(done.returncode != 0 and "nonsense" in done.stderr and "memory" in done.stderr, "a part that is none is refused, and the parts are named")
    tap.ok(bench("", "--list").stdout.startswith("cpu "), "--list names the parts")


tap.main(numbered, refused, responder, judged, charts, command_line)
