#!/usr/bin/python3
"""The pair's own link on its wire: who may speak there, and what a wire that flips bits, loses pieces or falls silent can do
(nothing but cost a partial resynchronisation)."""
# timeout: 240

import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pairwire
import servers
import tap
from test_pair_link import Node, together

KEY = "6b" * 32
OTHER = "7c" * 32


class Proxy:
    """A wire: hurt(direction, bytes) -> bytes may change what passes; silent stops it without closing anything."""

    def __init__(self, target, hurt=None, host="127.0.0.1", at=("127.0.0.1", 0)):
        self.target, self.hurt, self.silent, self.open = (host, target), hurt, False, []
        self.listener = socket.create_server(at)
        self.port = self.listener.getsockname()[1]
        self.recorded = {"up": [], "down": []}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.open += [near, far]
            for a, b, way in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self.carry, args=(a, b, way), daemon=True).start()

    def carry(self, a, b, way):
        recorded = bytearray()
        self.recorded[way].append(recorded)
        try:
            while data := a.recv(65536):
                if len(recorded) < 4096:
                    recorded += data
                while self.silent:
                    time.sleep(0.02)
                b.sendall(self.hurt(way, data) if self.hurt else data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        for s in self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def along(node, epoch, proxy):
    node.page[8:16] = struct.pack("<Q", 0)
    node.duet("SLAVE", epoch, "127.0.0.1", proxy.port)


def same_data(a, b):
    with a.connect() as x, b.connect() as y:
        keys = sorted(x.cmd("KEYS", "*"))
        return keys == sorted(y.cmd("KEYS", "*")) and all(x.cmd("GET", k) == y.cmd("GET", k) for k in keys)


def key():
    """both have the pair's key"""
    with Node("a", "--pair-key", KEY) as a, Node("b", "--pair-key", KEY) as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20, "the link stands")
        tap.ok(True, "two nodes with one key find together")
        with a.connect() as c:
            shown = c.cmd("CONFIG", "GET", "pair-key") + c.cmd("CONFIG", "GET", "*")
            tap.ok(KEY.encode() not in shown and b"pair-key" not in shown, "nobody is shown the key")
            tap.ok(c.error("CONFIG", "SET", "pair-key", OTHER), "nobody can change it while the server runs")
        tap.ok(KEY not in a.log() + b.log() and "not authenticated" not in a.log() + b.log(), "the log does not tell it")
    with Node("a") as a, Node("b") as b:
        a.lead(1, alone=True)
        b.follow(1, a)
        tap.until(lambda: together(a, b), 20)
        for i in range(2):
            b.duet("NONE")
            b.follow(1, a)
            tap.until(lambda: together(a, b), 20)
        tap.equal([n.log().count("is not authenticated") for n in (a, b)], [1, 1], "without a key each says once that anybody may join")
    with servers.Server("--pair-key", "12", wait=False) as s:
        tap.ok(s.process.wait(10) != 0 and "64 hexadecimal digits" in s.log() and '"12"' not in s.log(),
               "a key that is none is refused without being shown")


def strangers():
    """one has another key, or none"""
    for what, option in (("another key", ("--pair-key", OTHER)), ("no key", ())):
        with Node("a", "--pair-key", KEY) as a, Node("b", *option) as b:
            a.lead(1, alone=True)
            with a.connect() as c:
                c.cmd("SET", "k", 1)
            b.follow(1, a)
            tap.until(lambda: "another pair-key" in b.log(), 20)
            tap.ok("[pair] secret must be the same on both nodes" in b.log(), "%s: the slave says what is wrong" % what)
            until = time.monotonic() + 0.5
            tap.until(lambda: time.monotonic() > until, 5)
            tap.equal((b.status()["keys"], a.status()["insync_link"]), ("0", "0"), "%s: nothing passes" % what)
            tap.equal(b.log().count("has another pair-key"), 1, "%s: said once, not with every attempt" % what)


def guest(node, key=KEY, letter="b"):
    return pairwire.Guest(node.connect(), letter, key)


def refused(call, *words):
    try:
        return "answered %r" % (call(),)
    except servers.Error as e:
        return True if all(w in str(e) for w in words) else str(e)


def by_hand():
    """what a stranger may try"""
    with Node("a", "--pair-key", KEY) as a:
        a.lead(1, alone=True)
        g = guest(a)
        g.master, g.theirs, g.nonce = "a", "0" * 32, "0" * 32
        tap.equal(refused(g.pair, "after duet-hello"), True, "duet-pair without duet-hello is refused")
        g = guest(a)
        tap.ok(g.hello(), "the master proves itself first")
        tap.equal(refused(lambda: g.pair("0" * 64), "node a does not know node b", "[pair] secret"), True,
                  "a wrong proof is refused by name")
        tap.equal(refused(g.pair, "after duet-hello"), True, "there is one attempt a number")
        tap.ok("calls itself node b of this pair" in a.log(), "the master's log names it")
        g = guest(a, OTHER)
        tap.ok(not g.hello(), "who has another key cannot read the master's proof")
        tap.equal(refused(g.pair, "does not know"), True, "nor make one")
        g = guest(a)
        g.hello()
        tap.equal(refused(lambda: g.pair(g.proof("master", "? 0")), "does not know"), True, "the master's proof said back is none")
        g = guest(a)
        g.hello()
        tap.equal(refused(lambda: g.pair(g.proof("slave", "? 0"), offset=7), "does not know"), True,
                  "an offset that is not the proven one is refused")
        tap.equal(refused(lambda: guest(a, letter="a").hello(), "not the peer"), True, "a node is not its own peer")
        tap.equal(refused(lambda: guest(a).hello(version="2"), "version 1"), True, "another version is refused by name")
        good = guest(a)
        good.hello()
        proof = good.proof("slave", "? 0")
        answer = good.pair().split()
        tap.ok(answer[:2] == ["OK", "session"] and answer[5] == good.proof("session", "%s %s" % (answer[2], answer[4])),
               "the right proof is taken, and the answer is proven too")
        good.c.send("PSYNC", "?", "-1")  # not in a block
        tap.ok(good.c.ends(5) or good.c.ends(5), "what is no block behind it ends the connection")
        again = guest(a)
        again.hello(nonce=good.nonce)
        tap.equal(refused(lambda: again.pair(proof), "does not know"), True, "what was said once is no proof a second time")
        tap.equal(a.info()["pair_link_damaged_blocks"], "1", "INFO counts the damaged block")


