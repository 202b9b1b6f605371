"""Power cuts: FAULTS 1 (the master's), 2 (the slave's), the return of each, and a planned switchover."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

KEYS = 10000
pair = None


def write_keys(client, count, batch=100):
    """Numbered keys in pipelines; all of them are acknowledged when this returns."""
    for start in range(0, count, batch):
        p = client.pipeline(transaction=False)
        for n in range(start, start + batch):
            p.set("first:%d" % n, n)
        p.execute()


def keys_lost(client, count):
    lost = []
    for start in range(0, count, 1000):
        values = client.mget(["first:%d" % n for n in range(start, start + 1000)])
        lost += [start + i for i, v in enumerate(values) if v != str(start + i).encode()]
    return lost


def fault_1_the_master_loses_power():
    """1: the master loses power under load; nothing that was acknowledged is lost"""
    old = pair.settled()
    write_keys(pair.client(socket_timeout=10), KEYS)
    tap.ok(True, "%d keys were written through the VIP and acknowledged" % KEYS)
    load = pairlab.Writer(pair, "load")
    load.wait_for(100)
    cut = old.power_cut()
    first = pair.writes_work()
    tap.say("power cut to the first write at the VIP: %.0f ms" % ((first - cut) * 1000))
    load.wait_for(100)
    load.stop()
    tap.say("longest gap of a client that retries: %.0f ms" % load.gap_ms())
    new = pair.master
    tap.ok(new is old.other, "1: the slave took over, and the same VIP takes writes again")
    tap.equal(keys_lost(pair.client(socket_timeout=10), KEYS), [], "1: every one of the %d keys is there" % KEYS)
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "1: and every write acknowledged around the cut")
    alarms = [a["name"] for a in new.status()["alarms"]]
    tap.ok("solo" in alarms, "1: the new master alarms that it is alone")
    tap.ok(new.hactl("check", check=False).returncode == 1, "1: hactl check says that the pair could not fail over now")


def the_node_returns():
    """1, 57: the machine that lost power returns as slave, in sync"""
    new = pair.master
    epoch = new.status()["node"]["epoch"]
    new.other.power_on()
    tap.ok(pair.settled(new) is new, "the machine that lost power follows in sync, the master did not change")
    tap.equal(new.status()["node"]["epoch"], epoch, "in the same epoch")
    tap.ok(new.hactl("check", check=False).returncode == 0, "hactl check says that the pair could fail over now")
    with new.other.client() as c:
        tap.equal(keys_lost(c, KEYS), [], "it holds every key, read from itself")


def a_switchover():
    """65: a planned switchover under load loses nothing"""
    old = pair.settled()
    load = pairlab.Writer(pair, "planned")
    load.wait_for(50)
    told = old.hactl("switchover")
    tap.say(told.stdout)
    new = pair.settled(old.other)
    load.wait_for(50)
    load.stop()
    tap.say("longest gap of a client that retries: %.0f ms" % load.gap_ms())
    tap.ok(new is old.other, "65: hactl switchover moved the role and the VIP, the old master follows in sync")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "65: no acknowledged write is lost")
    tap.equal(keys_lost(pair.client(socket_timeout=10), KEYS), [], "65: nor an older one")
    refused = new.other.hactl("switchover", check=False)
    tap.ok(refused.returncode == 1 and "not the master" in refused.stderr, "65: asked on the slave it is refused with a reason")


def fault_2_the_slave_loses_power():
    """2: the slave loses power; writes wait, then go on, alone"""
    master = pair.settled()
    load = pairlab.Writer(pair, "lonely")
    load.wait_for(100)
    cut = master.other.power_cut()
    load.wait_for(100)
    load.stop()
    stall = max((end for sent, end in load.times if sent < cut + 5 and end > cut), default=cut) - cut
    tap.say("slave's power cut to the end of the longest wait of a write begun near it: %.0f ms; longest gap %.0f ms" % (stall * 1000, load.gap_ms()))
    tap.ok(master.serving(), "2: the master serves on")
    s = master.status()
    tap.ok(not s["sync"]["in_sync"] and s["node"]["alone"], "2: alone, without holding replies")
    tap.ok("solo" in [a["name"] for a in s["alarms"]], "2: with an alarm")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "2: every acknowledged write is there")
    master.other.power_on()
    tap.ok(pair.settled(master) is master, "2: the slave returns and is in sync")
    with master.other.client() as c:
        tap.equal(load.missing(c), [], "2: it holds what was written while it was away")


def fault_62_a_lone_master_reboots():
    """3, 62: a master whose slave is marked outdated reboots alone and serves at once"""
    master = pair.settled()
    master.other.power_cut()
    tap.until(lambda: master.status()["node"]["alone"], pairlab.SETTLE_S, "the master is alone")
    with pair.client() as c:
        c.set("alone", "1")
    master.power_cut()
    began = time.monotonic()
    master.power_on()
    pair.writes_work()
    tap.say("boot of a lone master to its first write: %.0f ms" % ((time.monotonic() - began) * 1000))
    tap.ok(master.serving(), "3: it serves: its record proves that nobody can be ahead")
    master.other.power_on()
    tap.ok(pair.settled(master) is master, "3: the other one returns and follows")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(fault_1_the_master_loses_power, the_node_returns, a_switchover, fault_2_the_slave_loses_power,
                    fault_62_a_lone_master_reboots)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
