"""The pair's secret is changed while the pair serves (hactl key): no heartbeat fails to count, no link breaks, and either node may die
at any step of it."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

SAMPLE = (("next-here", "other"), ("switched-there", "leader"), ("switched-here", "other"))
STAGES = ("next-there", "next-here", "switched-there", "switched-here", "retired-here")
pair = None


def secrets(node):
    """What the file of a node says: {directive: digits}."""
    with open(os.path.join(node.root, "etc", "duet.conf")) as f:
        words = [line.split() for line in f]
    return {w[0]: w[1] for w in words if w and w[0] in ("secret", "secret-next", "secret-old")}


def plain():
    """Both have one secret, the same."""
    a, b = (secrets(n) for n in pair.nodes.values())
    return a["secret"] if set(a) == set(b) == {"secret"} and a == b else None


def shown(node):
    return json.loads(node.hactl("--json", "key", "show").stdout)


def believed(node):
    """How many heartbeats were refused here, and how often the servers' link was made."""
    s = node.status()
    return sum(p["refused"] for p in s["paths"].values()), s["instances"][0]["session"]


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


class Steady:
    """Inside, no node changes its role, no heartbeat is refused, the link stays, and clients go on writing."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.master = pair.settled()
        self.events = {n: n.last_event() for n in pair.nodes.values()}
        self.before = {n: believed(n) for n in pair.nodes.values()}
        self.load = pairlab.Writer(pair, "key")
        self.load.wait_for(20)
        return self

    def __exit__(self, kind, error, trace):
        if not kind:
            self.load.wait_for(50)
        self.load.stop()
        if kind:
            return
        tap.equal([transitions(n, self.events[n]) for n in pair.nodes.values()], [[], []], "%s: no node changed its role" % self.what)
        tap.equal([believed(n) for n in pair.nodes.values()], [self.before[n] for n in pair.nodes.values()],
                  "%s: every heartbeat was believed, and the servers' link is the same" % self.what)
        tap.equal(self.load.missing(pair.client(socket_timeout=10)), [], "%s: no acknowledged write is lost" % self.what)


def a_rotation():
    """hactl key rotate gives both nodes a new secret while they serve"""
    former, prints = plain(), shown(pair.a)["here"]["fingerprint"]
    with Steady("rotate") as s:
        said = s.master.other.hactl("key", "rotate").stdout
        tap.until(plain, pairlab.SETTLE_S, "both have one secret")
        tap.ok(plain() != former, "both have the same new secret, and no other one any more")
        tap.ok(plain() not in said and former not in said, "hactl does not show it")
    now = shown(pair.a)
    tap.ok(now["here"]["fingerprint"] == now["there"]["fingerprint"] != prints, "key show: the same other fingerprint on both")
    tap.ok(now["here"]["since_s"] > 0, "and when it was made")
    kept = subprocess.run([tap.DUET, "config", "get", "--state", os.path.join(pair.a.root, "state")], capture_output=True, text=True)
    tap.ok(plain() in kept.stdout and former not in kept.stdout, "the state partition keeps the new one")


def the_link_takes_it():
    """the servers know each other by the new secret at their next handshake"""
    master = pair.settled()
    before = believed(master)[1]
    master.other.signal("server", signal.SIGKILL)
    tap.until(lambda: believed(master)[1] not in (0, before), pairlab.SETTLE_S, "a new link")
    tap.ok(pair.settled(master) is master, "a server that restarts makes its link with the new secret")


def die_at(node, stage):
    p = node.hactl("key", "rotate", check=False, env={**os.environ, "DUET_KEY_DIES": stage})
    return p.returncode


def who_leads_dies():
    """hactl is killed behind each step: the stewards end what was begun, or take it back"""
    for stage in STAGES:
        former = plain()
        with Steady(stage) as s:
            tap.equal(die_at(s.master, stage), -signal.SIGKILL, "%s: killed" % stage)
            tap.until(plain, 3 * pairlab.SETTLE_S, "one secret on both")  # the steward looks every half minute
            changed = plain() != former
            tap.equal(changed, stage != "next-there", "%s: the change is %s" % (stage, "ended" if changed else "taken back"))


def a_node_dies():
    """a node loses power behind each step and comes back: the two believe each other, and the change ends"""
    cases = [(stage, whose) for stage in STAGES for whose in ("leader", "other")]
    for stage, whose in cases if os.environ.get("DUET_FULL") == "1" else SAMPLE:
        former, leader = plain(), pair.settled().other if whose == "leader" else pair.settled()
        victim = leader if whose == "leader" else leader.other
        tap.equal(die_at(leader, stage), -signal.SIGKILL, "%s: killed" % stage)
        victim.power_cut()
        victim.power_on()
        victim.links("up")
        pair.settled()
        tap.until(plain, pairlab.SETTLE_S, "one secret on both")
        tap.ok((plain() != former) or stage == "next-there", "%s, the %s loses power: both are back with one secret" % (stage, whose))


def the_other_node_is_away():
    """without the other node nothing is begun"""
    master = pair.settled()
    former = plain()
    master.other.power_cut()
    p = master.hactl("key", "rotate", check=False)
    tap.ok(p.returncode == 5 and "cannot be reached" in p.stderr, "hactl key rotate refuses: " + p.stderr.strip().splitlines()[0][:120])
    tap.equal(set(secrets(master)), {"secret"}, "and nothing was changed")
    tap.equal(secrets(master)["secret"], former, "nothing at all")
    master.other.power_on()
    master.other.links("up")
    pair.settled()


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(a_rotation, the_link_takes_it, who_leads_dies, the_other_node_is_away, a_node_dies)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
