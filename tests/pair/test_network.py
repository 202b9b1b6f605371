"""Networks that lie: FAULTS 17 (switch), 20 (split switch), 22 (gateway), 25 (one way), 28 (loss), 36 (replay), 38 (a second VIP)."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

ETH_P_ALL = 3
STRANGER = bytes.fromhex("02000000abcd")
pair = None


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


class Unmoved:
    """No node changes its state inside this block, and clients go on writing."""

    def __init__(self, fault, writes=100):
        self.fault, self.writes = fault, writes

    def __enter__(self):
        self.master = pair.settled()
        self.before = {n.name: n.last_event() for n in pair.nodes.values()}
        self.load = pairlab.Writer(pair, "n" + self.fault)
        self.load.wait_for(20)
        return self

    def go_on(self):
        self.load.wait_for(self.writes)

    def __exit__(self, kind, error, trace):
        self.load.stop()
        if kind:
            return
        tap.ok(pair.settled(self.master) is self.master, "%s: healed, all is as before" % self.fault)
        for n in pair.nodes.values():
            tap.equal(transitions(n, self.before[n.name]), [], "%s: node %s changed no role" % (self.fault, n.name))
        tap.equal(self.load.missing(pair.client(socket_timeout=10)), [], "%s: no acknowledged write is lost" % self.fault)
        tap.say("longest gap of a client: %.0f ms" % self.load.gap_ms())


def stays(what, seconds):
    """what() holds for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not what():
            return False
    return True


def fault_17_the_switch_dies():
    """17: the switch dies: nobody changes the role"""
    with Unmoved("17") as u:
        for n in "ab":
            pair.lab.service(n, "down")
        tap.until(lambda: "gateway-lost" in alarms(u.master) and "gateway-lost" in alarms(u.master.other), pairlab.SETTLE_S, "both miss the gateway")
        tap.ok(stays(u.master.serving, 1.5), "17: the master keeps its role")
        for n in "ab":
            pair.lab.service(n, "up")
        u.go_on()


def fault_20_the_nodes_are_split_on_the_service_network():
    """20: the crossover is cut and the switch keeps the nodes apart: heartbeats go through the gateway"""
    master = pair.settled()
    load = pairlab.Writer(pair, "split")
    load.wait_for(20)
    for n in pair.nodes.values():
        n.drop("iifname eth0 ether saddr %s" % n.other.mac("eth0"))
    tap.until(lambda: not master.status()["paths"]["service"]["heard"], pairlab.SETTLE_S, "the service path is down")
    pair.lab.crossover("down")
    tap.until(lambda: not master.status()["paths"]["crossover"]["heard"], pairlab.SETTLE_S, "the crossover is down")
    load.wait_for(100)
    s = master.status()
    tap.ok(s["peer"]["heard"] and s["paths"]["gateway"]["both_ways"], "20: the nodes hear each other through the gateway")
    tap.ok(master.serving() and master.other.state() == "slave", "20: the roles stay")
    tap.ok("takeover-off" in alarms(master) or "solo" in alarms(master), "20: an alarm says that there is no automatic takeover")
    pair.lab.crossover("up")
    for n in pair.nodes.values():
        n.drop(None)
    load.stop()
    tap.ok(pair.settled(master) is master, "20: healed, all is as before")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")


def fault_22_the_gateway_dies():
    """22: the gateway dies alone: no role changes, an alarm on both"""
    with Unmoved("22") as u:
        pair.lab.gateway("down")
        tap.until(lambda: "gateway-lost" in alarms(u.master) and "gateway-lost" in alarms(u.master.other), pairlab.SETTLE_S, "both alarm")
        u.go_on()
        tap.ok(u.master.serving() and not u.master.status()["takeover"]["on"], "22: the master serves on, automatic takeover is off")
        pair.lab.gateway("up")


def fault_25_one_way_loss():
    """25: the crossover loses everything in one direction: the path is down, the roles stay"""
    with Unmoved("25") as u:
        deaf = u.master.other
        deaf.drop("iifname eth1")
        tap.until(lambda: not u.master.status()["paths"]["crossover"]["both_ways"] and not deaf.status()["paths"]["crossover"]["both_ways"],
                  pairlab.SETTLE_S, "both call the path down")
        tap.ok(u.master.status()["paths"]["crossover"]["heard"], "25: the one side still hears, and knows that it is not heard")
        u.go_on()
        deaf.drop(None)


def fault_28_packets_are_lost():
    """28: one heartbeat and probe in five is lost, on all paths at once, for some seconds: no role changes"""
    with Unmoved("28") as u:
        for n in pair.nodes.values():
            n.drop("udp dport 7800 numgen random mod 100 < 20", "icmp type echo-reply numgen random mod 100 < 20")
        tap.ok(stays(u.master.serving, 5), "28: the master serves all the while")
        u.go_on()
        for n in pair.nodes.values():
            n.drop(None)


def refused(status):
    return sum(p["refused"] for p in status["paths"].values())


def fault_36_heartbeats_are_replayed_and_forged():
    """36: heartbeats that were recorded, or invented, change nothing"""
    with Unmoved("36") as u:
        slave = u.master.other
        tapped = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        tapped.bind(("to" + slave.name, 0))
        tapped.settimeout(5)
        frames = []
        while len(frames) < 20:
            frame = tapped.recv(2000)
            if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == struct.pack(">H", 7800) and frame[26:30] == socket.inet_aton(u.master.address):
                frames.append(frame[:40] + b"\0\0" + frame[42:])  # without the UDP checksum, which a virtual card leaves unfinished
        before = slave.status()
        for frame in frames * 5:
            tapped.send(frame)
        for frame in frames:
            tapped.send(frame[:60] + bytes([frame[60] ^ 1]) + frame[61:])
        tapped.close()
        tap.until(lambda: slave.status()["counts"]["replayed"] >= before["counts"]["replayed"] + 100, pairlab.SETTLE_S, "replays counted")
        tap.until(lambda: refused(slave.status()) >= refused(before) + len(frames), pairlab.SETTLE_S, "forgeries counted")
        tap.ok(True, "36: replayed and forged heartbeats are refused and counted")
        u.go_on()


def fault_38_another_machine_claims_the_vip():
    """38: another machine announces the VIP: an alarm with its address, the master defends it and serves on"""
    with Unmoved("38") as u:
        vip = socket.inet_aton(netlab.VIP)
        arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + STRANGER + vip + b"\xff" * 6 + vip
        claim = b"\xff" * 6 + STRANGER + b"\x08\x06" + arp
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("to" + u.master.name, 0))
        s.send(claim)
        s.close()
        tap.until(lambda: "vip-foreign" in alarms(u.master), pairlab.SETTLE_S, "an alarm")
        text = next(a["text"] for a in u.master.status()["alarms"] if a["name"] == "vip-foreign")
        tap.ok("02:00:00:00:ab:cd" in text, "38: the alarm names the link address of the other machine")
        u.go_on()
        tap.until(lambda: not alarms(u.master), pairlab.SETTLE_S, "the alarm ends")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(fault_17_the_switch_dies, fault_20_the_nodes_are_split_on_the_service_network, fault_22_the_gateway_dies,
                    fault_25_one_way_loss, fault_28_packets_are_lost, fault_36_heartbeats_are_replayed_and_forged,
                    fault_38_another_machine_claims_the_vip)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
