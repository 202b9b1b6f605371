"""keepalived with redis-server in the same topology as tests/pair/pairlab.py's pair, for comparison: VRRP moves the address, its
notify scripts make the one that has it master and the other one its replica. There is no rule against two writers."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time

import netlab
import pairlab
import redis
import tap

KEEPALIVED = os.path.join(tap.TOP, "build", "deps", "debs", "keepalived", "bin", "keepalived")
READY_S = 2  # its script has found the server that was started again
ADVERT_S = {"default": "1", "fast": "0.1"}

CONF = """global_defs {
    router_id %(name)s
    vrrp_version 3
    script_user root
}
vrrp_script server {
    script "%(redis)s/redis-cli -p 6379 ping"
    interval 1
    timeout 3
    fall 3
    rise 1
}
vrrp_instance pair {
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 77
    priority %(priority)d
    advert_int %(advert)s
    virtual_ipaddress {
        %(vip)s/24 dev eth0
    }
    track_script {
        server
    }
    notify_master "%(redis)s/redis-cli -p 6379 replicaof no one"
    notify_backup "%(redis)s/redis-cli -p 6379 replicaof %(peer)s 6379"
    notify_fault "%(redis)s/redis-cli -p 6379 replicaof %(peer)s 6379"
}
"""


class Node:
    def __init__(self, pair, name, advert):
        self.pair, self.lab, self.name = pair, pair.lab, name
        self.root = os.path.join(pair.work, name)
        self.address, peer = netlab.SERVICE[name], netlab.SERVICE["b" if name == "a" else "a"]
        os.makedirs(self.root)
        with open(os.path.join(self.root, "keepalived.conf"), "w") as f:
            f.write(CONF % {"name": name, "redis": tap.REDIS_BIN, "priority": 101 if name == "a" else 100, "advert": advert, "vip": netlab.VIP, "peer": peer})

    @property
    def other(self):
        return self.pair.nodes["b" if self.name == "a" else "a"]

    def spawn(self, *argv):
        log = open(os.path.join(self.root, "log"), "ab")
        self.lab.spawn(self.name, *argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, start_new_session=True,
                       preexec_fn=pairlab.end_with_parent)
        log.close()

    def start_server(self):
        self.spawn(os.path.join(tap.REDIS_BIN, "redis-server"), "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "",
                   "--appendonly", "yes", "--dir", self.root)

    def power_on(self):
        self.lab.ns(self.name, "nft", "flush", "ruleset")
        for iface, address in (("eth0", self.address + "/24"), ("eth1", netlab.CROSSOVER[self.name] + "/30")):
            self.lab.ip(self.name, "addr", "flush", "dev", iface, check=False)
            self.lab.ip(self.name, "addr", "add", address, "dev", iface)
            self.lab.ip(self.name, "link", "set", iface, "up")
        self.lab.ip(self.name, "link", "set", "lo", "up")
        self.start_server()
        files = [os.path.join(self.root, f) for f in ("keepalived.pid", "vrrp.pid")]
        for f in files:  # of before the power cut: it would take itself for a second one
            if os.path.exists(f):
                os.unlink(f)
        self.spawn(KEEPALIVED, "-n", "-l", "-D", "-P", "-f", os.path.join(self.root, "keepalived.conf"), "-p", files[0], "-r", files[1])

    def pids(self):
        return [int(p) for p in self.lab.ns_pids(self.name)]

    def server_pids(self):
        found = []
        for pid in self.pids():
            try:
                with open("/proc/%d/cmdline" % pid) as f:
                    found += [pid] * ("redis-server" in f.read().split("\0")[0])
            except OSError:
                continue
        return found

    def has_vip(self):
        return netlab.VIP + "/" in self.lab.ip(self.name, "addr", "show", "dev", "eth0").stdout

    def client(self):
        return redis.Redis(host=self.address, port=6379, socket_timeout=1, socket_connect_timeout=0.5)

    def info(self):
        with self.client() as c:
            return c.info("replication")

    def follow(self):
        with self.client() as c:
            c.execute_command("REPLICAOF", self.other.address, "6379")


class Pair:
    def __init__(self, profile):
        self.work = tempfile.mkdtemp(prefix="duet-keepalived-")
        self.closed = False
        atexit.register(self.close)
        self.lab = pairlab.Lab()
        pairlab.enter(self.lab.names["g"])
        self.nodes = {n: Node(self, n, ADVERT_S[profile]) for n in "ab"}
        for n in self.nodes.values():
            n.power_on()

    def settled(self):
        def one():
            masters = [n for n in self.nodes.values() if n.pids() and n.has_vip()]
            if len(masters) != 1:
                return None
            mine, theirs = masters[0].info(), masters[0].other.info()
            if theirs["role"] == "master":  # its notify script came before its server had started
                masters[0].other.follow()
            good = mine["role"] == "master" and mine["connected_slaves"] == 1 and theirs["role"] == "slave" and theirs["master_link_status"] == "up"
            return masters[0] if good else None
        found = tap.until(one, pairlab.SETTLE_S, "keepalived's pair is settled", 0.1)
        time.sleep(READY_S)
        return found

    def kill_server(self, node):
        pid = node.server_pids()[0]
        began = time.monotonic()
        os.kill(pid, 9)
        return began

    def mend(self, node):
        if not node.pids():
            node.power_on()
        elif not node.server_pids():
            node.start_server()

    def trace(self, wall, until_s):
        return []

    def close(self):
        if self.closed:
            return
        self.closed = True
        for n in getattr(self, "nodes", {}).values():
            for pid in n.pids():
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        self.lab.close()
        shutil.rmtree(self.work, ignore_errors=True)
