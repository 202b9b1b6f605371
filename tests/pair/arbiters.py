"""Arbiters for tests: a witness on a third machine of the service network, and management controllers that
really cut a node's power."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

WITNESS = "10.77.0.5"
PORT = 7810
KEY = "c3" * 32
CONF = "witness %s %d %s\n" % (WITNESS, PORT, KEY)
ASK_BYTES = 80


class Witness:
    """`duet witness` on a machine of its own, at the switch of the pair."""

    def __init__(self, pair):
        self.pair, self.lab, self.process = pair, pair.lab, None
        self.dir = os.path.join(pair.work, "w")
        os.makedirs(self.dir)
        with open(os.path.join(self.dir, "pairs"), "w") as f:
            f.write("pair 77 %s lab\npair 78 %s another\n" % (KEY, "99" * 32))
        name = "duet%dw" % self.lab.pid
        netlab.run("ip", "netns", "add", name)
        self.lab.names["w"] = name
        self.lab.ip("g", "link", "add", "tow", "type", "veth", "peer", "name", "eth0", "netns", name)
        self.lab.ip("g", "link", "set", "tow", "master", "br0", "up")
        self.lab.ip("w", "addr", "add", WITNESS + "/24", "dev", "eth0")
        self.lab.ip("w", "link", "set", "eth0", "up")
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = self.lab.spawn(
                "w", tap.DUET, "witness", "--listen", "%s:%d" % (WITNESS, PORT), "--state", os.path.join(self.dir, "state"),
                "--pairs", os.path.join(self.dir, "pairs"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=pairlab.end_with_parent)
        tap.until(self.status, pairlab.SETTLE_S, "the witness answers")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def cable(self, state):
        self.lab.ip("g", "link", "set", "tow", state)

    def status(self):
        """What `duet witness status` says of our pair; None when no witness answers."""
        p = subprocess.run([tap.DUET, "witness", "status", "--json", "--state", os.path.join(self.dir, "state")],
                           capture_output=True, text=True)
        if p.returncode:
            return None
        return next(x for x in json.loads(p.stdout)["pairs"] if x["number"] == 77)

    def names(self, node):
        """It names this node's epoch, and both nodes have its answers."""
        s = self.status()
        return (s["holder"] == node.name and s["epoch"] == node.status()["node"]["epoch"] and 0 <= s["renewed_ms"] < 1000
                and node.other.status()["witness"]["answers"])

    def settled(self):
        """The pair is settled and the witness names its master."""
        master = self.pair.settled()
        tap.until(lambda: self.names(master), pairlab.SETTLE_S, "the witness names the master", 0.1)
        return master


class Recorder:
    """Records the asks that pass the witness's cable, and sends them again and again from another address."""

    def __init__(self):
        self.asks, self.sent = [], 0
        self.stopping, self.replaying = threading.Event(), threading.Event()
        self.tap_socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap_socket.bind(("tow", 3))  # every protocol: what leaves a port is shown to no other
        self.tap_socket.settimeout(0.05)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while not self.stopping.is_set():
            if self.replaying.is_set():
                for ask in self.asks[-40:]:
                    out.sendto(ask, (WITNESS, PORT))
                    self.sent += 1
                self.stopping.wait(0.02)
                continue
            try:
                packet, address = self.tap_socket.recvfrom(2048)
            except OSError:
                continue
            if address[1] != 0x0800:
                continue
            header = (packet[0] & 15) * 4
            if packet[9] == 17 and struct.unpack("!H", packet[header + 2:header + 4])[0] == PORT:
                self.asks.append(packet[header + 8:])
        out.close()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.tap_socket.close()


class Controller:
    """A node's management controller (BMC) as ipmi_sim imitates it, on the machine of the witness or the switch: at an
    address of its own. Its power is the node's: switched off, the node's processes and links are gone."""

    USER, PASSWORD = "duet", "top-secret"

    def __init__(self, pair, node, address, at="g"):
        self.pair, self.node, self.address, self.at = pair, node, address, at
        self.dir = os.path.join(pair.work, "bmc-" + node.name)
        os.makedirs(self.dir)
        pair.lab.ip(at, "addr", "add", address + "/24", "dev", "br0" if at == "g" else "eth0")
        self.write("lan.conf", """name "%s"
set_working_mc 0x20
  startlan 1
    addr %s 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s/chassis"
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "%s" "%s" admin 10 none md2 md5 straight
""" % (node.name, address, self.dir, self.USER, self.PASSWORD))
        self.write("emu", "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n")
        # Told to switch off, it asks the test to do so and waits until it is done, as a real one takes its time.
        self.write("chassis", """#!/bin/sh
cd %s
case "$1 $2 $3" in
"get power "*) if [ -e off ]; then echo power:0; else echo power:1; fi ;;
"set power 0") : >asked; n=0; while [ ! -e off ] && [ $n -lt 200 ]; do sleep 0.01; n=$((n + 1)); done ;;
"set power 1") rm -f off ;;
esac
""" % self.dir, 0o755)
        self.start()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.obey, daemon=True)
        self.thread.start()

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = self.pair.lab.spawn(
                self.at, os.path.join(tap.TOP, "build/deps/debs/ipmisim/bin/ipmi_sim"), "-c", os.path.join(self.dir, "lan.conf"),
                "-f", os.path.join(self.dir, "emu"), "-s", os.path.join(self.dir, "state"), "-n", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=pairlab.end_with_parent)

    def obey(self):
        while not self.stopping.wait(0.005):
            if os.path.exists(os.path.join(self.dir, "asked")):
                os.unlink(os.path.join(self.dir, "asked"))
                self.node.power_cut()
                self.write("off", "")

    def was_used(self):
        return os.path.exists(os.path.join(self.dir, "off"))

    def power_on(self):
        if self.was_used():
            os.unlink(os.path.join(self.dir, "off"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.stopping.set()
        self.thread.join()


def separate(pair, on):
    """The nodes cannot reach each other on the service network directly; everybody else reaches both."""
    for n in "ab":
        pair.lab.ip("g", "link", "set", "to" + n, "type", "bridge_slave", "isolated", "on" if on else "off")


def gateway_path(pair, on):
    """The gateway hands on what the nodes send each other through it, or does not."""
    pair.lab.ns("g", "nft", "delete", "table", "inet", "separate", check=False)
    if not on:
        pair.lab.ns("g", "nft", "-f", "-", input="table inet separate {\n chain f {\n type filter hook forward priority 0;\n"
                    " udp sport 7801 drop\n }\n}\n")


def one_path(pair, old):
    """Crossover and gateway path are cut: the service network is the one path left, and what was promised without an arbiter
    has run out."""
    gateway_path(pair, False)
    pair.lab.crossover("down")

    def left():
        s, t = old.status(), old.other.status()
        paths = [n for n, p in s["paths"].items() if p["both_ways"]]
        return (paths == ["service"] and t["sync"]["path"] == "service" and s["sync"]["in_sync"] and s["takeover"]["on"]
                and t["takeover"]["on"])
    tap.until(left, pairlab.SETTLE_S, "one path left, in sync over it, automatic takeover on")
    time.sleep(2.5 * old.status()["timing"]["grant_ms"] / 1000)
    tap.ok(left(), "one path is left and automatic takeover stays on")


def all_paths(pair):
    separate(pair, False)
    gateway_path(pair, True)
    pair.lab.crossover("up")
