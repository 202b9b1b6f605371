"""A wire for tests of links, played by a proxy: it delivers in odd pieces, stalls, and is cut, by chance from a seed or at a byte."""

import random
import socket
import threading
import time


class Wire:
    def __init__(self, to_port, seed=0, pieces=False, listen="127.0.0.1"):
        """pieces: what comes from the far side goes on in pieces of chance length, now and then after a while."""
        self.to_port, self.pieces, self.rng = to_port, pieces, random.Random(seed)
        self.open, self.connections = True, 0
        self.cut_after = None  # bytes from the far side, counted from here; then everything is cut
        self.plan = []  # cut_after for each connection to come; those behind its end are not cut
        self.lock, self.ends = threading.Lock(), []
        self.listener = socket.create_server((listen, 0), family=socket.AF_INET6 if ":" in listen else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.lock:
                    if not self.open:
                        near.close()
                        continue
                    far = socket.create_connection(("127.0.0.1", self.to_port))
                    self.ends += [near, far]
                    self.connections += 1
                    if self.plan:
                        self.cut_after = self.plan.pop(0)
            except OSError:
                near.close()
                continue
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for x, y in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(x, y, x is far), daemon=True).start()

    def _send(self, y, data):
        while data:
            n = self.rng.choice((1, 2, 3, 7, 13, 100, 1447, 8192)) if self.pieces else len(data)
            with self.lock:
                if self.cut_after is not None:
                    n = min(n, self.cut_after)
                    self.cut_after -= n
            if n == 0:
                self.cut()
                return
            y.sendall(data[:n])
            data = data[n:]
            if self.pieces and self.rng.random() < 0.02:
                time.sleep(self.rng.random() * 0.01)  # the stall is the load here, nothing waits for it

    def _pump(self, x, y, counted):
        try:
            while True:
                data = x.recv(16384 if self.pieces else 262144)
                if not data:
                    break
                if counted:
                    self._send(y, data)
                else:
                    y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            _end(s)

    def cut(self, stay=False):
        """Ends every connection; stay: and no new one is taken until mend()."""
        with self.lock:
            self.open = not stay
            self.cut_after = None
            ends, self.ends = self.ends, []
        for s in ends:
            _end(s)

    def mend(self):
        self.open = True

    def close(self):
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _end(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
