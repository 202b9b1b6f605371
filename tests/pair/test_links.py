"""The service network's odd ends: FAULTS 22, 23 (references), 26 and 33 (half a card), 34 (a port that forwards late)."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import addresslab  # noqa: E402
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402
from addresslab import REFERENCE  # noqa: E402

pair = None


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def age_of(node, address):
    return next((r["age_ms"] for r in node.status()["references"] if r["address"] == address), None)


def answers(node, address):
    age = age_of(node, address)
    return age is not None and 0 <= age < 1000


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


def fault_22_the_gateway_dies_and_a_reference_answers():
    """22: the gateway dies alone: a reference still answers, so automatic takeover stays on"""
    master = pair.settled()
    before = {n.name: n.last_event() for n in pair.nodes.values()}
    tap.ok(all(answers(n, a) for n in pair.nodes.values() for a in (netlab.GATEWAY, REFERENCE)), "22: status says that gateway and reference answer both nodes")
    load = pairlab.Writer(pair, "g")
    pair.lab.gateway("down")
    tap.until(lambda: not any(answers(n, netlab.GATEWAY) for n in pair.nodes.values()), pairlab.SETTLE_S, "the gateway is silent")
    load.wait_for(100)
    tap.ok(pair.settled(master) is master, "22: the pair stays settled, with automatic takeover on")
    tap.until(lambda: all(any("gateway " + netlab.GATEWAY + " does not answer" in e["text"] for e in n.events()) for n in pair.nodes.values()),
              pairlab.SETTLE_S, "an event on both nodes")
    tap.ok(True, "22: an event on both nodes says that the gateway does not answer")
    load.stop()
    tap.equal([transitions(n, before[n.name]) for n in pair.nodes.values()], [[], []], "22: nobody changed its role")


def fault_23_then_the_master_dies():
    """23: the gateway is dead, then the master dies: the slave takes over, because a reference answers it"""
    old = pair.settled()
    pair.lab.gateway("down")
    tap.until(lambda: not answers(old.other, netlab.GATEWAY), pairlab.SETTLE_S, "the gateway is silent")
    pair.settled(old)
    load = pairlab.Writer(pair, "gm")
    load.wait_for(50)
    old.power_cut()
    load.wait_for(50)
    tap.ok(old.other.serving(), "23: the slave took over")
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "23: no acknowledged write is lost")
    pair.lab.gateway("up")
    old.links("up")
    old.power_on()
    tap.ok(pair.settled(old.other) is old.other, "23: healed, the old master follows")


def fault_23_nobody_answers():
    """23: gateway and reference are dead, then the master dies: nobody guesses"""
    old = pair.settled()
    slave = old.other
    pair.lab.outside("down")
    tap.until(lambda: not old.status()["takeover"]["on"], pairlab.SETTLE_S, "automatic takeover is off")
    tap.until(lambda: slave.status()["takeover"]["on"] is False, pairlab.SETTLE_S, "the slave knows")
    time.sleep(1.5)  # the last grant is older than its time
    before = slave.last_event()
    old.power_cut()
    tap.until(lambda: not slave.status()["peer"]["heard"], pairlab.SETTLE_S, "the slave hears nobody")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if slave.serving():
            break
    tap.ok(not slave.serving() and not transitions(slave, before), "23: the slave does not take over without a witness")
    pair.lab.outside("up")
    old.links("up")
    old.power_on()
    pair.settled()


def the_two_must_see_the_same():
    """A reference that only the master sees could keep it alive beyond a split: no automatic takeover meanwhile"""
    master = pair.settled()
    pair.lab.port_rules(master.other.name, "arp daddr ip " + REFERENCE, "ip daddr %s icmp type echo-request" % REFERENCE)
    tap.until(lambda: "reference" in master.status()["takeover"]["why"], pairlab.SETTLE_S, "automatic takeover is off")
    tap.ok(master.serving(), "a reference that only the master sees: automatic takeover is off, with the reason")
    pair.lab.forward(master.other.name)
    tap.ok(pair.settled(master) is master, "it is on again when both see the same")


def fault_33_half_a_card():
    """33: the master's service card has a carrier and receives nothing: handed over, and named"""
    old = pair.settled()
    load = pairlab.Writer(pair, "deaf")
    load.wait_for(50)
    pair.lab.deaf(old.name)
    tap.until(lambda: old.other.serving(), pairlab.SETTLE_S, "the other node serves")
    tap.ok([t for t in old.role_changes() if "only the peer sees the gateway" in t], "33: it was handed over in order")
    tap.until(lambda: old.status()["service"]["deaf_ms"] > 1000, pairlab.SETTLE_S, "the deaf card is counted")
    tap.until(lambda: "port" in alarms(old), pairlab.SETTLE_S, "an alarm")
    text = next(a["text"] for a in old.status()["alarms"] if a["name"] == "port")
    tap.ok(old.status()["paths"]["service"]["carrier"] and "receives nothing" in text, "33: the carrier is there, an alarm says that nothing is received")
    load.wait_for(100)
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "33: no acknowledged write is lost")
    pair.lab.deaf(old.name, False)
    tap.ok(pair.settled(old.other) is old.other, "33: healed, it stays slave, in sync")
    tap.until(lambda: "port" not in alarms(old), pairlab.SETTLE_S, "the alarm ends")


