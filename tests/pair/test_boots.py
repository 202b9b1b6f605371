"""Machines that go and come: FAULTS 3, 4, 5, 11, 37, 74 and an orderly shutdown."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def an_orderly_shutdown_hands_over():
    """a master that is shut down hands over first"""
    old = pair.settled()
    load = pairlab.Writer(pair, "shut")
    load.wait_for(100)
    old.process.terminate()
    tap.equal(old.process.wait(60), 0, "the node ends in order")
    told = netlab.run(tap.DUET, "check", "--json", os.path.join(old.root, "data", "instance-0"), check=False)
    tap.ok(told.returncode == 0 and '"clean_end":true' in told.stdout, "its log ends clean, and all of it is on disk") or tap.say(told.stdout + told.stderr)
    load.wait_for(100)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    new = pair.master
    tap.ok(new is old.other and [t for t in new.role_changes() if "permit" in t], "the other node was given the role, it did not have to wait")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "no acknowledged write is lost")
    old.power_on()
    tap.ok(pair.settled(new) is new, "started again, it follows in sync")


def a_switchover_at_once():
    """a switchover asked for in the moment in which the slave comes into sync waits for it"""
    old = pair.settled()
    old.other.power_cut()
    tap.until(lambda: old.status()["node"]["alone"], pairlab.SETTLE_S, "the master is alone")
    old.other.power_on()
    tap.until(lambda: old.status()["sync"]["phase"] not in ("solo", "given-up"), pairlab.SETTLE_S, "a slave", 0.002)
    told = old.hactl("switchover", check=False)
    tap.ok(told.returncode == 0 and "switched over" in told.stdout, "it is not refused for a beat too early") or tap.say(told.stderr)
    tap.ok(pair.settled(old.other) is old.other, "the roles are changed")


def fault_3_both_lose_power():
    """3: both lose power at once and both return"""
    load = pairlab.Writer(pair, "both")
    epoch = pair.settled().status()["node"]["epoch"]
    load.wait_for(100)
    for node in pair.nodes.values():
        node.power_cut()
    load.stop()
    for node in pair.nodes.values():
        node.power_on()
    master = pair.settled()
    tap.ok(master.status()["node"]["epoch"] > epoch, "3: one of them serves in a new epoch, the other one follows in sync")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "3: no acknowledged write is lost")


def fault_4_only_the_stale_one_returns():
    """4: only the node that was left behind returns: it refuses to serve, and says why"""
    master = pair.settled()
    stale = master.other
    stale.power_cut()
    pair.writes_work()
    tap.until(lambda: master.status()["node"]["alone"], pairlab.SETTLE_S, "the master is alone")
    load = pairlab.Writer(pair, "ahead")
    load.wait_for(50)
    load.stop()
    master.power_cut()
    stale.power_on()
    tap.until(lambda: "waiting" in [a["name"] for a in stale.status()["alarms"]], pairlab.SETTLE_S, "an alarm that it waits")
    s = stale.status()
    tap.ok(not s["node"]["serving"] and s["node"]["waiting_for"], "4: it does not serve and says what it waits for")
    tap.say(s["node"]["waiting_for"])
    tap.ok("NOBODY SERVES" in stale.hactl("status").stdout, "4: the screen says that nobody serves")
    refused = False
    try:
        stale.client().set("stale", "1")
    except pairlab.LOSSES as e:
        refused = "hactl" in str(e)
    tap.ok(refused, "4: a client that asks it is told so, with a pointer to hactl")
    master.power_on()
    tap.ok(pair.settled(master) is master, "4: when the other one returns, that one serves and the stale one follows")
    tap.equal(load.missing(stale.client()), [], "4: and gets what it lacked")


def fault_4_the_operator_forces_it():
    """4: the operator promotes the stale node; what only the other one had is put aside when it returns"""
    master = pair.settled()
    stale = master.other
    stale.power_cut()
    pair.writes_work()
    tap.until(lambda: master.status()["node"]["alone"], pairlab.SETTLE_S, "the master is alone")
    load = pairlab.Writer(pair, "burnt")
    load.wait_for(20)
    load.stop()
    master.power_cut()
    stale.power_on()
    tap.until(lambda: "waiting" in [a["name"] for a in stale.status()["alarms"]], pairlab.SETTLE_S, "an alarm that it waits")
    told = stale.hactl("promote", "--force", "--confirm", "promote duet-" + stale.name)
    tap.ok("is LOST" in told.stdout and "offset" in told.stdout, "4: promote --force states what is at risk, with offsets and ages")
    pair.writes_work()
    tap.ok(stale.serving(), "4: forced, it serves")
    master.power_on()
    tap.ok(pair.settled(stale) is stale, "57: the other one returns and becomes slave, although it has more")
    tap.ok(master.status()["instances"][0]["rejoin_tail"] > 0, "7: its writes that the new master lacks were put aside and are counted")


def fault_5_a_power_bounce():
    """5: the master loses power and is back before anybody noticed"""
    old = pair.settled()
    load = pairlab.Writer(pair, "bounce")
    load.wait_for(100)
    old.power_cut()
    old.power_on()
    pair.writes_work()
    load.wait_for(50)
    load.stop()
    master = pair.settled()
    tap.say("%s serves" % ("the other node" if master is old.other else "the same node"))
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "5: no acknowledged write is lost")


def fault_11_the_machine_stalls():
    """11: the whole master stalls for two seconds: the other one takes over, it steps down before it writes"""
    old = pair.settled()
    load, at_old = pairlab.Writer(pair, "stall"), pairlab.Writer(pair, "stalled", at=old)
    load.wait_for(100)
    pids = old.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    since = time.monotonic()
    first = pair.writes_work()
    tap.say("stall to the first write at the VIP: %.0f ms" % ((first - since) * 1000))
    tap.until(lambda: time.monotonic() > since + 2, 5, "two seconds")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    tap.ok(pair.settled(old.other) is old.other, "11: the other node serves, the one that stalled follows")
    load.wait_for(50)
    load.stop()
    at_old.stop()
    tap.equal([t for t in at_old.times if t[1] > first], [], "11: the one that stalled answered no write after the takeover")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "11: no acknowledged write is lost")


def fault_37_the_vip_is_taken():
    """37: the master dies while another machine has the VIP: the slave does not take it, and names that machine"""
    master = pair.settled()
    slave = master.other
    intruder = pair.lab.mac("g", "br0")
    pair.lab.ip("g", "addr", "add", netlab.VIP + "/32", "dev", "br0")
    master.power_cut()
    text = tap.until(lambda: next((a["text"] for a in slave.status()["alarms"] if a["name"] == "vip-foreign"), None), pairlab.SETTLE_S, "an alarm")
    tap.ok(intruder in text, "37: the alarm names the link address of the machine that has the VIP")
    tap.ok(not slave.serving() and not slave.status()["node"]["vip"], "37: the slave did not take it")
    pair.lab.ip("g", "addr", "del", netlab.VIP + "/32", "dev", "br0")
    master.power_on()
    pair.settled()
    tap.ok(pair.writes_work(), "37: the intruder gone and the other node back, the pair serves again")


def fault_74_maintenance():
    """74: in maintenance nobody takes over; the mode survives a reboot, and ends"""
    master = pair.settled()
    master.hactl("maintenance", "on")
    tap.until(lambda: not master.other.status()["takeover"]["on"], pairlab.SETTLE_S, "the slave knows")
    master.power_cut()
    end = time.monotonic() + 2.5
    tap.ok(all(not master.other.serving() for _ in iter(lambda: time.monotonic() < end, False)), "74: the master dies, the slave does not take over")
    tap.ok("maintenance" in [a["name"] for a in master.other.status()["alarms"]], "74: it alarms that maintenance is on")
    master.power_on()
    tap.until(lambda: master.status()["node"]["maintenance"], pairlab.SETTLE_S, "the mode after the reboot")
    tap.ok(True, "74: the mode survived the reboot")
    master.hactl("maintenance", "off")
    pair.settled()
    tap.ok(pair.writes_work(), "74: maintenance off: the pair serves again")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(an_orderly_shutdown_hands_over, a_switchover_at_once, fault_3_both_lose_power, fault_4_only_the_stale_one_returns,
                    fault_4_the_operator_forces_it, fault_5_a_power_bounce, fault_11_the_machine_stalls,
                    fault_37_the_vip_is_taken, fault_74_maintenance)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
