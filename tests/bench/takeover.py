#!/usr/bin/python3
"""Takeovers in network namespaces, measured: one JSON line for each repetition, for tests/bench/parts/failover.py.

    takeover.py duet|keepalived FAULT PROFILE COUNT

FAULT    power   all of the master's processes and links gone at one instant
         server  the master's server process killed (SIGKILL)
         switch  planned switchover under load
         slave   all of the slave's processes and links gone at one instant, under load
PROFILE  default|fast (keepalived: adverts every 1 s, every 0.1 s)

Each repetition begins with a pair that is settled. Times are ms from the instant before the fault is made."""

import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "pair"))
sys.path.insert(0, TESTS)
import netlab  # noqa: E402
import pairlab  # noqa: E402
import retry  # noqa: E402
import tap  # noqa: E402

VIP = (netlab.VIP, pairlab.PORT)
WAITING = 8  # connections of the load
LIMIT_S = 20
KNOWN_S = 1.5  # clients as old as this are known to the slave
MACHINE_AS_OURS = -10  # what else the machine does should not count


def ms(seconds):
    return None if seconds is None else round(seconds * 1000, 1)


class Cut:
    """A machine that loses power: no packet in or out from one instant on (nft is loaded and waits for the word), its processes
    killed, then its links without a carrier."""

    def __init__(self, namespace, links=("eth0", "eth1")):
        self.namespace, self.links = namespace, links
        chains = "".join(" chain %s-%s { type filter hook %s device %s priority -500; policy drop; }\n" % (way, l, way, l)
                         for l in links for way in ("ingress", "egress"))
        self.nft = subprocess.Popen(["nsenter", "--net=/run/netns/" + namespace, "nft", "-f", "-"], stdin=subprocess.PIPE)
        self.nft.stdin.write(("table netdev cut {\n%s}\n" % chains).encode())
        self.nft.stdin.flush()
        time.sleep(0.05)  # it has read that

    def now(self, pids):
        """The instant before."""
        began = time.monotonic()
        self.nft.stdin.close()
        if self.nft.wait():
            raise RuntimeError("nft does not cut the links of " + self.namespace)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # one that ended with its parent
                os.kill(pid, 9)
        for link in self.links:
            netlab.run("ip", "-n", self.namespace, "link", "set", link, "down")
        return began


class DuetPair:
    """The product: tests/pair/pairlab.py's pair."""

    def __init__(self, profile):
        self.pair = pairlab.Pair("[ha]\nprofile %s\n" % profile if profile != "default" else "")
        self.lab = self.pair.lab

    def settled(self):
        return self.pair.settled()

    def kill_server(self, node):
        pid = node.pid("server")
        began = time.monotonic()
        os.kill(pid, 9)
        return began

    def switchover(self, node):
        began = time.monotonic()
        node.hactl("switchover")
        return began

    def mend(self, node):
        if not node.pids():
            node.power_on()

    def trace(self, wall, until_s):
        """What both nodes logged, in ms from that wall-clock moment."""
        lines = []
        for node in self.pair.nodes.values():
            for at, text in logged(node):
                if -0.02 <= at - wall <= until_s + 0.02:
                    lines.append((at - wall, "%8.1f %s %s" % ((at - wall) * 1000, node.name, text)))
        return [text for _, text in sorted(lines, key=lambda l: l[0])]

    def close(self):
        self.pair.close()


def logged(node):
    """(wall-clock seconds, line) of all logs of a node."""
    folder = os.path.join(node.root, "data", "log")
    paths = [os.path.join(node.root, "node.log")]
    if os.path.isdir(folder):
        paths += [os.path.join(folder, f) for f in sorted(os.listdir(folder))]
    for path in paths:
        with open(path, errors="replace") as f:
            for line in f:
                m = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z (.*)", line)
                if m:
                    at = datetime.datetime.strptime(m[1] + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
                    yield at, m[2]


def power_cut(lab, node):
    """The instant; when this returns, nothing of the machine runs."""
    began = Cut(lab.lab.names[node.name]).now(node.pids())
    tap.until(lambda: not node.pids(), LIMIT_S, "all processes are gone", 0.001)
    return began


def make(what, profile):
    if what == "duet":
        return DuetPair(profile)
    import keepalived
    return keepalived.Pair(profile)


def once(lab, fault):
    """One repetition; a dict."""
    master = lab.settled()
    load = retry.Waiting(VIP, WAITING if fault in ("switch", "slave") else 1).start()
    prober = retry.Prober(VIP).start()
    try:
        tap.until(lambda: len(load.done) > 20 and len(prober.done) > 5, LIMIT_S, "writes before the fault")
        time.sleep(KNOWN_S)
        victim = master
        if fault == "power":
            began = power_cut(lab, master)
        elif fault == "server":
            began = lab.kill_server(master)
        elif fault == "switch":
            began = lab.switchover(master)
        else:
            victim = master.other
            began = power_cut(lab, victim)
        wall = time.time() - (time.monotonic() - began)
        # Of the slave's death and of a switchover the longest stall counts; writes must go on for a while after it.
        after = began if fault in ("switch", "slave") else time.monotonic()
        tap.until(lambda: prober.first_after(after), LIMIT_S, "a write after the fault", 0.005)
        seen = len(load.done)
        tap.until(lambda: len(load.done) > seen + 50 and all(ends[-1] > after for ends in load.ends.values()), LIMIT_S,
                  "writes of those that wait", 0.005)
        if fault == "slave":
            tap.until(lambda: time.monotonic() - began > 3, LIMIT_S, "the master goes on alone", 0.05)
    finally:
        load.stop()
        prober.stop()
    gap_s, last, first = prober.longest_gap_s(began - 0.05)
    out = {"fault": fault, "load": round(os.getloadavg()[0], 2), "gap_ms": ms(gap_s),
           "waiting_gap_ms": ms(load.worst_gap_s(began - 0.05)[0]), "told": load.broken}
    # It happened after the last success: nft takes its time on a busy machine.
    out["first_ms"] = ms(first - max(began, last))
    out["longest_wait_ms"] = ms(max((end - start for start, end in load.done if end >= began), default=None))
    out["trace"] = lab.trace(wall, first - began)
    lab.mend(victim)
    return out


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("duet", "keepalived") or sys.argv[2] not in ("power", "server", "switch", "slave"):
        raise SystemExit(__doc__)
    what, fault, profile, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    os.setpriority(os.PRIO_PROCESS, 0, MACHINE_AS_OURS)
    lab = make(what, profile)
    try:
        for _ in range(count):
            try:
                print(json.dumps(once(lab, fault)), flush=True)
            except TimeoutError as e:
                print(json.dumps({"failed": str(e)}), flush=True)
                lab.close()
                lab = make(what, profile)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
