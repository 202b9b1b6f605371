"""The serial line as a path: FAULTS 20 (the only path left), 35 (cut, garbage), and who must not have its port."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402
from serial_cable import Cable  # noqa: E402

SEED = int(os.environ.get("DUET_SEED", "35"))
pair = cable = None


def path(node, name="serial"):
    return node.status()["paths"][name]


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


def works():
    return all(path(n)["both_ways"] for n in pair.nodes.values())


def the_line_is_a_path():
    """a serial line is a path that works both ways, beside the three others"""
    master = pair.settled()
    tap.until(works, pairlab.SETTLE_S, "the serial path works both ways")
    s = master.status()
    tap.equal([s["paths"][p]["state"] for p in ("crossover", "service", "gateway", "serial")], ["both ways"] * 4, "all four paths work both ways")
    tap.equal(s["paths_both_ways"], 4, "status says how many")
    tap.ok("4 of 4 work both ways: crossover both ways, service both ways, gateway both ways, serial both ways" in " ".join(master.hactl("status").stdout.split()),
           "and so does its screen")
    tap.equal([n.status()["alarm_count"] for n in pair.nodes.values()], [0, 0], "no alarm")


def fault_35_the_cable_is_cut():
    """35: the serial cable is cut: the path is down on both, nothing else"""
    master, before = pair.settled(), {n: n.last_event() for n in pair.nodes.values()}
    cable.mode = Cable.CUT
    tap.until(lambda: all(path(n)["state"] == "down" for n in pair.nodes.values()), pairlab.SETTLE_S, "the path is down on both")
    tap.until(lambda: "path-down" in [a["name"] for a in master.status()["alarms"]], pairlab.SETTLE_S, "an alarm")
    text = next(a["text"] for a in master.status()["alarms"] if a["name"] == "path-down")
    tap.ok("serial" in text, "35: the alarm names the path: " + text)
    tap.ok(master.serving() and master.status()["takeover"]["on"], "35: the roles stay, automatic takeover is on")
    cable.mode = Cable.WHOLE
    tap.until(works, pairlab.SETTLE_S, "the path works again")
    tap.equal([transitions(n, before[n]) for n in pair.nodes.values()], [[], []], "35: no node changed its role")


def fault_35_garbage_on_the_line():
    """35: garbage, a login prompt, halves of frames, turned bits: the path is down, and nothing of it is taken for a heartbeat"""
    master, before = pair.settled(), {n: n.last_event() for n in pair.nodes.values()}
    load = pairlab.Writer(pair, "serial")
    for mode in (Cable.GARBAGE, Cable.TURNED):
        garbage = {n: path(n)["garbage_bytes"] + path(n)["refused"] for n in pair.nodes.values()}
        cable.mode = mode
        tap.until(lambda: all(not path(n)["both_ways"] and path(n)["garbage_bytes"] + path(n)["refused"] > garbage[n] + 20 for n in pair.nodes.values()),
                  pairlab.SETTLE_S, "it is counted as garbage (%s)" % mode)
        load.wait_for(100)
        tap.ok(master.serving() and master.status()["takeover"]["on"], "35: %s on the line, the roles stay" % mode)
        cable.mode = Cable.WHOLE
        tap.until(works, pairlab.SETTLE_S, "the path works again")
    load.stop()
    tap.equal([transitions(n, before[n]) for n in pair.nodes.values()], [[], []], "35: no node changed its role")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "35: no acknowledged write is lost")


def fault_18_the_master_keeps_the_line_only():
    """18: both links of the master are cut, the serial line is left: over it the two see who sees the gateway, and the master hands over"""
    master = pair.settled()
    tap.until(works, pairlab.SETTLE_S, "the serial path works both ways")
    load = pairlab.Writer(pair, "alone")
    load.wait_for(50)
    before = len(load.acked)
    pair.lab.isolate(master.name, "down")
    tap.until(master.other.serving, pairlab.SETTLE_S, "the other node serves")
    load.wait_for(before + 50)
    tap.ok("gateway" in " ".join(transitions(master, 0)), "18: the master handed over, for lack of the gateway")
    pair.lab.isolate(master.name, "up")
    pair.settled(master.other)
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "18: no acknowledged write is lost")


def fault_20_only_the_line_is_left():
    """20: the crossover is cut and the two cannot reach each other on the service network, directly or through the gateway: the line carries on"""
    master, before = pair.settled(), {n: n.last_event() for n in pair.nodes.values()}
    tap.until(works, pairlab.SETTLE_S, "the serial path works both ways")
    load = pairlab.Writer(pair, "line")
    load.wait_for(20)
    for n in pair.nodes.values():
        n.drop("iifname eth0 ip saddr %s" % n.other.address)
    pair.lab.crossover("down")
    tap.until(lambda: master.status()["paths_both_ways"] == 1 and path(master)["both_ways"], pairlab.SETTLE_S, "one path is left")
    load.wait_for(200)
    s = master.status()
    tap.ok(s["peer"]["heard"] and master.serving() and master.other.state() == "slave", "20: they hear each other by the line, the roles stay")
    tap.ok(not s["takeover"]["on"] and s["takeover"]["why"], "20: automatic takeover is off: " + s["takeover"]["why"])
    pair.lab.crossover("up")
    for n in pair.nodes.values():
        n.drop(None)
    load.stop()
    tap.ok(pair.settled(master) is master, "20: healed, all is as before")
    tap.equal([transitions(n, before[n]) for n in pair.nodes.values()], [[], []], "20: no node changed its role")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")


def the_line_beside_the_crossover():
    """the service network dies whole: crossover and line are two paths, the master keeps its role"""
    master = pair.settled()
    for n in "ab":
        pair.lab.service(n, "down")
    tap.until(lambda: master.status()["paths_both_ways"] == 2, pairlab.SETTLE_S, "two paths are left")
    tap.ok(master.serving() and path(master)["both_ways"], "the master serves on")
    for n in "ab":
        pair.lab.service(n, "up")
    tap.ok(pair.settled(master) is master, "healed, all is as before")


def refused(node, line, access=""):
    text = open(os.path.join(node.root, "etc", "duet.conf")).read()
    text = "".join(line + "\n" if word.startswith("serial ") else word for word in text.splitlines(True)) + access
    name = os.path.join(pair.work, "refused.conf")
    with open(name, "w") as f:
        f.write(text)
    p = node.lab.ns(node.name, tap.DUET, "had", "--check", "--config", name, check=False)
    return p.stderr if p.returncode else ""


def the_console_has_a_port_of_its_own():
    """heartbeats on the console's port, or on a line that is too slow, are refused by name"""
    a = pair.a
    tap.ok("/dev/ttyS0 is the serial console ([access] console ttyS0)" in refused(a, "serial /dev/ttyS0"), "the console's port, by default ttyS0")
    tap.ok("/dev/ttyS1 is the serial console" in refused(a, "serial /dev/ttyS1", "[access]\nconsole ttyS1 115200\n"), "or where [access] has it")
    tap.equal(refused(a, "serial /dev/ttyS0", "[access]\nconsole ttyS1 115200\n"), "", "the port that the console has left may be used")
    tap.ok("at 9600 baud a heartbeat takes" in refused(a, "serial /dev/ttyS1 9600"), "a line on which an echo comes too late")
    tap.equal(refused(a, "serial /dev/ttyS1 9600", "[ha]\nbeat-ms 300\ndemote-time-ms 1500\ndead-time-ms 2500\ngrant-time-ms 5000\n"), "",
              "which longer times allow")
    tap.ok("is not a speed of serial lines" in refused(a, "serial /dev/ttyS1 12345"), "a speed that no line has")
    tap.ok("is not a serial port" in refused(a, "serial ttyS1"), "a port that is none")


def main():
    global pair, cable
    tap.say("seed %d" % SEED)
    cable = Cable(SEED)
    with pairlab.Pair(network={n: "serial %s\n" % cable.device[n] for n in "ab"}) as pair:
        pairlab.run(the_line_is_a_path, the_console_has_a_port_of_its_own, fault_35_the_cable_is_cut, fault_35_garbage_on_the_line,
                    fault_18_the_master_keeps_the_line_only, fault_20_only_the_line_is_left, the_line_beside_the_crossover)
    cable.close()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
