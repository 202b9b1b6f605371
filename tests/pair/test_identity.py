"""Who is it that speaks: FAULTS 40 (two pairs on one network), 68 (another version), 77 (swapped cables)."""

import hashlib
import hmac
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
from story import LIMIT_S, Story, comes, tell  # noqa: E402

SECRET = bytes.fromhex("5a" * 32)
PORT, IP_UDP, ETH_P_ALL, MAC_BYTES = 7800, 42, 3, 32
VERSION_AT = 4


def a_heartbeat_of(pair, node):
    """The bytes of one that the node sends over the service network."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as s:
        s.bind(("to" + node.name, 0))
        s.settimeout(5)
        while True:
            f = s.recv(2000)
            if f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == struct.pack(">H", PORT) and f[26:30] == socket.inet_aton(node.address):
                return f[IP_UDP:]


def signed(fields, secret=SECRET):
    return fields + hmac.new(secret, fields, hashlib.sha256).digest()


def hears(node, datagram, words):
    """The node gets it again and again from a third machine until its alarm says these words."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        def told():
            s.sendto(datagram, (node.address, PORT))
            return next((a["text"] for a in node.status()["alarms"] if a["name"] == "identity" and words in a["text"]), None)
        return comes(told, "an alarm that says: " + words)


def unmoved_by(pair, number, make, words):
    """A heartbeat that make() gives for the fields of the master's is named by these words, and changes nothing."""
    with Story(pair, number) as s:
        datagram = make(a_heartbeat_of(pair, s.old)[:-MAC_BYTES])
        text = hears(s.new, datagram, words)
        s.ok(True, "an alarm says it: " + text)
        s.goes_on()
        s.settled(s.old)
        s.unmoved()


def fault_40_another_pair_has_the_same_id(pair):
    """40: another pair on the network has this pair's id and another secret: refused, named, nobody moves"""
    unmoved_by(pair, 40, lambda f: signed(f, b"\x11" * 32), "another secret")


def fault_40_another_pair_has_the_same_secret(pair):
    """40: a copy of the other node, id and secret and all, speaks from a third machine as node b: refused, named, nobody moves"""
    with Story(pair, 40) as s:
        own = a_heartbeat_of(pair, s.new)
        s.ok(True, "an alarm says it: " + hears(s.new, own, "calls itself node"))
        s.goes_on()
        s.settled(s.old)
        s.unmoved()


def fault_68_the_other_node_speaks_another_version(pair):
    """68: heartbeats of another version, rightly signed: refused by rule, the alarm names both versions, nobody moves"""
    unmoved_by(pair, 68, lambda f: signed(f[:VERSION_AT] + bytes([f[VERSION_AT] + 1]) + f[VERSION_AT + 1:]), "speaks version")


def fault_77_the_cables_are_swapped(pair):
    """77: the slave boots with its two cables swapped: the alarm names it, the master goes on; put right, all is well"""
    with Story(pair, 77) as s:
        def swap():
            text = "link set eth0 name spare\nlink set eth1 name eth0\nlink set spare name eth1\n"
            pair.lab.ip(s.new.name, "-batch", "-", input=text)
        s.new.power_cut()
        swap()
        s.new.power_on()
        named = comes(lambda: [a["text"] for n in pair.nodes.values() for a in n.status()["alarms"]
                               if a["name"] in ("identity", "path-down", "port", "gateway-lost") and n is s.new], "an alarm on the slave", LIMIT_S)
        s.ok(named, "an alarm says it: %s" % "; ".join(named))
        s.goes_on()
        s.ok(s.old.serving() and not s.new.serving(), "the master serves, the slave does not")
        s.new.power_cut()
        swap()
        s.new.power_on()
        s.settled(s.old)


if __name__ == "__main__":
    tell(pairlab.Pair, fault_40_another_pair_has_the_same_id, fault_40_another_pair_has_the_same_secret,
         fault_68_the_other_node_speaks_another_version, fault_77_the_cables_are_swapped)
