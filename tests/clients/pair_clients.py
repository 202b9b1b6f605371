"""Clients of a pair's master, each a thread with keys of its own, that remember what they were told; after the master's death each looks
at the new one whether all of it is there. What was sent and not answered may be there or not, but whole."""

import random
import threading

import servers


class Client(threading.Thread):
    def __init__(self, server, name, seed):
        super().__init__(daemon=True)
        self.server, self.name, self.rng, self.acked = server, name, random.Random(seed), 0
        self.sent = 0

    def key(self, what):
        return "%s:%s" % (self.name, what)

    def run(self):
        try:
            with self.server.connect(120) as c:
                while True:
                    self.sent += 1
                    self.step(c, self.sent)
                    self.acked = self.sent
        except (servers.Closed, OSError, servers.Error):
            pass

    def ask(self, c, *rows):
        """A pipeline; its replies."""
        c.send_raw(b"".join(servers.encode(*r) for r in rows))
        return [c.read() for _ in rows]

    def at_least(self, c, what, now):
        now = int(now or 0)
        if not self.acked <= now <= self.sent:
            yield "%s: %s is at %d; %d was acknowledged, %d sent" % (self.name, what, now, self.acked, self.sent)


class Pipeline(Client):
    """All kinds of values: each command of step n adds n to one."""

    def step(self, c, n):
        k = self.key
        self.ask(c, ["SET", k("string"), n], ["INCR", k("count")], ["RPUSH", k("list"), n], ["HSET", k("hash"), n % 97, n], ["SADD", k("set"), n], ["ZADD", k("zset"), n, n],
                 ["XADD", k("stream"), "%d-1" % n, "n", n], ["APPEND", k("append"), "x"], ["SETBIT", k("bits"), n, 1], ["PFADD", k("hll"), n], ["LPOP", k("other")],
                 ["SETEX", k("ttl"), 1000, n], ["HINCRBY", k("hash2"), "f", 1], ["INCRBYFLOAT", k("float"), "0.5"], ["GETSET", k("getset"), n], ["ZINCRBY", k("zset2"), 1, "m"])

    def wrong(self, c):
        k = self.key
        rows = [("string", c.cmd("GET", k("string"))), ("count", c.cmd("GET", k("count"))), ("list", c.cmd("LLEN", k("list"))), ("set", c.cmd("SCARD", k("set"))),
                ("zset", c.cmd("ZCARD", k("zset"))), ("stream", c.cmd("XLEN", k("stream"))), ("append", c.cmd("STRLEN", k("append"))), ("bits", c.cmd("BITCOUNT", k("bits"))),
                ("ttl", c.cmd("GET", k("ttl"))), ("hash2", c.cmd("HGET", k("hash2"), "f")), ("float", float(c.cmd("GET", k("float")) or 0) * 2), ("getset", c.cmd("GET", k("getset"))),
                ("zset2", c.cmd("ZSCORE", k("zset2"), "m")), ("hash", max(map(int, c.cmd("HVALS", k("hash")) or [0])))]
        for what, now in rows:
            yield from self.at_least(c, what, now)
        steps = [int(now or 0) for _, now in rows]
        if sorted(steps, reverse=True) != [steps[i] for i in sorted(range(len(steps)), key=lambda i: -steps[i])] or max(steps) - min(steps) > 1:
            yield "%s: a later command is there without an earlier one: %r" % (self.name, steps)


class Transaction(Client):
    def step(self, c, n):
        self.ask(c, ["MULTI"], ["SET", self.key("left"), n], ["RPUSH", self.key("list"), n], ["SET", self.key("right"), n], ["PUBLISH", "news", "%s %d" % (self.name, n)], ["EXEC"])

    def wrong(self, c):
        left, right, last = c.cmd("GET", self.key("left")), c.cmd("GET", self.key("right")), c.cmd("LRANGE", self.key("list"), -1, -1)
        yield from self.at_least(c, "left", left)
        if not left == right == (last[0] if last else None):
            yield "%s: half of a transaction: %r %r %r" % (self.name, left, right, last)


class Script(Client):
    TEXT = ("redis.call('SET', KEYS[1], ARGV[1]) redis.call('HSET', KEYS[2], ARGV[1] % 50, ARGV[1]) redis.call('SADD', KEYS[3], ARGV[1])"
            "redis.call('PUBLISH', 'news', ARGV[2] .. ' ' .. ARGV[1]) return redis.call('SPOP', KEYS[4])")

    def step(self, c, n):
        self.ask(c, ["SADD", self.key("pool"), n], ["EVAL", self.TEXT, 4, self.key("left"), self.key("hash"), self.key("set"), self.key("pool"), n, self.name])

    def wrong(self, c):
        now = int(c.cmd("GET", self.key("left")) or 0)
        yield from self.at_least(c, "left", now)
        if c.cmd("SCARD", self.key("set")) != now or (now and c.cmd("HGET", self.key("hash"), now % 50) != b"%d" % now):
            yield "%s: half of a script" % self.name
        if c.cmd("SCARD", self.key("pool")) not in (0, 1):
            yield "%s: what the script popped is there again" % self.name


