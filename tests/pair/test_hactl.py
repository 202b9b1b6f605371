"""hactl on a living pair: what it says, what it refuses, its exit statuses."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def status_tells_all_on_one_screen():
    """status says who serves, over which paths, where the VIP is"""
    m = pair.settled()
    screen = m.hactl("status").stdout
    tap.ok(screen.startswith("duet-%s, node %s: SERVING, SAFE. Nothing to do.\n" % (m.name, m.name)), "the first line: serving, safe, what to do")
    tap.ok("This node serves, the other one follows in sync." in screen, "then how things are")
    tap.ok(tap.until(lambda: "3 of 3 " in m.hactl("status").stdout, pairlab.SETTLE_S, "three paths both ways"), "three paths work both ways: crossover, service, through the gateway")
    tap.ok("%s on node %s" % (netlab.VIP, m.name) in screen and "automatic, on" in screen, "VIP and takeover")
    tap.ok("No alarms." in screen and len(screen.splitlines()) <= 24, "no alarms, and it fits on a screen")
    other = m.other.hactl("status").stdout
    tap.ok("The other node serves, this one follows in sync." in other and "THE OTHER NODE SERVES, SAFE. Nothing" in other, "the slave's screen says it from there")
    s = m.status()
    tap.ok(s["vip"]["holder"] == m.name and s["instances"][0]["role"] == "master", "--json says the same")
    tap.equal((s["verdict"]["serving"], s["verdict"]["safe"], s["verdict"]["todo"]), ("here", True, "nothing"), "and has the verdict")


def reports_are_json_too():
    """history, explain and version know --json"""
    m = pair.settled()
    events = json.loads(m.hactl("history", "--json").stdout)["events"]
    tap.ok(any("master" in e["text"] for e in events), "history tells how it became master")
    tap.ok(len(json.loads(m.hactl("explain", "--json").stdout)["explain"]) >= 3, "explain has its faults")
    tap.ok("takes over" in m.hactl("explain").stdout, "and sentences")
    tap.ok(json.loads(m.hactl("version", "--json").stdout)["version"], "version")


def maintenance():
    """maintenance is noted on disk, alarmed on both nodes, and ends"""
    m = pair.settled()
    tap.ok("noted on disk" in m.hactl("maintenance", "on").stdout, "on is noted on disk")
    tap.until(lambda: "maintenance" in alarms(m) and "maintenance" in alarms(m.other), pairlab.SETTLE_S, "both alarm")
    p = m.hactl("check", "--json", check=False)
    found = {r["id"]: r for r in json.loads(p.stdout)["reasons"]}
    tap.ok(p.returncode == 1 and found["maintenance"]["blocks"] and "hactl maintenance off" in found["maintenance"]["todo"], "check names it, and what to do")
    tap.ok("NOT SAFE" in m.hactl("status").stdout.splitlines()[0] and "*** MAINTENANCE" in m.hactl("status").stdout, "status says it loud")
    tap.ok("*** MAINTENANCE at the other node" in m.other.hactl("status").stdout, "on both nodes")
    m.hactl("maintenance", "off")
    tap.until(lambda: not alarms(m) and not alarms(m.other), pairlab.SETTLE_S, "the alarms end")
    tap.ok(m.hactl("check", check=False).returncode == 0, "off: check finds nothing")


def maintenance_ends_by_itself():
    """maintenance --for ends when its time is over, and shows its reason until then"""
    m = pair.settled()
    tap.ok(m.hactl("maintenance", "on", "--for", "soon", check=False).returncode == 2, "--for wants a time")
    m.hactl("maintenance", "on", "--for", "1s", "new", "memory")
    s = m.status()
    tap.ok(s["maintenance"]["reason"] == "new memory" and s["maintenance"]["until_ms"] > 0, "end and reason are kept")
    tap.ok("new memory" in m.hactl("status").stdout, "and shown")

    def over():
        m.hactl("watch", "tick")
        return not m.status()["node"]["maintenance"]
    tap.until(over, pairlab.SETTLE_S, "the steward's look ends it")
    tap.until(lambda: not alarms(m) and not alarms(m.other), pairlab.SETTLE_S, "the alarms end")
    tap.ok("maintenance" not in m.status(), "and nothing of it is left")


def notices():
    """what the steward finds is an alarm like had's own"""
    m = pair.settled()
    m.hactl("watch", "tick")
    tap.equal(alarms(m), [], "nothing is found on a well node")
    with open(os.path.join(m.root, "data", "compared"), "w") as f:
        f.write('at_ms %d\ndiffers true\ntext "the slave\'s data differ from the master\'s"\n' % (time.time() * 1000))
    m.hactl("watch", "tick")
    tap.equal(alarms(m), ["data-differs"], "data that differ are an alarm")
    p = m.hactl("check", check=False)
    tap.ok(p.returncode == 1 and "data-differs: the slave's data differ" in p.stdout and "compare --force" in p.stdout, "check names it")
    m.hactl("compare")
    m.hactl("watch", "tick")
    tap.equal(alarms(m), [], "a comparison that finds them the same ends it")


