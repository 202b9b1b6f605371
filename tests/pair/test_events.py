"""Events of a pair: kept over restarts, of both nodes by time, followed live, told to syslog and to a reader of the FIFO."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

SYSLOG = 5514
RFC5424 = re.compile(r"^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+) had \d+ (\S+) - .+ \(event \d+, node [ab], epoch \d+(/[ab])?\)$")
pair = None
messages = None


def kinds(node, since=0):
    return [e["kind"] for e in node.events() if e["number"] > since]


def has(node, kind, since=0):
    return tap.until(lambda: kind in kinds(node, since), pairlab.SETTLE_S, "an event %s on %s" % (kind, node.name))


def numbers_go_on():
    """events are numbered over restarts of had and of the machine"""
    m = pair.settled()
    s = m.other
    before = s.last_event()
    tap.ok(before > 0 and "had.started" in kinds(s), "what happened since the start is there")
    s.signal("had", signal.SIGKILL)
    pair.settled(m)
    fresh = [e for e in s.events() if e["number"] > before]
    tap.ok(fresh[0]["kind"] == "had.started" and fresh[0]["number"] == before + 1, "had starts again: the numbers go on")
    now = s.last_event()
    s.power_cut()
    text = s.hactl("history", "1000", check=False)
    tap.ok(text.returncode == 0 and "role.changed" in text.stdout and "had is not running" in text.stderr, "history works without had")
    s.power_on()
    s.links("up")
    pair.settled(m)
    numbers = [e["number"] for e in s.events()]
    tap.ok(numbers == sorted(set(numbers)) and numbers[-1] > now and numbers[0] <= before, "and after a power cut")
    path = os.path.join(s.root, "data", "log", "events.log")
    tap.ok(all(json.loads(line) for line in open(path)), "the file is lines of JSON")


def both_nodes_by_time():
    """history --both merges the two nodes' events"""
    m = pair.settled()
    m.hactl("maintenance", "on")
    has(m.other, "alarm.begin")
    m.hactl("maintenance", "off")
    pair.settled(m)
    both = json.loads(m.hactl("history", "500", "--both", "--json").stdout)["events"]
    tap.equal(sorted({e["node"] for e in both}), ["a", "b"], "both nodes")
    for n in "ab":
        of = [e["number"] for e in both if e["node"] == n]
        tap.ok(of == sorted(set(of)), "node %s's in their order" % n)
    def maintenance(kind):
        recent = json.loads(m.hactl("history", "--since", "1m ago", "--json").stdout)["events"]
        return [e for e in recent if e["kind"] == kind and e["fields"].get("alarm") == "maintenance"]
    tap.until(lambda: maintenance("alarm.end"), pairlab.SETTLE_S, "the alarm ends")
    recent = json.loads(m.hactl("history", "--since", "1m ago", "--json").stdout)["events"]
    tap.ok(recent and recent[0]["at_ms"] > (time.time() - 70) * 1000, "--since")
    tap.ok(m.hactl("history", "--since", "soon", check=False).returncode == 2, "--since wants a time")
    begin = maintenance("alarm.begin")
    tap.ok(begin and begin[-1]["severity"] == "warning", "an alarm begins and ends, with its name")


def followed_live():
    """events --follow prints each as it comes, over a restart of had; a reader of the FIFO gets them in order"""
    m = pair.settled()
    s = m.other
    fifo = os.open(os.path.join(s.root, "run", "events.fifo"), os.O_RDONLY | os.O_NONBLOCK)
    p = subprocess.Popen([tap.DUET, "hactl", "--root", s.root, "events", "--follow", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        first = json.loads(p.stdout.readline())
        m.lab.crossover("down")
        has(s, "path.down")
        m.lab.crossover("up")
        s.signal("had", signal.SIGKILL)
        pair.settled(m)
        seen = [first]
        want = s.last_event()
        while seen[-1]["number"] < want:
            seen.append(json.loads(p.stdout.readline()))
        numbers = [e["number"] for e in seen]
        tap.ok(numbers == list(range(numbers[0], want + 1)), "each once, in order, over the restart")
        down = [e for e in seen if e["kind"] == "path.down"]
        tap.ok(down and down[0]["fields"]["path"] == "crossover", "the cut of the crossover is among them")
    finally:
        p.kill()
        p.wait()
    text = b""
    while True:
        try:
            part = os.read(fifo, 65536)
        except BlockingIOError:
            break
        if not part:
            break
        text += part
    os.close(fifo)
    read = [json.loads(line) for line in text.splitlines()]
    numbers = [e["number"] for e in read]
    tap.ok(len(read) > 3 and numbers == list(range(numbers[0], numbers[0] + len(numbers))) and "path.down" in [e["kind"] for e in read],
           "the FIFO's reader got them in order")


def told_to_syslog():
    """each event is a message of RFC 5424"""
    m = pair.settled()
    before = m.last_event()
    m.hactl("maintenance", "on")
    m.hactl("maintenance", "off")
    texts = []
    messages.settimeout(pairlab.SETTLE_S)
    while not any(" alarm.end " in t and "maintenance alarm" in t for t in texts[-1:]):
        texts.append(messages.recv(4096).decode())
    tap.equal([t for t in texts if not RFC5424.match(t)], [], "each of %d messages is well formed" % len(texts))
    tap.ok(any(t.startswith("<132>1 ") and " alarm.begin - maintenance alarm" in t for t in texts), "local0, warning: an alarm")
    tap.ok(m.last_event() > before, "and history has them too")


def what_happened_is_an_event():
    """a takeover by a dead server, a drop of the VIP, a saved word: each of its kind"""
    m = pair.settled()
    s, before = m.other, {n.name: n.last_event() for n in pair.nodes.values()}
    m.hactl("switchover")
    pair.settled(s)
    for node, kind in ((m, "handover"), (m, "vip.dropped"), (m, "operator"), (s, "vip.taken"), (s, "role.changed")):
        tap.ok(has(node, kind, before[node.name]), "switchover: %s is said on the node that %s" % (kind, "gave" if node is m else "took"))
    before = {n.name: n.last_event() for n in pair.nodes.values()}
    s.signal("server", signal.SIGKILL)
    pair.settled(m)
    tap.ok(has(s, "server.died", before[s.name]) and has(s, "server.up", before[s.name]), "the killed server, and its return")
    s2 = m.other
    before = s2.last_event()
    m.power_cut()
    tap.ok(has(s2, "takeover", before) and has(s2, "peer.silent", before), "a power cut: the other one takes over")
    m.power_on()
    m.links("up")
    pair.settled(s2)


def main():
    global pair, messages
    extra = "[log]\nsyslog %s:%d\nfacility local0\n" % (pairlab.CLIENT, SYSLOG)
    with pairlab.Pair(extra) as pair:
        messages = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        messages.bind((pairlab.CLIENT, SYSLOG))
        pairlab.run(numbers_go_on, both_nodes_by_time, followed_live, told_to_syslog, what_happened_is_an_event)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
