"""What hactl whatif foretells is then done for real, and the outcomes are compared: who serves, of which epoch, how it stands."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def foretold(node, fault):
    return json.loads(node.hactl("whatif", fault, "--json").stdout)["explain"][0]


def stands(nodes):
    """Who serves now, alone or not, and whether a takeover would happen; None while that is not known."""
    serving = [n for n in nodes if n.serving()]
    if len(serving) != 1:
        return None
    s = serving[0].status()
    return {"serves_after": serving[0].name, "alone_after": not s["sync"]["in_sync"], "takeover_after": s["takeover"]["on"],
            "epoch": s["node"]["epoch"]}


def as_foretold(name, fault, strike, heal, nodes=None):
    """Foretold by both nodes, struck, waited for, compared, healed."""
    m = pair.settled()
    epoch = m.status()["node"]["epoch"]
    said = foretold(m, fault)
    theirs = foretold(m.other, fault)
    same = ("serves_after", "moved", "alone_after", "takeover_after", "lost_bytes", "two_writers")
    tap.equal({k: theirs[k] for k in same}, {k: said[k] for k in same}, "%s: both nodes foretell the same: %s" % (name, said["outcome"]))
    load = pairlab.Writer(pair, fault)
    load.wait_for(20)
    strike(m)
    alive = nodes(m) if nodes else list(pair.nodes.values())
    want = {k: said[k] for k in ("serves_after", "alone_after", "takeover_after")}

    def came():
        now = stands(alive)
        return now if now and {k: now[k] for k in want} == want and (now["epoch"] > epoch) == said["moved"] else None
    try:
        tap.until(came, pairlab.SETTLE_S, "what was foretold for " + name)
        tap.ok(True, "%s: what was foretold came" % name)
    except TimeoutError:
        tap.equal(stands(alive), want, "%s: what was foretold came" % name)
    load.wait_for(20)
    heal(m)
    pair.settled()
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "%s: no acknowledged write is lost, as it said" % name)
    tap.say("gap foretold %d to %d ms, seen %.0f ms" % (said["gap_min_ms"], said["gap_max_ms"], load.gap_ms()))


def nothing(m):
    pass


def back(node):
    node.power_on()
    node.links("up")


def the_masters_server_is_killed():
    """what is foretold of a killed server comes"""
    as_foretold("server-master", "server-master", lambda m: m.signal("server", signal.SIGKILL), nothing)


def the_slaves_had_is_killed():
    """of a killed had"""
    as_foretold("had-slave", "had-slave", lambda m: m.other.signal("had", signal.SIGKILL), nothing)


def the_crossover_is_cut():
    """of a cut crossover"""
    as_foretold("crossover", "crossover", lambda m: pair.lab.crossover("down"), lambda m: pair.lab.crossover("up"))


def the_masters_service_cable_is_cut():
    """of a cut service cable"""
    as_foretold("service-master", "service-master", lambda m: pair.lab.service(m.name, "down"), lambda m: pair.lab.service(m.name, "up"))


def the_gateway_dies():
    """of a dead gateway"""
    as_foretold("gateway", "gateway", lambda m: pair.lab.gateway("down"), lambda m: pair.lab.gateway("up"))


def the_slave_loses_power():
    """of the slave's power cut"""
    as_foretold("power-slave", "power-slave", lambda m: m.other.power_cut(), lambda m: back(m.other), lambda m: [m])


def the_master_loses_power():
    """of the master's power cut"""
    as_foretold("power-master", "power-master", lambda m: m.power_cut(), back, lambda m: [m.other])


def of_a_lone_master():
    """without its slave a master foretells the end of service, and says whose word it makes up"""
    m = pair.settled()
    m.other.power_cut()
    tap.until(lambda: m.status()["alarm_count"] and not m.status()["sync"]["in_sync"], pairlab.SETTLE_S, "the master is alone")
    time.sleep(0.6)  # the copy of its core is then one of a settled lone master
    p = json.loads(m.hactl("explain", "--json").stdout)
    said = {e["id"]: e for e in p["explain"]}
    own = said["power-" + m.name]
    tap.ok(own["serves_after"] == "" and own["unsynced_lost"] and "LOST" in own["outcome"], "its own power cut: " + own["outcome"])
    tap.ok("power-" + m.other.name not in said and "made up" in p["doubt"], "nothing is said of the node that is off")
    back(m.other)
    pair.settled(m)


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(the_masters_server_is_killed, the_slaves_had_is_killed, the_crossover_is_cut, the_masters_service_cable_is_cut, the_gateway_dies,
                    the_slave_loses_power, the_master_loses_power, of_a_lone_master)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
