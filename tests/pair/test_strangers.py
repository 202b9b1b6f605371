"""Who is heard: FAULTS 40 (another pair with our id, or our secret), 76 (configured differently), 77 (swapped cables), and two machines of one name.
Each is named in a sentence, and nobody changes a role for it."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def alarm(node, name):
    return next((a["text"] for a in node.status()["alarms"] if a["name"] == name), "")


def transitions(node, since):
    return [t for t in node.role_changes(since) if " -> " in t and "epoch" in t]


def change(node, *changes):
    """The node's duet.conf with each (pattern, text) replaced; the former one."""
    path = os.path.join(node.root, "etc", "duet.conf")
    with open(path) as f:
        before = text = f.read()
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.M)
        assert count, pattern
    with open(path, "w") as f:
        f.write(text)
    return before


def put_back(node, text):
    with open(os.path.join(node.root, "etc", "duet.conf"), "w") as f:
        f.write(text)


def restarted(node, *changes):
    """The node with another configuration, and without a record, which would be another node's; what stood before."""
    before = change(node, *changes)
    node.power_cut()
    os.rename(os.path.join(node.root, "state"), os.path.join(node.root, "state.kept"))
    node.power_on()
    node.links("up")
    return before


def said_while(what, name, pattern, *changes):
    """The slave is configured so: the master says it in an alarm, and serves on."""
    master = pair.settled()
    since, slave = master.last_event(), master.other
    before = restarted(slave, *changes)
    text = tap.until(lambda: (lambda t: t if re.search(pattern, t) else None)(alarm(master, name)), pairlab.SETTLE_S, "an alarm like " + pattern)
    tap.ok(True, "%s: %s" % (what, text))
    tap.ok(master.serving() and transitions(master, since) == [], "%s: the master serves on" % what)
    slave.power_cut()
    put_back(slave, before)
    os.rename(os.path.join(slave.root, "state.kept"), os.path.join(slave.root, "state"))
    slave.power_on()
    slave.links("up")
    tap.ok(pair.settled(master) is master, "%s: mended, all is as before" % what)


def fault_76_another_secret():
    """76: the two nodes have different secrets: refused, and said"""
    said_while("76", "identity", r"signs with another secret: \[pair\] secret must be the same", (r"^secret .*", "secret " + "77" * 32))


def fault_76_other_times_and_vip():
    """76: the two nodes differ in times and virtual address: named"""
    said_while("76", "configuration-differs", r"virtual address .* and the times", (r"^vip .*", "vip 10.77.0.99/24"),
               (r"\[instance 0\]", "[ha]\ndead-time-ms 600\n[instance 0]"))


def fault_40_another_pair():
    """40: a machine of another pair has this pair's secret, or its id: named with its address, refused"""
    said_while("40", "identity", r"is of pair 78 and has this pair's secret", (r"^id 77", "id 78"), (r"10\.77\.0\.12/24", "10.77.0.22/24"))
    said_while("40", "identity", r"another pair on the (service|crossover) network has this pair's id 77 and another secret, at 10\.7",
               (r"^secret .*", "secret " + "77" * 32), (r"10\.77\.0\.1([12])/24", r"10.77.0.2\1/24"), (r"10\.78\.0\.([12])/30", r"10.78.0.3\1/24"))


def two_of_one_name():
    """both machines are called the same: said, and neither believes the other"""
    master = pair.settled()
    said_while("one name", "identity", r"calls itself node %s of pair 77, as this one does" % master.name, (r"^node [ab]", "node " + master.name))


def fault_77_swapped_cables():
    """77: the two cables of a node are swapped: said by the names of the ports"""
    master = pair.settled()
    since, n, lab = master.last_event(), master.other.name, pair.lab
    lab.ip(n, "link", "set", "eth0", "down")
    lab.ip("g", "link", "set", "to" + n, "nomaster")
    # The ports change their names: what was the crossover's is the service network's, and the reverse.
    lab.ip(n, "-batch", "-", input="link set eth0 down\nlink set eth1 down\nlink set eth0 name swap\nlink set eth1 name eth0\nlink set swap name eth1\n")
    lab.ip("g", "link", "set", "to" + n, "master", "br0")
    master.other.kill_all()
    master.other.power_on()
    master.other.links("up")
    text = tap.until(lambda: (lambda t: t if "swapped" in t else None)(alarm(master, "identity")), pairlab.SETTLE_S, "an alarm about swapped cables")
    tap.ok(re.search(r"heartbeats of the other node's (crossover|service) port arrive at this node's (crossover|service) port eth[01]", text), "77: " + text)
    tap.ok(master.serving() and transitions(master, since) == [], "77: the master serves on")
    master.other.power_cut()
    lab.ip(n, "-batch", "-", input="link set eth0 name swap\nlink set eth1 name eth0\nlink set swap name eth1\n")
    master.other.power_on()
    master.other.links("up")
    tap.ok(pair.settled(master) is master, "77: mended, all is as before")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(fault_76_another_secret, fault_76_other_times_and_vip, fault_77_swapped_cables, fault_40_another_pair, two_of_one_name)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
