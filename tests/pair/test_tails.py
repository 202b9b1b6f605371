"""Writes that a demoted master has and the new one lacks: FAULTS 56 and 57, rule 7; the loss receipt at level async; hactl tail."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

LOST = 30
pair = None


class Async(pairlab.Pair):
    durability = "async"


def tails(node, *words):
    return json.loads(node.hactl("--json", "tail", "list", *words).stdout).get("tails", [])


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def instance(node):
    return node.status()["instances"][0]


def async_writes_that_stay(old, prefix, count=LOST):
    """Replication is dropped on its way; what the master acknowledges meanwhile only it has. Then it loses power."""
    slave = old.other
    with old.control() as c:
        def sent():
            s = dict(zip(*[iter(c.execute_command("DUET", "STATUS"))] * 2))
            return s[b"acked"] == s[b"offset"]
        tap.until(sent, pairlab.SETTLE_S, "the slave has everything")
    # The stream to the slave is dropped on its way in; heartbeats go on, so that it takes over within dead-time.
    slave.drop("tcp sport %d" % pairlab.PORT)
    c = pair.client(socket_timeout=5)
    c.set("both:key", "old master's")
    for n in range(count):
        c.set("%s:%d" % (prefix, n), n, ex=100000)
    c.rpush(prefix + ":list", "a", "b", "c")
    c.incrby(prefix + ":count", 5)
    c.close()
    with pair.client(db=3) as d:
        d.sadd(prefix + ":set", "x")
    old.power_cut()
    slave.drop(None)


def fault_57_the_master_returns_with_more():
    """57: at async the master dies with writes that only it has; it returns as slave, and they are saved as a tail, exactly"""
    old = pair.settled()
    new = old.other
    pair.client().set("both:key", "first")
    async_writes_that_stay(old, "lost")
    tap.until(new.serving, pairlab.SETTLE_S, "the other node serves")
    with pair.client() as c:
        tap.equal(c.keys("lost:*"), [], "57: the new master has none of them")
        c.set("both:key", "new master's")
    old.power_on()
    tap.ok(pair.settled(new) is new, "57: the old master returns as slave and never wins")
    found = tails(old)
    tap.equal(len(found), 1, "57: what it had alone is one tail")
    tail = found[0]
    tap.equal((tail["writes"], tail["keys"], tail["keys_exact"]), (LOST + 4, LOST + 4, True),
              "57: the loss receipt: as many writes and keys as were acknowledged and are missing")
    tap.ok(tail["first_ms"] > 0 and tail["last_ms"] >= tail["first_ms"] and tail["to"] > tail["from"] and tail["epoch"] > 0,
           "57: with wall times, offsets and the epoch")
    tap.until(lambda: "tail" in alarms(old), pairlab.SETTLE_S, "57: the alarm stands until somebody deals with it")
    s = instance(old)
    tap.equal((s["tails"], s["tail_writes"], s["rejoin_tail"]), (1, LOST + 4, LOST + 4), "57: status counts it")
    text = old.hactl("tail", "show", tail["id"]).stdout
    tap.ok("%d writes to %d keys" % (LOST + 4, LOST + 4) in text and "lost:0" in text, "57: tail show says how many, and which")
    commands = old.hactl("tail", "show", tail["id"], "--commands").stdout.splitlines()
    tap.equal(len(commands), LOST + 4, "57: --commands shows each")
    tap.ok(commands[-1].startswith("3 SADD lost:set x") or commands[-1].startswith("3 sadd lost:set x"), "57: with its database")
    tap.equal([t["id"] for t in tails(new, "--peer")], [tail["id"]], "57: the other node's hactl lists it by --peer")


def a_tail_is_replayed():
    """7: hactl tail replay brings the lost writes back to the present master, and says first what it would change"""
    new = pair.settled()
    node = new.other
    tail = tails(node)[0]["id"]
    dry = json.loads(node.hactl("--json", "tail", "replay", tail, "--dry-run").stdout)
    tap.equal((dry["commands"], dry["keys"], dry["keys_there"], dry["there"]), (LOST + 4, LOST + 4, 1, ["both:key"]),
              "a dry run says which keys are there by now")
    tap.ok(node.hactl("tail", "replay", tail, check=False).returncode != 0, "without the typed confirmation nothing is played")
    with pair.client() as c:
        tap.equal(c.exists("lost:0"), 0, "nothing was")
        some = node.hactl("tail", "replay", tail, "--keys", "nothing-*", "--confirm", "replay " + tail)
        tap.ok("0 commands were played" in some.stdout, "--keys plays what fits: here nothing")
        told = node.hactl("tail", "replay", tail, "--only-missing", "--confirm", "replay " + tail)
        tap.ok("%d commands were played" % (LOST + 3) in told.stdout, "--only-missing plays all but one")
        tap.equal([c.get("lost:%d" % n) for n in range(LOST)], [b"%d" % n for n in range(LOST)], "every lost key is back")
        tap.ok(c.ttl("lost:0") > 90000, "with its time to live")
        tap.equal((c.lrange("lost:list", 0, -1), c.get("lost:count")), ([b"a", b"b", b"c"], b"5"), "a list and a counter too, once")
        tap.equal(c.get("both:key"), b"new master's", "what the new master had written stayed")
        tap.equal(c.keys("duet:*"), [], "no note of the replay is left among the data")
    with pair.client(db=3) as d:
        tap.equal(d.smembers("lost:set"), {b"x"}, "and what was in another database")
    tap.until(lambda: "tail" not in alarms(node), pairlab.SETTLE_S, "the alarm ends")
    tap.ok("replayed at" in tails(node)[0]["done"], "the tail stays, and says that it was replayed")
    with node.client() as c:
        tap.until(lambda: c.exists("lost:0") == 1, pairlab.SETTLE_S, "the slave has them too")


def a_tail_is_discarded():
    """7: hactl tail discard asks, and then it is gone"""
    node = pair.settled().other
    tail = tails(node)[0]["id"]
    tap.ok(node.hactl("tail", "discard", tail, check=False).returncode != 0 and len(tails(node)) == 1, "discard asks")
    node.hactl("tail", "discard", tail, "--confirm", "discard " + tail)
    tap.equal(tails(node), [], "confirmed, it is gone")
    wrong = node.hactl("tail", "show", tail, check=False)
    tap.ok(wrong.returncode == 1 and "there is no tail" in wrong.stderr, "and says so when it is asked for")


def fault_56_two_masters_by_force():
    """56: two masters, made by force; after the heal the higher epoch wins, the loser's writes are a tail"""
    high = pair.settled().other
    low = high.other
    pair.lab.isolate(high.name, "down")
    tap.until(lambda: not high.serving() and low.serving(), pairlab.SETTLE_S, "one node is cut off")
    tap.until(lambda: high.hactl("--json", "promote", "--force", "--confirm", "promote duet-" + high.name, check=False).returncode == 0,
              pairlab.SETTLE_S, "an operator forces the one that is cut off", 0.3)
    tap.until(high.serving, pairlab.SETTLE_S, "it serves")
    with low.client() as c:
        tap.until(lambda: c.set("split:low", 1), pairlab.SETTLE_S, "the other one still takes writes, by itself")
    epochs = {n: n.status()["node"]["epoch"] for n in (high, low)}
    tap.ok(epochs[high] > epochs[low], "56: the forced one has the higher epoch")
    pair.lab.isolate(high.name, "up")
    tap.ok(pair.settled(high) is high, "56: after the heal the higher epoch wins, the loser follows")
    found = tails(low)
    tap.equal([t["writes"] for t in found], [1], "56: what the loser wrote alone is its tail")
    tap.until(lambda: "tail" in alarms(low), pairlab.SETTLE_S, "56: with the alarm")
    low.hactl("tail", "replay", found[0]["id"], "--confirm", "replay " + found[0]["id"])
    with pair.client() as c:
        tap.ok(tap.until(lambda: c.get("split:low") == b"1", pairlab.SETTLE_S, "it is back"), "56: replayed, it is back")


def main():
    global pair
    with Async() as pair:
        pairlab.run(fault_57_the_master_returns_with_more, a_tail_is_replayed, a_tail_is_discarded, fault_56_two_masters_by_force)


if __name__ == "__main__":
    main()
    sys.exit(tap.done())
