"""What every fault's test asks at its end: never two writers, nothing acknowledged lost, and a sentence for the operator.

    with Story(pair, 41) as s:          # clients write through the VIP, and at both nodes' own addresses
        s.old                           # the master at the beginning
        ... the fault ...
        s.named(s.old, "fsync")         # the alarm, or an event with these words, is there

At the end of the block the pair settles (or `ends=False`), the clients stop, and the checks are made. Two writers are looked for by
time: the longest chain of acknowledged writes on alternating nodes, each sent after the one before was answered, changes
sides no more often than the epoch rose."""

import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402

LIMIT_S = 90  # for what takes a while on a busy machine


def alarms(node):
    """Names of the alarms that are on; of a node that is down: none."""
    try:
        return [a["name"] for a in node.status().get("alarms", [])]
    except (RuntimeError, ValueError):
        return []


def alarm_text(node, name):
    return next((a["text"] for a in node.status().get("alarms", []) if a["name"] == name), None)


def told(node, words, since=0):
    """The node's history holds a sentence with these words, later than that event."""
    return [e["text"] for e in node.events() if words in e["text"] and e["number"] > since]


def stays(what, seconds):
    """what() holds for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not what():
            return False
        time.sleep(0.02)
    return True


def comes(what, sentence, limit_s=LIMIT_S):
    return tap.until(what, limit_s, sentence, 0.05)


def same_data(pair):
    """Both servers hold the same, key by key. A comparison for which the slave was not there is made again."""
    def compared():
        told = pair.settled().hactl("--timeout", "8000", "compare", check=False)  # one that a new copy overtook never ends
        return None if "not compared" in told.stdout + told.stderr else told
    told = comes(compared, "the two nodes are compared")
    if told.returncode:
        tap.say(told.stdout + told.stderr)
    return told.returncode == 0


class Pen(pairlab.Writer):
    """Writes as Writer does, on and on, at a node that may be slave, down or cut off: a refusal costs no connection."""

    def connect(self):
        host = self.at.address if self.at else pairlab.netlab.VIP
        return redis.Redis(host=host, port=pairlab.PORT, socket_timeout=2, socket_connect_timeout=0.3)

    def run(self):
        if self.at:
            pairlab.enter(self.pair.lab.names[self.at.name])
        c, n = self.connect(), 0
        while not self.stopping.wait(0.004):
            n += 1
            sent = time.monotonic()
            try:
                c.set("%s:%d" % (self.prefix, n), n)
                self.acked[n] = True
                self.times.append((sent, time.monotonic()))
            except redis.exceptions.ResponseError:
                self.errors += 1
            except pairlab.LOSSES:
                self.errors += 1
                c.close()
                c = self.connect()
        c.close()


def changes_of_side(first, second):
    """The longest chain of writes on alternating sides, each sent after the one before was answered. Times are (sent, answered)."""
    longest = 0
    for side in (0, 1):
        queues, at, chain = [sorted(first, key=lambda t: t[1]), sorted(second, key=lambda t: t[1])], 0.0, 0
        while (found := next((t for t in queues[side] if t[0] > at), None)):
            at, chain = found[1], chain + 1
            queues = [[t for t in q if t[0] > at] for q in queues]
            side = 1 - side
        longest = max(longest, chain - 1)
    return longest


class Story:
    stories = 0

    def __init__(self, pair, number, ends=True):
        self.pair, self.number, self.ends = pair, str(number), ends
        self.old = comes(pair.is_settled, "the pair is settled before fault %s" % self.number)
        self.new = self.old.other
        self.epoch = self.old.status()["node"]["epoch"]
        self.before = {n.name: n.last_event() for n in pair.nodes.values()}
        Story.stories += 1
        name = "f%s-%d" % (self.number, Story.stories)
        self.load = Pen(pair, name)
        self.at = {n.name: Pen(pair, name + n.name, at=n) for n in pair.nodes.values()}
        self.load.wait_for(20)

    def __enter__(self):
        return self

    def ok(self, condition, what):
        return tap.ok(condition, "%s: %s" % (self.number, what))

    def goes_on(self, writes=50, limit_s=LIMIT_S):
        """Clients at the VIP get on, now."""
        self.load.wait_for(writes, limit_s)

    def named(self, node, name, words=""):
        """An alarm of that name comes on the node; its text holds the words."""
        text = comes(lambda: alarm_text(node, name), "the alarm %s on node %s" % (name, node.name))
        self.ok(words in text, "an alarm says it: %s" % text)

    def takes_over(self, node):
        """That node serves, and clients get on."""
        comes(node.serving, "node %s serves" % node.name)
        self.goes_on()
        self.ok(node.serving() and not node.other.serving(), "node %s serves, the other one does not" % node.name)

    def unmoved(self):
        """Nobody changed a role since the story began."""
        for n in self.pair.nodes.values():
            moved = [t for t in n.role_changes(self.before[n.name]) if " -> " in t and "epoch" in t]
            tap.equal(moved, [], "%s: node %s changed no role" % (self.number, n.name))

    def settled(self, master=None):
        """Healed: one serves, the other one is in sync and could take over."""
        good = comes(lambda: (lambda m: m if m and master in (None, m) else None)(self.pair.is_settled()),
                     "the pair is settled" + (" with %s as master" % master.name if master else ""))
        self.ok(True, "healed, node %s serves and the other one follows in sync" % good.name)
        return good

    def stop(self):
        for pen in (self.load, *self.at.values()):
            pen.stop()

    def __exit__(self, kind, error, trace):
        if not kind and self.ends:
            comes(self.pair.is_settled, "the pair is settled")
        self.stop()
        if kind:
            return
        master = self.pair.master
        rose = master.status()["node"]["epoch"] - self.epoch
        turns = changes_of_side(self.at["a"].times, self.at["b"].times)
        if not self.ok(turns <= rose, "never two writers"):
            tap.say("writes changed sides %d times, the epoch rose by %d" % (turns, rose))
        with self.pair.client(socket_timeout=20, socket_connect_timeout=5) as c:
            lost = {p.prefix: p.missing(c) for p in (self.load, *self.at.values())}
        tap.equal({k: v[:20] for k, v in lost.items() if v}, {}, "%s: no acknowledged write is lost" % self.number)
        tap.say("%d writes at the VIP, longest gap %.0f ms, %d errors" % (len(self.load.times), self.load.gap_ms(), self.load.errors))


def tell(make, *faults):
    """Runs faults one after the other on one pair that make() gives, each named by its first doc line; after one that could not go on
    to its end, the next one gets a fresh pair. DUET_ONLY: only those whose name holds this. In the long run each comes three times."""
    only, pair = os.environ.get("DUET_ONLY", ""), None
    for fault in faults * (3 if tap.FULL else 1):
        if only not in fault.__name__:
            continue
        name, failed, began = fault.__doc__.splitlines()[0], tap.counts["not ok"], time.monotonic()
        tap.say("%s: %s" % (fault.__name__, name))
        try:
            pair = pair or make()
            fault(pair)
        except Exception:  # noqa: BLE001
            tap.ok(False, name)
            tap.say(traceback.format_exc())
        tap.say("%.1f s" % (time.monotonic() - began))
        if tap.counts["not ok"] > failed and pair:
            pair.close(show=True)
            pair = None
    if pair:
        pair.close()
    sys.exit(tap.done())
