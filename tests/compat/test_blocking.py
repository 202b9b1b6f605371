"""Commands that wait, from several connections at once: who is woken by what, in which order and with what reply is what
redis-server 7.0 does. A server answers all that one turn of its loop has brought before the next, so after a PING behind
each step every connection's replies are there to be read."""
# timeout: 200

import os
import random
import select
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import data, differing  # noqa: E402

STEPS = 200_000 if tap.FULL else 6000
WAITERS = 7
KEYS = [b"b%d" % i for i in range(4)]
STREAMS = [b"s%d" % i for i in range(3)]
GROUPS = [b"g1", b"g1", b"g2"]

WORDS = """
blpop ;; blpop k ;; blpop k x ;; blpop k -1 ;; blpop k -0.0001 ;; blpop k -0.01 ;; blpop k nan ;; blpop k inf ;; blpop k -inf ;; blpop k 1e400
blpop k 9223372036854775807 ;; blpop k 9223372036854775 ;; blpop k 9223372036854 ;; blpop k 1.5 ;; blpop k " 1" ;; blpop k 0x10 ;; blpop k ""
blpop str 0 ;; blpop none str 0 ;; blpop lst str 0 ;; brpop none lst 0 ;; brpop lst 0 ;; brpop lst x ;; blpop k k k 0
blmove a b left ;; blmove a b left right x ;; blmove a b up right 0 ;; blmove a b left up 0 ;; blmove a b left right 0 ;; blmove str b left right 0
blmove lst str left right 0 ;; blmove lst lst2 LEFT Right 0 ;; blmove lst2 lst right left 0 ;; blmove none str left right 0
brpoplpush none b 0 ;; brpoplpush lst b 0 ;; brpoplpush lst str 0 ;; brpoplpush lst lst 0 ;; brpoplpush none b x
blmpop 0 1 ;; blmpop 0 1 none ;; blmpop 0 1 none left ;; blmpop 0 1 lst left ;; blmpop 0 2 none lst right count 2 ;; blmpop 0 0 lst left
blmpop x 1 lst left ;; blmpop 0 x lst left ;; blmpop 0 2 lst left ;; blmpop 0 1 lst up ;; blmpop 0 1 lst left count ;; blmpop 0 1 lst left count 0
bzpopmin ;; bzpopmin k 0 ;; bzpopmin zs 0 ;; bzpopmax k zs 0 ;; bzpopmax zs x ;; bzpopmin str 0 ;; bzpopmin k str 0 ;; bzpopmin zs str -1
bzmpop 0 1 k min ;; bzmpop 0 1 zs min ;; bzmpop 0 2 k zs max count 2 ;; bzmpop 0 1 zs up ;; bzmpop x 1 zs min ;; bzmpop 0 0 zs min ;; bzmpop 0 2 zs min
bzmpop 0 1 zs min count 0 ;; bzmpop 0 1 zs min count ;; bzmpop 0 1 str min ;; bzmpop -1 1 zs min ;; bzpopmin lst 0 ;; blpop zs 0
xread block 0 streams st $ ;; xread block 0 streams st 0 ;; xread block 0 streams none $ ;; xread block 0 streams st none 5 5 ;; xread block 0 streams str $
xread block -1 streams st $ ;; xread block x streams st $ ;; xread block 1.5 streams st $ ;; xread block 9223372036854775807 streams st $ ;; xread block 0 count 1 streams st 0
xread block 0 count 0 streams st 0 ;; xread block 0 streams st > ;; xread block 0 streams st ;; xread block 0 group g c streams st $ ;; xread noack block 0 streams st $
xread block 0 streams none str $ $ ;; xread count x block 0 streams st $ ;; xread block 0 streams st - ;; xread block 0 streams st 18446744073709551615-18446744073709551615
xreadgroup group g c block 0 streams st > ;; xreadgroup group g c block 0 streams st 0 ;; xreadgroup group none c block 0 streams st > ;; xreadgroup group g c block 0 streams none >
xreadgroup group g c block 0 noack streams st > ;; xreadgroup group g c block 0 streams st $ ;; xreadgroup group g c block 0 streams str > ;; xreadgroup group g c count 1 block 0 streams st st > >
xreadgroup block 0 count 1 streams st > ;; xreadgroup group g c block 0 streams st none > > ;; xreadgroup group g2 c block 0 streams st > ;; xreadgroup group g2 new block 0 noack streams st >
blmpop 0 1 lst left count 1 count 1 ;; blmpop 0 1 str left ;; blmpop -1 1 lst left ;; blmpop 0 2 str lst left
"""


