"""The replication link's ways: a crossover that comes and goes, one that swallows packets without a word, one that carries only
small ones (FAULTS 30), and the data in the end."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

FLAPS = 10 if tap.FULL else 3
pair = None


def stats(node):
    return node.control().info("everything")


def copies():
    return [stats(n)["sync_full"] for n in (pair.a, pair.b)]


def path(node):
    return node.status()["sync"]["path"]


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def ways(slave, way, what):
    began = time.monotonic()
    tap.until(lambda: path(slave) == way and slave.status()["sync"]["in_sync"], pairlab.SETTLE_S, what)
    return time.monotonic() - began


def same_data(master):
    """Both servers hold the same keys and values."""
    a, b = (n.control() for n in (master, master.other))

    def level():
        flat = [dict(zip(*[iter(c.execute_command("DUET", "STATUS"))] * 2)) for c in (a, b)]
        return flat[0][b"offset"] == flat[1][b"offset"]
    tap.until(level, pairlab.SETTLE_S, "both are at the same offset")
    keys = sorted(a.keys("*"))
    if keys != sorted(b.keys("*")):
        return False
    return all(a.mget(keys[i:i + 1000]) == b.mget(keys[i:i + 1000]) for i in range(0, len(keys), 1000))


def flaps():
    """the crossover is cut and plugged in again and again, under load"""
    master = pair.settled()
    slave = master.other
    tap.until(lambda: path(slave) == "crossover", pairlab.SETTLE_S, "the crossover carries replication")
    before, partial, epoch = copies(), stats(master)["sync_partial_ok"], master.status()["node"]["epoch"]
    load = pairlab.Writer(pair, "flap")
    load.wait_for(50)
    for i in range(FLAPS):
        pair.lab.crossover("down")
        away = ways(slave, "service", "replication over the service network")
        load.wait_for(100)
        pair.lab.crossover("up")
        back = ways(slave, "crossover", "replication over the crossover again")
        load.wait_for(100)
        tap.say("flap %d: %.1f s to the service network, %.1f s back" % (i + 1, away, back))
    load.stop()
    tap.say("%d writes, longest gap of a client %.0f ms, %d errors" % (len(load.times), load.gap_ms(), load.errors))
    tap.ok(pair.settled(master) is master and master.status()["node"]["epoch"] == epoch, "%d flaps: the roles stay" % FLAPS)
    tap.equal(copies(), before, "no full copy was made, by neither")
    tap.ok(stats(master)["sync_partial_ok"] >= partial + 2 * FLAPS, "each way there and back was a partial resynchronisation")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "no acknowledged write is lost")
    tap.ok(same_data(master), "both nodes hold the same, key by key")


def half_dead():
    """the crossover swallows all packets one way, without closing anything"""
    master = pair.settled()
    slave, before = master.other, copies()
    load = pairlab.Writer(pair, "half")
    load.wait_for(50)
    for node, what in ((slave, "from the master"), (master, "from the slave")):
        node.drop("iifname eth1")
        took = ways(slave, "service", "replication over the service network")
        load.wait_for(100)
        node.drop(None)
        ways(slave, "crossover", "replication over the crossover again")
        tap.ok(took < 10, "packets %s vanish: replication is in sync over the service network after %.1f s" % (what, took))
    load.wait_for(50)
    load.stop()
    tap.say("longest gap of a client %.0f ms" % load.gap_ms())
    tap.ok(pair.settled(master) is master, "the roles stay")
    tap.equal(copies(), before, "no full copy was made")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "no acknowledged write is lost")


def fault_30_big_packets_vanish():
    """30: the crossover carries small packets and no big ones"""
    master = pair.settled()
    slave, before = master.other, copies()
    load = pairlab.Writer(pair, "mtu")
    load.wait_for(50)
    slave.drop("iifname eth1 ip length > 700")
    began = time.monotonic()
    big = pair.client(socket_timeout=20)
    big.set("big:0", "x" * 20000)  # answered when replication goes on, or when the master gave the slave up
    tap.say("a big write was answered after %.1f s" % (time.monotonic() - began))
    tap.until(lambda: "link-stalls" in alarms(slave), pairlab.SETTLE_S, "an alarm")
    s = slave.status()
    tap.ok(s["paths"]["crossover"]["both_ways"], "30: heartbeats pass the crossover all the time")
    took = ways(slave, "service", "replication over the service network")
    tap.say("in sync over the service network %.1f s after the fault" % (time.monotonic() - began))
    tap.ok(took < pairlab.SETTLE_S, "30: replication goes over the service network, with an alarm that names MTU")
    tap.ok("MTU" in " ".join(a["text"] for a in s["alarms"]), "30: the alarm says what to look at")
    big.set("big:1", "y" * 20000)
    load.wait_for(100)
    load.stop()
    tap.say("longest gap of a client %.0f ms" % load.gap_ms())
    slave.drop(None)
    tap.ok(pair.settled(master) is master, "30: the roles stay")
    tap.equal(copies(), before, "30: no full copy was made")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "30: no acknowledged write is lost")
    tap.ok(same_data(master), "30: both nodes hold the same, key by key")
    if tap.FULL:
        tap.until(lambda: path(slave) == "crossover" and not alarms(slave), 300, "back to the crossover")
        tap.ok(True, "30: some time later the crossover is tried again")


def authenticated():
    """the supervisor's key: both servers have it, and nobody else joins"""
    for n in (pair.a, pair.b):
        tap.ok("not authenticated" not in n.log_tail(2000), "node %s: its link is authenticated" % n.name)
        with open(os.path.join(n.root, "run", "instance-0.conf")) as f:
            key = [l.split()[1] for l in f if l.startswith("pair-key ")]
        tap.ok(len(key) == 1 and len(key[0]) == 64 and key[0] != "5a" * 32, "node %s: the key is made of the secret, and is not it" % n.name)
        tap.ok(key[0] not in n.log_tail(5000) and os.stat(os.path.join(n.root, "run", "instance-0.conf")).st_mode & 0o77 == 0,
               "node %s: it stands in the server's private file alone" % n.name)
    tap.equal([stats(n)["pair_link_damaged_blocks"] for n in (pair.a, pair.b)], [0, 0], "no block was damaged by all this")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(flaps, half_dead, fault_30_big_packets_vanish, authenticated)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
