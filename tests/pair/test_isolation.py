"""Who is cut off from whom: FAULTS 19, 21, 23, 24, 26, 33, 34, 39."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
from story import Story, alarms, comes, stays, tell  # noqa: E402


def nothing_passes(lab, space, *ifaces):
    """Not even ARP comes in there any more, though the link is up."""
    chain = " chain %s {\n type filter hook ingress device %s priority -500; drop\n }\n"
    lab.ns(space, "nft", "-f", "-", input="table netdev deaf {\n%s}\n" % "".join(chain % (i, i) for i in ifaces))


def all_passes(lab, space):
    lab.ns(space, "nft", "delete", "table", "netdev", "deaf")


def fault_19_the_slave_is_isolated(pair):
    """19: both links of the slave are cut: it never promotes, the master goes on alone"""
    with Story(pair, 19) as s:
        pair.lab.isolate(s.new.name, "down")
        s.named(s.old, "solo")
        s.goes_on()
        s.ok(stays(lambda: s.old.serving() and not s.new.serving(), 1.5), "the isolated slave does not promote")
        pair.lab.isolate(s.new.name, "up")
        s.settled(s.old)
        s.unmoved()


def fault_21_everything_is_cut(pair):
    """21: crossover and switch die at once: nobody promotes; what returns first restores the old master in its epoch"""
    with Story(pair, 21) as s:
        for act in ("down", "up"):
            pair.lab.ip("g", "-batch", "-", input="link set toa %s\nlink set tob %s\n" % (act, act))
            if act == "down":
                pair.lab.crossover("down")
                comes(lambda: "gateway-lost" in alarms(s.old) and "gateway-lost" in alarms(s.new), "both are alone")
                s.ok(stays(lambda: not s.new.serving(), 1.5), "the slave does not promote without the gateway")
        comes(s.old.serving, "the old master serves again with the switch alone")
        pair.lab.crossover("up")
        s.settled(s.old)
        s.ok(s.old.status()["node"]["epoch"] == s.epoch, "in the same epoch")


def fault_23_the_gateway_dies_then_the_master(pair):
    """23: the gateway dies, then the master: the slave does not guess; the master's return restores it"""
    with Story(pair, 23) as s:
        pair.lab.gateway("down")
        comes(lambda: not s.old.status()["takeover"]["on"], "automatic takeover is off")
        s.ok("gateway" in s.old.status()["takeover"]["why"], "status says why takeover is off: %s" % s.old.status()["takeover"]["why"])
        s.old.power_cut()
        s.ok(stays(lambda: not s.new.serving(), 2), "without the gateway the slave does not promote")
        s.named(s.new, "gateway-lost")
        pair.lab.gateway("up")
        s.old.power_on()
        s.settled()


def fault_24_a_lone_master_loses_the_gateway(pair):
    """24: the slave is long gone, then the gateway dies: the lone master keeps serving"""
    with Story(pair, 24) as s:
        s.new.power_cut()
        comes(lambda: s.old.status()["node"]["alone"], "the master is alone")
        s.goes_on(20)
        pair.lab.gateway("down")
        s.named(s.old, "gateway-lost")
        s.ok(stays(s.old.serving, 1.5), "the lone master serves on: nobody else may promote")
        s.goes_on()
        pair.lab.gateway("up")
        s.new.power_on()
        s.settled(s.old)


def fault_26_the_masters_port_is_deaf(pair):
    """26: nothing comes in at the master's service port, its link is up: it hands over, nothing lost"""
    with Story(pair, 26) as s:
        nothing_passes(pair.lab, s.old.name, "eth0")
        s.takes_over(s.new)
        s.named(s.old, "gateway-lost")
        all_passes(pair.lab, s.old.name)
        s.settled(s.new)


def fault_26_the_masters_port_is_mute(pair):
    """26: nothing goes out of the master's service port: it hands over, nothing lost"""
    with Story(pair, 26) as s:
        nothing_passes(pair.lab, "g", "to" + s.old.name)
        s.takes_over(s.new)
        s.named(s.old, "gateway-lost")
        all_passes(pair.lab, "g")
        s.settled(s.new)


def fault_33_the_slaves_card_is_half_dead(pair):
    """33: the slave's service card has its link up and receives nothing: an alarm there, takeover is off, the master stays"""
    with Story(pair, 33) as s:
        nothing_passes(pair.lab, s.new.name, "eth0")
        s.named(s.new, "gateway-lost")
        comes(lambda: not s.old.status()["takeover"]["on"], "automatic takeover is off")
        s.goes_on()
        all_passes(pair.lab, s.new.name)
        s.settled(s.old)
        s.unmoved()


def fault_34_the_ports_forward_late(pair):
    """34: both boot while the switch's ports only listen, as after a link comes up: no second master, and the VIP is announced later"""
    with Story(pair, 34) as s:
        for n in pair.nodes.values():
            n.power_cut()
        nothing_passes(pair.lab, "g", "toa", "tob")
        for n in pair.nodes.values():
            n.power_on()
        comes(lambda: s.old.state() != "down" and s.new.state() != "down", "both run")
        s.ok(stays(lambda: not (s.old.serving() and s.new.serving()), 3), "never both serve while the ports do not forward")
        all_passes(pair.lab, "g")
        s.goes_on()
        s.settled()


def fault_39_a_client_knows_the_wrong_machine(pair):
    """39: clients hold the slave's link address for the VIP: the master's next announcement mends it"""
    with Story(pair, 39) as s:
        wrong, right = s.new.mac("eth0"), s.old.mac("eth0")
        pair.lab.ip("g", "neigh", "replace", netlab.VIP, "lladdr", wrong, "dev", "br0", "nud", "reachable")
        comes(lambda: right in pair.lab.ip("g", "neigh", "show", netlab.VIP).stdout, "the client knows the master again")
        s.goes_on()
        s.ok(s.old.serving(), "the client's table was mended by an announcement")
        s.unmoved()


if __name__ == "__main__":
    tell(pairlab.Pair, fault_19_the_slave_is_isolated, fault_21_everything_is_cut, fault_23_the_gateway_dies_then_the_master,
         fault_24_a_lone_master_loses_the_gateway, fault_26_the_masters_port_is_deaf, fault_26_the_masters_port_is_mute,
         fault_33_the_slaves_card_is_half_dead, fault_34_the_ports_forward_late, fault_39_a_client_knows_the_wrong_machine)