def split(line):
    import shlex
    return [w.encode("latin1").decode("unicode_escape").encode("latin1") for w in shlex.split(line)]


def test_words():
    """Inside a transaction nobody waits; wrong words are refused in the same way"""
    duet, redis = servers.pair()
    for protocol in (2, 3):
        for line in WORDS.strip().replace("\n", " ;; ").split(";;"):
            got = []
            for server in (duet, redis):
                w = server.wire()
                w.pipeline([(b"HELLO", protocol), (b"DEL", b"lst", b"lst2", b"b", b"zs", b"st"), (b"SET", b"str", b"x"), (b"RPUSH", b"lst", b"1", b"2", b"3"),
                            (b"ZADD", b"zs", b"1", b"a", b"2.5", b"b", b"3", b"c"), (b"XADD", b"st", b"5", b"f", b"v"), (b"XADD", b"st", b"6", b"f", b"v"),
                            (b"XGROUP", b"CREATE", b"st", b"g", b"0"), (b"XGROUP", b"CREATE", b"st", b"g2", b"$")])
                got.append([raw for raw, _ in w.pipeline([(b"MULTI",), split(line), (b"EXEC",), (b"LRANGE", b"lst", b"0", b"-1"), (b"ZRANGE", b"zs", b"0", b"-1")])])
                w.close()
            if not tap.ok(got[0] == got[1], "RESP%d, in MULTI: %s" % (protocol, line.strip())):
                tap.say("duet  %r" % got[0])
                tap.say("redis %r" % got[1])


class Waiter:
    """One connection to each server."""

    def __init__(self, pair, protocol):
        self.wires = [s.wire() for s in pair]
        self.ids = [w.call("CLIENT", "ID") for w in self.wires]
        for w in self.wires:
            w.call("HELLO", protocol)
        self.owed = 0  # replies that have not come

    def send(self, commands):
        for w in self.wires:
            w.send(commands)
        self.owed += len(commands)

    def ask(self, *commands):
        """Raw replies of both, at once."""
        return [[raw for raw, _ in w.pipeline(commands)] for w in self.wires]

    def come(self, i):
        """The raw replies that are there."""
        wire, out = self.wires[i], []
        while len(out) < self.owed and (wire.file.peek(1) if self.buffered(wire) else select.select([wire.socket], [], [], 0)[0]):
            out.append(wire.read()[0])
        return out

    @staticmethod
    def buffered(wire):
        wire.socket.setblocking(False)
        try:
            return bool(wire.file.peek(1))
        except (BlockingIOError, ValueError):
            return False
        finally:
            wire.socket.settimeout(30)

    def close(self):
        for w in self.wires:
            w.close()


