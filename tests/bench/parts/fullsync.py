"""How long a full synchronisation takes: 2 GB of strings of 64 to 256 bytes and of other kinds, from REPLICAOF to a slave
that says master_link_status:up and has every key, while a client changes the master's strings all the time.

Both servers are of one kind and share all cores with the client; nothing is saved to disk by itself, the master waits
for no other slave (repl-diskless-sync-delay 0). `memory peak` is the most that the master (with a child, where it forks
one: shared pages count once) held over what it held before; `others wait` is the longest wait of the client that writes in
a closed loop, less what a client of an idle server waited in the same seconds; `longest turn` is the processor time of the
longest turn of Duet's executor, which no noise touches. `master's processor` and `slave's processor` are all their threads'
and children's. Of Redis the slave that loads straight from the socket (repl-diskless-load swapdb) has rows of its own, and
the last rows show one side of Duet with the other one of Redis."""

import multiprocessing
import os
import random
import time

import rig
import stall
from frame import Step

from . import snapshot

ABOUT = "full synchronisation of 2 GB under writes: time, the master's memory and the longest wait of its clients"
STRINGS = 10000000
QUICK_PART = 10
LIMIT_S, QUIET_S = 300, 2
HEX = random.Random(1).randbytes(400).hex()
VALUES = [HEX[:64], HEX[100:200], "text of no great meaning, " * 4 + HEX[:64], HEX[:256]]  # four sizes, in turn
KINDS = [  # how many of so many strings, the command
    (20, "HSET hash:{i:9} user {i:8} name {i:12} mail {i:10}@example.com seen {i:10} token %s theme dark" % HEX[:40]),
    (100, "ZADD zset:{i:9} " + " ".join("{i*%d%%100000} member:{i*20+%d:7}" % (7 + j, j) for j in range(20))),
    (100, "SADD set:{i:9} " + " ".join("{i+%d}" % (j * 1000) for j in range(50))),
    (100, "RPUSH list:{i:9} " + " ".join("element:{i+%d:12}" % j for j in range(30))),
    (10, "HSET big field:{i:9} %s" % HEX[:60]),
]
SETTINGS = ["--repl-diskless-sync-delay", "0", "--repl-diskless-sync", "yes"]


