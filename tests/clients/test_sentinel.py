#!/usr/bin/python3
"""Debian's Redis Sentinel watches Duet: plain servers, which it may fail over, and a pair, which does that by itself."""
# timeout: 240

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import redis
import redis.sentinel
import replload
import servers
import tap
from test_pair_link import Node, together

LIMIT_S = 60


class Sentinel:
    """One of them, whose own word is enough."""

    def __init__(self, name, port, *lines):
        self.name, self.directory, self.port = name, tempfile.mkdtemp(prefix="duet-sentinel-"), servers.free_port()
        path = os.path.join(self.directory, "sentinel.conf")
        text = ["port %d" % self.port, "bind 127.0.0.1", "dir %s" % self.directory, "sentinel monitor %s 127.0.0.1 %d 1" % (name, port),
                "sentinel down-after-milliseconds %s 600" % name, "sentinel failover-timeout %s 4000" % name, *lines]
        with open(path, "w") as f:
            f.write("\n".join(text) + "\n")
        self.output = open(os.path.join(self.directory, "output"), "wb")
        self.process = subprocess.Popen([servers.REDIS_SERVER, path, "--sentinel"], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        tap.until(lambda: self.ask("PING") == b"PONG", 20, "the sentinel answers")
        self.ask("SENTINEL", "DEBUG", "INFO-PERIOD", "300", "PING-PERIOD", "100", "PUBLISH-PERIOD", "300", "SLAVE-RECONF-TIMEOUT", "3000")

    def ask(self, *words):
        with servers.Connection(socket.create_connection(("127.0.0.1", self.port), 10)) as c:
            return c.cmd(*words)

    def master(self):
        return replies(self.ask("SENTINEL", "MASTER", self.name))

    def slaves(self):
        """{port: fields}"""
        found = [replies(row) for row in self.ask("SENTINEL", "REPLICAS", self.name)]
        return {int(row["port"]): row for row in found}

    def says(self):
        """The port of the master."""
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)[1])

    def sees(self, master, slaves):
        """The master is well, and so are exactly these slaves, which have told their roles and links."""
        now = self.master()
        rows = self.slaves()
        return self.says() == master.port and now["flags"] == "master" and now["role-reported"] == "master" and set(rows) == {s.port for s in slaves} and \
            all(r["flags"] == "slave" and r["role-reported"] == "slave" and r["master-link-status"] == "ok" and r["master-port"] == str(master.port) for r in rows.values())

    def log(self):
        with open(os.path.join(self.directory, "output"), errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0]:
            tap.say(self.log()[-6000:])
        self.process.kill()
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def replies(flat):
    flat = [x.decode() for x in flat]
    return dict(zip(flat[::2], flat[1::2]))


class Configured(servers.Server):
    """A server with a configuration file, which CONFIG REWRITE changes."""

    def __init__(self, command, *options):
        directory = tempfile.mkdtemp(prefix="duet-test-")
        self.path = os.path.join(directory, "server.conf")
        with open(self.path, "w") as f:
            f.write("# made by a test\nbind 127.0.0.1\nrepl-diskless-sync-delay 0\nsave \"\"\n" + "\n".join(options) + "\n")
        super().__init__(command=command, directory=directory)
        self.own_directory = True

    def start(self, wait=True):
        first, self.command = self.command, self.command + [self.path]
        super().start(wait)
        self.command = first

    def follows(self):
        """What the file says: the master's port, or none."""
        with open(self.path) as f:
            words = [line.split() for line in f if line.startswith(("replicaof", "slaveof"))]
        return int(words[0][2]) if words else None


DUET = [tap.DUET, "server"]
REDIS = [servers.REDIS_SERVER]


def field(server, name):
    with server.connect() as c:
        return replload.info(c, "everything")[name]


