#!/usr/bin/python3
"""tests/pair/history.py: it finds what is wrong in histories made by hand, and agrees with a search of all orders on random ones."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, TESTS)
sys.path.insert(0, os.path.join(TESTS, "pair"))
import history  # noqa: E402
import tap  # noqa: E402
from history import FAILED, INF, OK, UNKNOWN, Op, check  # noqa: E402

RANDOM = 60000 if tap.FULL else 6000


def op(kind, value, invoked, completed, result=None, outcome=OK, key="k"):
    return Op("c", key, kind, value, invoked, completed, outcome, result)


def good(ops, what):
    wrong = check(ops)
    tap.ok(wrong == [], what)
    for w in wrong:
        tap.say(w)


def bad(ops, words, what):
    wrong = check(ops)
    if not tap.ok(any(words in w for w in wrong), what):
        tap.say("got %r" % wrong)


def registers():
    """registers"""
    a, b = op("SET", "a", 1, 2), op("SET", "b", 3, 4)
    good([a, b, op("GET", None, 5, 6, "b")], "register: the newest value is read")
    good([a, op("SET", "b", 1, 9), op("GET", None, 3, 4, "a"), op("GET", None, 5, 6, "b")], "register: a write under way may be seen from any moment on")
    bad([a, b, op("GET", None, 5, 6, "a")], "in between", "register: an acknowledged write that is lost at the end is found")
    bad([a, op("GET", None, 5, 6, None)], "in between", "register: so is one after which nothing is read")
    bad([a, op("GET", None, 5, 6, "x")], "nobody wrote", "register: a value that nobody wrote is found")
    bad([a, op("SET", "b", 3, 4, outcome=FAILED), op("GET", None, 5, 6, "b")], "refused", "register: a value that was refused is found")
    bad([op("SET", "a", 1, 9), op("SET", "b", 1, 9), op("GET", None, 2, 3, "a"), op("GET", None, 4, 5, "b"), op("GET", None, 6, 7, "a")], "in between",
        "register: a value that comes back is found")
    bad([a, op("SET", "b", 5, 9), op("GET", None, 3, 4, "b")], "before it was written", "register: a value read before it was written is found")
    good([a, op("SET", "b", 3, INF, outcome=UNKNOWN), op("GET", None, 5, 6, "a"), op("GET", None, 50, 60, "b")], "register: an unknown write may come late")
    good([a, op("SET", "b", 3, INF, outcome=UNKNOWN), op("GET", None, 5, 6, "a")], "register: or never")
    bad([a, op("SET", "b", 3, INF, outcome=UNKNOWN), op("GET", None, 5, 6, "b"), op("GET", None, 7, 8, "a")], "in between",
        "register: once it was seen it does not go again")
    read = [op("GET", None, 2.5, 2.6, "b"), op("GET", None, 2.7, 2.8, "a")]
    ops = [op("SET", "a", 1, 2), op("SET", "b", 1, 9)] + read + [op("GET", None, 10, 11, "b")]
    tap.ok(check(ops, reads=False) == [] and check(ops) != [], "a wrong read is told apart from a wrong write")


def counters():
    """counters"""
    one, two = op("INCR", None, 1, 2, 1), op("INCR", None, 3, 4, 2)
    good([one, two, op("GET", None, 5, 6, 2)], "counter: one after the other")
    bad([one, two, op("GET", None, 5, 6, 1)], "lost", "counter: an acknowledged count that is lost is found")
    bad([one, op("INCR", None, 3, 4, 1), op("GET", None, 5, 6, 1)], "twice", "counter: the same number twice is found")
    bad([one, op("INCR", None, 3, 4, 3), op("GET", None, 5, 6, 3)], "only 2 operations", "counter: counting twice for one operation is found")
    bad([op("INCR", None, 3, 4, 1), op("INCR", None, 1, 2, 2), op("GET", None, 5, 6, 2)], "put this first",
        "counter: answers against the clock are found")
    maybe = op("INCR", None, 2, INF, outcome=UNKNOWN)
    good([one, maybe, op("INCR", None, 5, 6, 3), op("GET", None, 7, 8, 3)], "counter: an unknown one explains a number")
    bad([one, op("INCR", None, 7, INF, outcome=UNKNOWN), op("INCR", None, 5, 6, 3), op("GET", None, 9, 10, 3)], "put this first",
        "counter: not one that was sent later")


def lists():
    """lists"""
    a, b = op("RPUSH", "a", 1, 2, 1), op("RPUSH", "b", 3, 4, 2)
    good([a, b, op("LRANGE", None, 5, 6, ["a", "b"])], "list: one after the other")
    bad([a, b, op("LRANGE", None, 5, 6, ["a"])], "lost", "list: an acknowledged value that is lost is found")
    bad([a, b, op("LRANGE", None, 5, 6, ["b", "a"])], "position", "list: another order is found")
    bad([a, b, op("LRANGE", None, 5, 6, ["a", "b", "b"])], "executed twice", "list: a value that was pushed twice is found")
    bad([a, op("LRANGE", None, 3, 4, ["a", "x"]), op("LRANGE", None, 5, 6, ["a"])], "nobody pushed",
        "list: a value from nowhere is found")
    bad([a, op("RPUSH", "b", 3, INF, outcome=UNKNOWN), op("LRANGE", None, 5, 6, ["a", "b"]), op("LRANGE", None, 7, 8, ["a"])], "put this first",
        "list: a value that was seen and goes again is found")
    bad([a, op("RPUSH", "b", 3, 4, outcome=FAILED), op("LRANGE", None, 5, 6, ["a", "b"])], "refused", "list: a value that was refused is found")
    bad([op("RPUSH", "a", 3, 4, 1), op("RPUSH", "b", 1, 2, 2), op("LRANGE", None, 5, 6, ["a", "b"])], "put this first", "list: positions against the clock are found")


def sets():
    """sets"""
    a, b = op("SADD", "a", 1, 2, 1), op("SADD", "b", 3, 4, 1)
    good([a, b, op("SMEMBERS", None, 5, 6, {"a", "b"})], "set: one after the other")
    bad([a, b, op("SMEMBERS", None, 5, 6, {"b"})], "lost", "set: an acknowledged member that is lost is found")
    bad([a, op("SMEMBERS", None, 3, 4, set()), op("SMEMBERS", None, 5, 6, {"a"})], "put this first", "set: a member that is seen too late is found")
    bad([op("SADD", "a", 1, 9, 1), op("SADD", "b", 1, 9, 1), op("SMEMBERS", None, 2, 3, {"a"}), op("SMEMBERS", None, 2, 3, {"b"}),
         op("SMEMBERS", None, 10, 11, {"a", "b"})], "neither", "set: two readers who saw different orders are found")
    bad([op("SADD", "a", 1, 2, 0), op("SMEMBERS", None, 5, 6, {"a"})], "executed twice", "set: a member added twice is found")


WRITES = {"register": "SET", "counter": "INCR", "list": "RPUSH", "set": "SADD"}
READS = {"register": "GET", "counter": "GET", "list": "LRANGE", "set": "SMEMBERS"}


def a_random_history(chance, kind):
    """A few operations of one key; executed in some order, or nearly."""
    count, state, ops = chance.randint(2, 6), history.EMPTY[kind], []
    spans = sorted((chance.uniform(0, 10), chance.uniform(0.1, 6)) for _ in range(count))
    points = sorted(((b + chance.random() * s, n) for n, (b, s) in enumerate(spans)))
    made = {}
    for _, n in points:
        word = WRITES[kind] if chance.random() < 0.6 else READS[kind]
        value = None if word in READS.values() or kind == "counter" else "v%d" % n
        outcome = UNKNOWN if chance.random() < 0.15 else OK
        answer = None
        if outcome == OK or chance.random() < 0.5:
            after, answer = history.applied(word, value, state)
            if chance.random() < 0.93:  # else it is acknowledged and lost
                state = after
        if word == "LRANGE" and answer is not None:
            answer = list(answer)
        made[n] = op(word, value, spans[n][0], sum(spans[n]), answer if outcome == OK else None, outcome)
    ops = [made[n] for n in range(count)]
    end = history.applied(READS[kind], None, state)[1]
    return ops + [op(READS[kind], None, 20, 21, list(end) if kind == "list" else end)]


def random_ones():
    """random histories"""
    chance, right, wrong = random.Random(tap.seed()), 0, 0
    for n in range(RANDOM):
        kind = list(WRITES)[n % 4]
        ops = a_random_history(chance, kind)
        said, is_good = check(ops), history.brute_force(ops)
        right, wrong = right + is_good, wrong + (not is_good)
        if (said == []) != is_good:
            tap.ok(False, "the checker agrees with a search of all orders")
            tap.say("%s, by the search %s:\n%s\n%s" % (kind, "good" if is_good else "bad", "\n".join(map(repr, ops)), said))
            return
    tap.ok(right > RANDOM / 10 and wrong > RANDOM / 10, "the checker agrees with a search of all orders on %d random histories, good and bad ones" % RANDOM)
    tap.say("%d are linearizable, %d are not" % (right, wrong))


tap.main(registers, counters, lists, sets, random_ones)
