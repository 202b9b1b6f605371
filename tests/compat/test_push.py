"""Pub/sub, client-side caching, keyspace events and MONITOR between several connections: everything that each of them is sent, replies
and pushes in their order, is what redis-server 7.0 sends, byte for byte but for times and ports.

A server answers all that one turn of its loop has brought before the next, so behind two PINGs of another connection everything
that a step caused is there to be read (with I/O threads it is waited for)."""
# timeout: 280

import io
import os
import random
import re
import select
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from wire import Wire, encode  # noqa: E402

STEPS = 150_000 if tap.FULL else 5000
CONNECTIONS = 6
CHANNELS = [b"c1", b"c2", b"news.art", b"news.music", b"", b"\x00\xff", b"__keyspace@0__:k1", b"__redis__:invalidate"]
PATTERNS = [b"c*", b"news.*", b"*", b"news.[am]*", b"c?", b"__key*__:*", b""]
KEYS = [b"k1", b"k2", b"k3", b"ab:1", b"ab:2", b"a", b""]
PREFIXES = [b"ab:", b"k", b"", b"a", b"k1", b"zz"]


class End:
    """One connection to one server: what came and was not looked at."""

    def __init__(self, server):
        self.wire = server.wire()
        self.port = self.wire.socket.getsockname()[1]
        self.id = self.wire.call("CLIENT", "ID")
        self.data, self.closed = b"", False

    def drain(self, wait_s=0.0):
        while not self.closed and select.select([self.wire.socket], [], [], wait_s)[0]:
            wait_s = 0.0
            try:
                got = self.wire.socket.recv(1 << 20)
            except ConnectionError:
                got = b""
            self.closed = not got
            self.data += got

    def send(self, commands):
        try:
            self.wire.socket.sendall(b"".join(encode(c) for c in commands))
        except OSError:
            self.closed = True

    def take(self):
        data, self.data = self.data, b""
        return data


class Frames(Wire):
    """The replies that stand in some bytes."""

    def __init__(self, data):  # noqa: super is a socket's
        self.file = io.BytesIO(data)

    def frame(self):
        """A reply; EXEC's array opens one by one, because pushes may stand between its replies."""
        at = self.file.tell()
        line = self.file.readline()
        self.file.seek(at)
        if line[:1] != b"*" or line[1:2] in b"-0":
            return self.read()
        try:
            raw, value = self.read()
            if value[0] in KINDS or listed(value):
                return raw, value
        except (ConnectionError, ValueError, IndexError):
            pass
        self.file.seek(at + len(line))
        return line, None

    def all(self, size):
        found = []
        while self.file.tell() < size:
            at = self.file.tell()
            try:
                found.append(self.frame())
            except (ConnectionError, ValueError, IndexError):
                self.file.seek(at)
                found.append((self.file.read(), None))
        return found


UNSUBSCRIBES = (b"unsubscribe", b"punsubscribe", b"sunsubscribe")
KINDS = UNSUBSCRIBES + (b"subscribe", b"psubscribe", b"ssubscribe", b"message", b"pmessage", b"smessage")


def listed(value):
    """Whether this is what PUBSUB CHANNELS says."""
    return isinstance(value, list) and value and all(isinstance(v, bytes) for v in value) and set(value) <= set(CHANNELS)


def canonical(frames):
    """What has no order is brought into one: ends of all subscriptions at once, one message by several patterns."""
    out, i = [], 0
    while i < len(frames):
        raw, value = frames[i]
        kind = value[0] if isinstance(value, list) and value and isinstance(value[0], bytes) else None
        run = [frames[i]]
        if kind in UNSUBSCRIBES or kind == b"pmessage":
            while i + len(run) < len(frames) and alike(value, frames[i + len(run)][1]):
                run.append(frames[i + len(run)])
        if len(run) > 1 and kind in UNSUBSCRIBES:
            out.append((kind, sorted(repr(v[1]) for _, v in run), [v[2] for _, v in run]))
        elif len(run) > 1:
            out.append(sorted(r for r, _ in run))
        elif listed(value):
            out.append((raw[:4], sorted(value)))  # PUBSUB CHANNELS
        else:
            out.append(raw)
        i += len(run)
    return out


