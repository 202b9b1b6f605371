"""An import in a pair: it survives the master's death and goes on where the new master's data is, exactly once."""

import os
import socket
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import pairlab  # noqa: E402
import servers  # noqa: E402
import tap  # noqa: E402
import test_import_live as live  # noqa: E402
import json  # noqa: E402

PORT = 6390


class Source:
    """A redis-server where the clients are."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="duet-import-")
        self.port = PORT
        self.child = subprocess.Popen([servers.REDIS_SERVER, "--port", str(PORT), "--bind", pairlab.CLIENT, "--save", "", "--dir", self.dir.name, "--requirepass", "pw",
                                       "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tap.until(lambda: self.connect().cmd("PING"), 20)

    def connect(self):
        c = servers.Connection(socket.create_connection((pairlab.CLIENT, PORT), 10), 20)
        c.cmd("AUTH", "pw")
        return c

    def close(self):
        self.child.kill()
        self.child.wait()
        self.dir.cleanup()


class There:
    def __init__(self, node):
        self.node = node

    def connect(self):
        return servers.Connection(socket.create_connection((self.node.address, pairlab.PORT), 10), 20)


def progress(node):
    p = node.hactl("import", "status", "--json", check=False)
    return json.loads(p.stdout) if p.returncode == 0 else {}


def failover():
    """the master dies under load: the other node goes on with the import by itself"""
    with pairlab.Pair() as pair:
        source = Source()
        load = None
        try:
            first = pair.settled()
            load = live.Load(source, tap.seed())
            p = first.other.hactl("import", "redis://:pw@%s:%d" % (pairlab.CLIENT, PORT), check=False)
            tap.ok(p.returncode == 1 and "no master here" in p.stderr, "on the slave it is refused, and said where it belongs")
            p = first.hactl("import", "redis://:pw@%s:%d" % (pairlab.CLIENT, PORT), check=False)
            if not tap.equal(p.returncode, 0, "on the master it begins, copies and follows"):
                tap.say(p.stderr)
                return
            job = os.path.join(first.other.root, "data/import/instance-0/job")
            tap.until(lambda: os.path.exists(job), 40, "the job on the other node")
            tap.equal(os.stat(job).st_mode & 0o777, 0o600, "the other node has the job, too, for root alone")
            pair.settled()
            first.power_cut()
            second = first.other
            tap.until(second.serving, 30)
            tap.until(lambda: progress(second).get("phase") == "follow", 60, "the other node follows")
            tap.equal((progress(second)["copies"], progress(second)["resumed"]), (0, 1), "the new master goes on from where its data is, without a copy")
            first.power_on()
            pair.settled(second)
            second.hactl("switchover")
            tap.until(first.serving, 30)
            tap.until(lambda: progress(first).get("phase") == "follow" and progress(first).get("running"), 60, "back again")
            tap.ok(progress(first)["copies"] == 0, "after a switchover the first one goes on, without a copy")
            load.end()

            def cut_over():  # the worker may be connecting again: then there is nothing to cut over yet
                told = first.hactl("import", "cutover", "--wait", "--timeout", "60000", check=False)
                return None if "connecting" in told.stderr else told
            p = tap.until(cut_over, 60, "a worker that is connected")
            if not tap.equal(p.returncode, 0, "cut over"):
                tap.say(p.stderr)
            live.same(There(first), source, "exactly once")
            tap.ok(pair.client().set("mine", 1), "and clients write")
        finally:
            if load:
                load.end()
            source.close()


if __name__ == "__main__":
    pairlab.run(failover)
    sys.exit(tap.done())
