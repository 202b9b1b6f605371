"""Servers for tests: start one on a free port in a directory of its own, speak RESP to it, end it.

    with servers.Server("--appendonly", "no") as s:
        c = s.connect()
        c.cmd("SET", "a", "1")  # -> b"OK"
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import tap

REDIS_SERVER = os.path.join(tap.REDIS_BIN, "redis-server")
REDIS_CLI = os.path.join(tap.REDIS_BIN, "redis-cli")
REDIS_BENCHMARK = os.path.join(tap.REDIS_BIN, "redis-benchmark")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def threads_of(command):
    """DUET_IO_THREADS runs a whole test program against servers with I/O threads (clients/test_io_threads.py)."""
    n = os.environ.get("DUET_IO_THREADS")
    return ["--io-threads", n] if n and command[-1] == "server" else []


class Error(Exception):
    """An error reply."""


class Closed(Exception):
    """The connection ended before a reply was whole."""


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        b = w if isinstance(w, bytes) else str(w).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(b), b))
    return b"".join(out)


class Connection:
    """One connection. cmd() returns the reply (bytes, int, list, None) or raises Error."""

    def __init__(self, sock, timeout_s=10):
        self.sock = sock
        self.sock.settimeout(timeout_s)
        self.buf = b""

    def send(self, *words):
        self.sock.sendall(encode(*words))

    def send_raw(self, data):
        self.sock.sendall(data)

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed()
        self.buf += data

    def _line(self):
        while b"\r\n" not in self.buf:
            self._more()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in b"+,(":
            return rest
        if kind == b"-":
            raise Error(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"_":
            return None
        if kind in b"$=":
            n = int(rest)
            if n < 0:
                return None
            while len(self.buf) < n + 2:
                self._more()
            data, self.buf = self.buf[:n], self.buf[n + 2:]
            return data
        if kind in b"*~>":
            n = int(rest)
            return None if n < 0 else [self._element() for _ in range(n)]
        if kind == b"%":
            return {self._element(): self._element() for _ in range(int(rest))}
        raise ValueError("not a reply: %r" % line)

    def _element(self):
        try:
            return self.read()
        except Error as e:
            return e

    def cmd(self, *words):
        self.send(*words)
        return self.read()

    def error(self, *words):
        """The text of the error that the command must answer; None when it answers none."""
        try:
            self.cmd(*words)
        except Error as e:
            return str(e)
        return None

    def silent(self, for_s):
        """True when nothing arrives for that long (and the connection stays)."""
        self.sock.settimeout(for_s)
        try:
            self._more()
            return False
        except socket.timeout:
            return True
        except (Closed, OSError):
            return False
        finally:
            self.sock.settimeout(10)

    def ends(self, limit_s=10):
        """True when the peer closes, without a byte before it."""
        self.sock.settimeout(limit_s)
        try:
            data = self.sock.recv(65536)
            self.buf += data
            return not data
        except ConnectionError:
            return True
        except socket.timeout:
            return False
        finally:
            self.sock.settimeout(10)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Server:
    """duet server (or another command that takes redis-server's options) on a free port."""

    def __init__(self, *options, command=None, directory=None, port=None, wait=True, env=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="duet-test-")
        self.port = port or free_port()
        self.command = command or [tap.DUET, "server"]
        self.options = [str(o) for o in options]
        self.log_path = os.path.join(self.directory, "server.out")
        self.env = env
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        argv = self.command + ["--port", str(self.port), "--dir", self.directory] + threads_of(self.command) + self.options
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                return True
            with self.connect() as c:
                return c.cmd("PING") == b"PONG"
        tap.until(ready, 20, "the server answers")
        if self.process.poll() is not None:
            raise RuntimeError("the server ended: " + self.log())

    @property
    def pid(self):
        return self.process.pid

    def connect(self, timeout_s=10):
        return Connection(socket.create_connection(("127.0.0.1", self.port), timeout_s), timeout_s)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def kill(self, signo):
        self.process.send_signal(signo)

    def stop(self, signo=signal.SIGTERM, limit_s=20):
        """Ends it and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signo)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0]:
            tap.say(self.log()[-3000:])
        self.close()


def wait_for_port(port, limit_s=10):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False
