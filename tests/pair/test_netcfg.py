"""netcfg against real kernels' network namespaces: apply, the VIP's guard, probes, announcements."""

import json
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import tap  # noqa: E402

lab = None
work = None


def conf_file(node, text=None):
    path = os.path.join(work, "duet-%s.conf" % node)
    with open(path, "w") as f:
        f.write(lab.conf(node) if text is None else text)
    return path


def netcfg(node, *argv, check=True):
    return lab.ns(node, tap.DUET, "netcfg", *argv, check=check)


class Drive:
    """One `netcfg drive`: commands in, answers and events out."""

    def __init__(self, node, path=None):
        self.p = lab.spawn(node, tap.DUET, "netcfg", "drive", path or conf_file(node), stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.events = queue.Queue(), []
        threading.Thread(target=self.pump, daemon=True).start()
        assert self.lines.get(timeout=10) == "ready"

    def pump(self):
        for line in self.p.stdout:
            line = line.strip()
            if line.startswith("event "):
                self.events.append(line)
            else:
                self.lines.put(line)

    def ask(self, command):
        """Sends a command; the answer's lines, the last of which is ok or an error."""
        self.p.stdin.write(command + "\n")
        out = []
        while not out or not (out[-1] == "ok" or out[-1].startswith("error:")):
            out.append(self.lines.get(timeout=10))
        return out

    def do(self, command):
        answer = self.ask(command)
        if answer[-1] != "ok":
            raise RuntimeError("%s: %s" % (command, answer[-1]))
        return answer[:-1]

    def saw(self, pattern):
        return next((m for e in self.events if (m := re.search(pattern, e))), None)

    def end(self):
        self.p.stdin.close()
        self.p.wait(10)


def mac_of(node, iface):
    return json.loads(lab.ns(node, "ip", "-j", "link", "show", iface).stdout)[0]["address"]


def answers_arp(node="g", iface="br0", address=netlab.VIP):
    """Whether anybody on the service network answers ARP for the address now."""
    return lab.ns(node, "arping", "-q", "-c", "1", "-w", "1", "-I", iface, address, check=False).returncode == 0


def pings(node="g", address=netlab.VIP):
    return lab.ns(node, "ping", "-q", "-c", "1", "-W", "1", address, check=False).returncode == 0


def test_apply():
    """apply makes the kernel as the file says"""
    path = conf_file("a")
    dry = netcfg("a", "apply", path, "--dry-run").stdout
    tap.ok("address add 10.77.0.11/24 dev eth0" in dry and "link up eth0" in dry, "the dry run prints the steps")
    tap.ok("10.77.0.11" not in lab.ip("a", "addr").stdout, "the dry run changes nothing")
    steps = json.loads(netcfg("a", "plan", path, "--json").stdout)["steps"]
    tap.equal(len(steps), len(dry.splitlines()), "--json has the same number of steps")
    netcfg("a", "apply", path)
    addrs = lab.ip("a", "addr").stdout
    tap.ok("10.77.0.11/24 brd 10.77.0.255" in addrs and "10.78.0.1/30" in addrs, "the addresses are there")
    tap.ok(netlab.VIP + "/" not in addrs, "the VIP is not")
    tap.ok("default via 10.77.0.1 dev eth0" in lab.ip("a", "route").stdout, "the default route is there")
    tap.equal(netcfg("a", "apply", path).stdout, "nothing to do\n", "a second apply finds nothing to do")
    netcfg("b", "apply", conf_file("b"))
    tap.ok(pings("a", netlab.SERVICE["b"]), "the nodes reach each other on the service network")
    tap.ok(pings("a", netlab.CROSSOVER["b"]), "and over the crossover")
    shown = json.loads(netcfg("a", "show", "--json").stdout)
    tap.equal(shown["gateways"], [netlab.GATEWAY], "show names the gateway")


def test_change():
    """a changed address replaces the old one and leaves what others put there"""
    lab.ip("a", "addr", "add", "10.79.0.1/24", "dev", "eth0")
    changed = conf_file("a", lab.conf("a").replace("10.77.0.11/24", "10.77.0.21/24"))
    netcfg("a", "apply", changed)
    addrs = lab.ip("a", "addr").stdout
    tap.ok("10.77.0.21/24" in addrs and "10.77.0.11/24" not in addrs, "the old address is gone, the new one there")
    tap.ok("10.79.0.1/24" in addrs, "an address put there by somebody else stays")
    netcfg("a", "apply", conf_file("a"))
    tap.equal(netcfg("a", "apply", conf_file("a")).stdout, "nothing to do\n", "and back again")
    lab.ip("a", "addr", "del", "10.79.0.1/24", "dev", "eth0")


def test_refusals():
    """bad configuration is refused with file and line, and nothing changes"""
    before = lab.ip("a", "addr").stdout
    bad = conf_file("a", lab.conf("a").replace("10.77.0.11/24", "10.77.0.300/24"))
    p = netcfg("a", "apply", bad, check=False)
    tap.ok(p.returncode != 0 and bad + ":8:" in p.stderr, "an address that is none is refused by file and line")
    missing = conf_file("a", lab.conf("a").replace("eth1", "eth9"))
    p = netcfg("a", "apply", missing, check=False)
    tap.ok(p.returncode != 0 and "eth9" in p.stderr, "an interface that is not there is named")
    tap.equal(lab.ip("a", "addr").stdout, before, "nothing changed")
    p = netcfg("a", "check", os.path.join(work, "nowhere.conf"), check=False)
    tap.ok(p.returncode != 0 and "nowhere.conf" in p.stderr, "a file that is not there is named")


def test_guard():
    """the VIP passes only while it is renewed"""
    d = Drive("a")
    d.do("guard")
    d.do("add")
    tap.equal(d.do("present"), ["present"], "the VIP is on the interface")
    tap.ok(not answers_arp(), "without a lease nobody answers ARP for it")
    d.do("keep 400")
    tap.ok(tap.until(answers_arp, 5, "ARP answer"), "renewed: ARP is answered")
    tap.ok(pings(), "renewed: ping is answered")
    d.p.send_signal(signal.SIGSTOP)
    tap.ok(tap.until(lambda: not answers_arp(), 5, "silence"), "the renewing process stopped: ARP falls silent")
    lab.ip("g", "neigh", "replace", netlab.VIP, "lladdr", mac_of("a", "eth0"), "dev", "br0")
    tap.ok(not pings(), "and so does ping, with the neighbour known")
    tap.ok(netlab.VIP in lab.ip("a", "addr").stdout, "while the address is still there")
    d.p.send_signal(signal.SIGCONT)
    tap.ok(tap.until(pings, 5, "ping"), "continued and renewed: ping is answered again")
    d.do("drop")
    tap.ok(not pings(), "dropped: silent at once")
    d.do("renew 3000")
    tap.ok(pings(), "one renewal is enough to open it")
    d.do("renew 5")
    tap.ok(not pings(), "a lease of less than a tick closes it")
    d.do("renew 60000")
    d.do("guard")
    tap.ok(not pings(), "a guard installed afresh starts closed")
    lab.ip("g", "neigh", "del", netlab.VIP, "dev", "br0")
    d.do("remove")
    d.do("remove")
    tap.equal(d.do("present"), ["absent"], "the VIP is removed, twice is fine")
    d.do("unguard")
    d.end()
    tap.equal(lab.ns("a", "nft", "list", "tables").stdout, "", "no table is left")


def test_own_packets():
    """what the node itself sends from the VIP is held back too"""
    d = Drive("a")
    d.do("guard")
    d.do("add")
    s = ["ping", "-q", "-c", "1", "-W", "1", "-I", netlab.VIP, netlab.GATEWAY]
    tap.ok(lab.ns("a", *s, check=False).returncode != 0, "no lease: a packet from the VIP does not leave")
    d.do("renew 5000")
    tap.ok(lab.ns("a", *s, check=False).returncode == 0, "lease: it does")
    d.do("remove")
    d.do("unguard")
    d.end()


def know_gateway(d):
    """Until the gateway's link address is known."""
    d.do("gateway")
    tap.until(lambda: d.ask("via 9 x")[-1] == "ok", 5, "the gateway's ARP answer")


def echoes(on):
    lab.ns("g", "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=%d" % (not on))


def packet_socket(node, iface, protocol=0x0806):
    """A packet socket inside another namespace, opened by a thread that visits it."""
    box = []

    def visit():
        fd = os.open("/var/run/netns/" + lab.names[node], os.O_RDONLY)
        libc = __import__("ctypes").CDLL(None, use_errno=True)
        if libc.setns(fd, 0x40000000) != 0:
            raise OSError("setns")
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        s.bind((iface, protocol))
        s.settimeout(0.2)
        box.append(s)

    t = threading.Thread(target=visit)
    t.start()
    t.join()
    return box[0]


def collect(s, want, limit_s=5):
    """Frames until want(list) holds."""
    frames = []

    def step():
        try:
            frames.append(s.recv(2048))
        except socket.timeout:
            pass
        return want(frames)

    tap.until(step, limit_s, "the frames")
    return frames


def test_own_interface_only():
    """the VIP is answered for on the service interface only"""
    d = Drive("a")
    d.do("guard")
    d.do("add")
    d.do("renew 20000")
    tap.ok(answers_arp("b", "eth0"), "on the service network: yes")
    tap.ok(answers_arp("b", "eth1", netlab.CROSSOVER["a"]), "the crossover's own address is answered there")
    tap.ok(not answers_arp("b", "eth1"), "the VIP is not")
    d.do("remove")
    d.do("unguard")
    d.end()


def test_announce():
    """gratuitous ARP is seen by others, in both forms"""
    s = packet_socket("b", "eth0")
    d = Drive("a")
    know_gateway(d)
    d.do("announce")
    vip, mac = socket.inet_aton(netlab.VIP), bytes.fromhex(mac_of("a", "eth0").replace(":", ""))

    def form(f):
        op = struct.unpack(">H", f[20:22])[0]
        return f[:6] == b"\xff" * 6 and f[22:28] == mac and f[28:32] == vip and f[38:42] == vip and op

    frames = collect(s, lambda fs: {1, 2} <= {form(f) for f in fs})
    tap.ok({1, 2} <= {form(f) for f in frames}, "broadcast as request and as reply, with the node's MAC")
    neigh = lab.ip("g", "neigh", "show", netlab.VIP).stdout
    tap.ok(mac_of("a", "eth0") in neigh, "the gateway has learnt it by the unicast form")
    s.close()
    d.end()


def test_gateway():
    """gateway probes are answered, and dated by their sending"""
    d = Drive("a")
    d.do("gateway")
    tap.ok(tap.until(lambda: d.saw("gateway .* exact"), 5, "the answer"), "an echo is answered, by its number")
    d.events.clear()
    lab.ip("g", "link", "set", "toa", "down")
    d.do("gateway")
    d.do("wait 300")
    tap.ok(not d.saw("gateway"), "a cut link: no answer")
    lab.ip("g", "link", "set", "toa", "up")

    def again():
        d.do("gateway")
        d.do("wait 50")
        return d.saw("gateway .* exact")

    tap.until(again, 10, "an answer after the link is back")
    tap.ok(tap.until(lambda: d.saw("link service"), 5, "link event"), "the carrier's loss came as an event")
    d.end()


def test_gateway_by_arp():
    """a gateway that answers no echoes is probed by ARP"""
    echoes(False)
    d = Drive("a")
    d.do("gateway")
    tap.ok(tap.until(lambda: d.saw("gateway .* arp"), 5, "the answer"), "ARP is answered")
    tap.ok(not d.saw("exact"), "and the echo is not")
    d.events.clear()
    mac = mac_of("g", "br0").replace(":", "")
    own = mac_of("a", "eth0").replace(":", "")
    s = packet_socket("g", "br0")
    s.send(bytes.fromhex(own + mac + "0806" + "0001080006040002" + mac) + socket.inet_aton(netlab.GATEWAY)
           + bytes.fromhex(own) + bytes(4))
    s.close()
    d.do("wait 100")
    d.do("gateway")
    d.do("wait 200")
    tap.ok(not d.saw("gateway"), "after an answer that nobody asked for, ARP is believed no more: it could be misdated")
    d.end()
    echoes(True)


def slow_gateway(address, delay_s, stop, echo):
    """Answers ARP and echo for an address of its own, each after delay_s, in the gateway's namespace."""
    mac = bytes.fromhex(mac_of("g", "br0").replace(":", ""))
    ip = socket.inet_aton(address)
    s = packet_socket("g", "br0", 3)
    s.settimeout(0.05)
    due = []
    while not stop.is_set():
        try:
            f = s.recv(2048)
        except socket.timeout:
            f = b""
        if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and f[38:42] == ip:
            due.append((time.monotonic() + delay_s, f[6:12] + mac + f[12:20] + b"\0\2" + mac + ip + f[22:32]))
        elif echo and f[12:14] == b"\x08\0" and f[23] == 1 and f[30:34] == ip and f[34] == 8:
            sums = struct.pack(">H", (struct.unpack(">H", f[36:38])[0] + 0x800) % 0xffff)
            due.append((time.monotonic() + delay_s,
                        f[6:12] + mac + f[12:26] + ip + f[26:30] + b"\0\0" + sums + f[38:]))
        for when, frame in [d for d in due if d[0] <= time.monotonic()]:
            s.send(frame)
            due.remove((when, frame))
    s.close()


def test_delayed_answer():
    """an answer that was under way for long is as old as its probe"""
    for how, echo in (("exact", True), ("arp", False)):
        stop = threading.Event()
        address = "10.77.0.%d" % (98 + echo)
        t = threading.Thread(target=slow_gateway, args=(address, 0.4, stop, echo), daemon=True)
        t.start()
        d = Drive("a", conf_file("a", lab.conf("a").replace("gateway 10.77.0.1", "gateway " + address)))
        for _ in range(4):  # more probes go out before the first is answered
            d.do("gateway")
            d.do("wait 100")
        m = tap.until(lambda: d.saw(r"gateway (\d+) " + how), 10, "the answer")
        tap.ok(int(m.group(1)) >= 400, "%s: dated by its sending" % how)
        stop.set()
        t.join()
        d.end()


def test_foreign():
    """a foreign owner of the VIP is found by a probe and by its announcement"""
    d = Drive("a")
    d.do("probe")
    d.do("wait 200")
    tap.ok(not d.saw("foreign"), "nobody has the VIP: no answer")
    lab.ip("b", "addr", "add", netlab.VIP + "/24", "dev", "eth0")
    d.do("probe")
    m = tap.until(lambda: d.saw(r"foreign (\S+) answer"), 5, "the foreign answer")
    tap.equal(m.group(1), mac_of("b", "eth0"), "the answer names the foreign MAC")
    d.events.clear()
    other = Drive("b")
    other.do("announce")
    m = tap.until(lambda: d.saw(r"foreign (\S+) claim"), 5, "the foreign claim")
    tap.equal(m.group(1), mac_of("b", "eth0"), "a foreign announcement is heard")
    lab.ip("b", "addr", "del", netlab.VIP + "/24", "dev", "eth0")
    d.end()
    other.end()


def test_own_vip_is_not_foreign():
    """the node's own VIP is nobody else's"""
    d = Drive("a")
    d.do("guard")
    d.do("add")
    d.do("renew 5000")
    d.do("probe")
    d.do("announce")
    d.do("wait 200")
    tap.ok(not d.saw("foreign"), "own announcements and own address raise no alarm")
    d.do("remove")
    d.do("unguard")
    d.end()


def test_via_gateway():
    """a datagram goes to the peer by the gateway's link address"""
    lab.ns("g", "sysctl", "-qw", "net.ipv4.conf.all.send_redirects=0", check=False)
    p = lab.spawn("b", "python3", "-c", "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                  "s.bind(('0.0.0.0',7899));s.setsockopt(0,12,1);print('up',flush=True)\n"
                  "d,c,f,a=s.recvmsg(100,100);print(d.decode(),a[0],a[1],c[0][2][0]) # 12: IP_RECVTTL",
                  stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    d = Drive("a")
    tap.ok("gateway has not answered" in d.ask("via 7899 hello")[-1], "before the gateway is known it says so")
    know_gateway(d)
    d.do("via 7899 hello")
    tap.equal(p.stdout.readline().strip(), "hello %s 7899 63" % netlab.SERVICE["a"],
              "it arrives with address and port, and one hop was taken off on the way")
    d.end()


def test_link():
    """link state and counters"""
    d = Drive("a")
    tap.ok("carrier 1" in d.do("link crossover")[0], "the crossover has carrier")
    before = int(d.do("link crossover")[0].split()[-1])
    lab.ip("b", "link", "set", "eth1", "down")
    tap.until(lambda: d.saw("link crossover"), 5, "the event")
    state = d.do("link crossover")[0]
    tap.ok("carrier 0" in state and int(state.split()[-1]) > before, "it went, and the change was counted")
    lab.ip("b", "link", "set", "eth1", "up")
    tap.until(lambda: "carrier 1" in d.do("link crossover")[0], 5, "carrier")
    d.end()


def test_interface_appears():
    """an interface that comes later is found; by MAC too"""
    text = lab.conf("a").replace("service eth0", "service mac:" + mac_of("a", "eth0"))
    d = Drive("a", conf_file("a", text))
    d.do("gateway")
    tap.ok(tap.until(lambda: d.saw("gateway"), 5, "answer"), "an interface named by its MAC works")
    d.end()
    text = lab.conf("a").replace("service eth0", "service late0")
    d = Drive("a", conf_file("a", text))
    tap.ok("late0" in d.ask("gateway")[-1], "one that is not there is named in the error")
    lab.ip("a", "link", "set", "eth0", "down")
    lab.ip("a", "link", "set", "eth0", "name", "late0")
    lab.ip("a", "link", "set", "late0", "up")
    lab.ip("a", "route", "replace", "default", "via", netlab.GATEWAY, "dev", "late0")

    def again():
        d.ask("gateway")
        d.do("wait 50")
        return d.saw("gateway .* exact")

    tap.ok(tap.until(again, 10, "an answer"), "and is used once it is there")
    d.end()
    lab.ip("a", "link", "set", "late0", "down")
    lab.ip("a", "link", "set", "late0", "name", "eth0")
    netcfg("a", "apply", conf_file("a"))


def test_ipv6():
    """an IPv6 service network: apply, guard, announcement, probes"""
    lab.ip("g", "addr", "add", "fd00::1/64", "dev", "br0", "nodad")
    text = """[network]
service eth0 fd00::%d/64 peer fd00::%d
crossover eth1 10.78.0.%d/30 peer 10.78.0.%d
gateway fd00::1
vip fd00::10/64
"""
    a, b = conf_file("a", text % (11, 12, 1, 2)), conf_file("b", text % (12, 11, 2, 1))
    netcfg("a", "apply", a)
    netcfg("b", "apply", b)
    tap.equal(netcfg("a", "apply", a).stdout, "nothing to do\n", "a second apply finds nothing to do")

    def answered():
        return lab.ns("g", "ping", "-6", "-q", "-c", "1", "-W", "1", "fd00::10", check=False).returncode == 0

    d, other = Drive("a", a), Drive("b", b)
    d.do("guard")
    d.do("add")
    tap.ok(not answered(), "closed without a lease")
    d.do("renew 30000")
    tap.ok(tap.until(answered, 10, "ping"), "open with one")
    d.do("gateway")
    tap.ok(tap.until(lambda: d.saw("gateway .* exact"), 10, "the gateway's answer"), "the gateway answers")
    other.do("probe")
    tap.ok(tap.until(lambda: other.saw("foreign .* answer"), 10, "the answer"), "a probe finds the VIP's owner")
    other.events.clear()
    d.do("announce")
    tap.ok(tap.until(lambda: other.saw("foreign .* claim"), 10, "the claim"), "the advertisement is heard")
    tap.ok(not d.saw("foreign"), "and not taken for a foreign one by its sender")
    d.do("drop")
    tap.ok(not answered(), "dropped: silent at once")
    d.do("remove")
    d.do("unguard")
    d.end()
    other.end()


if os.geteuid() != 0:
    print("ok - network namespaces # SKIP needs root", flush=True)
    sys.exit(0)
work = tempfile.mkdtemp(prefix="duet-netcfg-")
lab = netlab.Lab()
try:
    tap.main(test_apply, test_change, test_refusals, test_guard, test_own_packets, test_own_interface_only,
             test_announce, test_gateway, test_gateway_by_arp,
             test_delayed_answer, test_foreign, test_own_vip_is_not_foreign, test_via_gateway, test_link,
             test_interface_appears, test_ipv6)
finally:
    lab.close()
    shutil.rmtree(work, ignore_errors=True)
