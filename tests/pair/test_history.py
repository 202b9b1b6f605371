"""Histories: many clients through the VIP while faults happen by chance; nothing acknowledged is lost, and one order explains every
answer. At durability async, what is lost is what the saved tail holds."""

import glob
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402  (it finds tests/ for the others)
import chaos  # noqa: E402
import history  # noqa: E402
import recorder  # noqa: E402
import tap  # noqa: E402

SECONDS = {"pair": 600, "disk": 300} if tap.FULL else {"pair": 40, "disk": 15}
CLIENTS = 6


def levelled(level):
    class Levelled(pairlab.Pair):
        durability = level
    return Levelled


def judge(clients, level):
    ops = list(clients.ops)
    tap.say("%s: %d operations: %s" % (level, len(ops), clients.counts()))
    writes = history.check(ops, reads=False)
    tap.equal(writes[:10], [], "%s: the history of writes is linearizable, no acknowledged write is lost" % level)
    everything = history.check(ops)
    tap.equal(everything[:10], [], "%s: and so it is with all that was read meanwhile" % level)


def histories(level):
    """Faults by chance under load."""
    seed = tap.seed()
    with levelled(level)() as pair:
        pair.settled()
        faults = chaos.Chaos(pair, seed)
        clients = recorder.Clients(CLIENTS, seed)
        try:
            clients.wait_for(100)
            faults.run(SECONDS[level])
            pair.settled()
            clients.wait_for(100)
        finally:
            clients.stop()
        tap.ok(True, "%s: after each of %d faults the pair settled" % (level, len(faults.made)))
        clients.final()
        judge(clients, level)


def at_pair():
    """durability pair"""
    histories("pair")


def at_disk():
    """durability disk"""
    histories("disk")


def commands_of(path):
    """The requests of a saved tail: lists of words."""
    found, at = [], 0
    with open(path, "rb") as f:
        data = f.read()
    while at < len(data):
        end = data.index(b"\r\n", at)
        count, words, at = int(data[at + 1:end]), [], end + 2
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size = int(data[at + 1:end])
            words.append(data[end + 2:end + 2 + size].decode())
            at = end + 2 + size + 2
        found.append(words)
    return found


def the_tail_at_async():
    """durability async: what an isolated master lost is in its tail, and nothing else is"""
    with levelled("async")() as pair:
        old = pair.settled()
        new = old.other
        load = pairlab.Writer(pair, "async", at=old)
        load.wait_for(200)
        pair.lab.isolate(old.name, "down")
        tap.until(new.serving, pairlab.SETTLE_S, "the other node serves")
        load.stop()
        pair.lab.isolate(old.name, "up")
        tap.ok(pair.settled(new) is new, "async: healed, the old master follows")
        lost = {"async:%d" % n for n in load.missing(new.client())}
        tails = glob.glob(os.path.join(old.root, "data", "instance-0", "tails", "*.resp"))
        told = [w for path in tails for w in commands_of(path) if w[0].upper() == "SET"]
        names = {w[1] for w in told}
        tap.say("acknowledged and lost %d, in the tail %d" % (len(lost), len(names)))
        tap.equal(sorted(lost - names), [], "async: every acknowledged write that is lost stands in the tail")
        extra = {n for n in names - lost if int(n.split(":")[1]) in load.acked}
        tap.equal(sorted(extra), [], "async: no acknowledged write stands in the tail that the new master has")
        said = old.control().execute_command("DUET", "STATUS")
        said = dict(zip(said[::2], said[1::2]))
        tap.equal(int(said[b"rejoin_tail"]), len([w for path in tails for w in commands_of(path) if w[0].upper() != "SELECT"]),
                  "async: and the server says how many writes were put aside")
        for path in tails:
            tap.ok(os.path.exists(path[:-5] + ".txt"), "async: with a report beside it")


if __name__ == "__main__":
    began = time.monotonic()
    for test in (at_pair, at_disk, the_tail_at_async):
        if os.environ.get("DUET_ONLY", "") in test.__name__:
            try:
                test()
            except Exception as e:  # noqa: BLE001
                tap.ok(False, "%s: %r" % (test.__doc__, e))
                tap.say(pairlab.traceback.format_exc())
    tap.say("%.0f s" % (time.monotonic() - began))
    sys.exit(tap.done())
