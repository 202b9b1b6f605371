"""Effects, not causes: a master under generated commands of every kind, with times to live that end all the time, chance, scripts with
errors, transactions with errors, blocked clients and eviction; its slaves hang on slow wires and lag behind by seconds. At rest every key of
every server is the same, with the same absolute time. redis-server 7.0 is among the slaves as the judge, and once is the master. Some slaves
take their first copy in the middle of the load; the master is also killed and started again."""
# timeout: 300

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import differing, read, value  # noqa: E402
from slow_link import Link  # noqa: E402
from words_effects import EffectWords  # noqa: E402

COMMANDS = int(os.environ.get("COMMANDS", 2_000_000 if tap.FULL else 25_000))
BATCH = 250
REDIS = [os.path.join(tap.REDIS_BIN, "redis-server")]
DUET = [tap.DUET, "server"]
OPTIONS = ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "200mb", "--client-output-buffer-limit", "replica 0 0 0",
           "--sanitize-dump-payload", "yes"]


def server(kind, *options):
    return servers.Server(kind, DUET if kind == "duet" else REDIS, [*OPTIONS, *options])


# ---- whole data with absolute times ----------------------------------------------------------

def data(server):
    """{(db, key): (type, value, absolute time or -1)}; keys that went while they were read are left out."""
    wire, found = server.wire(), {}
    for db in range(16):
        wire.call("SELECT", db)
        keys = wire.call("KEYS", "*")
        for at in range(0, len(keys), 500):
            part = keys[at:at + 500]
            kinds = [v for _, v in wire.pipeline([(b"TYPE", k) for k in part])]
            rows = [(k, t) for k, t in zip(part, kinds) if t != b"+none"]
            replies = [v for _, v in wire.pipeline([c for k, t in rows for c in (read(k, t), (b"PEXPIRETIME", k))])]
            for i, (k, kind) in enumerate(rows):
                reply, when = replies[2 * i:2 * i + 2]
                if when != -2 and reply is not None and not (isinstance(reply, bytes) and reply[:1] == b"-" and kind != b"+string"):
                    found[db, k] = (kind, value(k, kind, reply, False), when)
    wire.close()
    return found


def lasting(found, after_ms):
    return {k: v for k, v in found.items() if v[2] == -1 or v[2] > after_ms}


def info(wire, field):
    text = wire.pipeline([(b"INFO", b"replication")])[0][1].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line).get(field)


def level(master, slave):
    m, s = master.wire(), slave.wire()
    try:
        return info(s, "master_link_status") == "up" and info(s, "slave_repl_offset") == info(m, "master_repl_offset")
    finally:
        m.close()
        s.close()


def compare(master, slaves, what, apart_ms=0):
    """apart_ms: the clocks. Nothing expires by itself meanwhile; then everything does, and the same number of keys is left."""
    wire = master.wire()
    wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    for s in slaves:
        tap.until(lambda: level(master, s), 120, "%s: %s is level" % (what, s.name))
    all_data = [data(s) for s in [master] + slaves]
    now = int(time.time() * 1000) + 1 + apart_ms
    wanted = lasting(all_data[0], now)
    for s, found in zip(slaves, all_data[1:]):
        left = differing(wanted, lasting(found, now))
        for line in left[:6]:
            tap.say("%s: %s" % (s.name, line))
        tap.ok(not left, "%s: %s has the same %d keys, %d of them with the same time to live" % (what, s.name, len(wanted), sum(v[2] != -1 for v in wanted.values())))
    wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    wire.close()


def sizes(server):
    wire = server.wire()
    found = [v for db in range(16) for _, v in wire.pipeline([(b"SELECT", b"%d" % db), (b"DBSIZE",)])[1:]]
    wire.close()
    return found


