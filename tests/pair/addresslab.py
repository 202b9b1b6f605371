"""A lab with more addresses: two IPv4 VIPs and an IPv6 one, a VIP for reads, a reference, and a client that is a
machine of its own (namespace c at the switch).

    addresslab.use()                # before pairlab.Pair(): it is built with this lab"""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402

VIPS = [netlab.VIP, "10.77.0.20", "fd77::10"]
READ_VIP = "10.77.0.30"
REFERENCE = "10.77.0.3"
CLIENT = {4: "10.77.0.40", 6: "fd77::40"}
LINES = "vip 10.77.0.20/24\nvip fd77::10/64\nread-vip 10.77.0.30/24\nreference 10.77.0.3\n"


class Lab(pairlab.Lab):
    """The reference is an address of the switch's beside the gateway's."""

    def build(self):
        self.names["c"] = "duet%dc" % self.pid
        super().build()
        self.ip("g", "addr", "add", REFERENCE + "/24", "dev", "br0")
        self.ip("g", "addr", "add", "fd77::2/64", "dev", "br0", "nodad")
        self.ip("g", "link", "add", "toc", "type", "veth", "peer", "name", "eth0", "netns", self.names["c"])
        self.ip("g", "link", "set", "toc", "master", "br0", "up")
        for address, more in ((CLIENT[4] + "/24", ()), (CLIENT[6] + "/64", ("nodad",))):
            self.ip("c", "addr", "add", address, "dev", "eth0", *more)
        self.ip("c", "link", "set", "eth0", "up")

    def conf(self, node, *args, **kw):
        text = super().conf(node, *args, **kw)
        vip = "vip %s/24\n" % netlab.VIP
        return text.replace(vip, vip + LINES)

    # ---- the client ----

    def client_connects(self, vip):
        """From the client's namespace, and the gateway's: they ask who has the VIP, as every client does."""
        for where, iface in (("c", "eth0"), ("g", "br0")):
            self.ip(where, "neigh", "flush", "to", vip, "dev", iface)
        failed = []

        def visit():
            pairlab.enter(self.names["c"])
            try:
                with socket.create_connection((vip, pairlab.PORT), timeout=5) as s:
                    s.sendall(b"PING\r\n")
                    s.recv(64)
            except OSError as e:
                failed.append(e)
        t = threading.Thread(target=visit)
        t.start()
        t.join()
        if failed:
            raise failed[0]
        self.ns("g", "ping", "-6" if ":" in vip else "-4", "-q", "-c", "1", "-W", "1", vip, check=False)

    def neighbour(self, where, address):
        """The link address that a table holds for it."""
        iface = "eth0" if where == "c" else "br0"
        rows = json.loads(self.ip(where, "-j", "neigh", "show", address, "dev", iface).stdout or "[]")
        return rows[0].get("lladdr") if rows else None

    def patient_neighbours(self):
        """Tables that do not ask anew by themselves while a test looks on."""
        for where, iface in (("c", "eth0"), ("g", "br0")):
            for family in ("ipv4", "ipv6"):
                for name, value in (("base_reachable_time_ms", 600000), ("delay_first_probe_time", 600)):
                    self.ns(where, "sysctl", "-qw", "net.%s.neigh.%s.%s=%d" % (family, iface, name, value))

    def client_owns(self, vip, owns=True):
        """The client takes a VIP for its own, or lets it go; it announces nothing."""
        bits = "128" if ":" in vip else "32"
        more = ("nodad",) if owns and ":" in vip else ()
        self.ip("c", "addr", "add" if owns else "del", "%s/%s" % (vip, bits), "dev", "eth0", *more)

    # ---- the switch ----

    def port_rules(self, node, *rules):
        """What the switch drops of what a node sends it, as nft matches."""
        self.forward(node)
        text = "table netdev port%s {\n chain in {\n type filter hook ingress device to%s priority 0;\n%s }\n}\n"
        self.ns("g", "nft", "-f", "-", input=text % (node, node, "".join("  %s drop\n" % r for r in rules)))

    def swallow_broadcasts(self, node):
        """Neither broadcasts nor what is meant for all IPv6 nodes gets through from this node."""
        self.port_rules(node, "ether daddr ff:ff:ff:ff:ff:ff", "ether daddr 33:33:00:00:00:01")

    def deaf(self, node, is_deaf=True):
        """The node's card has a carrier and receives nothing: what the switch sends it is lost on the way."""
        self.ns("g", "nft", "delete", "table", "netdev", "deaf" + node, check=False)
        if is_deaf:
            self.ns("g", "nft", "-f", "-", input="table netdev deaf%s {\n chain out {\n type filter hook egress device to%s priority 0; policy drop;\n }\n}\n"
                    % (node, node))

    def forward(self, node, forwards=True):
        """A port that is up and forwards, or does not yet (spanning tree)."""
        self.ns("g", "nft", "delete", "table", "netdev", "port" + node, check=False)
        self.deaf(node, not forwards)
        if not forwards:
            self.ns("g", "nft", "-f", "-", input="table netdev port%s {\n chain in {\n type filter hook ingress device to%s priority 0; policy drop;\n }\n}\n"
                    % (node, node))


    def outside(self, state):
        """Neither the gateway nor the reference answers (down)."""
        self.gateway(state)
        if state == "down":
            for n in "ab":
                self.port_rules(n, "arp daddr ip " + REFERENCE, "ip daddr %s icmp type echo-request" % REFERENCE)
        else:
            for n in "ab":
                self.forward(n)


def use():
    pairlab.Lab = Lab


def row(node, address):
    return next((v for v in node.status().get("vips", []) if v["address"] == address), {})


def held(node, address):
    try:
        return row(node, address).get("held", False)
    except (RuntimeError, ValueError):
        return False


def guard_open(node, address):
    """Whether the kernel's guard on the node lets the VIP for reads pass now."""
    out = node.lab.ns(node.name, "nft", "list", "set", "inet", "duet_vip_" + node.name, "read_lease4", check=False).stdout
    return address + " " in out
