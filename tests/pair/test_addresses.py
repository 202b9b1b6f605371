"""Several VIPs of both kinds and one for reads: FAULTS 1, 16, 19 (they move), 37 and 38 (duplicates), 39 (stale neighbours)."""

import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import addresslab  # noqa: E402
import pairlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402
from addresslab import READ_VIP, VIPS  # noqa: E402

pair = None


def at(address, **kw):
    options = dict(socket_timeout=1, socket_connect_timeout=0.3)
    options.update(kw)
    return redis.Redis(host=address, port=pairlab.PORT, **options)


def answers(address, what=lambda c: c.ping()):
    """What a new client at the address is told; None when nobody answers."""
    c = at(address)
    try:
        return what(c)
    except pairlab.LOSSES:
        return None
    finally:
        c.close()


def run_id(address):
    return answers(address, lambda c: c.info("server")["run_id"])


def reads_are_on(node):
    """The VIP for reads is answered by this node's server, and both nodes say so."""
    mine, other = addresslab.held(node, READ_VIP), addresslab.held(node.other, READ_VIP)
    own = answers_here(node)
    return mine and not other and own is not None and run_id(READ_VIP) == own


def answers_here(node):
    try:
        return node.control().info("server")["run_id"]
    except pairlab.LOSSES:
        return None


class NeverBoth:
    """While it stands no two nodes hold the VIP for reads, as their kernels' guards have it."""

    def __enter__(self):
        self.both, self.looks, self.stopping = [], 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self):
        while not self.stopping.wait(0.02):
            open_at = [n.name for n in pair.nodes.values() if addresslab.guard_open(n, READ_VIP)]
            self.looks += 1
            # One after the other: what was open at the first look may have closed at the second.
            if len(open_at) == 2 and all(addresslab.guard_open(n, READ_VIP) for n in pair.nodes.values()):
                self.both.append(time.monotonic())

    def __exit__(self, kind, error, trace):
        self.stopping.set()
        self.thread.join()
        if kind is None:
            tap.equal(self.both, [], "the VIP for reads was never on both nodes (%s looks)" % ("some" if self.looks else "no"))


def all_vips_serve():
    """Every VIP takes a write, and all are the same server."""
    master = pair.settled()
    for i, vip in enumerate(VIPS):
        tap.until(lambda: answers(vip, lambda c: c.set("vip:%d" % i, vip)), pairlab.SETTLE_S, "a write at " + vip)
    tap.equal({run_id(v) for v in VIPS}, {answers_here(master)}, "all VIPs lead to the master, IPv4 and IPv6")
    vips = master.status()["vips"]
    tap.equal([v["address"] for v in vips if v["kind"] == "write" and v["held"]], VIPS, "status lists them as held")
    tap.ok(all(v["announced_ms"] >= 0 for v in vips if v["kind"] == "write"), "and as announced")
    tentative = [line for line in pair.lab.ip(master.name, "-6", "addr", "show", "dev", "eth0").stdout.splitlines()
                 if "fd77::10" in line and ("tentative" in line or "dadfailed" in line)]
    tap.equal(tentative, [], "the IPv6 one is usable at once, not tentative")


def reads_are_on_the_slave():
    """The VIP for reads is on the slave: it reads, and refuses writes"""
    master = pair.settled()
    at(VIPS[0]).set("seen", "by reads")
    tap.until(lambda: reads_are_on(master.other), pairlab.SETTLE_S, "the VIP for reads on the slave")
    tap.until(lambda: answers(READ_VIP, lambda c: c.get("seen")) == b"by reads", pairlab.SETTLE_S, "the write at the VIP for reads")
    tap.ok(True, "what was written at the VIP is read at the VIP for reads")

    def refused(c):
        try:
            c.set("never", "here")
        except redis.exceptions.ReadOnlyError:
            return True
    tap.ok(answers(READ_VIP, refused), "and writes are refused there")


def fault_1_everything_moves():
    """1: the master loses power: all VIPs move, and the one for reads too, until there is a slave again"""
    old = pair.settled()
    new = old.other
    tap.until(lambda: reads_are_on(new), pairlab.SETTLE_S, "the VIP for reads on the slave")
    with NeverBoth():
        old.power_cut()
        for vip in VIPS:
            tap.until(lambda: answers(vip, lambda c: c.set("after", vip)), pairlab.SETTLE_S, "a write at " + vip)
        tap.equal({run_id(v) for v in VIPS}, {answers_here(new)}, "1: all VIPs have moved together")
        tap.until(lambda: reads_are_on(new), pairlab.SETTLE_S, "the VIP for reads on the master that is alone")
        tap.ok(True, "1: the master that is alone has the VIP for reads too")
        old.links("up")
        old.power_on()
        pair.settled(new)
        tap.until(lambda: reads_are_on(old), pairlab.SETTLE_S, "the VIP for reads on the new slave")
        tap.ok(True, "1: it moves to the slave when there is one in sync")


def a_switchover_moves_both():
    """A switchover: the VIPs go one way, the one for reads the other"""
    old = pair.settled()
    tap.until(lambda: reads_are_on(old.other), pairlab.SETTLE_S, "the VIP for reads on the slave")
    with NeverBoth():
        old.hactl("switchover", check=False)
        new = pair.settled(old.other)
        tap.until(lambda: reads_are_on(old), pairlab.SETTLE_S, "the VIP for reads on the new slave")
    tap.equal({run_id(v) for v in VIPS}, {answers_here(new)}, "switched over: the VIPs are on the new master, the one for reads on the new slave")


