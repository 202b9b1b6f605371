#!/usr/bin/python3
"""Does memory come back when what is in it changes? usage: churn.py [--mb N] [--rounds N] [--only WORD] [--peers] [--off]

Each round fills up to N MB of payload, deletes 70 % of the elements at random, and the next one refills with other
sizes. Printed after each fill and after each delete (given ten seconds): resident memory in MB, and its ratio to what
the server says it uses. Servers that can are told to defragment (activedefrag yes, from 1 MB of waste on); --off tells
them not to. CPU is the server's, over all;
`longest turn` is processor time of Duet's executor."""

import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import servers as resp  # noqa: E402

SIZES = [(20, 100), (60, 200), (10, 60), (100, 400), (20, 100), (200, 800)]
PACK, SETTLE_S = 200, 10


def name(i):
    return b"e:%09d" % i


# how elements are put in (pairs of name and bytes) and taken out (names)
SHAPES = {
    "strings": (lambda p: [b"MSET"] + [w for pair in p for w in pair], lambda n: [b"DEL"] + n),
    "fields of a hash": (lambda p: [b"HSET", b"h"] + [w for pair in p for w in pair], lambda n: [b"HDEL", b"h"] + n),
    "members of a set": (lambda p: [b"SADD", b"s"] + [k + v for k, v in p], None),
    "members of a zset": (lambda p: [b"ZADD", b"z"] + [w for k, v in p for w in (b"%d" % len(v), k + v)], None),
    "small hashes": (lambda p: [b"HSET", p[0][0]] + [w for pair in p[:8] for w in pair], lambda n: [b"DEL"] + n),
    "small lists": (lambda p: [b"RPUSH", p[0][0]] + [v for _, v in p[:8]], lambda n: [b"DEL"] + n),
}
TAKE = {"members of a set": [b"SREM", b"s"], "members of a zset": [b"ZREM", b"z"]}


def send(c, commands):
    waiting = 0
    for words in commands:
        c.send_raw(resp.encode(*words))
        waiting += 1
        if waiting == 8:
            while waiting:
                c.read()
                waiting -= 1
    while waiting:
        c.read()
        waiting -= 1


def resp_info(c):
    return dict(line.split(":", 1) for line in c.cmd("INFO").decode().split("\r\n") if ":" in line)


def used(c):
    return int(resp_info(c)["used_memory"])


class Churn:
    def __init__(self, c, shape, mb):
        self.c, self.shape, self.limit = c, shape, mb << 20
        self.put, self.take = SHAPES[shape]
        self.live, self.bytes, self.next = {}, 0, 0  # name -> bytes of it
        self.random = random.Random(1)

    def fill(self, low, high):
        small = self.shape.startswith("small")

        def commands():
            while self.bytes < self.limit:
                pairs = []
                for _ in range(8 if small else PACK):
                    value = b"%d" % self.random.randrange(10) * self.random.randint(low, high)
                    pairs.append((name(self.next), value))
                    if not small:
                        self.live[self.next] = len(value) + 11
                        self.bytes += len(value) + 11
                    self.next += 1
                if small:
                    size = sum(len(v) + 2 for _, v in pairs) + 11
                    self.live[self.next - 8] = size
                    self.bytes += size
                yield self.put(pairs)
        send(self.c, commands())

    def delete(self):
        dead = [i for i in self.live if self.random.random() < 0.7]
        self.bytes -= sum(self.live.pop(i) for i in dead)
        if self.take:
            send(self.c, (self.take([name(i) for i in dead[k:k + PACK]]) for k in range(0, len(dead), PACK)))
            return
        gone = set(dead)
        key, scan = TAKE[self.shape][1], TAKE[self.shape][0].replace(b"REM", b"SCAN")
        members, cursor = [], b"0"
        while True:  # found again by going through all of them
            cursor, found = self.c.cmd(scan, key, cursor, b"COUNT", b"1000")
            members += [m for m in found[::2 if scan == b"ZSCAN" else 1] if int(m[2:11]) in gone]
            if cursor == b"0":
                break
        send(self.c, (TAKE[self.shape] + members[k:k + PACK] for k in range(0, len(members), PACK)))


def run(spec, shape, a):
    with rig.Server(spec, "--enable-debug-command", "yes", cores=set(rig.CORES)) as server, server.connect(600) as c:
        wanted = "no" if a.off else "yes"
        defrag = c.error("CONFIG", "SET", "activedefrag", wanted) is None and wanted == "yes"
        if defrag:
            c.error("CONFIG", "SET", "active-defrag-ignore-bytes", "1mb")
        if spec.is_duet:
            c.cmd("DEBUG", "WATCH-TURNS", "1")
        churn, row = Churn(c, shape, a.mb), []
        for low, high in SIZES[:a.rounds]:
            churn.fill(low, high)
            row.append("%d %.2f" % (server.rss_bytes() >> 20, server.rss_bytes() / used(c)))
            churn.delete()
            deadline = time.monotonic() + SETTLE_S
            while time.monotonic() < deadline:
                time.sleep(0.5)
                if server.rss_bytes() / used(c) < 1.12:
                    break
            row.append("-> %d %.2f" % (server.rss_bytes() >> 20, server.rss_bytes() / used(c)))
        if spec.is_duet:
            row[-1] += "; longest turn %.1f ms" % (int(resp_info(c)["duet_longest_turn_cpu_us"]) / 1000)
            c.cmd("DEBUG", "VERIFY")
        print("%-18s %-10s %-6s %s   cpu %.1f s" % (shape, spec.name, "defrag" if defrag else "", " | ".join(
            "%s %s" % pair for pair in zip(row[::2], row[1::2])), server.cpu_us() / 1e6), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--mb", type=int, default=64)
    p.add_argument("--rounds", type=int, default=len(SIZES))
    p.add_argument("--only", default="", help="shapes whose name has this word")
    p.add_argument("--peers", action="store_true", help="other servers too")
    p.add_argument("--off", action="store_true", help="no defragmentation")
    a = p.parse_args()
    print("%d MB: resident MB and its ratio to used_memory after each fill -> after each delete" % a.mb, flush=True)
    for shape in SHAPES:
        if a.only not in shape:
            continue
        for spec in rig.find_servers():
            if spec.is_limit or not (a.peers or spec.is_duet):
                continue
            try:
                run(spec, shape, a)
            except (rig.Failed, resp.Error, resp.Closed) as e:
                print("%-18s %-10s %s" % (shape, spec.name, e), flush=True)


if __name__ == "__main__":
    main()
