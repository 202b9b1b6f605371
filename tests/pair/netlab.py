"""Network namespaces for tests: two nodes, a switch that is also the gateway, a crossover cable.

    gateway namespace: bridge br0 with 10.77.0.1/24     nodes a, b: eth0 (service), eth1 (crossover)

Names carry the process id; close() removes everything, also after a failure."""

import atexit
import os
import subprocess

SERVICE = {"a": "10.77.0.11", "b": "10.77.0.12"}
CROSSOVER = {"a": "10.78.0.1", "b": "10.78.0.2"}
GATEWAY = "10.77.0.1"
VIP = "10.77.0.10"


def run(*argv, check=True, **kw):
    p = subprocess.run(argv, capture_output=True, text=True, **kw)
    if check and p.returncode != 0:
        raise RuntimeError("%s: exit %d: %s%s" % (" ".join(argv), p.returncode, p.stdout, p.stderr))
    return p


class Lab:
    def __init__(self):
        self.pid = os.getpid()
        self.names = {n: "duet%d%s" % (self.pid, n) for n in ("a", "b", "g")}
        self.children = []
        atexit.register(self.close)
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
        self.ip("g", "link", "add", "br0", "type", "bridge")
        self.ip("g", "link", "set", "br0", "up")
        self.ip("g", "link", "set", "lo", "up")
        self.ip("g", "addr", "add", GATEWAY + "/24", "dev", "br0")
        self.ns("g", "sysctl", "-qw", "net.ipv4.ip_forward=1", check=False)
        for n in "ab":
            self.cable("g", "to" + n, n, "eth0")
            self.ip("g", "link", "set", "to" + n, "master", "br0", "up")
        self.cable("a", "eth1", "b", "eth1")

    def cable(self, here, iface, there, other):
        """A cable between two namespaces, with an interface at each end."""
        self.ip(here, "link", "add", iface, "type", "veth", "peer", "name", other, "netns", self.names[there])

    def ns(self, node, *argv, **kw):
        """Runs a command inside a node's namespace and waits."""
        return run("ip", "netns", "exec", self.names[node], *argv, **kw)

    def ip(self, node, *argv, **kw):
        return run("ip", "-n", self.names[node], *argv, **kw)

    def spawn(self, node, *argv, **kw):
        """Starts a command inside; it is ended by close(). ip netns exec becomes the command: same pid."""
        p = subprocess.Popen(["ip", "netns", "exec", self.names[node], *argv], **kw)
        self.children.append(p)
        return p

    def conf(self, node, extra="", network=""):
        """The text of a node's duet.conf; network: more lines of that section."""
        peer = "b" if node == "a" else "a"
        return """[node]
name duet-%s
node %s
[pair]
id 77
secret %s
[network]
service eth0 %s/24 peer %s
crossover eth1 %s/30 peer %s
gateway %s
vip %s/24
%s%s""" % (node, node, "5a" * 32, SERVICE[node], SERVICE[peer], CROSSOVER[node], CROSSOVER[peer], GATEWAY, VIP, network, extra)

    def close(self):
        for p in self.children:
            if p.poll() is None:
                p.kill()
            p.wait()
        self.children = []
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