def fault_19_an_isolated_slave_drops_it():
    """19: a slave that is cut off gives the VIP for reads up by itself, and the master takes it"""
    master = pair.settled()
    slave = master.other
    tap.until(lambda: reads_are_on(slave), pairlab.SETTLE_S, "the VIP for reads on the slave")
    with NeverBoth():
        pair.lab.isolate(slave.name, "down")
        tap.until(lambda: not addresslab.guard_open(slave, READ_VIP), 5, "the isolated slave's guard is closed")
        tap.ok(True, "19: the isolated slave has closed it")
        tap.until(lambda: reads_are_on(master), pairlab.SETTLE_S, "the VIP for reads on the master")
        pair.lab.isolate(slave.name, "up")
        pair.settled(master)
        tap.until(lambda: reads_are_on(slave), pairlab.SETTLE_S, "the VIP for reads back on the slave")
    tap.ok(True, "19: the master took it, and gave it back")


def fault_16_a_slave_that_nobody_reaches_drops_it():
    """16: the slave's service link is cut: the master takes the VIP for reads too"""
    master = pair.settled()
    tap.until(lambda: reads_are_on(master.other), pairlab.SETTLE_S, "the VIP for reads on the slave")
    with NeverBoth():
        pair.lab.service(master.other.name, "down")
        tap.until(lambda: reads_are_on(master), pairlab.SETTLE_S, "the VIP for reads on the master")
        pair.lab.service(master.other.name, "up")
        pair.settled(master)
        tap.until(lambda: reads_are_on(master.other), pairlab.SETTLE_S, "the VIP for reads back on the slave")
    tap.ok(True, "16: the VIP for reads is where clients can reach it")


def fault_39_stale_neighbours():
    """39: the switch swallows broadcasts: gateway and clients learn the new master by unicast"""
    old = pair.settled()
    lab = pair.lab
    lab.patient_neighbours()
    for vip in VIPS:
        lab.client_connects(vip)
    for where in ("c", "g"):
        for vip in VIPS:
            tap.until(lambda: lab.neighbour(where, vip) == old.mac("eth0"), pairlab.SETTLE_S, "%s knows %s" % (where, vip))
    for n in "ab":
        lab.swallow_broadcasts(n)
    old.hactl("switchover", check=False)
    new = pair.settled(old.other)
    for where, who in (("c", "a client"), ("g", "the gateway")):
        for vip in VIPS:
            tap.until(lambda: lab.neighbour(where, vip) == new.mac("eth0"), pairlab.SETTLE_S, "%s knows %s anew" % (where, vip))
        tap.ok(True, "39: %s has learnt the new master's link address for every VIP" % who)
    for vip in VIPS:
        lab.ip("c", "neigh", "replace", vip, "lladdr", old.mac("eth0"), "dev", "eth0", "nud", "stale")
    began = time.monotonic()
    for vip in VIPS:
        tap.until(lambda: lab.neighbour("c", vip) == new.mac("eth0"), 20, "%s is refreshed" % vip)
    tap.say("an entry that went wrong later was mended after %.1f s" % (time.monotonic() - began))
    tap.ok(True, "39: an entry that goes wrong later is mended by the next refresh")
    for n in "ab":
        lab.forward(n)


def alarm_text(node, name):
    return next((a["text"] for a in node.status().get("alarms", []) if a["name"] == name), "")


def fault_38_a_silent_duplicate():
    """38: another machine has the VIP and never says so: it is found, named and fought off; the master serves on"""
    master = pair.settled()
    for vip in (VIPS[0], VIPS[2]):
        load = pairlab.Writer(pair, "dup", at=master)
        load.wait_for(10)
        before = master.last_event()
        pair.lab.client_owns(vip)
        tap.until(lambda: alarm_text(master, "vip-foreign"), pairlab.SETTLE_S, "an alarm about " + vip)
        tap.ok(pair.lab.mac("c", "eth0") in alarm_text(master, "vip-foreign"), "38: %s: the alarm names the other machine" % vip)
        row = next(v for v in master.status()["vips"] if v["address"] == vip)
        tap.equal(row["foreign"], pair.lab.mac("c", "eth0"), "38: %s: status names it beside the address" % vip)
        load.wait_for(100)
        load.stop()
        pair.lab.client_owns(vip, False)
        tap.until(lambda: not alarm_text(master, "vip-foreign"), pairlab.SETTLE_S, "the alarm ends")
        tap.equal([t for t in master.role_changes(before) if re.search("-> (?!master)", t)], [], "38: %s: the master kept its role" % vip)


def fault_37_a_foreign_owner_before_a_takeover():
    """37: another machine has the VIP when the slave would take over: it does not, and says who it is"""
    for vip in (VIPS[0], VIPS[2]):
        old = pair.settled()
        slave = old.other
        pair.lab.client_owns(vip)
        old.power_cut()
        tap.until(lambda: alarm_text(slave, "vip-foreign"), pairlab.SETTLE_S, "an alarm about " + vip)
        tap.ok(pair.lab.mac("c", "eth0") in alarm_text(slave, "vip-foreign"), "37: %s: the alarm names the other machine" % vip)
        tap.ok(not slave.serving(), "37: %s: the slave does not take it" % vip)
        pair.lab.client_owns(vip, False)
        old.links("up")
        old.power_on()
        pair.settled()


def main():
    global pair
    addresslab.use()
    with pairlab.Pair() as pair:
        pairlab.run(all_vips_serve, reads_are_on_the_slave, a_switchover_moves_both, fault_1_everything_moves,
                    fault_19_an_isolated_slave_drops_it, fault_16_a_slave_that_nobody_reaches_drops_it,
                    fault_39_stale_neighbours, fault_38_a_silent_duplicate, fault_37_a_foreign_owner_before_a_takeover)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
