"""Resident bytes an element, shape by shape, each in a fresh server: (RSS after - RSS before) / elements."""

import rig
from frame import Step

ABOUT = "resident bytes an element over the payload, each shape in a fresh server"
N = 1000000
VALUE_64 = "v{i:20}" + "0" * 43
ROW_100_INTS = " ".join("{i+%d}" % (j * 1000) for j in range(100))
TEN_FIELDS = " ".join("f%d value{i:9}" % j for j in range(10))


def shape(name, count, payload, words, each=1, needed=False):
    """`count` requests of `each` elements; payload bytes an element; needed: a figure of the design."""
    return name, count, payload, words, each, needed


SHAPES = [
    shape("string 16 B key, 8 B value", N, 24, "SET key:{i:12} v{i:7}"),
    shape("string 16 B key, 64 B value", N, 80, "SET key:{i:12} " + VALUE_64, needed=True),
    shape("string with TTL", N, 80, "SETEX key:{i:12} {i%5000+100000} " + VALUE_64, needed=True),
    shape("string 16 B key, 1 KB value", N // 4, 1040, "SET key:{i:12} v{i:20}" + "0" * 1003),
    shape("hash of 10 small fields", N // 10, 176, "HSET hsh:{i:12} " + TEN_FIELDS),
    shape("one sorted set of 1 M", N, 18, "ZADD z {i*7919%1000003} m:{i:8}", needed=True),
    shape("one hash of 1 M", N, 20, "HSET h f:{i:8} v:{i:8}", needed=True),
    shape("one set of 1 M strings", N, 10, "SADD s m:{i:8}", needed=True),
    shape("one list of 1 M", N, 10, "RPUSH l v:{i:8}"),
    shape("set of 100 integers, each", N // 100, 8, "SADD is:{i:8} " + ROW_100_INTS, each=100),
    # three of our own
    shape("sorted set of 20, each", N // 10, 23, "ZADD z:{i:12} " + " ".join("{i*%d%%100000} member:{i*20+%d:7}" % (7 + j, j) for j in range(20)), each=20),
    shape("integer counter", N, 24, "SET key:{i:12} {i*7919%1000000007+1000000}"),
    shape("session: hash of 6, with TTL", N // 10, 132, "HSET session:{i:12} user {i:8} name {i:12} mail {i:10}@example.com seen {i:10} "
          "token {i:20}0123456789 theme dark -- EXPIRE session:{i:12} {i%5000+100000}"),
    shape("big hash, 100 B values, a field", N // 2, 110, "HSET h f:{i:8} v{i:20}" + "0" * 79),
]


def commands(words):
    return [part.split() for part in words.split(" -- ")]


def fill(server, count, words):
    """Every request of every command once; TTLs after the keys that they are for."""
    for command in commands(words):
        rig.load(server, command, conns=4, pipeline=100, requests=count - 4, max_ms=60000)


def measure(bench, spec, wanted):
    name, count, payload, words, each, _ = wanted
    with rig.Server(spec) as server:
        for command in commands(words):
            why = server.refuses(command)
            if why:
                bench.note("memory: %s skipped on %s: it answers %s" % (name, spec.name, why))
                return
        with server.connect() as c:
            c.cmd("FLUSHALL")
        before = server.settled_rss_bytes(1.0)
        fill(server, count, words)
        total = (server.settled_rss_bytes() - before) / (count * each)
        bench.add("memory", "bytes over payload", name, spec.name, total - payload, "B", digits=1)
        bench.add("memory", "bytes in all", name, spec.name, total, "B", digits=1)


def steps(bench):
    found = []
    for wanted in SHAPES:
        if bench.quick and not wanted[5]:
            continue
        for spec in bench.real:
            found.append(Step("%s, %s" % (wanted[0], spec.name), 2.6, lambda w=wanted, s=spec: measure(bench, s, w)))
    return found
