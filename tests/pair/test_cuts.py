"""Cables: FAULTS 14 (the crossover), 15 (the master's service link), 16 (the slave's), 18 (both of the master's)."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def fault_14_the_crossover_is_cut():
    """14: the crossover is cut: no role changes, replication goes over the service network"""
    master = pair.settled()
    slave, before = master.other, master.other.last_event()
    epoch = master.status()["node"]["epoch"]
    load = pairlab.Writer(pair, "x")
    load.wait_for(50)
    pair.lab.crossover("down")
    tap.until(lambda: slave.status()["sync"]["path"] == "service", pairlab.SETTLE_S, "replication over the service network")
    tap.until(lambda: "path-down" in alarms(master), pairlab.SETTLE_S, "an alarm")
    load.wait_for(200)
    tap.ok(pair.settled(master) is master, "14: the roles stay, the slave is in sync over the service network, with an alarm")
    s = master.status()
    tap.ok(s["paths"]["service"]["both_ways"] and not s["paths"]["crossover"]["both_ways"], "14: status tells which path works")
    pair.lab.crossover("up")
    tap.until(lambda: slave.status()["sync"]["path"] == "crossover", pairlab.SETTLE_S, "replication over the crossover")
    load.wait_for(50)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.ok(pair.settled(master) is master, "14: plugged in again, replication goes back to the crossover")
    tap.until(lambda: not alarms(master), pairlab.SETTLE_S, "the alarm ends")
    tap.equal(master.status()["node"]["epoch"], epoch, "14: in the same epoch")
    tap.equal([t for t in slave.role_changes(before) if "->" in t and "epoch" in t], [], "14: the slave went through no other state")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "14: no acknowledged write is lost")


def fault_15_the_masters_service_link_is_cut():
    """15: the master's service link is cut: an orderly handover, nothing lost"""
    old = pair.settled()
    load = pairlab.Writer(pair, "l")
    load.wait_for(50)
    pair.lab.service(old.name, "down")
    cut = time.monotonic()
    first = pair.writes_work()
    tap.say("cut to the first write at the VIP: %.0f ms" % ((first - cut) * 1000))
    load.wait_for(100)
    load.stop()
    tap.ok(pair.master is old.other, "15: the other node serves")
    tap.ok([t for t in old.role_changes() if "only the peer sees the gateway" in t], "15: it was handed over for want of the gateway")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "15: no acknowledged write is lost")
    tap.until(lambda: old.state() == "slave", pairlab.SETTLE_S, "the old master follows over the crossover")
    tap.ok("gateway-lost" in alarms(old), "15: the node without the service network alarms")
    pair.lab.service(old.name, "up")
    tap.ok(pair.settled(old.other) is old.other, "15: plugged in again, it stays slave, in sync")


def fault_16_the_slaves_service_link_is_cut():
    """16: the slave's service link is cut: the master stays"""
    master = pair.settled()
    epoch = master.status()["node"]["epoch"]
    load = pairlab.Writer(pair, "s")
    load.wait_for(50)
    pair.lab.service(master.other.name, "down")
    tap.until(lambda: not master.status()["takeover"]["on"], pairlab.SETTLE_S, "automatic takeover is off")
    load.wait_for(200)
    load.stop()
    tap.ok(master.serving(), "16: the master serves on")
    tap.ok("takeover-off" in alarms(master), "16: with an alarm that automatic takeover is off")
    pair.lab.service(master.other.name, "up")
    pair.settled(master)
    tap.equal(master.status()["node"]["epoch"], epoch, "16: in the same epoch after the cable is back")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "16: no acknowledged write is lost")


def fault_18_both_links_of_the_master_are_cut():
    """18: both links of the master are cut: it stops before the other one starts"""
    old = pair.settled()
    new = old.other
    at_old, at_new = pairlab.Writer(pair, "old", at=old), pairlab.Writer(pair, "new", at=new)
    pusher, data = pairlab.Pusher(pair, "push", at=old), pairlab.Watch(old)
    at_old.wait_for(100)
    tap.ok(not at_new.times, "18: before the cut the slave takes no writes")
    pair.lab.isolate(old.name, "down")
    cut = time.monotonic()
    at_new.wait_for(50)
    tap.ok(not old.serving(), "18: the isolated master does not serve when the other one does")
    for watcher in (at_old, at_new, pusher, data):
        watcher.stop()
    last, first = at_old.times[-1][1], at_new.times[0][0]
    grew = data.changed[-1]
    tap.say("cut to the last change of the isolated master's data %.0f ms" % ((grew - cut) * 1000))
    tap.say("cut to the last write of the isolated master %.0f ms, to the first of the new one %.0f ms" % ((last - cut) * 1000, (first - cut) * 1000))
    tap.ok(last < first, "18: the last write of the isolated master was answered before the first of the new one was sent")
    tap.ok(grew < first, "18: and its data changed for the last time before that, too, though clients pushed writes on")
    tap.equal(at_old.missing(new.client()), [], "18: all that the isolated master had acknowledged is on the new one")
    pair.lab.isolate(old.name, "up")
    tap.ok(pair.settled(new) is new, "18: healed, the old master follows")
    tap.equal(at_new.missing(old.client()), [], "18: and holds what was written meanwhile")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(fault_14_the_crossover_is_cut, fault_15_the_masters_service_link_is_cut,
                    fault_16_the_slaves_service_link_is_cut, fault_18_both_links_of_the_master_are_cut)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
