"""Metrics over HTTP: strictly Prometheus's text form, right values, and a server that nobody can hold up."""

import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

PORT = 9121
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(r'^(%s)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9]+(?:\.[0-9]+)?|NaN|[+-]Inf)$' % NAME)
pair = None


def parse(text):
    """{(name, labels): value}; raises when the text is not what the exposition format says."""
    samples, kinds, helped, done, now = {}, {}, set(), set(), None
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            if name in helped:
                raise ValueError("helped twice: " + name)
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in kinds or kind not in ("counter", "gauge"):
                raise ValueError("type: " + line)
            kinds[name] = kind
        else:
            m = SAMPLE.match(line)
            if not m or m[1] not in kinds or m[1] not in helped:
                raise ValueError("sample: " + line)
            if m[1] != now:
                if m[1] in done:
                    raise ValueError("not in one group: " + m[1])
                done.add(m[1])
                now = m[1]
            if (m[1], m[2] or "") in samples:
                raise ValueError("twice: " + line)
            if kinds[m[1]] == "counter" and not m[1].endswith("_total") and not m[1].endswith("_seconds"):
                raise ValueError("a counter's name: " + m[1])
            samples[(m[1], m[2] or "")] = float(m[3])
    return samples


def ask(node, request, timeout=10):
    s = socket.create_connection((node.address, PORT), timeout=timeout)
    try:
        s.sendall(request)
        text = b""
        while True:
            part = s.recv(65536)
            if not part:
                return text
            text += part
    finally:
        s.close()


def scrape(node):
    answer = ask(node, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    if lines[0] != "HTTP/1.1 200 OK" or int(headers["Content-Length"]) != len(body) or "version=0.0.4" not in headers["Content-Type"]:
        raise ValueError(head)
    return parse(body.decode())


def what_is_measured():
    """both nodes' metrics are well formed and say how things are"""
    m = pair.settled()
    pair.client().mset({"k%d" % i: i for i in range(100)})
    tap.until(lambda: scrape(m), pairlab.SETTLE_S, "metrics over HTTP")
    mine, theirs = scrape(m), tap.until(lambda: scrape(m.other), pairlab.SETTLE_S, "the slave's")
    tap.ok(True, "%d samples of the master, %d of the slave, all well formed" % (len(mine), len(theirs)))
    tap.equal((mine[("duet_serving", "")], theirs[("duet_serving", "")]), (1, 0), "who serves")
    tap.equal((mine[("duet_state", 'state="master"')], theirs[("duet_state", 'state="slave"')]), (1, 1), "the states")
    tap.equal([mine[("duet_path_both_ways", 'path="%s"' % p)] for p in ("crossover", "service")], [1, 1], "paths")
    tap.equal([v for (n, _), v in mine.items() if n == "duet_alarm" and v], [], "no alarm is on, and each has a sample")
    tap.ok(("duet_alarm", 'alarm="solo"') in mine and ("duet_alarm", 'alarm="disk-low"') in mine, "by name")
    tap.equal(mine[("duet_instance_keys", 'instance="0"')], 100, "keys of the instance")
    for name in ("memory_bytes", "commands_total", "offset_bytes", "clients", "held_bytes", "fsync_age_seconds", "log_bytes", "slave_lag_seconds"):
        tap.ok(("duet_instance_" + name, 'instance="0"') in mine, "instance: " + name)
    tap.ok(mine[("duet_data_bytes", "")] > mine[("duet_data_free_bytes", "")] > 0 and mine[("duet_node_uptime_seconds", "")] > 0, "the machine")
    tap.equal(len(parse(m.hactl("metrics").stdout)), len(mine), "hactl metrics prints the same")
    m.hactl("maintenance", "on")
    tap.until(lambda: scrape(m.other)[("duet_alarm", 'alarm="maintenance"')] == 1, pairlab.SETTLE_S, "an alarm becomes 1 on both")
    m.hactl("maintenance", "off")
    pair.settled(m)


def what_it_refuses():
    """other requests are answered with their status, and nothing else"""
    m = pair.settled()
    cases = [(b"GET / HTTP/1.1\r\n\r\n", b"404"), (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"GET /metrics HTTP/2.0\r\n\r\n", b"505"),
             (b"hello\r\n\r\n", b"400"), (b"GET /metrics HTTP/1.1\r\nbad header\r\n\r\n", b"400"), (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n\r\n", b"414"),
             (b"GET /metrics HTTP/1.1\r\nA: " + b"x" * 5000 + b"\r\n\r\n", b"431"), (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200")]
    for request, status in cases:
        got = ask(m, request)
        tap.ok(got.startswith(b"HTTP/1.1 " + status + b" "), "%r: %s" % (request[:30], status.decode())) or tap.say(repr(got[:200]))


def nobody_holds_it_up():
    """idle connections, half requests and a stampede cost a scraper nothing"""
    m = pair.settled()
    idle = []
    for i in range(40):
        s = socket.create_connection((m.address, PORT), timeout=5)
        s.sendall(b"GET /metrics HT" if i % 2 else b"")
        idle.append(s)
    tap.ok(tap.until(lambda: scrape(m), pairlab.SETTLE_S, "a scrape beside idle connections"), "40 connections that say nothing do not keep a scraper out")
    deadline = time.monotonic() + pairlab.SETTLE_S
    closed = 0
    for s in idle:
        s.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            closed += s.recv(1) == b""
        except ConnectionError:
            closed += 1
        s.close()
    tap.equal(closed, 40, "and all of them are ended")
    old = m.pids("steward")
    for pid in old[1:]:
        os.kill(pid, signal.SIGKILL)
    tap.ok(tap.until(lambda: scrape(m), pairlab.SETTLE_S, "metrics again"), "a process of it that is killed comes back")
    tap.ok(pair.is_settled() is m, "and the pair never noticed")


def without_had():
    """a had that does not answer is a metric too"""
    m = pair.settled()
    s = m.other
    s.signal("had", signal.SIGSTOP)
    try:
        values = tap.until(lambda: (lambda v: v if v[("duet_up", "")] == 0 else None)(scrape(s)), pairlab.SETTLE_S, "duet_up 0")
        tap.ok(("duet_serving", "") not in values and ("duet_instance_up", 'instance="0"') in values, "duet_up is 0, and the server's own are there")
    finally:
        s.signal("had", signal.SIGCONT)
    pair.settled()


def main():
    global pair
    with pairlab.Pair("[metrics]\nlisten %d\n" % PORT) as pair:
        pairlab.run(what_is_measured, what_it_refuses, nobody_holds_it_up, without_had)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
