"""Clients that do not give up: what an application sees of a takeover.

Prober    begins a new attempt (connect, one SET, its reply) every 5 ms, whatever became of the ones before, and remembers
          which succeeded: how soon after a fault anybody can write.
Waiting   connections as applications keep them: each writes, waits for the reply for as long as it takes, writes again, and
          connects anew every 5 ms once it was told that its connection is over.

Times are time.monotonic(). Both run in a thread of their own, in the network namespace of the thread that makes them."""

import os
import selectors
import socket
import threading
import time

EVERY_S = 0.005
LIFE_S = 0.4  # of an attempt


def write_of(key, value):
    words = ["SET", key, str(value)]
    return ("*3\r\n" + "".join("$%d\r\n%s\r\n" % (len(w), w) for w in words)).encode()


def longest_gap_s(ends, since=0.0):
    ends = sorted(end for end in ends if end >= since)
    return max(((b - a, a, b) for a, b in zip(ends, ends[1:])), default=(0.0, since, since))


class Attempt:
    """One connection: connects, then sends and waits."""

    def __init__(self, address, selector):
        self.began, self.connected, self.open, self.selector = time.monotonic(), False, True, selector
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect_ex(address)
        selector.register(self.sock, selectors.EVENT_WRITE, self)

    def send(self, data):
        self.connected = True
        self.sock.send(data)
        self.selector.modify(self.sock, selectors.EVENT_READ, self)

    def close(self):
        if self.open:
            self.selector.unregister(self.sock)
            self.sock.close()
        self.open = False


class Client:
    """What both kinds share: a thread with a selector."""

    def __init__(self, address):
        self.address, self.selector, self.done, self.stopping = address, selectors.DefaultSelector(), [], False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.data.close()
        self.selector.close()

    def longest_gap_s(self, since=0.0):
        """The longest time without a write that succeeded, of those that ended after `since`; from when to when."""
        return longest_gap_s([end for _, end in self.done], since)

    def first_after(self, moment):
        """When the first write succeeded of those that were begun after that moment; None: none yet."""
        return min((end for began, end in list(self.done) if began >= moment), default=None)


class Prober(Client):
    def _run(self):
        following, number = time.monotonic(), 0
        while not self.stopping:
            now = time.monotonic()
            if now >= following:
                number += 1
                following = max(following + EVERY_S, now)
                Attempt(self.address, self.selector)
            for key in list(self.selector.get_map().values()):
                if now - key.data.began > LIFE_S:
                    key.data.close()
            for key, _ in self.selector.select(max(0, following - time.monotonic())):
                self._step(key.data, number)

    def _step(self, attempt, number):
        try:
            if not attempt.connected:
                attempt.send(write_of("probe:%d" % os.getpid(), number))
                return
            if attempt.sock.recv(4096).startswith(b"+OK"):
                self.done.append((attempt.began, time.monotonic()))
        except OSError:
            pass
        attempt.close()


class Waiting(Client):
    """Several connections at once; `acked` counts what each was promised: {key: newest value}."""

    def __init__(self, address, count, every_s=0.002, connect_s=EVERY_S):
        super().__init__(address)
        self.count, self.every_s, self.connect_s, self.acked, self.number = count, every_s, connect_s, {}, 0
        self.broken = 0  # connections that were told that they are over
        self.ends = {}  # by connection: when its writes succeeded

    def _run(self):
        self.due = [(0.0, n, None) for n in range(self.count)]  # when, who, the connection to go on with
        while not self.stopping:
            now = time.monotonic()
            ready = [d for d in self.due if d[0] <= now]
            self.due = [d for d in self.due if d[0] > now]
            for _, n, attempt in ready:
                self._begin(n, attempt)
            wait = min([d[0] for d in self.due] + [now + EVERY_S]) - time.monotonic()
            for key, _ in self.selector.select(max(0, wait)):
                self._step(key.data)
            self._renew()

    def _begin(self, n, attempt):
        if attempt is None:
            attempt = Attempt(self.address, self.selector)
            attempt.who = n
        elif attempt.open:
            self._send(attempt)

    def _send(self, attempt):
        self.number += 1
        attempt.value, attempt.began = self.number, time.monotonic()
        try:
            attempt.send(write_of("waiting:%d" % attempt.who, attempt.value))
        except OSError:
            self._over(attempt)

    def _step(self, attempt):
        if not attempt.connected:
            self._send(attempt)
            return
        try:
            got = attempt.sock.recv(4096)
        except OSError:
            got = b""
        if not got.startswith(b"+OK"):  # over, or an error: this node does not serve
            self._over(attempt)
            return
        now = time.monotonic()
        self.done.append((attempt.began, now))
        self.acked["waiting:%d" % attempt.who] = attempt.value
        self.ends.setdefault(attempt.who, []).append(now)
        self.due.append((now + self.every_s, attempt.who, attempt))

    def _over(self, attempt):
        self.broken += attempt.connected
        attempt.close()
        self.due.append((time.monotonic() + EVERY_S, attempt.who, None))

    def worst_gap_s(self, since=0.0):
        """The longest that any one of them was without a write that succeeded."""
        return max((longest_gap_s(ends, since) for ends in self.ends.values()), default=(0.0, since, since))

    def _renew(self):
        """A connection that is not made in time is tried anew."""
        now = time.monotonic()
        for key in list(self.selector.get_map().values()):
            if not key.data.connected and now - key.data.began > self.connect_s:
                self._over(key.data)
