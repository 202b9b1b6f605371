#!/usr/bin/python3
"""What INFO memory says beside what the kernel says, memory that goes back after deletes, and MEMORY's replies."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers  # noqa: E402
import tap  # noqa: E402

MB = 1 << 20
STATS = """peak.allocated total.allocated startup.allocated replication.backlog clients.slaves clients.normal cluster.links
aof.buffer lua.caches functions.caches db.0 overhead.total keys.count keys.bytes-per-key dataset.bytes dataset.percentage
peak.percentage allocator.allocated allocator.active allocator.resident allocator-fragmentation.ratio
allocator-fragmentation.bytes allocator-rss.ratio allocator-rss.bytes rss-overhead.ratio rss-overhead.bytes fragmentation
fragmentation.bytes""".split()


def info(c):
    lines = c.cmd("INFO", "everything").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def number(c, name):
    return int(info(c)[name])


def smaps(pid):
    """(resident bytes, those of them that no file backs), by the pages of each mapping."""
    rss = anonymous = 0
    with open("/proc/%d/smaps" % pid) as f:
        for line in f:
            if line.startswith("Rss:"):
                rss += int(line.split()[1]) * 1024
            elif line.startswith("Anonymous:"):
                anonymous += int(line.split()[1]) * 1024
    return rss, anonymous


def near(a, b, share, slack):
    return abs(a - b) <= max(a, b) * share + slack


def pour(c, commands):
    n = 0
    for words in commands:
        c.send(*words)
        n += 1
    for _ in range(n):
        c.read()


def fill(c, n=200):
    for i in range(n):
        pairs = []
        for j in range(1000):
            pairs += ["key:%09d" % (i * 1000 + j), "v%063d" % j]
        c.cmd("MSET", *pairs)
        c.cmd("HSET", "hash", *[w for j in range(1000) for w in ("f%09d" % (i * 1000 + j), "v%09d" % j)])


def truth(s, c, when):
    said, (rss, anonymous) = info(c), smaps(s.process.pid)
    tap.ok(near(int(said["used_memory_rss"]), rss, 0.02, MB), "%s, used_memory_rss is what the kernel's maps add up to, within 2 %% and 1 MB" % when)
    tap.ok(near(int(said["allocator_resident"]), anonymous, 0.05, 6 * MB), "%s, allocator_resident is the memory that no file backs, within 5 %% and 6 MB" % when)
    used, allocated = int(said["used_memory"]), int(said["allocator_allocated"])
    tap.ok(near(used, allocated, 0.01, MB), "%s, used_memory is what the allocator handed out, within 1 %% and 1 MB" % when)
    tap.ok(used <= rss, "%s, no more is used than is resident" % when)


def memory():
    with servers.Server("--appendonly", "no") as s:
        c = s.connect()
        empty = number(c, "used_memory")
        truth(s, c, "empty")
        fill(c)
        tap.until(lambda: near(number(c, "used_memory"), number(c, "allocator_allocated"), 0.01, MB), 5, "a sample after the load")
        truth(s, c, "full")
        sizes = sum(c.cmd("MEMORY", "USAGE", "key:%09d" % i) for i in range(0, 200000, 100)) * 100 + c.cmd("MEMORY", "USAGE", "hash")
        tap.ok(near(number(c, "used_memory") - empty, sizes, 0.03, MB), "what keys are said to use adds up to used_memory, within 3 %")
        said = info(c)
        tap.ok(int(said["used_memory_dataset"]) + int(said["used_memory_overhead"]) == int(said["used_memory"]), "data and overhead are the whole")
        tap.ok(said["mem_allocator"].startswith("jemalloc-"), "the allocator has a name")

        full = smaps(s.process.pid)[0]
        c.cmd("DEL", "hash")
        tap.until(lambda: number(c, "lazyfree_pending_objects") == 0, 10, "the end of a hash of 200,000 fields")
        tap.ok(number(c, "lazyfreed_objects") >= 1, "a big value was freed beside the commands, and counted")
        c.cmd("FLUSHALL")
        tap.until(lambda: number(c, "used_memory") < empty + 3 * MB, 10, "the end of 200,000 keys")
        tap.ok(True, "used_memory is back where it was")
        tap.until(lambda: smaps(s.process.pid)[0] < full / 3, 20, "resident memory below a third")
        tap.ok(True, "and resident memory goes back to the system by itself")
        tap.ok(c.cmd("MEMORY", "PURGE") == b"OK", "MEMORY PURGE")
        truth(s, c, "after it")
        tap.ok(number(c, "used_memory_peak") > full / 2, "the peak is remembered")
        c.cmd("CONFIG", "RESETSTAT")
        tap.ok(number(c, "used_memory_peak") < full / 2, "until CONFIG RESETSTAT")

        c.cmd("SET", "a", "b")
        stats = c.cmd("MEMORY", "STATS")
        tap.ok([w.decode() for w in stats[::2]] == STATS, "MEMORY STATS has Redis's fields in their order")
        tap.ok(c.cmd("MEMORY", "USAGE", "nokey") is None, "MEMORY USAGE of no key is null")
        tap.ok(c.cmd("MEMORY", "USAGE", "a", "SAMPLES", "0") > 10, "MEMORY USAGE takes SAMPLES")
        for words, text in ((("a", "SAMPLES", "-1"), "ERR syntax error"), (("a", "SAMPLES"), "ERR syntax error"),
                            (("a", "SAMPLES", "x"), "ERR value is not an integer or out of range"), (("a", "foo", "1"), "ERR syntax error"),
                            ((), "ERR wrong number of arguments for 'memory|usage' command")):
            tap.ok(c.error("MEMORY", "USAGE", *words) == text, "MEMORY USAGE %s: %s" % (" ".join(words), text))
        tap.ok(len(c.cmd("MEMORY", "DOCTOR")) > 10, "MEMORY DOCTOR says something")
        tap.ok(b"jemalloc" in c.cmd("MEMORY", "MALLOC-STATS"), "MEMORY MALLOC-STATS is the allocator's report")


def defragmentation():
    options = ("--appendonly", "no", "--activedefrag", "yes", "--active-defrag-ignore-bytes", "1mb", "--active-defrag-threshold-lower", "5",
               "--enable-debug-command", "yes")
    with servers.Server(*options) as s:
        c = s.connect()
        for i in range(150):
            numbers = range(i * 1000, i * 1000 + 1000)
            c.cmd("MSET", *[w for n in numbers for w in ("key:%09d" % n, "v%063d" % n)])
            c.cmd("HSET", "hash", *[w for n in numbers for w in ("f%09d" % n, "v%020d" % n)])
            c.cmd("ZADD", "zset", *[w for n in numbers for w in (str(n % 1000), "m%020d" % n)])
        gone = [n for n in range(150000) if n % 5]
        for k in range(0, len(gone), 1000):
            c.cmd("DEL", *["key:%09d" % n for n in gone[k:k + 1000]])
            c.cmd("HDEL", "hash", *["f%09d" % n for n in gone[k:k + 1000]])
            c.cmd("ZREM", "zset", *["m%020d" % n for n in gone[k:k + 1000]])
        tap.until(lambda: float(info(c)["allocator_frag_ratio"]) < 1.5 and number(c, "active_defrag_hits") > 10000, 60, "emptied pages")
        tap.ok(True, "of 450,000 elements four fifths go, one here and one there: what is left is moved together")
        c.cmd("DEBUG", "VERIFY")
        kept = [n for n in range(150000) if n % 5 == 0]
        right = all(c.cmd("MGET", *["key:%09d" % n for n in kept[k:k + 1000]]) == [b"v%063d" % n for n in kept[k:k + 1000]] for k in range(0, len(kept), 1000))
        right &= all(c.cmd("HMGET", "hash", *["f%09d" % n for n in kept[k:k + 1000]]) == [b"v%020d" % n for n in kept[k:k + 1000]] for k in range(0, len(kept), 1000))
        tap.ok(right and c.cmd("ZCARD", "zset") == len(kept), "and is what it was")
        tap.ok(c.cmd("ZRANGE", "zset", "0", "-1") == [b"m%020d" % n for n in sorted(kept, key=lambda n: (n % 1000, n))], "in the order that it had")


tap.main(memory, defragmentation)