def fill(server, n):
    for i, value in enumerate(VALUES):
        rig.load(server, ["SET", "key:%d:{i:10}" % i, value], conns=4, pipeline=100, requests=n // len(VALUES) - 4, max_ms=120000)
    for part, words in KINDS:
        rig.load(server, words.split(), conns=4, pipeline=20, requests=n // part - 4, max_ms=120000)


def write(port, n, ready, stop, out):
    """The longest wait of a client that writes one by one from `ready` on, ms; how many in all."""
    os.sched_setaffinity(0, rig.CORES)
    c, rng, clock = stall.resp.Connection(stall.resp.socket.create_connection(("127.0.0.1", port)), 600), random.Random(1), time.monotonic
    longest, count = 0.0, 0
    while not stop.is_set():
        kind = rng.randrange(len(VALUES))
        words = stall.resp.encode("SET", b"key:%d:%010d" % (kind, rng.randrange(n // len(VALUES))), VALUES[kind])
        counts = ready.is_set()
        t = clock()
        c.send_raw(words)
        c.read()
        if counts:
            longest = max(longest, clock() - t)
            count += 1
        time.sleep(0.0002)  # a few thousand a second: the copy is what is measured
    out.put((longest * 1000, count))


def cpu_s(server):
    """User and system, its children's too."""
    with open("/proc/%d/stat" % server.process.pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return sum(int(w) for w in words[11:15]) / os.sysconf("SC_CLK_TCK")


def state(c):
    """(link is up, keys) of a slave; it may be loading."""
    try:
        told = dict(line.split(":", 1) for line in c.cmd("INFO", "replication").decode().split("\r\n") if ":" in line)
        return told["master_link_status"] == "up", c.cmd("DBSIZE")
    except stall.resp.Error:
        return False, -1


def run(bench, row, name, n, master, slave, idle, is_duet):
    with master.connect(600) as mc, slave.connect(600) as sc:
        fill(master, n)
        keys = mc.cmd("DBSIZE")
        begun, stop, out = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
        writer = multiprocessing.Process(target=write, args=(master.port, n, begun, stop, out), daemon=True)
        writer.start()
        for pid in (master.process.pid, idle.process.pid, writer.pid):
            stall.come_first(pid)
        time.sleep(QUIET_S)
        base = peak = snapshot.memory_bytes(master.process.pid)
        cpu = cpu_s(master), cpu_s(slave)
        if is_duet:
            mc.cmd("DEBUG", "WATCH-TURNS", "1")
        mc.cmd("CONFIG", "RESETSTAT")
        machine = stall.Watch(idle)
        begun.set()
        began = time.monotonic()
        sc.cmd("REPLICAOF", "127.0.0.1", master.port)
        while True:
            peak = max(peak, snapshot.memory_bytes(master.process.pid))
            took = time.monotonic() - began
            up, there = state(sc)
            if up and there == keys:
                break
            if took > LIMIT_S:
                raise rig.Failed("the slave is not there after %d s: link %s, %d of %d keys" % (LIMIT_S, up, there, keys))
            time.sleep(0.02)
        stop.set()
        longest_ms, count = out.get(timeout=60)
        machine_ms = machine.end()
        told = stall.info(mc)
        cpu = cpu_s(master) - cpu[0], cpu_s(slave) - cpu[1]
    row = "%s, %s keys" % (row, format(keys, ","))
    bench.add("fullsync", "full synchronisation", row, name, took, "s", digits=2)
    bench.add("fullsync", "memory peak over base", row, name, (peak / base - 1) * 100, "%", digits=1)
    bench.add("fullsync", "others wait", row, name, max(0.0, longest_ms - machine_ms), "ms", digits=1)
    bench.add("fullsync", "the machine adds", row, name, machine_ms, "ms", digits=1)
    bench.add("fullsync", "master's processor", row, name, cpu[0], "s", digits=2)
    bench.add("fullsync", "slave's processor", row, name, cpu[1], "s", digits=2)
    if is_duet:
        bench.add("fullsync", "longest turn", row, name, int(told["duet_longest_turn_cpu_us"]) / 1000, "ms", digits=1)


def measure(bench, row, name, n, of_master, of_slave, more=()):
    debug = ["--enable-debug-command", "yes"]
    try:
        with rig.Server(of_master, cores=set(rig.CORES)) as idle, rig.Server(of_master, *SETTINGS, *debug, cores=set(rig.CORES)) as master, \
                rig.Server(of_slave, *SETTINGS, *more, cores=set(rig.CORES)) as slave:
            run(bench, row, name, n, master, slave, idle, of_master.is_duet)
    except (stall.resp.Error, stall.resp.Closed, OSError, TimeoutError) as e:
        bench.note("fullsync: %s skipped on %s: %s" % (row, name, str(e)[:100]))


def steps(bench):
    n = STRINGS // (QUICK_PART if bench.quick else 1)
    duet = next(s for s in bench.real if s.is_duet)
    redis = next((s for s in bench.real if s.name.startswith("redis7")), None)
    valkey = next((s for s in bench.real if s.name.startswith("valkey")), None)
    cases = [("to its own kind", duet.name, duet, duet, (), False)]
    if redis:
        cases += [("to its own kind", redis.name, redis, redis, (), False),
                  ("to its own kind, swapdb", redis.name, redis, redis, ("--repl-diskless-load", "swapdb"), True),
                  ("to a slave of Redis", duet.name, duet, redis, (), True), ("from a master of Redis", duet.name, redis, duet, (), True)]
    if valkey:
        cases.append(("to its own kind", valkey.name, valkey, valkey, (), True))
    return [Step("%s, %s" % (row, name), 12 + n / 200000, lambda a=(row, name, n, m, s, more): measure(bench, *a), optional)
            for row, name, m, s, more, optional in cases]
