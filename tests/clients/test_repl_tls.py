#!/usr/bin/python3
"""Replication over TLS: between Duets, with redis-server as master, and the pair's link, where nobody can sit between two TLS
connections."""
# timeout: 240

import os
import random
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import certs
import servers
import tap
from test_pair_link import Node, together
from test_pair_wire import KEY, Proxy, load, same_data

CA = certs.Authority()
for _name, _kind in (("ec", "ec"), ("rsa", "rsa"), ("client", "ec"), ("middle", "ec")):
    CA.make(_name, _kind)
CA.root("stranger")

NO_DELAY = ("--repl-diskless-sync-delay", "0", "--save", "")


def own(name, ca="ca"):
    return ("--tls-cert-file", CA.path(name + ".pem"), "--tls-key-file", CA.path(name + ".key"), "--tls-ca-cert-file", CA.path(ca + ".pem"))


def fill(c, n, rng):
    for at in range(0, n, 1000):
        c.send_raw(b"".join(servers.encode("SET", "k%d" % i, rng.randbytes(900)) for i in range(at, at + 1000)))
        for _ in range(1000):
            c.read()


def up(c):
    return b"master_link_status:up" in c.cmd("INFO", "replication")


def follows(name, master, port, options, rng):
    """A Duet slave of master (connected already), by TLS to port."""
    fill(master, 6000, rng)
    with servers.Server("--tls-replication", "yes", "--replicaof", "127.0.0.1 %d" % port, *options, *NO_DELAY) as s, s.connect() as slave:
        tap.until(lambda: up(slave), 30, "the link is up")
        tap.equal(slave.cmd("DBSIZE"), 6000, "%s: a full copy over TLS" % name)
        fill(master, 3000, rng)
        last = master.cmd("GET", "k2999")
        tap.until(lambda: slave.cmd("GET", "k2999") == last, 20, "the stream arrives")
        tap.equal(master.cmd("WAIT", "1", "5000"), 1, "%s: the stream, and an acknowledgement back" % name)
        big = rng.randbytes(20 << 20)
        master.cmd("SET", "big", big)
        tap.until(lambda: slave.cmd("STRLEN", "big") == len(big), 30)
        tap.ok(slave.cmd("GET", "big") == big, "%s: a value of 20 MB" % name)
        master.cmd("CLIENT", "KILL", "TYPE", "slave")
        master.cmd("SET", "after", "1")
        tap.until(lambda: slave.cmd("GET", "after") == b"1", 20)
        info = master.cmd("INFO", "stats").decode()
        tap.ok("sync_full:1\r" in info and "sync_partial_ok:1\r" in info, "%s: a cut link goes on by a partial resynchronisation" % name)


def of_duet():
    """Duet follows Duet"""
    rng = random.Random(tap.seed())
    for cert, auth in (("ec", "yes"), ("rsa", "no")):
        port = servers.free_port()
        with servers.Server("--tls-port", port, *own(cert), "--tls-auth-clients", auth, *NO_DELAY) as m, m.connect() as c:
            options = own("client") if auth == "yes" else ("--tls-ca-cert-file", CA.path("ca.pem"))
            follows("Duet of Duet (%s%s)" % (cert, ", with its own certificate" if auth == "yes" else ""), c, port, options, rng)


def of_redis():
    """Duet follows redis-server"""
    rng = random.Random(tap.seed())
    port = servers.free_port()
    argv = ["--tls-port", str(port), *own("ec"), "--tls-auth-clients", "yes", *NO_DELAY]
    with servers.Server(*argv, command=[servers.REDIS_SERVER]) as m, m.connect() as c:
        options = ("--tls-ca-cert-file", CA.path("ca.pem"), "--tls-client-cert-file", CA.path("client.pem"), "--tls-client-key-file",
                   CA.path("client.key"))
        follows("Duet of redis-server", c, port, options, rng)


def refusals():
    """whom a slave does not follow, and what it says"""
    with servers.Server("--tls-replication", "yes", "--replicaof", "127.0.0.1 1", wait=False) as s:
        tap.ok(s.process.wait(10) != 0 and "tls-replication yes needs tls-ca-cert-file" in s.log(), "without a CA there is nobody to believe")
    port = servers.free_port()
    with servers.Server("--tls-port", port, *own("ec"), "--tls-auth-clients", "no", *NO_DELAY) as m:
        with servers.Server("--replicaof", "127.0.0.1 %d" % port, "--tls-replication", "yes", "--tls-ca-cert-file", CA.path("stranger.pem"),
                            *NO_DELAY) as s, s.connect() as slave:
            tap.until(lambda: "its certificate is of no known CA" in s.log(), 20)
            tap.ok(not up(slave), "a master whose certificate is of no known CA: said, and not followed")
            tap.ok("needs tls-ca-cert-file" in slave.error("CONFIG", "SET", "tls-ca-cert-file", ""), "the CA cannot be taken away")
            tap.equal(slave.cmd("CONFIG", "SET", "tls-ca-cert-file", CA.path("ca.pem")), b"OK", "the right CA is set while it runs")
            tap.until(lambda: up(slave), 20)
            tap.ok(True, "and it follows")
            tap.equal(slave.cmd("CONFIG", "SET", "tls-replication", "no"), b"OK", "back to plain links")
            slave.cmd("REPLICAOF", "127.0.0.1", m.port)
            tap.until(lambda: up(slave), 20)
            if not tap.FULL:  # it takes the 10 s that a handshake has
                return
            slave.cmd("CONFIG", "SET", "tls-replication", "yes")
            slave.cmd("REPLICAOF", "NO", "ONE")
            slave.cmd("REPLICAOF", "127.0.0.1", m.port)
            tap.until(lambda: "TLS: a handshake took too long" in s.log(), 20)
            tap.ok(not up(slave), "a port without TLS is no master, and the log says why")


