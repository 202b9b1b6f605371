"""What a snapshot costs the clients: BGSAVE of 2 GB of strings, and of one huge sorted set, hash and list, while a client
changes that same value all the time.

`memory peak` is the most that the server (with a child, where it forks one: shared pages count once) held during BGSAVE,
over what it held before. `others wait` is the longest wait of the client that writes in a closed loop, less what a
client of an idle server waited in the same seconds; `longest turn` is the processor time of the longest turn of Duet's
executor, which no noise touches."""

import multiprocessing
import os
import random
import time

import rig
import stall
from frame import Step

ABOUT = "memory, waiting time and length of BGSAVE under writes to what is saved"
SIZES = {"strings": 2000000, "sorted set": 10000000, "hash": 10000000, "list": 5000000}
QUICK_PART = 10  # a tenth of these
VALUE = b"v" * 500 + os.urandom(250).hex().encode()
QUIET_S, LIMIT_S = 3, 300
RATE_S = 350000  # elements put in a second, by a client in Python

FILL = {
    "strings": lambda n: (stall.resp.encode("MSET", *[w for i in r for w in (b"key:%012d" % i, VALUE)]) for r in few(n)),
    "sorted set": lambda n: stall.FILL["zset"]("big", n),
    "hash": lambda n: stall.FILL["hash"]("big", n),
    "list": lambda n: stall.FILL["list"]("big", n),
}
CHANGE = {
    "strings": lambda rng, n: ("SET", b"key:%012d" % rng.randrange(n), VALUE),
    "sorted set": lambda rng, n: ("ZADD", "big", rng.randrange(n), b"m:%08d" % rng.randrange(n)),
    "hash": lambda rng, n: ("HSET", "big", b"f:%08d" % rng.randrange(n), b"changed"),
    "list": lambda rng, n: ("LSET", "big", rng.randrange(n), b"changed"),
}


def few(n):
    for first in range(0, n, 100):
        yield range(first, min(first + 100, n))


def write(port, what, n, ready, stop, out):
    """The longest wait of a client that writes one by one, before and from `ready` on; how many in all."""
    os.sched_setaffinity(0, rig.CORES)  # not the one that the bench and the idle server's client share
    c, rng, clock = stall.resp.Connection(stall.resp.socket.create_connection(("127.0.0.1", port)), 600), random.Random(1), time.monotonic
    longest, count = [0.0, 0.0], 0
    while not stop.is_set():
        words = stall.resp.encode(*CHANGE[what](rng, n))
        phase = ready.is_set()
        t = clock()
        c.send_raw(words)
        c.read()
        t = clock() - t
        longest[phase] = max(longest[phase], t)
        count += 1
    out.put((longest[0] * 1000, longest[1] * 1000, count))


def memory_bytes(pid):
    """Of the process and its children: pages that these share count once."""
    pids = [pid]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                pids += [int(w) for w in f.read().split()]
        if len(pids) == 1:
            with open("/proc/%d/status" % pid) as f:
                return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))
        total = 0
        for p in pids:
            with open("/proc/%d/smaps_rollup" % p) as f:
                total += next(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        return total
    except (OSError, StopIteration):
        return 0


def measure(bench, what, spec, n):
    try:
        with rig.Server(bench.real[0], cores=set(rig.CORES)) as idle, rig.Server(spec, "--enable-debug-command", "yes", cores=set(rig.CORES)) as server:
            run(bench, what, spec, n, server, idle)
    except (stall.resp.Error, stall.resp.Closed, OSError) as e:
        bench.note("snapshot: %s skipped on %s: %s" % (what, spec.name, str(e)[:100]))


def run(bench, what, spec, n, server, idle):
    with server.connect(600) as c:
        stall.pour(c, FILL[what](n))
        begun, stop, out = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
        writer = multiprocessing.Process(target=write, args=(server.port, what, n, begun, stop, out), daemon=True)
        writer.start()
        for pid in (server.process.pid, idle.process.pid, writer.pid):
            stall.come_first(pid)
        time.sleep(QUIET_S)
        base = peak = memory_bytes(server.process.pid)
        if spec.is_duet:
            c.cmd("DEBUG", "WATCH-TURNS", "1")
        c.cmd("CONFIG", "RESETSTAT")
        machine = stall.Watch(idle)
        begun.set()
        began = time.monotonic()
        c.cmd("BGSAVE")
        while True:
            peak = max(peak, memory_bytes(server.process.pid))
            told = stall.info(c)
            if told["rdb_bgsave_in_progress"] == "0" or time.monotonic() - began > LIMIT_S:
                break
            time.sleep(0.02)
        took = time.monotonic() - began
        stop.set()
        _, longest_ms, _ = out.get(timeout=60)
        machine_ms = machine.end()
    if told["rdb_last_bgsave_status"] != "ok" or told["rdb_bgsave_in_progress"] != "0":
        raise rig.Failed("BGSAVE of %s did not end well" % what)
    row = "%s, %s" % (what, format(n, ","))
    bench.add("snapshot", "memory peak over base", row, spec.name, (peak / base - 1) * 100, "%", digits=1)
    bench.add("snapshot", "others wait", row, spec.name, max(0.0, longest_ms - machine_ms), "ms", digits=1)
    bench.add("snapshot", "the machine adds", row, spec.name, machine_ms, "ms", digits=1)
    bench.add("snapshot", "BGSAVE takes", row, spec.name, took, "s", digits=1)
    if "duet_longest_turn_cpu_us" in told:
        bench.add("snapshot", "longest turn", row, spec.name, int(told["duet_longest_turn_cpu_us"]) / 1000, "ms", digits=1)


def steps(bench):
    found = []
    for what, n in SIZES.items():
        n //= QUICK_PART if bench.quick else 1
        specs = [s for s in bench.real if s.is_duet]
        if what == "strings":
            specs += [s for s in bench.real if s.name.startswith(("valkey", "redis7"))]
        for spec in specs:
            found.append(Step("%s of %s, %s" % (format(n, ","), what, spec.name), QUIET_S + 8 + n * 2 / RATE_S + n / 700000,
                              lambda w=what, s=spec, k=n: measure(bench, w, s, k), not spec.is_duet))
    return found