def load(node, stop, answered, big=False):
    c = node.connect(60)
    for k in range(1 << 30):
        if stop.is_set():
            break
        words = [("SET", "k%d" % (j if big else (k * 8 + j) % 5000), "%d.%d." % (k, j) + "x" * (20000 if big else j * 50)) for j in range(8)]
        c.send_raw(b"".join(servers.encode(*w) for w in words))
        for w in words:
            c.read()
        answered[0] = k
    c.close()


def flips():
    """bits flip on the wire, in both directions, under load"""
    seed = tap.seed()
    every = {"up": 6000, "down": 400000}
    rng, lock, left = random.Random(seed), threading.Lock(), dict(every)
    on, done = threading.Event(), [0]

    def hurt(way, data):
        if not on.is_set():
            return data
        with lock:
            left[way] -= len(data)
            if left[way] > 0:
                return data
            left[way] = rng.randrange(every[way] * 2)
            done[0] += 1
            kind, at = rng.randrange(4), rng.randrange(len(data))
            data = bytearray(data)
            if kind < 2:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 2:
                del data[at:at + rng.randrange(1, 100)]
            else:
                data[at:at] = data[max(0, at - rng.randrange(1, 100)):at] or b"?"
            return bytes(data)

    # ACK lines are small, the stream is not
    with Node("a", "--pair-key", KEY) as a, Node("b", "--pair-key", KEY) as b, Proxy(a.port, hurt) as wire:
        a.lead(1, alone=True)
        along(b, 1, wire)
        tap.until(lambda: together(a, b), 20)
        a.duet("ALONE", "0")
        stop, answered = threading.Event(), [0]
        t = threading.Thread(target=load, args=(a, stop, answered))
        t.start()
        on.set()
        want = 300 if tap.FULL else 25
        tap.until(lambda: done[0] >= want, 120)
        on.clear()
        stop.set()
        t.join()
        tap.until(lambda: together(a, b), 30)
        ia, ib = a.info(), b.info()
        damaged = int(ia["pair_link_damaged_blocks"]) + int(ib["pair_link_damaged_blocks"])
        tap.ok(damaged > want // 4, "%d times the wire changed what passed; %d blocks were found damaged" % (done[0], damaged))
        tap.ok("none of it was applied" in b.log(), "the slave's log says what happened")
        tap.equal(ia["sync_full"], "1", "each time the link went on by a partial resynchronisation (%s)" % ia["sync_partial_ok"])
        tap.ok(answered[0] > 0 and same_data(a, b), "every write was answered, and at rest both hold the same, key by key")
        tap.ok("was not applied:" not in b.log(), "nothing that makes no sense ever came to be applied")


def copy_flips():
    """a bit flips in the middle of a full copy"""
    armed = [1, 0]

    def hurt(way, data):
        if way == "down":
            armed[1] += len(data)
        if way == "down" and armed[0] and armed[1] > 3 << 20:
            armed[0] = 0
            data = bytearray(data)
            data[len(data) // 2] ^= 16
        return bytes(data)

    with Node("a", "--pair-key", KEY) as a, Node("b", "--pair-key", KEY) as b, Proxy(a.port, hurt) as wire:
        a.lead(1, alone=True)
        with a.connect() as c:
            for i in range(200):
                c.cmd("SET", "big%d" % i, os.urandom(40000))
        along(b, 1, wire)
        tap.until(lambda: together(a, b), 40)
        tap.equal(b.info()["pair_link_damaged_blocks"], "1", "a bit flipped in a full copy is found")
        tap.ok(same_data(a, b), "the copy is made anew and holds the same")


def silence():
    """the wire carries nothing any more and closes nothing"""
    with Node("a", "--pair-key", KEY) as a, Node("b", "--pair-key", KEY) as b, Proxy(a.port) as wire:
        a.lead(1, alone=True)
        along(b, 1, wire)
        tap.until(lambda: together(a, b), 20)
        a.duet("ALONE", "0")
        stop, answered = threading.Event(), [0]
        t = threading.Thread(target=load, args=(a, stop, answered))
        t.start()
        wire.silent = True
        began = time.monotonic()
        tap.until(lambda: b.status()["session"] == "0", 20)
        tap.ok(time.monotonic() - began < 12, "a silent wire is noticed by the slave (%.1f s)" % (time.monotonic() - began))
        wire.silent = False
        at = answered[0]
        tap.until(lambda: answered[0] > at + 5, 30)
        stop.set()
        t.join()
        tap.until(lambda: together(a, b), 30)
        tap.equal(a.info()["sync_full"], "1", "and it goes on by a partial resynchronisation")
        tap.ok(same_data(a, b), "both hold the same")


if __name__ == "__main__":
    tap.main(key, strangers, by_hand, flips, copy_flips, silence)