def fails_over(what, commands, *lines):
    """Server 0 is the master; the others follow. It is killed, replaced, and comes back as a slave."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Configured(c)) for c in commands]
        master, slaves = nodes[0], nodes[1:]
        for s in slaves:
            with s.connect() as c:
                c.cmd("REPLICAOF", "127.0.0.1", master.port)
                c.cmd("CONFIG", "REWRITE")
        sentinel = stack.enter_context(Sentinel("plain", master.port, *lines))
        tap.until(lambda: sentinel.sees(master, slaves), LIMIT_S, "all are seen")
        tap.ok(True, "%s: a sentinel finds the slaves, and sees all in their roles" % what)
        # An application that asks the sentinel where to go.
        site = redis.sentinel.Sentinel([("127.0.0.1", sentinel.port)], socket_timeout=5)
        writer, reader = site.master_for("plain"), site.slave_for("plain")
        writer.set("who", "redis-py")
        with master.connect() as c:
            for i in range(200):
                c.cmd("SET", "k%d" % i, i)
            tap.equal(c.cmd("WAIT", len(slaves), 10000), len(slaves), "%s: all slaves hold the data" % what)
        master.stop(signal.SIGKILL)
        clients = [s.connect() for s in slaves]
        tap.until(lambda: sentinel.says() != master.port, LIMIT_S, "another master")
        new = next(s for s in slaves if s.port == sentinel.says())
        rest = [s for s in slaves if s is not new]
        tap.until(lambda: sentinel.master()["flags"] == "master" and all(replload.up(s) for s in rest), LIMIT_S, "the rest follows")
        tap.equal([field(s, "master_port") for s in rest], [str(new.port)] * len(rest), "%s: the master is killed: a slave is promoted, the others follow it" % what)
        tap.equal((field(new, "role"), new.follows(), [s.follows() for s in rest]), ("master", None, [new.port] * len(rest)), "%s: and have it in their files" % what)
        tap.equal([c.ends() for s, c in zip(slaves, clients)], [True] * len(slaves), "%s: their clients were sent away" % what)
        tap.until(lambda: writer.set("who", "still"), LIMIT_S, "redis-py finds the new master")
        tap.equal(new.connect().cmd("GET", "who"), b"still", "%s: redis-py's master_for writes to the new master" % what)
        if rest:
            tap.until(lambda: reader.get("who") == b"still", LIMIT_S, "redis-py reads from a slave")
            tap.ok(True, "%s: and slave_for reads it from a slave" % what)
        tap.equal(field(new, "sync_full"), "0", "%s: no copy was needed" % what)
        with new.connect() as c:
            c.cmd("SET", "after", 1)
        master.start()
        tap.until(lambda: sentinel.sees(new, rest + [master]), LIMIT_S, "the old master is a slave")
        replload.same(new, rest + [master], "%s: the old master comes back as a slave with the same data" % what)
        tap.until(lambda: master.follows() == new.port, LIMIT_S, "its file")
        if commands[0] == DUET:
            tap.equal(field(new, "sync_full"), "0", "%s: which it became without a copy" % what)
        # By hand, and back again.
        sentinel.ask("SENTINEL", "FAILOVER", "plain")
        tap.until(lambda: sentinel.says() != new.port, LIMIT_S, "a failover that was asked for")
        third = next(s for s in nodes if s.port == sentinel.says())
        tap.until(lambda: sentinel.sees(third, [s for s in nodes if s is not third]), LIMIT_S, "all follow the third")
        replload.same(third, [s for s in nodes if s is not third], "%s: a failover that was asked for" % what)


def both():
    """Duet with Duet and Redis as slaves"""
    fails_over(both.__doc__, [DUET, DUET, REDIS])


def duets():
    """three Duets"""
    fails_over(duets.__doc__, [DUET, DUET, DUET])


def mixed():
    """Redis with Duet and Redis as slaves"""
    fails_over(mixed.__doc__, [REDIS, DUET, REDIS])


def of_duet():
    """Duet with two Redis as slaves"""
    fails_over(of_duet.__doc__, [DUET, REDIS, REDIS])


def harmless(node, what):
    with node.connect() as c:
        for words in (["SLAVEOF", "NO", "ONE"], ["REPLICAOF", "127.0.0.1", "1"]):
            text = c.error(*words) or ""
            tap.ok("part of a pair" in text and "hactl" in text, "%s refuses %s by name" % (what, words[0])) or tap.say(text)
        c.cmd("MULTI")
        for words in (["SLAVEOF", "NO", "ONE"], ["CONFIG", "REWRITE"]):
            c.send(*words)
            try:
                c.read()
            except servers.Error:
                pass
        c.error("EXEC")


def pair():
    """a pair"""
    with Node("a") as a, Node("b") as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20, "the link stands")
        a.duet("ALONE", "0")
        with Sentinel("pair", a.port, "sentinel failover-timeout pair 1500") as sentinel:
            tap.until(lambda: sentinel.sees(a, [b]), LIMIT_S, "both are seen")
            tap.ok(True, "a pair: a sentinel sees master and slave")
            before = a.status(), b.status()
            harmless(a, "the master")
            harmless(b, "the slave")
            sentinel.ask("SENTINEL", "FAILOVER", "pair")
            tap.until(lambda: "-failover-abort" in sentinel.log(), LIMIT_S, "the sentinel gives it up")
            after = a.status(), b.status()
            tap.equal([(s["role"], s["epoch"], s["session"]) for s in after], [(s["role"], s["epoch"], s["session"]) for s in before],
                      "a pair: a failover that the sentinel was asked for changes nothing")
            with a.connect() as c:
                tap.equal(c.cmd("SET", "x", 1), b"OK", "a pair: and the master serves")
            # The pair fails over by itself, as had does it; the dead node comes back as slave.
            a.stop(signal.SIGKILL)
            b.lead(2, alone=True)
            a.again()
            a.follow(2, b)
            tap.until(lambda: together(b, a), 20, "the old master follows")
            with b.connect() as c:
                c.cmd("SET", "y", 1)
            tap.until(lambda: sentinel.says() == b.port and sentinel.sees(b, [a]), LIMIT_S, "the sentinel has seen it")
            tap.ok(True, "a pair: it failed over by itself, and the sentinel sees the new roles")
            tap.equal([(s["role"], s["epoch"]) for s in (a.status(), b.status())], [("slave", "2"), ("master", "2")], "a pair: the sentinel has done nothing to it")
            tap.until(lambda: together(b, a), 20, "level")
            tap.ok(True, "a pair: and its link stands")


tap.main(both, *([duets, mixed, of_duet] if tap.FULL else []), pair)
