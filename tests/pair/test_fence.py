"""An IPMI fence: the peer's management controller, imitated by ipmi_sim, really cuts the node's power. FAULTS 20 with this
arbiter."""

import os
import sys
import time

os.environ.setdefault("DUET_IPMITOOL", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                                                    "build/deps/musl/ipmitool/bin/ipmitool"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import arbiters  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None
bmc = {}
ADDRESS = {"a": "10.77.0.21", "b": "10.77.0.22"}  # of each node's controller


def conf(node):
    peer = "b" if node == "a" else "a"
    return '[ha]\nfence ipmi %s %s "%s"\n' % (ADDRESS[peer], arbiters.Controller.USER, arbiters.Controller.PASSWORD)


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def ready(node):
    return node.status()["fence"]["ready"]


def the_fences_are_tested():
    """each node tests the other one's controller; one that does not answer is an alarm"""
    master = pair.settled()
    tap.until(lambda: all(ready(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "both fences are ready", 0.1)
    s = master.status()["fence"]
    tap.ok(s["peer_power"] == "on" and s["address"] == ADDRESS[master.other_name], "the status tells of the peer's power")
    bmc[master.other_name].kill()
    tap.until(lambda: "fence-lost" in alarms(master), 2 * pairlab.SETTLE_S, "an alarm", 0.1)
    tap.ok(not ready(master), "a controller that does not answer: the fence is not ready, with an alarm")
    tap.ok(pair.settled(master) is master, "and no role changes")
    bmc[master.other_name].start()
    tap.until(lambda: ready(master) and "fence-lost" not in alarms(master), 2 * pairlab.SETTLE_S, "the alarm ends", 0.1)
    tap.ok(not any(b.was_used() for b in bmc.values()), "tests switch nothing off")


def cut_down_to_one_path():
    """The master, once automatic takeover rests on the fence alone."""
    old = pair.settled()
    tap.until(lambda: all(ready(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "both fences are ready", 0.1)
    arbiters.one_path(pair, old)
    return old


def fault_20_one_path_left_and_the_nodes_are_separated():
    """20: one path left, then separated: one of them switches the other one's power off before it goes on"""
    old = cut_down_to_one_path()
    load = pairlab.Writer(pair, "parted")
    load.wait_for(50)
    arbiters.separate(pair, True)
    parted = time.monotonic()
    tap.until(lambda: any(b.was_used() for b in bmc.values()), pairlab.SETTLE_S, "a node's power is switched off")
    tap.say("separated to the power being off: %.0f ms" % ((time.monotonic() - parted) * 1000))
    victims = [n for n in "ab" if bmc[n].was_used()]
    tap.equal(len(victims), 1, "20: one node was switched off, not both")
    winner = pair.nodes[victims[0]].other
    tap.until(winner.serving, pairlab.SETTLE_S, "the other one serves")
    pair.writes_work()
    load.wait_for(50)
    load.stop()
    tap.say("it was the %s's power" % ("master" if winner is not old else "slave"))
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")
    tap.ok([e for e in winner.events() if "power is off" in e["text"]], "20: the history says so")
    heal(winner)


def heal(winner):
    arbiters.all_paths(pair)
    bmc[winner.other_name].power_on()
    winner.other.power_on()
    tap.ok(pair.settled(winner) is winner, "20: healed and switched on again, the other one follows")


def fault_20_one_path_left_and_the_master_dies():
    """20: one path left, then the master loses power: its controller says so, the slave takes over"""
    old = cut_down_to_one_path()
    load = pairlab.Writer(pair, "dies")
    load.wait_for(50)
    old.power_cut()
    cut = time.monotonic()
    first = pair.writes_work()
    tap.say("cut to the first write at the VIP: %.0f ms" % ((first - cut) * 1000))
    load.wait_for(50)
    load.stop()
    tap.ok(old.other.serving(), "20: the slave took over after it had fenced the master")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")
    heal(old.other)


def main():
    global pair
    with pairlab.Pair(conf) as pair:
        for n in "ab":
            bmc[n] = arbiters.Controller(pair, pair.nodes[n], ADDRESS[n])
        pairlab.run(the_fences_are_tested, fault_20_one_path_left_and_the_nodes_are_separated,
                    fault_20_one_path_left_and_the_master_dies)
        for b in bmc.values():
            b.stop()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
