"""Duet and Debian's redis-server, started side by side on free ports of the loopback with directories of
their own, and ended with the test."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402
from wire import Wire  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, command, options=()):
        self.name, self.port = name, free_port()
        self.directory = tempfile.mkdtemp(prefix="duet-compat-")
        self.output = os.path.join(self.directory, "output")
        self.log = open(self.output, "wb")
        data = os.path.join(self.directory, "data")
        os.mkdir(data)
        self.command = command + ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", data, "--save", "", *options]
        atexit.register(self.stop)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        tap.until(lambda: not self.alive() or self.answers(), 20, "%s answering on port %d" % (self.name, self.port))
        if not self.alive():
            raise RuntimeError("%s ended with status %s: %s" % (self.name, self.process.returncode, self.log_tail()))

    def end(self):
        """An orderly end, as SHUTDOWN's; start() begins again with the same directory."""
        self.process.terminate()
        self.process.wait(20)

    def answers(self):
        w = Wire(self.port)
        try:
            return w.call("PING") == b"+PONG"
        finally:
            w.close()

    def wire(self):
        return Wire(self.port)

    def alive(self):
        return self.process.poll() is None

    def log_tail(self):
        with open(self.output, errors="replace") as f:
            return "".join(f.readlines()[-25:])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def pair(options=()):
    """(duet, redis)"""
    redis = Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")], options)
    return Server("duet", [tap.DUET, "server"], options), redis