def all_gone(master, slaves, what):
    """Until nothing has a short time any more: the master told of each."""
    end = time.monotonic() + 60
    while time.monotonic() < end and any(-1 != v[2] < time.time() * 1000 + 10_000 for v in data(master).values()):
        time.sleep(0.2)
    for s in slaves:
        try:
            tap.until(lambda: sizes(master) == sizes(s), 20)
        except TimeoutError:
            tap.say("%s: %r / %r" % (s.name, sizes(master), sizes(s)))
        tap.ok(sizes(master) == sizes(s), "%s: what has expired is gone in %s too" % (what, s.name))


# ---- load ---------------------------------------------------------------------------------------

class Load:
    """Pipelines of generated commands, while other clients wait for what they push."""

    def __init__(self, master, seed, count, **words):
        self.master, self.count, self.ended = master, count, False
        self.words = EffectWords(random.Random(seed), **words)
        self.threads = [threading.Thread(target=self.blocked, args=(seed * 10 + i,), daemon=True) for i in range(3)]
        for t in self.threads:
            t.start()

    def blocked(self, seed):
        rng, wire = random.Random(seed), None
        while not self.ended:
            try:
                wire = wire or self.master.wire()
                t = b"%.3f" % (rng.random() * 0.3 + 0.001)
                wire.call(*rng.choice([[b"BLPOP", b"b1", b"b2", t], [b"BRPOP", b"b2", b"b1", t], [b"BLMOVE", b"b1", b"b3", b"LEFT", b"RIGHT", t], [b"BRPOPLPUSH", b"b2", b"l1", t],
                                       [b"BLMPOP", t, b"2", b"b2", b"b3", b"LEFT", b"COUNT", b"3"], [b"BZPOPMIN", b"bz1", b"bz2", t], [b"BZMPOP", t, b"1", b"bz1", b"MAX", b"COUNT", b"2"],
                                       [b"XREADGROUP", b"GROUP", b"g1", b"c5", b"COUNT", b"2", b"BLOCK", b"100", b"STREAMS", b"xs", b">"], [b"WAIT", b"1", b"10"]]))
            except OSError:
                wire = None
                time.sleep(0.05)

    def run(self, share=1.0):
        wire = self.master.wire()
        for _ in range(int(self.count * share) // BATCH):
            wire.pipeline([self.words.command() for _ in range(BATCH)])
        wire.close()
        self.words.multi = False

    def end(self):
        self.ended = True
        for t in self.threads:
            t.join(10)


def follow(slave, port):
    wire = slave.wire()
    wire.call("REPLICAOF", "127.0.0.1", port)
    wire.close()


def the_run(master, first, later, seed, what, **words):
    """Slaves that follow from the begin, and others that come in the middle of the load, all over slow wires."""
    load, links = Load(master, seed, COMMANDS, **words), []
    try:
        load.run(0.1)
        for i, slave in enumerate(first + later):
            # About half of what a load of this kind makes: they fall behind.
            links.append(Link(master.port, 0.02 + 0.03 * i, (1 << 20) * (1 + i % 2), seed + i))
            if slave in first:
                follow(slave, links[-1].port)
        load.run(0.3)
        lag = max(lag_bytes(master, s) for s in first)
        for slave, link in zip(later, links[len(first):]):
            follow(slave, link.port)
        load.run(0.3)
        for link in links:
            link.cut()
        load.run(0.3)
        load.end()
        tap.say("%s: the furthest behind was %d bytes" % (what, lag))
        for link in links:
            link.fast()
        compare(master, first + later, what)
        all_gone(master, first + later, what)
    finally:
        load.end()
        for link in links:
            link.close()


def lag_bytes(master, slave):
    m, s = master.wire(), slave.wire()
    try:
        return int(info(m, "master_repl_offset")) - int(info(s, "slave_repl_offset") or 0)
    finally:
        m.close()
        s.close()


def again(master, what):
    """The same data after a restart from the log."""
    wire = master.wire()
    wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    before = data(master)
    for how, sign in (("an end", signal.SIGTERM), ("a kill", signal.SIGKILL)):
        master.process.send_signal(sign)
        master.process.wait(30)
        master.start()
        found, now = data(master), int(time.time() * 1000) + 1
        left = differing(lasting(before, now), lasting(found, now))
        for line in left[:6]:
            tap.say(line)
        tap.ok(not left, "%s: after %s and a restart from the log there are the same %d keys" % (what, how, len(lasting(before, now))))


def test_duet_master():
    """Duet and redis-server follow Duet"""
    master, slaves = server("duet"), [server(k) for k in ("duet", "redis-server", "duet", "redis-server")]
    the_run(master, slaves[:2], slaves[2:], tap.seed(), "Duet's slaves")
    for s in slaves:
        s.stop()
    again(master, "Duet")
    master.stop()


def test_redis_master():
    """Duet follows redis-server"""
    master, slaves = server("redis-server"), [server("duet"), server("duet")]
    the_run(master, slaves[:1], slaves[1:], tap.seed() + 1, "redis-server's slaves", redis_master=True)
    for s in [master] + slaves:
        s.stop()


# ---- clocks that differ -------------------------------------------------------------------------

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long ahead(void) { return atol(getenv("CLOCK_AHEAD_S")); }
int clock_gettime(clockid_t id, struct timespec *t) {
    int r = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) t->tv_sec += ahead();
    return r;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec, t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


def redis_ahead(directory, seconds):
    """A redis-server whose wall clock is ahead of everybody's."""
    library = os.path.join(directory, "clock.so")
    if not os.path.exists(library):
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, "-x", "c", "-", "-ldl"], input=CLOCK.encode(), check=True)
    return servers.Server("redis-server", ["env", "LD_PRELOAD=" + library, "CLOCK_AHEAD_S=%d" % seconds, *REDIS], OPTIONS)