def without_had_here():
    """a node whose had is down still says what can be known"""
    m = pair.settled()
    s = m.other
    s.power_cut()
    # a thread of the killed had may keep its socket for a moment
    p = tap.until(lambda: (lambda q: q if q.returncode == 3 else None)(s.hactl("status", check=False)), pairlab.SETTLE_S, "exit 3")
    tap.ok(p.stdout.startswith("NOT KNOWN: had does not run"), "status: exit 3, and the first line says so") or tap.say(p.stdout + p.stderr)
    p = s.hactl("status", "--json", check=False)
    tap.ok(p.returncode == 3 and json.loads(p.stdout)["verdict"]["serving"] == "unknown", "--json too")
    screen = tap.until(lambda: (lambda t: t if "NOT SAFE" in t.splitlines()[0] else None)(m.hactl("status").stdout), pairlab.SETTLE_S, "the master's first line says: not safe")
    tap.ok("SERVING" in screen.splitlines()[0] and len(screen.splitlines()) <= 24, "but serving, on one screen")
    s.power_on()
    s.links("up")
    pair.settled(m)


def what_it_refuses():
    """bad commands have a sentence and an exit status, and change nothing"""
    m = pair.settled()
    epoch = m.status()["node"]["epoch"]
    cases = [(("fly",), 2, "there is no verb 'fly'"), (("status", "--tall"), 2, "there is no option '--tall'"),
             (("maintenance",), 2, "usage: hactl maintenance on [--for"), (("maintenance", "maybe"), 2, "not 'maybe'"),
             (("switchover", "--timeout", "soon"), 2, "not 'soon'"), (("history", "0"), 2, "1 to 100000"),
             (("promote",), 2, "promote --force"), (("promote", "--force"), 1, "not confirmed"),
             (("promote", "--force", "--confirm", "yes"), 1, "--confirm 'promote duet-"),
             (("promote", "--force", "--confirm", "promote duet-" + m.name), 1, "refused: "),
             (("resume", "--confirm", "resume duet-" + m.name), 1, "only a suspended master resumes"), ((), 2, "usage: hactl")]
    for argv, status, sentence in cases:
        p = m.hactl(*argv, check=False)
        if not tap.ok(p.returncode == status and sentence in p.stderr, "hactl %s: exit %d, %s" % (" ".join(argv), status, sentence)):
            tap.say("exit %d: %s%s" % (p.returncode, p.stdout, p.stderr))
    said = m.other.hactl("promote", "--force", check=False).stdout
    tap.ok("This node: slave, epoch %d, data offset" % epoch in said and "The other node (it answers now): master" in said and "IT SERVES NOW" in said,
           "promote --force states both sides first")
    slave = m.other.hactl("promote", "--force", "--confirm", "promote duet-" + m.other.name, check=False)
    tap.ok(slave.returncode == 1 and "the other node serves" in slave.stderr, "promote --force beside a living master is refused")
    tap.equal((pair.settled(m).name, m.status()["node"]["epoch"]), (m.name, epoch), "nothing changed")


