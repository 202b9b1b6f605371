"""A pair whose networks have IPv6 addresses only: FAULTS 1, 10, 15, 20, 22 there, and a switchover."""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


class Lab(pairlab.Lab):
    """The same lab as ever; only what is written on it differs."""

    def build(self):
        netlab.Lab.build(self)
        self.ip("g", "addr", "flush", "dev", "br0")
        for address in (netlab.GATEWAY, pairlab.CLIENT):
            self.ip("g", "addr", "add", address + "/64", "dev", "br0", "nodad")
        self.ns("g", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self.ip("g", "route", "replace", "fd77::/64", "dev", "br0", "src", pairlab.CLIENT)

    def conf(self, node, *args, **kw):
        text = super().conf(node, *args, **kw)
        return text.replace("/24", "/64").replace("/30", "/64")

    def gateway(self, state):
        self.ns("g", "nft", "delete", "table", "netdev", "gateway", check=False)
        if state == "down":
            target = "0x" + "fd77" + "0" * 27 + "1"
            self.ns("g", "nft", "-f", "-", input="table netdev gateway {\n%s}\n" % "".join(
                " chain %s {\n type filter hook ingress device to%s priority 0;\n icmpv6 type nd-neighbor-solicit @th,64,128 %s drop\n"
                " ip6 daddr %s icmpv6 type echo-request drop\n }\n" % (n, n, target, netlab.GATEWAY) for n in "ab"))


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


def everything_works():
    """All three paths carry heartbeats, the gateway answers, the VIP serves"""
    master = pair.settled()
    tap.until(lambda: all(p["both_ways"] for p in master.status()["paths"].values()), pairlab.SETTLE_S, "all paths work both ways")
    paths = sorted(master.status()["paths"])
    tap.ok({"crossover", "gateway", "service"} <= set(paths), "heartbeats go over the crossover, the service network and the gateway, by IPv6")
    tap.ok(0 <= master.status()["gateway"]["age_ms"] < 1000, "the gateway answers")
    tap.ok(pair.client().set("six", "yes"), "the VIP takes a write")
    for n in pair.nodes.values():
        addrs = pair.lab.ip(n.name, "-4", "addr", "show", "scope", "global").stdout
        tap.equal(addrs, "", "node %s has no IPv4 address" % n.name)


def fault_1_the_master_loses_power():
    """1: the master loses power: the slave takes over, nothing acknowledged is lost"""
    old = pair.settled()
    load = pairlab.Writer(pair, "p")
    load.wait_for(100)
    cut = old.power_cut()
    first = pair.writes_work()
    tap.say("cut to the first write: %.0f ms" % ((first - cut) * 1000))
    load.wait_for(100)
    load.stop()
    tap.ok(pair.master is old.other, "1: the slave took over, with the IPv6 VIP")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "1: no acknowledged write is lost")
    old.links("up")
    old.power_on()
    tap.ok(pair.settled(old.other) is old.other, "1: the old master follows")


def a_switchover():
    """A planned switchover"""
    old = pair.settled()
    load = pairlab.Writer(pair, "s")
    load.wait_for(50)
    old.hactl("switchover")
    load.wait_for(50)
    load.stop()
    tap.ok(pair.settled(old.other) is old.other, "switched over")
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "and nothing is lost")


def fault_15_the_masters_service_link_is_cut():
    """15: the master's service link is cut: handed over"""
    old = pair.settled()
    load = pairlab.Writer(pair, "l")
    load.wait_for(50)
    pair.lab.service(old.name, "down")
    tap.until(lambda: old.other.serving(), pairlab.SETTLE_S, "the other node serves")
    load.wait_for(50)
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "15: handed over, no acknowledged write is lost")
    pair.lab.service(old.name, "up")
    tap.ok(pair.settled(old.other) is old.other, "15: plugged in again, it stays slave")


def fault_20_the_nodes_are_split_on_the_service_network():
    """20: the crossover is cut and the switch keeps the nodes apart: heartbeats go through the gateway"""
    master = pair.settled()
    before = {n.name: n.last_event() for n in pair.nodes.values()}
    load = pairlab.Writer(pair, "split")
    load.wait_for(20)
    for n in pair.nodes.values():
        n.drop("iifname eth0 ether saddr %s" % n.other.mac("eth0"))
    tap.until(lambda: not master.status()["paths"]["service"]["heard"], pairlab.SETTLE_S, "the service path is down")
    pair.lab.crossover("down")
    tap.until(lambda: not master.status()["paths"]["crossover"]["heard"], pairlab.SETTLE_S, "the crossover is down")
    load.wait_for(100)
    tap.until(lambda: master.status()["peer"]["heard"] and master.status()["paths"]["gateway"]["both_ways"], pairlab.SETTLE_S, "heard through the gateway")
    tap.ok(True, "20: the nodes hear each other through the gateway")
    tap.ok(master.serving() and master.other.state() == "slave", "20: the roles stay")
    pair.lab.ip("b", "link", "set", "eth1", "up")
    pair.lab.ip("b", "addr", "replace", netlab.CROSSOVER["b"] + "/64", "dev", "eth1", "nodad")  # a link that went down took it along
    for n in pair.nodes.values():
        n.drop(None)
    load.stop()
    tap.ok(pair.settled(master) is master, "20: healed, all is as before")
    tap.equal([transitions(n, before[n.name]) for n in pair.nodes.values()], [[], []], "20: nobody changed its role")


def fault_22_the_gateway_dies():
    """22: the gateway dies alone: no role changes, an alarm on both"""
    master = pair.settled()
    before = {n.name: n.last_event() for n in pair.nodes.values()}
    pair.lab.gateway("down")
    tap.until(lambda: all("gateway-lost" in alarms(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "both alarm")
    tap.ok(master.serving() and not master.status()["takeover"]["on"], "22: the master serves on, automatic takeover is off")
    pair.lab.gateway("up")
    tap.ok(pair.settled(master) is master, "22: healed, all is as before")
    tap.equal([transitions(n, before[n.name]) for n in pair.nodes.values()], [[], []], "22: nobody changed its role")


def fault_10_the_guard_lapses():
    """10: the master's daemon is stopped: neighbour discovery for the VIP falls silent with the lease"""
    old = pair.settled()
    old.signal("had", signal.SIGSTOP)
    tap.until(lambda: old.other.serving(), pairlab.SETTLE_S, "the other node serves")
    pair.lab.ip("g", "neigh", "flush", "to", netlab.VIP, "dev", "br0")
    tap.until(lambda: pair.client().set("lapsed", "yes"), pairlab.SETTLE_S, "a write through the VIP")
    learnt = pair.lab.ip("g", "neigh", "show", netlab.VIP, "dev", "br0").stdout
    tap.ok(old.other.mac("eth0") in learnt, "10: who asks for the VIP afresh is answered by the new master alone")
    old.signal("had", signal.SIGCONT)
    pair.settled(old.other)


def main():
    global pair
    netlab.SERVICE = {"a": "fd77::11", "b": "fd77::12"}
    netlab.CROSSOVER = {"a": "fd78::1", "b": "fd78::2"}
    netlab.GATEWAY, netlab.VIP, pairlab.CLIENT = "fd77::1", "fd77::10", "fd77::2"
    pairlab.Lab = Lab
    with pairlab.Pair() as pair:
        pairlab.run(everything_works, fault_1_the_master_loses_power, a_switchover, fault_15_the_masters_service_link_is_cut,
                    fault_20_the_nodes_are_split_on_the_service_network, fault_22_the_gateway_dies, fault_10_the_guard_lapses)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