def shown(slave):
    """What a slave shows of keys whose time has come by its own clock."""
    wire = slave.wire()
    got = [[v for _, v in wire.pipeline([(b"GET", k), (b"EXISTS", k), (b"TTL", k), (b"TYPE", k), (b"PEXPIRETIME", k), (b"OBJECT", b"ENCODING", k)])]
           for k in (b"past", b"kept", b"copied", b"restored")]
    return [[round(v, -1) if isinstance(v, int) and 9 < v < 10 ** 8 else v for v in row] for row in got], wire.call("DBSIZE")


def test_clocks():
    """The stamps are the master's, whatever a slave's clock says; what it shows is what a redis-server shows that follows too"""
    with tempfile.TemporaryDirectory(prefix="duet-clock-") as directory:
        for ahead in (-30, 30):
            master, slaves = redis_ahead(directory, ahead), [server("duet"), server("redis-server")]
            for s in slaves:
                follow(s, master.port)
                tap.until(lambda: level(master, s), 30, "%s follows" % s.name)
            load, what = Load(master, tap.seed() + ahead, COMMANDS // 4, redis_master=True), "the master's clock is %d s ahead" % ahead
            load.run()
            load.end()
            compare(master, slaves, what, abs(ahead) * 1000)
            wire, now = master.wire(), int(time.time() + ahead) * 1000
            wire.call("FLUSHALL")
            wire.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            wire.call("SET", "other", "v")
            dump = wire.call("DUMP", "other")
            wire.pipeline([(b"SET", b"past", b"v", b"PXAT", b"%d" % (now + 9000)), (b"SET", b"kept", b"v", b"PX", b"9000"), (b"COPY", b"past", b"copied"),
                           (b"RESTORE", b"restored", b"%d" % (now + 9000), dump, b"ABSTTL")])
            for s in slaves:
                tap.until(lambda: level(master, s), 30)
            tap.equal(shown(slaves[0]), shown(slaves[1]), what + ": Duet shows what redis-server shows")
            wire.pipeline([(b"PERSIST", b"kept"), (b"APPEND", b"kept", b"w"), (b"RENAME", b"copied", b"past"), (b"PEXPIRE", b"restored", b"5000")])
            for s in slaves:
                tap.until(lambda: level(master, s), 30)
            tap.equal(shown(slaves[0]), shown(slaves[1]), what + ": and when the master has changed it")
            compare(master, slaves, what + ", at the end", abs(ahead) * 1000)
            for s in [master] + slaves:
                s.stop()


# ---- eviction -----------------------------------------------------------------------------------

POLICIES = ["allkeys-lru", "volatile-ttl", "allkeys-lfu", "volatile-lru", "allkeys-random", "volatile-lfu", "volatile-random", "noeviction"]


def fill(master, rng, count):
    """More than there is room for, with and without times to live; values that grow, scripts and transactions that write."""
    wire, refused = master.wire(), 0
    for _ in range(count // BATCH):
        batch = []
        while len(batch) < BATCH:
            key, value = b"%d" % rng.randrange(6000), b"v" * rng.randrange(3000)
            batch += rng.choice([[[b"SET", key, value]], [[b"SET", key, value, b"PX", b"%d" % rng.randrange(1, 2000)]], [[b"SET", key, value, b"EX", b"100000"]] * 2,
                                 [[b"APPEND", key, value]], [[b"HSET", b"h" + key, b"f%d" % rng.randrange(9), value], [b"EXPIRE", b"h" + key, b"50000"]], [[b"GET", key]],
                                 [[b"MULTI"], [b"RPUSH", b"l" + key, value], [b"PEXPIRE", b"l" + key, b"%d" % rng.randrange(9000000)], [b"SADD", b"s" + key, value[:9]], [b"EXEC"]],
                                 [[b"EVAL", b"for i = 1, 5 do redis.pcall('set', 'e' .. ARGV[1] .. i, ARGV[2], 'ex', 10000 + i) end return redis.call('dbsize')", b"0", key, value]],
                                 [[b"COPY", key, b"c" + key, b"REPLACE"]], [[b"ZADD", b"z" + key, b"1", value[:50]]]])
        refused += sum(raw.startswith(b"-OOM") for raw, _ in wire.pipeline(batch))
    wire.close()
    return refused


def test_eviction():
    """What is evicted on the master is gone on its slaves, whose own maxmemory does not count"""
    small = ["--repl-backlog-size", "1mb"]  # it counts as memory in use
    master, slaves, rng = server("duet", *small), [server(k, "--maxmemory", "1mb", "--maxmemory-policy", "allkeys-random") for k in ("duet", "redis-server")], random.Random(tap.seed() + 5)
    links, wire = [Link(master.port, 0.03, 4 << 20, i) for i in range(len(slaves))], master.wire()
    for s, link in zip(slaves, links):
        follow(s, link.port)
    for s in slaves:
        tap.until(lambda: level(master, s), 30, "%s follows" % s.name)
    used = int(dict(line.split(b":", 1) for line in wire.call("INFO", "memory").split(b"\r\n") if b":" in line)[b"used_memory"])
    room = used + (5 << 20)
    wire.call("CONFIG", "SET", "maxmemory", room, "maxmemory-policy", "allkeys-lru")
    while not evicted(wire):
        fill(master, rng, COMMANDS // 10)
    for policy in POLICIES if tap.FULL else rng.sample(POLICIES, 3):
        wire.call("CONFIG", "SET", "maxmemory", room, "maxmemory-policy", policy)
        before = evicted(wire)
        refused = fill(master, rng, COMMANDS // 10)
        tap.ok(evicted(wire) > before if policy != "noeviction" else refused > 0, "%s: %d keys were evicted, %d writes refused" % (policy, evicted(wire) - before, refused))
        wire.call("CONFIG", "SET", "maxmemory", 0)  # else what compares takes memory, for which keys go
        compare(master, slaves, policy)
    tap.ok(wire.call("DBSIZE") > 100, "the master holds %d keys" % wire.call("DBSIZE"))
    for each in [master] + slaves:
        each.stop()
    for link in links:
        link.close()


def evicted(wire):
    return int(dict(line.split(b":", 1) for line in wire.call("INFO", "stats").split(b"\r\n") if b":" in line)[b"evicted_keys"])


if __name__ == "__main__":
    tap.main(test_duet_master, test_redis_master, test_clocks, test_eviction)