def alike(a, b):
    if not isinstance(b, list) or not b or a[0] != b[0] or len(a) != len(b):
        return False
    return a[0] in UNSUBSCRIBES or a[2:] == b[2:]


class Game:
    def __init__(self, pair, seed, threads):
        self.pair, self.rng, self.threads = pair, random.Random(seed), threads
        self.level_ids()
        self.control = [s.wire() for s in pair]
        self.all(b"FLUSHALL")
        self.all(b"CONFIG", b"SET", b"notify-keyspace-events", b"")
        self.ends = [[End(s) for s in pair] for _ in range(CONNECTIONS)]
        self.history, self.pushed, self.bytes = [], 0, 0

    def level_ids(self):
        """Both servers number their next connection alike."""
        while True:
            ids = []
            for s in self.pair:
                w = s.wire()
                ids.append(w.call("CLIENT", "ID"))
                w.close()
            if ids[0] == ids[1]:
                return
            for _ in range(abs(ids[0] - ids[1])):
                self.pair[ids[0] > ids[1]].wire().close()

    def all(self, *words):
        return [w.call(*words) for w in self.control]

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def chance(self, share):
        return self.rng.random() < share

    def some(self, items, most=3):
        return [self.pick(items) for _ in range(self.rng.randint(1, most))]

    def message(self):
        return b"m" * 9000 if self.chance(0.05) else self.pick([b"hello", b"", b"\r\n\x00", b"x" * 200, b"%d" % self.rng.randint(0, 99)])

    # ---- commands ----

    def subscribing(self):
        name = self.pick([b"SUBSCRIBE", b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"])
        names = self.some(PATTERNS if name[:1] == b"P" else CHANNELS)
        return [name] + ([] if b"UNS" in name and self.chance(0.4) else names)

    def publishing(self):
        r = self.rng.random()
        if r < 0.85:
            return [self.pick([b"PUBLISH", b"PUBLISH", b"PUBLISH", b"SPUBLISH"]), self.pick(CHANNELS), self.message()]
        return self.pick([[b"PUBSUB", b"CHANNELS"], [b"PUBSUB", b"CHANNELS", self.pick(PATTERNS)], [b"PUBSUB", b"NUMPAT"],
                          [b"PUBSUB", b"NUMSUB"] + self.some(CHANNELS), [b"PUBSUB", b"SHARDCHANNELS"], [b"PUBSUB", b"SHARDNUMSUB"] + self.some(CHANNELS),
                          [b"PUBSUB", b"NUMSUB"], [b"PUBSUB", b"CHANNELS", b"a", b"b"], [b"PUBSUB", b"NUMPAT", b"x"], [b"PUBSUB"], [b"PUBSUB", b"NONE"]])

    def tracking(self):
        r = self.rng.random()
        if r < 0.25:
            return self.pick([[b"CLIENT", b"TRACKING", b"OFF"], [b"CLIENT", b"TRACKINGINFO"], [b"CLIENT", b"GETREDIR"], [b"CLIENT", b"CACHING", b"YES"],
                              [b"CLIENT", b"CACHING", b"NO"], [b"CLIENT", b"CACHING", b"MAYBE"], [b"CLIENT", b"TRACKING", b"YES"]])
        words = [b"CLIENT", b"TRACKING", b"ON"]
        if self.chance(0.3):
            words += [b"REDIRECT", b"%d" % self.pick(self.ends)[1].id if self.chance(0.95) else b"999999"]
        if self.chance(0.35):
            words.append(b"BCAST")
            prefixes = self.some(PREFIXES) if self.chance(0.6) else []
            if not overlapping(prefixes[1:]):  # see cmd_tracking.c: there redis-server replies twice
                for prefix in prefixes:
                    words += [b"PREFIX", prefix]
        else:
            words += [w for w in (b"OPTIN", b"OPTOUT", b"PREFIX", b"BCAST") if self.chance(0.1)]
        return words + ([b"NOLOOP"] if self.chance(0.3) else [])

    def data(self):
        k = self.pick
        r = self.rng.random()
        if r < 0.45:
            return k([[b"GET", k(KEYS)], [b"MGET"] + self.some(KEYS), [b"EXISTS"] + self.some(KEYS), [b"TYPE", k(KEYS)], [b"STRLEN", k(KEYS)], [b"LRANGE", k(KEYS), b"0", b"-1"]])
        if r < 0.93:
            return k([[b"SET", k(KEYS), self.message()], [b"SET", k(KEYS), b"1"], [b"INCR", k(KEYS)], [b"DEL"] + self.some(KEYS), [b"MSET", k(KEYS), b"1", k(KEYS), b"2"],
                      [b"RENAME", k(KEYS), k(KEYS)], [b"EXPIRE", k(KEYS), b"1000"], [b"EXPIRE", k(KEYS), b"-1"], [b"APPEND", k(KEYS), b"x"], [b"GETDEL", k(KEYS)],
                      [b"COPY", k(KEYS), k(KEYS)], [b"PERSIST", k(KEYS)], [b"SETNX", k(KEYS), b"1"]])
        return k([[b"FLUSHDB"], [b"FLUSHALL"], [b"SELECT", b"0"], [b"SELECT", b"1"], [b"SWAPDB", b"0", b"1"], [b"MOVE", k(KEYS), b"1"], [b"NOSUCH", b"a"], [b"GET"]])

    def connection(self):
        return self.pick([[b"PING"], [b"PING", b"hello"], [b"HELLO", b"3"], [b"HELLO", b"3"], [b"HELLO", b"2"], [b"RESET"], [b"ECHO", b"x"], [b"CLIENT", b"REPLY", b"ON"],
                          [b"CLIENT", b"REPLY", b"SKIP"], [b"CLIENT", b"REPLY", b"OFF"], [b"CLIENT", b"REPLY", b"ON"], [b"AUTH", b"some", b"pass word"], [b"AUTH", b"x"],
                          [b"PING", b"a", b"b"], [b"HELLO", b"3", b"AUTH", b"default", b"y", b"SETNAME", b"me"], [b"CLIENT", b"NO-EVICT", b"off"],
                          [b"CONFIG", b"SET", b"notify-keyspace-events", self.pick([b"", b"", b"KEA", b"Kg", b"E$m", b"KEn"])]])

    def command(self):
        r = self.rng.random()
        if r < 0.2:
            return self.subscribing()
        if r < 0.35:
            return self.publishing()
        if r < 0.5:
            return self.tracking()
        if r < 0.92:
            return self.data()
        if r < 0.925:
            return [b"MONITOR"]
        return self.connection()

    def commands(self):
        many = [self.command() for _ in range(self.pick([1, 1, 1, 2, 3, 6]))]
        if self.chance(0.15):
            left_out = (b"REPLY", b"CHANNELS", b"SHARDCHANNELS")  # the order of channels is looked at outside only
            many = [[b"MULTI"]] + [c for c in many if len(c) < 2 or c[1] not in left_out] + [self.pick([[b"EXEC"], [b"EXEC"], [b"EXEC"], [b"DISCARD"]])]
        return many

    # ---- steps ----

    def step(self):
        n = int(self.rng.random() * CONNECTIONS)
        end = self.ends[n]
        r = self.rng.random()
        if r < 0.01 or end[0].closed or end[1].closed:
            for e in end:
                e.wire.close()
            self.settle(1)
            self.ends[n] = [End(s) for s in self.pair]
            return "connection %d anew" % n
        if r < 0.015:
            victim = self.pick(self.ends)
            self.all(b"CLIENT", b"KILL", b"ID", victim[1].id)
            return "kill %d" % self.ends.index(victim)
        commands = self.commands()
        for e in end:
            e.send(commands)
        return "%d: %r" % (n, [b" ".join(c)[:60] for c in commands])

    def settle(self, gone):
        """Until both servers have seen a connection's end."""
        alive = sum(not (e[0].closed or e[1].closed) for e in self.ends)
        for w in self.control:
            tap.until(lambda w=w: w.call("CLIENT", "LIST").count(b"\n") <= alive + 1, 20, "a closed connection to be noticed", 0.0005)

    def arrived(self):
        for _ in range(2):
            self.all(b"PING")
        for ours, theirs in self.ends:
            theirs.drain()
            ours.drain()
            if self.threads and len(ours.data) < len(theirs.data):
                try:
                    tap.until(lambda: ours.drain(0.01) or ours.closed or len(ours.data) >= len(theirs.data), 5, "bytes", 0)
                except TimeoutError:
                    pass

    def plain(self, side, data):
        """Without times and ports."""
        data = re.sub(rb"(?m)^\+\d+\.\d{6} \[", b"+TIME [", data)
        for i, end in enumerate(self.ends):
            data = data.replace(b"127.0.0.1:%d]" % end[side].port, b"C%d]" % i)
        data = re.sub(rb"127\.0\.0\.1:\d+\]", b"OTHER]", data)
        return data.replace(b'+TIME [0 OTHER] "PING"\r\n', b"")  # this test's own: the last one may come with the next step

    def compare(self):
        self.history = (self.history + [self.step()])[-60:]
        self.arrived()
        for n, end in enumerate(self.ends):
            got = [self.plain(side, e.take()) for side, e in enumerate(end)]
            self.bytes += len(got[1])
            self.pushed += got[1].count(b"message\r\n") + got[1].count(b"invalidate\r\n")
            if got[0] == got[1] and end[0].closed == end[1].closed:
                continue
            ours, theirs = [canonical(Frames(g).all(len(g))) for g in got]
            if ours != theirs or end[0].closed != end[1].closed:
                return "connection %d:\n  duet  %r\n  redis %r\n  closed %r" % (n, ours, theirs, [e.closed for e in end])
        return None

    def described(self):
        """CLIENT LIST's and INFO's words about it."""
        fields = [b"id", b"name", b"flags", b"db", b"sub", b"psub", b"ssub", b"multi", b"redir", b"resp", b"cmd"]
        lists, infos = [], []
        for w in self.control:
            lines = [dict(f.split(b"=", 1) for f in line.split(b" ")) for line in w.call("CLIENT", "LIST").splitlines()]
            lists.append(sorted([line[f] for f in fields] for line in lines))
            info = w.call("INFO")
            infos.append(sorted(re.findall(rb"(?m)^(tracking_\w+|pubsub\w+):(\d+)", info)))
        return lists, infos


def overlapping(prefixes):
    return any(a.startswith(b) or b.startswith(a) for i, a in enumerate(prefixes) for b in prefixes[i + 1:])


def play(pair, seed, steps, threads=False):
    game = Game(pair, seed, threads)
    wrong = None
    for n in range(steps):
        wrong = game.compare()
        if not wrong and n % 20 == 0:
            for ours, theirs in game.described():
                if ours != theirs:
                    wrong = "CLIENT LIST, INFO:\n  duet  %r\n  redis %r" % (ours, theirs)
        if wrong:
            break
    tap.ok(not wrong, "seed %d: %d steps, %d bytes, %d pushes" % (seed, n + 1, game.bytes, game.pushed))
    if wrong:
        for what in game.history[-30:]:
            tap.say("  " + what)
        tap.say(wrong)
    for end in game.ends:
        for e in end:
            e.wire.close()
    for w in game.control:
        w.close()


def test_transcripts():
    """What several connections are sent is what redis-server sends them"""
    pair = servers.pair()
    for i in range(5):
        play(pair, tap.seed() + i, STEPS // 5)


def test_threads():
    """The same with I/O threads"""
    redis = servers.Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")])
    duet = servers.Server("duet", [tap.DUET, "server"], ["--io-threads", "3"])
    play((duet, redis), tap.seed() + 77, STEPS // 5, True)


if __name__ == "__main__":
    tap.main(test_transcripts, test_threads)
