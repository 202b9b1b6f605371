"""The same seeded commands to Duet and to redis-server 7.0: replies equal byte for byte (after sorting what has no
order), and equal data at the end. Two million of them, tens of millions with DUET_FULL=1: sessions, alternately RESP2 and RESP3, on two pairs
of servers side by side."""
# timeout: 320

import contextlib
import io
import multiprocessing
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import data, differing, fields, pairs  # noqa: E402
from differences import allowed  # noqa: E402
from rawpipe import RawPipe, replies  # noqa: E402
from words import Words  # noqa: E402

BATCH = 400
SESSIONS, COMMANDS = (400, 100_000) if tap.FULL else (20, 100_000)  # every other session speaks RESP3
BUDGET_S = 2400 if tap.FULL else 200  # a machine that is too slow or too busy begins no session after that, and says so
LANES = 2
CLOSE_MS = 5000  # stamps that are counted from now are read at two moments
UNORDERED = {b"KEYS", b"HKEYS", b"HVALS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"SPOP"}
PAIRS = {b"HGETALL"}
APART = {b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN", b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER", b"SORT", b"SORT_RO", b"XPENDING", b"XINFO", b"RANDOMKEY", b"DUMP",
         b"DBSIZE", b"OBJECT"}  # with the three above, what `same` and differences.py know of
TIMES = {b"TTL": 1000, b"PTTL": 1, b"EXPIRETIME": 1000, b"PEXPIRETIME": 1}


def whole_scan(words):
    """Whether the words ask for everything in one step."""
    counts = [words[i + 1] for i in range(len(words) - 1) if words[i].upper() == b"COUNT"]
    return words[1 if words[0].upper() == b"SCAN" else 2] == b"0" and len(counts) == 1 and counts[0] in (b"1000", b"2000")


def same(words, ours, theirs):
    """Whether two replies (raw, value) say the same."""
    if ours[0] == theirs[0]:
        return True
    name = words[0].upper()
    if ours[0][:1] != theirs[0][:1] or ours[0][:1] == b"-":
        return False
    if name in UNORDERED:
        return sorted(ours[1]) == sorted(theirs[1])
    if name in (b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN") and not whole_scan(words):
        return ours[0][:2] == theirs[0][:2]  # a cursor means nothing to another server, nor is a step the same part there
    if name in (b"SCAN", b"SSCAN"):
        return ours[1][0] == theirs[1][0] and sorted(ours[1][1]) == sorted(theirs[1][1])
    if name in PAIRS:
        return pairs(ours[1]) == pairs(theirs[1])
    if name in (b"HSCAN", b"ZSCAN"):
        return ours[1][0] == theirs[1][0] and pairs(ours[1][1]) == pairs(theirs[1][1])
    if name in (b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER"):
        return random_fields(words, ours, theirs)
    if name in (b"SORT", b"SORT_RO"):
        return sorted_alike(words, ours, theirs)
    if name in (b"XPENDING", b"XINFO"):
        return timed_alike(words, ours[1], theirs[1])
    if name in TIMES:
        return min(ours[1], theirs[1]) >= 0 and abs(ours[1] - theirs[1]) * TIMES[name] <= CLOSE_MS
    if name in (b"RANDOMKEY", b"DUMP"):  # a hash table's order is each server's own; test_dump compares what comes of the bytes
        return (ours[1] is None) == (theirs[1] is None)
    return False


def timed_alike(words, ours, theirs):
    """The same but for times, which are near each other."""
    times = [], []
    if without_times(words, ours, times[0]) != without_times(words, theirs, times[1]):
        return False
    return len(times[0]) == len(times[1]) and all(abs(a - b) <= CLOSE_MS for a, b in zip(*times))


def without_times(words, value, times):
    """Takes the times out of a reply of XPENDING or XINFO, and notes them."""
    def taken(row, at):
        times.append(row[at])
        return row[:at] + row[at + 1:]

    if not isinstance(value, list):
        return value
    if words[0].upper() == b"XPENDING":
        return [taken(row, 2) for row in value] if len(words) > 3 else value
    if words[1].upper() == b"CONSUMERS":
        return [taken(row, 5) for row in value]
    found = fields(value)
    if words[1].upper() == b"STREAM" and b"entries" in found:
        for group in found[b"groups"]:
            at = group.index(b"pending")
            group[at + 1] = [taken(row, 2) for row in group[at + 1]]
            for i, c in enumerate(group[-1]):
                c[-1] = [taken(row, 1) for row in c[-1]]
                group[-1][i] = taken(c, 3)
    return list(found.items())


def random_fields(words, ours, theirs):
    """As many of them; all of them when all were asked for; no two alike when none may be."""
    if ours[1] == theirs[1] == []:
        return True
    if len(words) < 3 or not isinstance(theirs[1], list) or not isinstance(ours[1], list):
        return (ours[1] is None) == (theirs[1] is None)
    if len(words) == 3 and int(words[2]) > 0 and len(set(ours[1])) != len(ours[1]):
        return False
    if words[2] == b"1000":
        nested = [x if isinstance(x, list) else [x] for x in ours[1]], [x if isinstance(x, list) else [x] for x in theirs[1]]
        return len(words) == 4 and sum(nested[0], []) != [] and len(ours[1]) == len(theirs[1]) or sorted(ours[1]) == sorted(theirs[1])
    return len(ours[1]) == len(theirs[1])


def sorted_alike(words, ours, theirs):
    """Equal weights leave members in the order that they are kept in: of a list it is the same, unless LIMIT sorts a part only."""
    said = [w.upper() for w in words]
    if b"BY" not in said or len(ours[1]) != len(theirs[1]):
        return False
    if b"LIMIT" in said:
        return True
    return not words[1].startswith(b"ls") and sorted(ours[1], key=repr) == sorted(theirs[1], key=repr)


class Comparison:
    def __init__(self, duet, redis, protocol):
        self.pipe = RawPipe((duet, redis), UNORDERED | PAIRS | TIMES.keys() | APART)
        self.pipe.call("FLUSHALL")
        self.pipe.call("HELLO", protocol)
        self.sent, self.different, self.known = 0, 0, {}
        self.before, self.rows = [], []  # the batch before this one, and this one

    def run(self, batch):
        self.before, self.rows = self.rows, self.pipe.receive(self.pipe.send(batch))
        self.sent += len(batch)
        for i, (commands, ours, theirs) in enumerate(self.rows):
            if ours != theirs:
                self.look(i, commands, replies(ours), replies(theirs))

    def look(self, row, commands, ours, theirs):
        if not len(ours) == len(theirs) == len(commands):
            self.report(row, commands[0], b"%d replies" % len(ours), b"%d replies to %d commands" % (len(theirs), len(commands)))
        for words, a, b in zip(commands, ours, theirs):
            if same(words, a, b):
                continue
            name = allowed(words, a[0], b[0])
            if name:
                self.known[name] = self.known.get(name, 0) + 1
            else:
                self.report(row, words, a[0], b[0])

    def report(self, row, words, ours, theirs):
        self.different += 1
        if self.different > 10:
            return
        tap.say("differs: %r" % (words,))
        tap.say("  duet  %.300r" % ours)
        tap.say("  redis %.300r" % theirs)
        earlier = [(w, a) for commands, raw, _ in self.before + self.rows[:row + 1] for w, (a, _) in zip(commands, replies(raw)) if w is not words]
        named = [(w, a) for w, a in earlier if len(w) > 1 and len(words) > 1 and words[1] in w[1:]]
        for w, a in named[-4:]:
            tap.say("  before it: %.300r -> %r" % (w, a[:80]))


def session(duet, redis, seed, protocol):
    comparison, words = Comparison(duet, redis, protocol), Words(random.Random(seed))
    title = "seed %d, RESP%d: " % (seed, protocol)
    try:
        while comparison.sent < COMMANDS and comparison.different < 30:
            comparison.run([words.command() for _ in range(BATCH)])
    except OSError as e:
        tap.ok(False, title + "both servers stay up and answer (%s)" % e)
        tap.say("the last commands: %.3000r" % [w for commands, _, _ in comparison.rows[-3:] for w in commands])
        tap.say(duet.log_tail())
        return False
    if comparison.known:
        tap.say(title + "known differences: %s" % comparison.known)
    tap.equal(comparison.different, 0, title + "replies to %d commands are redis-server's" % comparison.sent)
    left = differing(data(duet.wire()), data(redis.wire()))
    for line in left[:10]:
        tap.say(line)
    return tap.ok(not left, title + "the data are equal at the end")


def lane(number, pair, seed, results):
    """Every LANES-th session, on a pair of servers of its own. What it prints comes out in pieces of a session."""
    until = time.monotonic() + BUDGET_S
    for i in range(number, SESSIONS, LANES):
        if time.monotonic() > until:
            results.put((0, 0, "# %d sessions did not begin: the machine is slow or busy\n" % len(range(i, SESSIONS, LANES))))
            break
        text, before = io.StringIO(), dict(tap.counts)
        with contextlib.redirect_stdout(text):
            try:
                well = session(*pair, seed + i, 2 + i // LANES % 2)
            except Exception as e:  # whatever it is, it is told
                tap.ok(False, "seed %d: %r" % (seed + i, e))
                well = False
        results.put((tap.counts["ok"] - before["ok"], tap.counts["not ok"] - before["not ok"], text.getvalue()))
        if not well:
            break
    results.put(None)


def test_generated():
    """Generated commands are answered as redis-server answers them"""
    seed, began = tap.seed(), time.monotonic()
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    closed = ["--list-max-listpack-size", "4", "--list-compress-depth", "1"]  # short lists have chunks that are compressed, too
    pairs_of_servers = [servers.pair(["--sanitize-dump-payload", "yes"] + closed * (i % 2)) for i in range(LANES)]
    lanes = [fork.Process(target=lane, args=(i, pair, seed, results), daemon=True) for i, pair in enumerate(pairs_of_servers)]
    for p in lanes:
        p.start()
    running, sessions = LANES, 0
    while running:
        result = results.get()
        if result is None:
            running -= 1
            continue
        for name, n in zip(("ok", "not ok"), result):
            tap.counts[name] += n
        sys.stdout.write(result[2])
        sys.stdout.flush()
        sessions += result[0] + result[1] > 0
    for p in lanes:
        p.join()
    took = time.monotonic() - began
    tap.say("%d sessions in %.0f s: about %.0f commands a second" % (sessions, took, sessions * COMMANDS / took))


def test_expiry():
    """Keys expire on both servers, and are gone from everything that lists them"""
    duet, redis = servers.pair()
    for server in (duet, redis):
        w = server.wire()
        w.pipeline([(b"SET", b"short%d" % i, b"v", b"PX", b"40") for i in range(50)])
        w.call("SET", "long", "v", "EX", "1000")
        tap.until(lambda w=w: w.call("GET", "short0") is None, 10, "short0 to expire")
        tap.until(lambda w=w: w.call("DBSIZE") == 1, 20, "all short keys to be deleted unasked")
        tap.equal(w.call("KEYS", "*"), [b"long"], "%s: only the key that lives on is listed" % server.name)


tap.main(test_generated, test_expiry)
