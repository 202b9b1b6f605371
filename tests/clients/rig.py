"""What the tests of client libraries share: against which server they run.

Duet by itself; with REFERENCE=1 Debian's redis-server in its place, to see that a test is right about
Redis; in the full run (DUET_FULL=1) both. A program ends with `rig.main(f, g, ...)`; each of these is called with
the command of a server, for `rig.Server(command, "--option", ...)` or `rig.node(command, "script.js")`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import certs
import servers
import tap

NODE = os.path.join(tap.TOP, "build", "deps", "node", "node_modules")
HERE = os.path.dirname(os.path.abspath(__file__))


def commands():
    redis, duet = [servers.REDIS_SERVER], [tap.DUET, "server"]
    if os.environ.get("REFERENCE") == "1":
        return [redis]
    return [redis, duet] if tap.FULL and "DUET_IO_THREADS" not in os.environ else [duet]


class Server(servers.Server):
    """A server that writes nothing unless it is told to, with a unix socket beside its port."""

    def __init__(self, command, *options, **more):
        super().__init__("--save", "", "--unixsocket", "s.sock", *options, command=command, **more)

    @property
    def socket(self):
        return os.path.join(self.directory, "s.sock")

    def crash(self):
        """SIGKILL, then the same server again."""
        self.stop(signal.SIGKILL)
        self.start()


def tls(authority):
    """Options of a server with TLS on a free port of its own, and that port."""
    authority.make("server")
    port = servers.free_port()
    return ["--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", authority.path("ca.pem"),
            "--tls-cert-file", authority.path("server.pem"), "--tls-key-file", authority.path("server.key")], port


def node(command, script, *words, limit_s=120, env=()):
    """Runs node/SCRIPT, whose lines become ours."""
    with certs.Authority() as ca:
        ca.make("server")
        more = dict(env, DUET_TEST_SERVER=json.dumps(command + servers.threads_of(command)), DUET_TEST_CERTS=ca.directory, NODE_PATH=NODE)
        run(["node", os.path.join(HERE, "node", script), *words], limit_s, dict(os.environ, **more))


def run(argv, limit_s, env=None):
    """Runs a program that prints test lines."""
    name = os.path.basename(argv[1] if len(argv) > 1 and argv[0] == "node" else argv[0])
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace") as p:
        timer = threading.Timer(limit_s, p.kill)
        timer.start()
        lines = 0
        for line in p.stdout:
            print(line, end="", flush=True)
            kind = re.match(r"(not )?ok\b", line)
            if kind:
                tap.counts[kind[0]] += 1
                lines += 1
        timer.cancel()
    if p.returncode not in (0, 1) or not lines:
        tap.ok(False, "%s ran to its end (it ended with status %d)" % (name, p.returncode))


def main(*tests):
    def under(command, test):
        def one():
            tap.say("---- %s: %s" % (os.path.basename(command[0]), (test.__doc__ or test.__name__).strip().splitlines()[0]))
            test(command)
        one.__doc__ = test.__doc__ or test.__name__
        return one
    tap.main(*[under(c, t) for c in commands() for t in tests])