class Big(Client):
    def step(self, c, n):
        self.ask(c, ["SET", self.key("big"), b"%d:" % n + b"x" * (50000 + n % 7 * 60000)], ["SET", self.key("n"), n])

    def wrong(self, c):
        now = int(c.cmd("GET", self.key("n")) or 0)
        yield from self.at_least(c, "n", now)
        if now and int(c.cmd("GET", self.key("big")).split(b":")[0]) < now:
            yield "%s: an older big value" % self.name


class Queue(Client):
    """Pushes what another connection of it waits for, moves it on, and takes it from there."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken, self.moved = [], 0
        self.helper = threading.Thread(target=self.consume, daemon=True)

    def start(self):
        super().start()
        self.helper.start()

    def consume(self):
        try:
            with self.server.connect(120) as c:
                while True:
                    self.taken.append(int(c.cmd("BLPOP", self.key("queue"), 0)[1]))
        except (servers.Closed, OSError, servers.Error):
            pass

    def step(self, c, n):
        self.ask(c, ["RPUSH", self.key("queue"), n], ["ZADD", self.key("z"), n, n], ["BZPOPMIN", self.key("z"), 1], ["RPUSH", self.key("a"), n],
                 ["BLMOVE", self.key("a"), self.key("b"), "LEFT", "RIGHT", 1], ["XADD", self.key("s"), "%d-1" % n, "n", n], ["XREAD", "BLOCK", 10, "STREAMS", self.key("s"), "%d-0" % n])

    def join(self, *limit):
        super().join(*limit)
        self.helper.join(*limit)

    def wrong(self, c):
        left = [int(x) for x in c.cmd("LRANGE", self.key("queue"), 0, -1)]
        again = set(left) & set(self.taken)
        if again:
            yield "%s: what BLPOP had answered is there again: %r" % (self.name, sorted(again)[:5])
        # one pop may have been made that was not answered
        gone = set(range(1, self.acked + 1)) - set(left) - set(self.taken)
        if len(gone) > 1:
            yield "%s: pushed and acknowledged, but neither there nor popped: %r" % (self.name, sorted(gone)[:5])
        yield from self.at_least(c, "moved", c.cmd("LLEN", self.key("b")))
        yield from self.at_least(c, "stream", c.cmd("XLEN", self.key("s")))
        if c.cmd("ZCARD", self.key("z")) > 1:
            yield "%s: BZPOPMIN's members are there again" % self.name


class Guarded(Client):
    """WATCH; and writes whose replies are switched off."""

    def step(self, c, n):
        if n % 2:
            self.ask(c, ["WATCH", self.key("n")])
            if self.ask(c, ["MULTI"], ["SET", self.key("n"), n], ["EXEC"])[-1] is None:
                raise servers.Error("nobody else writes this key")
            return
        c.send_raw(b"".join(servers.encode(*r) for r in (["CLIENT", "REPLY", "OFF"], ["SET", self.key("n"), n], ["CLIENT", "REPLY", "ON"])))
        c.read()

    def wrong(self, c):
        yield from self.at_least(c, "n", c.cmd("GET", self.key("n")))


class Reader(Client):
    """Sees what others write; what was shown must not go back."""

    def __init__(self, server, name, seed, others):
        super().__init__(server, name, seed)
        self.others, self.seen = others, {}

    def step(self, c, n):
        keys = [o.key(w) for o, w in self.others]
        values = c.cmd("MGET", *keys) if n % 2 else c.cmd("EVAL", "return redis.call('MGET', unpack(KEYS))", len(keys), *keys)
        for k, v in zip(keys, values):
            self.seen[k] = max(self.seen.get(k, 0), int(v or 0))

    def wrong(self, c):
        for k, seen in self.seen.items():
            now = int(c.cmd("GET", k) or 0)
            if now < seen:
                yield "%s: %s was shown at %d and is at %d" % (self.name, k, seen, now)


class Listener(Client):
    """Hears of steps by messages; who was told of one must find it done."""

    def __init__(self, server, name, seed):
        super().__init__(server, name, seed)
        self.seen, self.subscribed = {}, False

    def step(self, c, n):
        if not self.subscribed:
            self.subscribed = bool(c.cmd("SUBSCRIBE", "news"))
        who, step = c.read()[2].decode().split()
        self.seen[who] = int(step)

    def wrong(self, c):
        for who, seen in self.seen.items():
            now = int(c.cmd("GET", who + ":left") or 0)
            if now < seen:
                yield "%s: was told of step %d of %s, which is at %d" % (self.name, seen, who, now)


class Crowd:
    """One of each, and two that pipeline."""

    def __init__(self, server, name, seed):
        kinds = [Pipeline, Pipeline, Transaction, Script, Big, Queue, Guarded]
        writers = [kind(server, "%s-%s%d" % (name, kind.__name__.lower(), i), seed + i) for i, kind in enumerate(kinds)]
        shown = [(writers[0], "string"), (writers[2], "left"), (writers[3], "left"), (writers[4], "n"), (writers[6], "n")]
        self.clients = writers + [Reader(server, name + "-reader", seed, shown), Listener(server, name + "-listener", seed)]
        for c in self.clients:
            c.start()

    def acked(self):
        return sum(c.acked for c in self.clients)

    def join(self):
        for c in self.clients:
            c.join(60)

    def wrong(self, c):
        return [text for client in self.clients for text in client.wrong(c)]