class AtHost(Node):
    """A node on a loopback address of its own, so that both nodes' TLS ports are the same, as on two machines."""

    def __init__(self, letter, host, tls_port, cert):
        self.host = host
        super().__init__(letter, "--pair-key", KEY, "--tls-port", tls_port, *own(cert), "--tls-auth-clients", "yes", "--bind", host)

    def connect(self, timeout_s=10):
        return servers.Connection(socket.create_connection((self.host, self.port), timeout_s), timeout_s)


class Middle:
    """Ends TLS on both sides, with a certificate of the same CA."""

    def __init__(self, port):
        self.near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.near.load_cert_chain(CA.path("middle.pem"), CA.path("middle.key"))
        self.far = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.far.check_hostname, self.far.verify_mode = False, ssl.CERT_NONE
        self.far.load_cert_chain(CA.path("middle.pem"), CA.path("middle.key"))
        self.port, self.seen = port, bytearray()
        self.listener = socket.create_server(("127.0.0.5", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.near.wrap_socket(self.listener.accept()[0], server_side=True)
                far = self.far.wrap_socket(socket.create_connection(("127.0.0.2", self.port)))
            except ssl.SSLError:
                continue
            except OSError:
                return
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    def carry(self, a, b):
        try:
            while data := a.recv(65536):
                self.seen += data
                b.sendall(data)
        except (OSError, ValueError):
            pass
        for s in (a, b):
            s.close()


def pair():
    """the pair's link, when the instance has TLS"""
    port = servers.free_port()
    with AtHost("a", "127.0.0.2", port, "ec") as a, AtHost("b", "127.0.0.3", port, "rsa") as b:
        a.lead(1, alone=True)
        with a.connect() as c:
            fill(c, 3000, random.Random(1))
        flip = [0]

        def hurt(way, data):
            if flip[0] and way == "down":
                flip[0] = 0
                data = bytearray(data)
                data[len(data) // 2] ^= 4
            return bytes(data)

        with Proxy(port, hurt, "127.0.0.2", ("127.0.0.4", port)) as wire:
            follow(b, 1, "127.0.0.4")
            tap.until(lambda: together(a, b), 30, "the link stands")
            tap.ok(same_data(a, b), "a full copy over the pair's TLS link")
            said = b"".join(bytes(r) for way in wire.recorded.values() for r in way)
            tap.ok(b"REPLCONF" not in said and b"duet-hello" not in said, "nothing of it can be read on the wire")
            a.duet("ALONE", "0")
            stop, answered = threading.Event(), [0]
            t = threading.Thread(target=load, args=(a, stop, answered))
            t.start()
            for _ in range(3):
                at = answered[0]
                tap.until(lambda: answered[0] > at + 20, 30)
                flip[0] = 1
                tap.until(lambda: not flip[0], 30)
            at = answered[0]
            tap.until(lambda: answered[0] > at + 20, 30)
            stop.set()
            t.join()
            tap.until(lambda: together(a, b), 30)
            tap.equal(a.info()["sync_full"], "1", "bits that flip in TLS's records cost partial resynchronisations")
            tap.ok(same_data(a, b), "and both hold the same")
        middle = Middle(port)
        session = a.status()["session"]
        b.duet("NONE")
        follow(b, 1, "127.0.0.5")
        tap.until(lambda: "another pair-key" in b.log(), 20)
        tap.ok(b"duet-hello" in middle.seen and a.status()["session"] in ("0", session) and b.status()["session"] == "0",
               "who ends TLS on both sides sees the handshake, and it comes to nothing")
        middle.listener.close()
        follow(b, 1, "127.0.0.2")
        tap.until(lambda: together(a, b), 20)
        tap.ok(True, "the straight way stands again")


def follow(node_, epoch, host):
    node_.page[8:16] = bytes(8)
    node_.duet("SLAVE", epoch, host, 1)  # the port is the TLS port that both nodes have


try:
    tap.main(of_duet, of_redis, refusals, pair)
finally:
    CA.close()