def compare():
    """compare finds what differs on the slave, and has it copied anew"""
    m = pair.settled()
    m.client().mset({"compared:%d" % i: i for i in range(1000)})
    p = m.hactl("compare", check=False)
    tap.ok(p.returncode == 0 and "the slave holds the same 1" in p.stdout, "the same: " + p.stdout.strip() + p.stderr.strip())
    behind = m.other.control()
    for words in (("CONFIG", "SET", "replica-read-only", "no"), ("DEL", "compared:700"), ("CONFIG", "SET", "replica-read-only", "yes")):
        behind.execute_command(*words)
    found = m.hactl("compare", "0", "--json", check=False)
    tap.equal((found.returncode, json.loads(found.stdout)["instances"][0]["result"]), (1, "differs"), "a key that is gone behind replication's back is found")
    p = m.hactl("compare", "--force", check=False)
    tap.ok(p.returncode == 1 and "copies it anew" in p.stdout, "--force: " + p.stdout.strip())
    tap.until(lambda: pair.is_settled() and m.hactl("compare", check=False).returncode == 0, pairlab.SETTLE_S, "the same again")
    tap.ok(pair.is_settled() is m, "and the roles are as they were")
    p = m.other.hactl("compare", check=False)
    tap.ok(p.returncode == 1 and "the master compares" in p.stderr, "the slave says who compares")


def without_had():
    """a had that cannot be reached is named, with the remedy"""
    p = subprocess.run([tap.DUET, "hactl", "--root", os.path.join(pair.work, "none"), "status"], capture_output=True, text=True)
    tap.ok(p.returncode == 3 and "had is not running" in p.stderr and "--root DIR" in p.stderr, "no had: exit 3 and what to do")
    os.chmod(pair.work, 0o755)
    tool = os.path.join(pair.work, "duet")
    with open(tap.DUET, "rb") as f, open(tool, "wb") as g:
        g.write(f.read())
    os.chmod(tool, 0o755)
    p = subprocess.run([tool, "hactl", "--root", pair.a.root, "status"], capture_output=True, text=True, user=65534)
    tap.ok(p.returncode == 3 and "no permission" in p.stderr, "no permission: exit 3 and what to do")


def had_itself():
    """had checks its configuration without starting, and starts once a node"""
    m = pair.settled()

    def had(*argv):
        return pair.lab.ns(m.name, tap.DUET, "had", *argv, check=False)

    p = had("--root", m.root, "--check")
    tap.ok(p.returncode == 0 and "good: node %s of pair 77" % m.name in p.stdout, "--check finds nothing in a good file")
    bad = os.path.join(pair.work, "bad.conf")
    with open(os.path.join(m.root, "etc", "duet.conf")) as f:
        lines = f.read().replace("[instance 0]", "[ha]\nbeat-ms quick\n[instance 0]")
    with open(bad, "w") as f:
        f.write(lines)
    line = lines.splitlines().index("beat-ms quick") + 1
    p = had("--root", m.root, "--config", bad, "--check")
    tap.ok(p.returncode == 1 and "bad.conf:%d: 'beat-ms' must be a number" % line in p.stderr, "a bad one is refused by file and line")
    p = had("--root", m.root)
    tap.ok(p.returncode == 1 and "another had serves this node" in p.stderr, "a second had on the same node is refused")
    p = had("--speed")
    tap.ok(p.returncode == 2 and "there is no option '--speed'" in p.stderr, "an unknown option is named")
    tap.ok(pair.is_settled() is m, "and the pair never noticed")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(status_tells_all_on_one_screen, reports_are_json_too, maintenance, maintenance_ends_by_itself, what_it_refuses, compare, notices, had_itself,
                    without_had, without_had_here)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