class Game:
    def __init__(self, pair, seed, protocol):
        self.pair, self.rng, self.protocol = pair, random.Random(seed), protocol
        self.pusher = Waiter(pair, protocol)
        self.pusher.ask((b"FLUSHALL",))
        self.waiters = [Waiter(pair, protocol) for _ in range(WAITERS)]
        self.history, self.serial, self.woken = [], 0, 0

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def key(self):
        return self.pick(KEYS)

    def value(self):
        self.serial += 1
        return b"v%d" % self.serial

    def stream_key(self):
        return self.pick(STREAMS) if self.chance(0.95) else self.key()

    def stream_id(self):
        self.serial += 1
        return b"%d-%d" % (self.serial, self.rng.randint(0, 1))

    def old_id(self):
        return b"%d" % self.rng.randint(max(0, self.serial - 30), self.serial + 5)

    def waiting_reader(self):
        keys = [self.stream_key() for _ in range(self.pick([1, 1, 2, 3]))]
        options = [b"BLOCK", self.pick([b"0", b"0", b"100000"])] + self.pick([[], [], [b"COUNT", b"1"], [b"COUNT", b"2"]])
        if self.chance(0.45):
            return [b"XREAD"] + options + [b"STREAMS"] + keys + [self.pick([b"$", b"$", self.old_id()]) for _ in keys]
        ids = [b">" if self.chance(0.97) else b"0" for _ in keys]
        return ([b"XREADGROUP", b"GROUP", self.pick(GROUPS), self.pick([b"c1", b"c2", b"c3"])] + options + self.pick([[], [], [], [b"NOACK"]]) +
                [b"STREAMS"] + keys + ids)

    def stream_change(self):
        k = self.stream_key()
        r = self.rng.random()
        if r < 0.5:
            return [b"XADD", k, self.stream_id()] + self.pick([[], [], []]) + [b"f", self.value()]
        if r < 0.65:
            return [b"XGROUP", b"CREATE", k, self.pick(GROUPS), self.pick([b"$", b"0", self.old_id()]), b"MKSTREAM"]
        if r < 0.68:
            return [b"XGROUP", b"SETID", k, self.pick(GROUPS), self.pick([b"$", b"0", self.old_id()])]
        if r < 0.72:
            return [b"XGROUP", b"DESTROY", k, self.pick(GROUPS)]
        if r < 0.75:
            return [b"XSETID", k, self.stream_id()]
        if r < 0.78:
            return [b"XTRIM", k, b"MAXLEN", self.pick([b"0", b"1", b"3"])]
        if r < 0.81:
            return [b"XDEL", k, b"%d-0" % self.serial, b"%d-1" % self.serial]
        if r < 0.84:
            return [b"XACK", k, self.pick(GROUPS), b"%d-0" % self.serial, b"%d-1" % self.serial]
        if r < 0.88:
            return [b"DEL", k]
        if r < 0.91:
            return [self.pick([b"SET", b"SADD", b"RPUSH"]), k, self.value()]
        if r < 0.93:
            return [b"PEXPIREAT", k, b"1"]
        if r < 0.96:
            return [b"RENAME", self.pick([self.stream_key(), b"other"]), self.pick([k, b"other"])]
        return [b"COPY", self.stream_key(), k] + self.pick([[], [b"REPLACE"]])

    def waiting_command(self):
        if self.chance(0.45):
            return self.waiting_reader()
        keys = [self.key() for _ in range(self.rng.randint(1, 3))]
        name = self.pick([b"BLPOP", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"])
        timeout = self.pick([b"0", b"0", b"1000.5", b"77777"])
        ends = [b"LEFT", b"RIGHT"]
        if name in (b"BZPOPMIN", b"BZPOPMAX"):
            return [name] + keys + [timeout]
        if name == b"BZMPOP":
            return [name, timeout, b"%d" % len(keys)] + keys + [self.pick([b"MIN", b"MAX"])] + self.pick([[], [b"COUNT", b"2"]])
        if name == b"BLMOVE":
            return [name, self.key(), self.key(), self.pick(ends), self.pick(ends), timeout]
        if name == b"BRPOPLPUSH":
            return [name, self.key(), self.key(), timeout]
        if name == b"BLMPOP":
            return [name, timeout, b"%d" % len(keys)] + keys + [self.pick(ends)] + self.pick([[], [b"COUNT", b"2"], [b"COUNT", b"100"]])
        return [name] + keys + [timeout]

    def change(self):
        if self.chance(0.5):
            return self.stream_change()
        k, v = self.key, self.value
        name = self.pick([b"RPUSH", b"LPUSH", b"RPUSH", b"LPUSH", b"DEL", b"SET", b"RENAME", b"COPY", b"LMOVE", b"LPOP", b"ELSEWHERE", b"SADD", b"ZADD", b"ZADD", b"ZADD"])
        if name in (b"RPUSH", b"LPUSH"):
            return [name, k()] + [v() for _ in range(self.pick([1, 1, 1, 2, 3, 5]))]
        if name == b"ZADD":
            return [name, k()] + [w for _ in range(self.pick([1, 1, 2, 4])) for w in (b"%d" % self.rng.randint(0, 9), v())]
        if name in (b"DEL", b"LPOP"):
            return [name, k()]
        if name in (b"SET", b"SADD"):
            return [name, k(), v()]
        if name == b"RENAME":
            return [name, self.pick([k(), b"other"]), self.pick([k(), b"other"])]
        if name == b"COPY":
            return [name, self.pick([k(), b"other"]), k()]
        if name == b"ELSEWHERE":
            return [b"RPUSH", b"other", v()]
        return [name, self.pick([k(), b"other"]), k(), b"LEFT", b"RIGHT"]

    def push(self):
        """What a connection that does not wait does: one command, a transaction, or another database's keys exchanged for these."""
        r = self.rng.random()
        if r < 0.7:
            return [self.change()]
        if r < 0.85:
            return [[b"MULTI"]] + [self.change() for _ in range(self.rng.randint(1, 5))] + [[b"EXEC"]]
        if r < 0.9:
            # one key only: which of several is served first is chance in redis-server
            come = [b"RPUSH", self.key(), self.value()] if self.chance(0.5) else [b"XADD", self.stream_key(), self.stream_id(), b"f", b"v"]
            group = [[b"XGROUP", b"CREATE", come[1], b"g1", b"0"]] if come[0] == b"XADD" and self.chance(0.5) else []
            return [[b"SELECT", b"1"], [b"FLUSHDB"], come] + group + [[b"SWAPDB", b"0", b"1"], [b"SELECT", b"0"]]
        if r < 0.93:
            return [[b"SELECT", b"1"], [b"RPUSH", self.key(), self.value()], [b"MOVE", self.key(), b"0"], [b"SELECT", b"0"]]
        if r < 0.94:
            return [[b"FLUSHALL"]]
        return [[b"DEL"] + self.pick([KEYS, STREAMS])]

    def step(self):
        """What was done, and the pusher's replies by server."""
        w = self.pick(self.waiters)
        r = self.rng.random()
        if r < 0.45 and not w.owed:
            commands = [self.waiting_command()] + ([[b"ECHO", self.value()]] if self.chance(0.2) else [])
            w.send(commands)
            return ("waiter %d" % self.waiters.index(w), commands), self.fence(w)
        if r < 0.48:
            w.close()
            self.waiters[self.waiters.index(w)] = Waiter(self.pair, self.protocol)
            self.settle()
            return ("a new connection",), None
        if r < 0.53:
            tail = self.pick([[], [b"TIMEOUT"], [b"ERROR"]])
            got = [wire.pipeline([[b"CLIENT", b"UNBLOCK", b"%d" % i] + tail]) for wire, i in zip(self.pusher.wires, w.ids)]
            return ("unblock %d" % self.waiters.index(w), tail), [[raw for raw, _ in g] for g in got]
        commands = self.push()
        return ("push", commands), self.pusher.ask(*commands)

    def chance(self, share):
        return self.rng.random() < share

    def fence(self, w):
        """The waiter's words have been run: as many are waiting as before, or one more, or its replies are there."""
        for i in (0, 1):
            tap.until(lambda i=i: self.arrived(w, i), 20, "a command to have been run", 0.0005)

    def arrived(self, w, i):
        if select.select([w.wires[i].socket], [], [], 0)[0] or w.buffered(w.wires[i]):
            return True
        line = self.pusher.wires[i].call("CLIENT", "LIST", "ID", w.ids[i])
        return b" flags=b " in line

    def settle(self):
        """Until the servers have seen that a connection ended."""
        for i in (0, 1):
            tap.until(lambda i=i: self.pusher.wires[i].call("CLIENT", "LIST", "TYPE", "NORMAL").count(b"\n") == WAITERS + 1, 20, "a closed connection to be noticed", 0.0005)

    @staticmethod
    def awaited(w, theirs):
        """Duet's replies, when its I/O threads send them in their own time."""
        ours, owed = [], w.owed

        def there():
            w.owed = owed - len(ours)
            ours.extend(w.come(0))
            return len(ours) >= len(theirs)

        try:
            tap.until(there, 5, "a reply", 0.0005)
        except TimeoutError:
            pass
        w.owed = owed
        return ours

    def compare(self):
        what, got = self.step()
        self.history = (self.history + [what])[-60:]
        self.pusher.ask((b"PING",))
        if got and got[0] != got[1]:
            return "the pusher's replies: duet %r, redis %r" % (got[0], got[1])
        for n, w in enumerate(self.waiters):
            theirs = w.come(1)
            ours = self.awaited(w, theirs) if self.threads else w.come(0)
            if ours != theirs:
                return "waiter %d's replies: duet %r, redis %r" % (n, ours, theirs)
            w.owed -= len(ours)
            self.woken += len(ours)
        return None


def play(pair, seed, protocol, steps, threads=False):
    game = Game(pair, seed, protocol)
    game.threads = threads
    for n in range(steps):
        wrong = game.compare()
        if wrong:
            break
    tap.ok(not wrong, "seed %d, RESP%d: %d steps, %d replies to those who waited" % (seed, protocol, n + 1, game.woken))
    if wrong:
        tap.say(wrong)
        for what in game.history[-25:]:
            tap.say("  %r" % (what,))
    left = differing(*[data(s.wire()) for s in pair])
    for line in left[:5]:
        tap.say(line)
    tap.ok(not left and not wrong, "and the data are equal")
    game.pusher.close()
    for w in game.waiters:
        w.close()


def test_order():
    """Who waits is woken in redis-server's order; what that did is in the log and in a slave"""
    seed = tap.seed()
    duet, redis = servers.pair(["--appendonly", "yes"])
    slave = servers.Server("slave", redis.command[:1])
    tap.equal(slave.wire().call("REPLICAOF", "127.0.0.1", duet.port), b"+OK", "a redis-server follows Duet")
    tap.until(lambda: b"master_link_status:up" in slave.wire().call("INFO", "replication"), 30, "the slave's link is up")
    for protocol in (2, 3):
        play((duet, redis), seed + protocol, protocol, STEPS // 2)
    want = data(redis.wire(), False)
    try:
        tap.until(lambda: not differing(want, data(slave.wire(), False)), 20, "the slave to have come along")
    except TimeoutError:
        tap.say("the slave differs: %r" % differing(want, data(slave.wire(), False))[:5])
    tap.equal(differing(want, data(slave.wire(), False)), [], "the slave holds the same")
    duet.end()
    duet.start()
    tap.equal(differing(want, data(duet.wire(), False)), [], "and so does Duet after a restart")


def test_threads():
    """The same with I/O threads"""
    redis = servers.Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")])
    duet = servers.Server("duet", [tap.DUET, "server"], ["--io-threads", "3"])
    play((duet, redis), tap.seed() + 7, 2, STEPS // 4, True)


def both(pair, fn, what):
    got = [fn(s) for s in pair]
    if not tap.ok(got[0] == got[1], what):
        tap.say("duet  %r" % (got[0],))
        tap.say("redis %r" % (got[1],))


def waits(server, *words):
    w = server.wire()
    me = w.call("CLIENT", "ID")
    w.send([words])
    other = server.wire()
    tap.until(lambda: b" flags=b " in other.call("CLIENT", "LIST", "ID", me), 20, "%r to wait" % (words,))
    return w


def becomes_slave(other, waiting):
    """What a waiting client is told when the master becomes a slave, and whether it is hung up on."""
    other.call("REPLICAOF", "127.0.0.1", "1")
    reply = waiting.read()[0]
    try:
        waiting.read()
        closed = False
    except ConnectionError:
        closed = True
    return reply, closed, other.call("REPLICAOF", "NO", "ONE")


def test_endings():
    """A wait ends by time, by CLIENT UNBLOCK, by a change of role"""
    pair = servers.pair(["--enable-debug-command", "yes"])

    def timed_out(words, protocol=2):
        def run(server):
            w = server.wire()
            w.call("HELLO", protocol)
            return [raw for raw, _ in w.pipeline([words, (b"PING",)])]
        return run

    for words in [(b"BLPOP", b"k", b"0.02"), (b"BRPOP", b"k", b"j", b"0.001"), (b"BLMOVE", b"k", b"j", b"LEFT", b"LEFT", b"0.02"),
                  (b"BRPOPLPUSH", b"k", b"j", b"0.02"), (b"BLMPOP", b"0.02", b"1", b"k", b"LEFT"),
                  (b"BZPOPMIN", b"k", b"0.02"), (b"BZPOPMAX", b"k", b"j", b"0.02"), (b"BZMPOP", b"0.02", b"1", b"k", b"MIN")]:
        for protocol in (2, 3):
            both(pair, timed_out(words, protocol), "RESP%d: %s times out" % (protocol, words[0].decode()))

    def counted(server):
        w = [waits(server, "BLPOP", "k", "0"), waits(server, "BLPOP", "k", "1000")]
        text = server.wire().call("INFO", "clients").decode()
        found = [line.strip() for line in text.split("\n") if line.startswith(("blocked_clients", "clients_in_timeout_table"))]
        for one in w:
            one.close()
        tap.until(lambda: b"blocked_clients:0" in server.wire().call("INFO", "clients"), 20, "the waits to end with the connections")
        return found
    both(pair, counted, "INFO counts who waits")

    def nobody_home(server):
        w = waits(server, "BLPOP", "gone", "0")
        w.close()
        other = server.wire()
        tap.until(lambda: b"blocked_clients:0" in other.call("INFO", "clients"), 20, "the end of a waiting connection to be noticed")
        return other.call("RPUSH", "gone", "a"), other.call("LRANGE", "gone", 0, -1), other.call("DEL", "gone")
    both(pair, nobody_home, "an element does not go to a connection that has ended")

    def muted(server):
        w = server.wire()
        w.send([(b"CLIENT", b"REPLY", b"SKIP"), (b"BLPOP", b"k", b"0"), (b"PING",)])
        tap.until(lambda: b"blocked_clients:1" in server.wire().call("INFO", "clients"), 20, "a wait")
        server.wire().call("RPUSH", "k", "v")
        return w.read()[0]
    both(pair, muted, "CLIENT REPLY SKIP is for the reply of the wait too")

    def statistics(server):
        other = server.wire()
        other.call("CONFIG", "RESETSTAT")
        w = waits(server, "BLPOP", "k", "0")
        other.call("RPUSH", "k", "v")
        w.read()
        w.send([(b"BLPOP", b"k", b"0.01")])
        w.read()
        text = other.call("INFO", "commandstats").decode()
        return [part for line in text.split("\r\n") if line.startswith("cmdstat_blpop") for part in line.split(",") if "usec" not in part]
    both(pair, statistics, "a wait is counted as one call")

    def role(server):
        w = waits(server, "BLPOP", "k", "0")
        return becomes_slave(server.wire(), w)
    both(pair, role, "a master that becomes a slave says so to who waits, and hangs up")


def test_wait():
    """WAIT, and a reader of a stream, end with the role too"""
    pair = servers.pair()

    def role(*words):
        def run(server):
            other = server.wire()
            other.call("XADD", "s", "1", "f", "v")
            w = waits(server, *words)
            return becomes_slave(other, w)
        return run
    both(pair, role("WAIT", "1", "0"), "WAIT is told that the master became a slave, and hung up on")
    both(pair, role("XREAD", "BLOCK", "0", "STREAMS", "s", "$"), "so is XREAD")


def follower(command):
    """A master of redis-server's, and a server of that command which follows it and takes writes."""
    master = servers.Server("master", [os.path.join(tap.REDIS_BIN, "redis-server")])
    slave = servers.Server("slave", command, ["--replica-read-only", "no", "--replicaof", "127.0.0.1 %d" % master.port])
    tap.until(lambda: b"master_link_status:up" in slave.wire().call("INFO", "replication"), 30, "the slave's link is up")
    return master, slave


def test_followers():
    """On a slave, who waits is woken by what the master sends, after each command or transaction as a whole"""
    pairs = [follower([tap.DUET, "server"]), follower([os.path.join(tap.REDIS_BIN, "redis-server")])]

    def woken(words, *commands):
        def run(pair):
            master, slave = pair
            w = waits(slave, *words)
            master.wire().pipeline([c.split() for c in commands])
            return w.read()[0]
        return run

    for words, *commands in [
            ("XREAD BLOCK 0 STREAMS s $", "XADD s 1 f v"), ("XREAD BLOCK 0 STREAMS s t $ $", "XADD s 2 f v", "XADD s 3 f v"),
            ("XREAD BLOCK 0 STREAMS s $", "MULTI", "XADD s 4 f v", "XADD s 5 f v", "EXEC"), ("BLPOP q 0", "RPUSH q a b"),
            ("BLPOP q2 0", "MULTI", "RPUSH q2 a", "RPUSH q2 b", "LPUSH q2 c", "EXEC"), ("BZPOPMIN z 0", "ZADD z 1 a 2 b"),
            ("BLMOVE q3 q4 LEFT LEFT 0", "RPUSH q3 x")]:
        both(pairs, woken(words.split(), *commands), "%s, woken by %s" % (words, commands))
    for master, _ in pairs:
        master.wire().call("XGROUP", "CREATE", "s", "g", "$")
    for _, slave in pairs:
        tap.until(lambda slave=slave: slave.wire().call("XINFO", "GROUPS", "s"), 20, "the group to be there")
    group = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >".split()
    both(pairs, woken(group, "XADD s 6 f v"), "XREADGROUP, woken by XADD")
    both(pairs, woken(group, "XGROUP DESTROY s g"), "XREADGROUP, whose group is destroyed")
    for master, slave in pairs:
        master.wire().call("XGROUP", "CREATE", "s", "g", "$")
        tap.until(lambda slave=slave: slave.wire().call("XINFO", "GROUPS", "s"), 20, "the group to be there again")
    both(pairs, woken(group, "DEL s"), "XREADGROUP, whose stream is deleted")


tap.main(test_words, test_order, test_threads, test_endings, test_wait, test_followers)