def fault_26_a_mute_card():
    """26: what the master sends on the service network is lost: handed over too"""
    old = pair.settled()
    load = pairlab.Writer(pair, "mute")
    load.wait_for(50)
    pair.lab.port_rules(old.name, "meta protocol != 0")
    tap.until(lambda: old.other.serving(), pairlab.SETTLE_S, "the other node serves")
    load.wait_for(50)
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "26: no acknowledged write is lost")
    pair.lab.forward(old.name)
    tap.ok(pair.settled(old.other) is old.other, "26: healed, it stays slave, in sync")


def fault_34_ports_that_forward_late():
    """34: the switch restarts, and its ports pass nothing for seconds after the link is up: announced again when they do"""
    master = pair.settled()
    lab, before = pair.lab, {n.name: n.last_event() for n in pair.nodes.values()}
    lab.patient_neighbours()
    for vip in addresslab.VIPS:
        lab.client_connects(vip)
    for n in "ab":
        lab.forward(n, False)
        lab.service(n, "down")
    tap.until(lambda: "gateway-lost" in alarms(master), pairlab.SETTLE_S, "the outside is gone")
    for n in "ab":
        lab.service(n, "up")
    tap.until(lambda: master.status()["paths"]["service"]["carrier"], pairlab.SETTLE_S, "the carrier is back")
    for vip in addresslab.VIPS:
        lab.ip("c", "neigh", "replace", vip, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale")
    time.sleep(3)  # the burst of the link's return goes nowhere
    tap.equal({lab.neighbour("c", v) for v in addresslab.VIPS}, {"02:00:00:00:00:99"}, "34: while the port passes nothing, nobody is told")
    for n in "ab":
        lab.forward(n)
    began = time.monotonic()
    for vip in addresslab.VIPS:
        tap.until(lambda: lab.neighbour("c", vip) == master.mac("eth0"), pairlab.SETTLE_S, "%s is announced again" % vip)
    tap.say("the client knew %.1f s after the ports forwarded" % (time.monotonic() - began))
    tap.ok(True, "34: the VIPs are announced again once the port forwards")
    tap.ok(pair.settled(master) is master, "34: the roles are as before")
    tap.equal([transitions(n, before[n.name]) for n in pair.nodes.values()], [[], []], "34: nobody changed its role")


def fault_34_a_boot_behind_ports_that_do_not_forward():
    """34: both boot while their ports pass nothing: one master, and it is found when they do"""
    for n in pair.nodes.values():
        n.power_cut()
    for n in pair.nodes.values():
        pair.lab.forward(n.name, False)
        n.links("up")
        n.power_on()
    tap.until(lambda: all(n.status()["peer"]["heard"] for n in pair.nodes.values()), pairlab.SETTLE_S, "they hear each other over the crossover")
    time.sleep(2)
    tap.ok(sum(n.serving() for n in pair.nodes.values()) <= 1, "34: there are not two masters behind the ports")
    for n in pair.nodes.values():
        pair.lab.forward(n.name)
    master = pair.settled()
    tap.until(lambda: pair.client().set("booted", "yes"), pairlab.SETTLE_S, "a write through the VIP")
    tap.ok(not master.other.serving(), "34: one master, and clients reach it once the ports forward")


def main():
    global pair
    addresslab.use()
    with pairlab.Pair() as pair:
        pairlab.run(fault_22_the_gateway_dies_and_a_reference_answers, fault_23_then_the_master_dies, fault_23_nobody_answers,
                    the_two_must_see_the_same, fault_33_half_a_card, fault_26_a_mute_card, fault_34_ports_that_forward_late,
                    fault_34_a_boot_behind_ports_that_do_not_forward)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
