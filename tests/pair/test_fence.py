"""An IPMI fence: the peer's management controller, imitated by ipmi_sim, really cuts the node's power. FAULTS 20 with this
arbiter."""

import os
import sys

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


def main():
    global pair
    with pairlab.Pair(conf) as pair:
        for n in "ab":
            bmc[n] = arbiters.Controller(pair, pair.nodes[n], ADDRESS[n])
        pairlab.run(the_fences_are_tested)
        for b in bmc.values():
            b.stop()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
