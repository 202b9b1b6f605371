"""hactl drill: real faults on a living pair, with a report; refused when they would be real ones."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def drill(node, name, *options, check=False):
    return node.hactl("drill", name, "--confirm", "drill " + name, *options, check=check)


def listed():
    """drills are listed, and nothing happens without a confirmation"""
    m = pair.settled()
    names = [d["name"] for d in json.loads(m.hactl("drill", "list", "--json").stdout)["drills"]]
    tap.ok("server-master" in names and "switchover" in names, "list names %d drills" % len(names))
    tap.ok(m.hactl("drill", "flood", check=False).returncode == 2, "one that is none is refused")
    before = m.last_event()
    p = m.hactl("drill", "server-master", check=False)
    tap.ok(p.returncode == 1 and "not confirmed" in p.stderr and "Foretold: " in p.stdout, "what would happen is said, and nothing is done")
    tap.equal([e["kind"] for e in m.events() if e["number"] > before], [], "indeed nothing")


def each(name, moved, node=None):
    m = pair.settled()
    p = drill(node(m) if node else m, name, "--json")
    if not tap.ok(p.returncode == 0, "drill %s: exit 0" % name):
        tap.say(p.stdout + p.stderr)
        return
    r = json.loads(p.stdout)
    tap.ok(r["as_foretold"] and r["healed"] and r["foretold"]["moved"] == moved == r["seen"]["moved"], "drill %s came as foretold, and healed" % name)
    tap.ok(r["seen"]["gap_ms"] >= 0 and r["seen"]["writes"] > 50, "drill %s: its client measured a gap" % name)
    tap.say("%s: foretold %d to %d ms, seen %d ms" % (name, r["foretold"]["gap_min_ms"], r["foretold"]["gap_max_ms"], r["seen"]["gap_ms"]))
    pair.settled()


def of_servers():
    """servers are killed on either node, from either node"""
    each("server-master", True)
    each("server-slave", False)
    each("server-master", True, lambda m: m.other)


def of_had():
    """had is killed"""
    each("had-slave", False)


def of_paths():
    """paths are cut by the kernel, which ends the cut by itself"""
    each("crossover", False)
    each("service-slave", False)
    for n in pair.nodes.values():
        tap.ok("eth" not in pair.lab.ns(n.name, "nft", "list", "ruleset", check=False).stdout.split("duet_cut")[-1], "nothing is cut any more on " + n.name)


def there_and_back():
    """a switchover and back, told as events"""
    m = pair.settled()
    before = m.last_event()
    p = drill(m, "switchover")
    tap.ok(p.returncode == 0 and "It came as foretold." in p.stdout, "the report says so") or tap.say(p.stdout + p.stderr)
    tap.ok(pair.settled() is m, "the roles are as before")
    tap.equal(len([e for e in m.events() if e["number"] > before and e["kind"] == "drill"]), 2, "its begin and its end are events")


def refused():
    """when a fault would be a real one it is not done"""
    m = pair.settled()
    servers = m.pids("server")
    m.hactl("maintenance", "on")
    p = drill(m, "server-master")
    tap.ok(p.returncode == 1 and "no drill: the pair could not fail over now" in p.stderr and "maintenance" in p.stderr, "in maintenance")
    m.hactl("maintenance", "off")
    pair.settled(m)
    tap.equal(m.pids("server"), servers, "its server lives")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(listed, of_servers, of_had, of_paths, there_and_back, refused)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
