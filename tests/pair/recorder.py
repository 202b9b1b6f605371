"""Clients at the VIP that remember every operation: who asked what and when, what was answered and when (history.py checks it).

Keys change every few seconds (registers, counters, lists and sets alike), so that a value read back is never large; `final()` reads
each key once more when all is well."""

import random
import socket
import threading
import time

import history
import netlab
import pairlab
import tap

SPAN_S = 4  # keys of one name
KEYS = 2    # of each type at a time
OP_TIMEOUT_S, CONNECT_S, PAUSE_S = 1.0, 0.05, 0.003
TYPES = [("reg", "SET", "GET"), ("cnt", "INCR", "GET"), ("lst", "RPUSH", "LRANGE"), ("set", "SADD", "SMEMBERS")]


class Refused(Exception):
    """An error reply: it was not executed."""


def request(*words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        w = w if isinstance(w, bytes) else str(w).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


class Connection:
    """Just enough RESP: one request, one reply."""

    def __init__(self, address):
        self.sock = socket.create_connection(address, CONNECT_S)
        self.sock.settimeout(OP_TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def ask(self, *words):
        self.sock.sendall(request(*words))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection is over")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode(errors="replace"))
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("the connection is over")
            return data[:-2].decode()
        return [self.reply() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.sock.close()


def understood(kind, answer, key):
    """An answer as history.py has it."""
    if kind == "GET" and key.startswith("cnt"):
        return None if answer is None else int(answer)
    if kind == "SMEMBERS":
        return frozenset(answer)
    return None if kind == "SET" else answer


class Clients:
    """Threads in the namespace of the thread that makes them."""

    def __init__(self, count, seed, reads=0.35):
        self.ops, self.names, self.refusals, self.reads = [], set(), {}, reads
        self.address, self.began = (netlab.VIP, pairlab.PORT), time.monotonic()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=("c%d" % n, random.Random(seed * 1000 + n)), daemon=True) for n in range(count)]
        for t in self.threads:
            t.start()

    def run(self, who, chance):
        c, number = None, 0
        while not self.stopping.wait(PAUSE_S):
            if c is None:
                try:
                    c = Connection(self.address)
                except OSError:
                    continue
            number += 1
            if not self.one(c, who, number, chance):
                c.close()
                c = None
        if c:
            c.close()

    def one(self, c, who, number, chance):
        """One operation; whether the connection is still good."""
        span = int((time.monotonic() - self.began) / SPAN_S)
        name, write, read = chance.choice(TYPES)
        key = "%s:%d:%d" % (name, span, chance.randrange(KEYS))
        reads = chance.random() < self.reads
        kind, value = (read, None) if reads else (write, None if write == "INCR" else "%s-%d" % (who, number))
        self.names.add(key)
        return self.ask(c, who, key, kind, value)

    def ask(self, c, who, key, kind, value):
        words = [kind, key] + ([value] if value else []) + (["0", "-1"] if kind == "LRANGE" else [])
        outcome, result, fine = history.UNKNOWN, None, True
        invoked = time.monotonic()
        try:
            result = understood(kind, c.ask(*words), key)
            outcome = history.OK
        except Refused as e:
            outcome = history.FAILED
            word = str(e).split(" ")[0]
            self.refusals[word] = self.refusals.get(word, 0) + 1
        except (OSError, ValueError):
            fine = False
        self.ops.append(history.Op(who, key, kind, value, invoked, time.monotonic(), outcome, result))
        return fine

    def acknowledged(self):
        return sum(op.outcome == history.OK and not op.is_read for op in list(self.ops))

    def wait_for(self, count, limit_s=pairlab.SETTLE_S):
        want = self.acknowledged() + count
        tap.until(lambda: self.acknowledged() >= want, limit_s, "%d more acknowledged writes" % count, 0.05)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()

    def final(self):
        """Reads each key; after stop()."""
        c = Connection(self.address)
        c.sock.settimeout(30)
        reads = {name: read for name, _, read in TYPES}
        for key in sorted(self.names):
            if not self.ask(c, "final", key, reads[key.split(":")[0]], None) or self.ops[-1].outcome != history.OK:
                raise RuntimeError("%s cannot be read at the end" % key)
        c.close()

    def counts(self):
        out = {}
        for op in self.ops:
            name = ("read" if op.is_read else "write") + " " + op.outcome
            out[name] = out.get(name, 0) + 1
        return ", ".join("%d %s" % (n, name) for name, n in sorted(out.items())) + (
            "; refused with %s" % ", ".join("%s %d" % r for r in sorted(self.refusals.items())) if self.refusals else "")
