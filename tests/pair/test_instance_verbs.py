"""Instances that come and go on a live pair: hactl instance, and what had and the supervisor make of it."""

import fcntl
import glob
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402

SHOP = 7003
pair = None


def vip(port=SHOP, **kw):
    return redis.Redis(host=netlab.VIP, port=port, socket_timeout=2, socket_connect_timeout=1, **kw)


def listed(node):
    return {i["number"]: i for i in json.loads(node.hactl("--json", "instance", "list").stdout)["instances"]}


def counting(node):
    return sorted(i["number"] for i in node.status()["instances"] if i["counts"])


def refused(node, sentence, *words, status=1, **kw):
    """The verb says the sentence, and nothing is changed on either node."""
    before = [conf_of(n) for n in pair.nodes.values()]
    p = node.hactl("instance", *words, check=False, **kw)
    said = p.returncode == status and sentence in p.stderr
    tap.ok(said and before == [conf_of(n) for n in pair.nodes.values()], "refused: " + sentence)
    if not said:
        tap.say("exit %d: %s%s" % (p.returncode, p.stdout, p.stderr))


def conf_of(node):
    with open(os.path.join(node.root, "etc", "duet.conf")) as f:
        return f.read()


class Quiet:
    """While it is open nobody's role changes, and a writer of instance 0 notices nothing."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.events = {n.name: n.last_event() for n in pair.nodes.values()}
        self.writer = pairlab.Writer(pair, "quiet%d" % time.monotonic_ns())
        self.writer.wait_for(20)
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.writer.wait_for(20)
        self.writer.stop()
        if kind is None:
            roles = {n.name: n.role_changes(self.events[n.name]) for n in pair.nodes.values()}
            tap.equal((self.writer.errors, roles), (0, {"a": [], "b": []}), self.what + ": no write of another instance failed, no role moved")


def created_under_load():
    """a new instance on both nodes, while another one is written to"""
    m = pair.settled()
    with Quiet("create"):
        p = m.hactl("instance", "create", "shop", "--port", str(SHOP), "--memory", "64mb", "--password", "-", input="old secret\n")
        tap.ok("instance 1 shop serves at port %d, in sync" % SHOP in p.stdout, "it says that it serves, in sync")
    tap.equal([counting(n) for n in (m, m.other)], [[0, 1], [0, 1]], "it counts on both nodes")
    tap.ok(all("[instance 1]\nname shop\nport %d\n" % SHOP in conf_of(n) for n in (m, m.other)), "both configurations have it")
    tap.equal(*[[x for x in conf_of(n).split("\n") if x.startswith("changes ")] for n in (m, m.other)], "and count the same changes")
    vip(password="old secret").set("one", "1")
    there = redis.Redis(host=m.other.address, port=SHOP, password="old secret", socket_timeout=2)
    tap.until(lambda: there.get("one") == b"1", 10, "the slave has the write")
    tap.ok(True, "what is written to it is on the slave")
    i = listed(m.other)[1]
    tap.equal((i["name"], i["limit"], i["keys"], i["role"], i["in_sync"], i["password"], i["on_a"], i["on_b"], i["trouble"]),
              ("shop", 64 << 20, 1, "master", True, True, True, True, ""), "the list shows it, on the slave too")
    tap.ok("old secret" not in m.hactl("instance", "show", "shop").stdout, "show does not show the password")
    with open(os.path.join(m.root, "state"), "rb") as f:
        tap.equal(f.read().count(b"[instance 1]\nname shop\n"), 2, "the state partition keeps it, in two copies")


def resized():
    """another memory limit"""
    m = pair.settled()
    m.hactl("instance", "resize", "shop", "--memory", "96mb")
    controls = [redis.Redis(unix_socket_path=os.path.join(n.root, "run", "control-1.sock")) for n in (m, m.other)]
    tap.equal([c.config_get("maxmemory") for c in controls], [{"maxmemory": str(96 << 20)}] * 2, "both servers have it at once")
    tap.ok(all("memory 96mb\n" in conf_of(n) for n in (m, m.other)), "both configurations keep it")
    vip(password="old secret").set("big", "x" * (5 << 20))
    refused(m, "would refuse every write", "resize", "shop", "--memory", "4mb")
    refused(m, "is too much: the machine has", "resize", "1", "--memory", "900tb")
    refused(m, "is no memory size", "resize", "1", "--memory", "much", status=2)
    refused(m, "usage: hactl instance resize", "resize", "1", status=2)
    vip(password="old secret").config_set("maxmemory-policy", "allkeys-lru")
    tap.equal(m.hactl("instance", "resize", "shop", "--memory", "4mb", check=False).returncode, 0, "one that may throw out may be made smaller than what is in it")
    m.hactl("instance", "resize", "shop", "--memory", "64mb")


def password_changed():
    """another password, with clients and the slave's link connected"""
    m = pair.settled()
    stays = vip(password="old secret")
    stays.set("two", "2")
    session = [i["session"] for i in m.status()["instances"]]
    with Quiet("passwd"):
        m.hactl("instance", "passwd", "shop", input="new secret\n")
    tap.equal(stays.get("two"), b"2", "a client that is logged in stays")
    try:
        vip(password="old secret").ping()
        tap.ok(False, "the old password is refused")
    except redis.exceptions.RedisError as e:
        tap.ok("WRONGPASS" in str(e), "the old password is refused")
    tap.ok(vip(password="new secret").ping(), "the new one is taken")
    tap.equal([i["session"] for i in m.status()["instances"]], session, "the slave's link was not broken")
    pair.lab.crossover("down")
    tap.until(lambda: [i["session"] for i in m.status()["instances"]][1] not in (0, session[1]), 20, "the link comes back over the network")
    pair.lab.crossover("up")
    tap.ok(pair.settled(m) is m, "a link that has to be made anew knows the new password")
    refused(m, "leave the instance open", "passwd", "shop", input="\n")
    refused(m, "one line of at most", "passwd", "shop", input="x" * 600)
    m.hactl("instance", "passwd", "shop", "--password", "none")
    tap.ok(vip().ping() and "password none\n" in conf_of(m.other), "without a password, when that is meant")


def survives_a_power_cut():
    """the master's power cut: the other node serves both"""
    old = pair.settled()
    vip().set("three", "3")
    old.power_cut()
    pair.writes_work()
    tap.equal(tap.until(lambda: vip().get("three"), 10, "the new instance serves"), b"3", "the new instance's write is there")
    old.power_on()
    tap.ok(pair.settled(old.other) is old.other, "the old master follows with both")
    tap.equal(counting(old), [0, 1], "both count there")


def wrong_inputs():
    """what cannot be done is said in a sentence, and nothing is changed"""
    m = pair.settled()
    busy = pair.lab.spawn(m.other.name, sys.executable, "-c", "import socket, time\ns = socket.socket()\ns.bind(('', 7050))\ns.listen()\nprint('up', flush=True)\ntime.sleep(60)",
                          stdout=subprocess.PIPE, preexec_fn=pairlab.end_with_parent)
    busy.stdout.readline()
    def create(name, port="7009", memory="64mb"):
        return ("create", name, "--port", port, "--memory", memory)
    refused(m, "port %d is instance 1's" % SHOP, *create("9", str(SHOP)))
    refused(m, "node %s: port 7050 cannot be used: another program listens on it" % m.other.name, *create("9", "7050"))
    refused(m, "port 22 is for SSH", *create("9", "22"))
    refused(m, "is no port", *create("9", "70000"), status=2)
    refused(m, "is too much: the machine has", *create("9", memory="900tb"))
    refused(m, "the name shop is instance 1's", *create("shop"))
    refused(m, "instance 1 is there already", *create("1"))
    refused(m, "neither a number from 0 to 63 nor a name", *create("9x"), status=2)
    refused(m, "there is no edition 'gold'", *create("9"), "--edition", "gold", status=2)
    refused(m, "of edition ckv has from", *create("9"), "--edition", "ckv", status=2)
    refused(m, "is no durability", *create("9"), "--durability", "maybe", status=2)
    refused(m, "needs --port P and --memory SIZE", "create", "9", status=2)
    refused(m, "there is no instance 'till'; there are 0 (port 6379), 1 shop (port %d)" % SHOP, "delete", "till")
    refused(m, "not confirmed", "delete", "shop", "--no-backup")
    refused(m, "not confirmed", "delete", "shop", "--no-backup", "--confirm", "delete 0")
    refused(m, "there is no verb 'instance paint'", "paint", status=2)
    refused(m, "not by way of the other node", "resize", "1", "--memory", "64mb", "--peer", status=2)
    busy.kill()
    busy.wait()


def one_node_does_not_take_it():
    """the node that comes second does not take a change: it is undone on the one that came first"""
    m = pair.settled()
    lock = open(os.path.join(m.root, "run", "instance.lock"), "a")
    fcntl.flock(lock, fcntl.LOCK_EX)  # the slave comes first in these
    with Quiet("changes that are undone"):
        refused(m, "node %s did not take the change" % m.name, "create", "9", "--port", "7009", "--memory", "64mb")
        refused(m, "undone on node %s" % m.other.name, "resize", "shop", "--memory", "90mb")
        refused(m, "is under way; try again", "passwd", "shop", input="a secret\n")
    lock.close()
    control = redis.Redis(unix_socket_path=os.path.join(m.other.root, "run", "control-1.sock"), socket_timeout=2)
    tap.equal((control.config_get("maxmemory"), control.config_get("requirepass"), control.config_get("masterauth")),
              ({"maxmemory": str(64 << 20)}, {"requirepass": ""}, {"masterauth": ""}), "the slave's server has what it had")
    tap.ok(not os.path.exists(os.path.join(m.other.root, "data", "instance-9")), "nothing is left of the new one")
    tap.equal([sorted(i["number"] for i in n.status()["instances"]) for n in (m, m.other)], [[0, 1]] * 2, "had knows nothing of it")
    p = m.hactl("instance", "create", "9", "--port", "7009", "--memory", "64mb")
    tap.ok("in sync" in p.stdout, "and it can be made after that")
    m.hactl("instance", "delete", "9", "--no-backup", "--confirm", "delete 9")


def one_that_does_not_run():
    """a server that cannot serve, or ends at its start, is reported and taken back on both nodes"""
    m = pair.settled()
    damaged, crashes = (os.path.join(m.root, "data", name) for name in ("damaged", "crashes"))
    os.makedirs(os.path.join(damaged, "log"))
    with open(os.path.join(damaged, "log", "manifest"), "w") as f:
        f.write("this is nothing\n")
    os.makedirs(os.path.join(crashes, "duet.lock"))
    for seed, why in ((damaged, "holds no data that can be served"), (crashes, "ended with status")):
        with Quiet("a failed create"):
            p = m.hactl("instance", "create", "bad", "--port", "7009", "--memory", "64mb", "--from-dir", seed, check=False)
        good = p.returncode == 1 and why in p.stderr and "does not run on node %s; it is taken back" % m.name in p.stderr
        tap.ok(good and "instance-2" in p.stderr, "it is reported with the last words of its log: " + why) or tap.say(p.stderr)
        tap.equal([sorted(listed(n)) for n in (m, m.other)], [[0, 1]] * 2, "it is on neither node")
        tap.equal([sorted(i["number"] for i in n.status()["instances"]) for n in (m, m.other)], [[0, 1]] * 2, "nor in had's set")


def peer_away():
    """without the other node a change is refused; with --force it reaches that one when it is back"""
    m = pair.settled()
    m.other.power_cut()
    tap.until(lambda: not m.status()["peer"]["heard"], 10, "the peer is away")
    refused(m, "the other node is not reached", "create", "late", "--port", "7009", "--memory", "64mb")
    refused(m, "the other node is not reached", "resize", "shop", "--memory", "65mb")
    p = m.hactl("instance", "create", "late", "--port", "7009", "--memory", "64mb", "--force")
    tap.ok("on this node alone" in p.stdout, "with --force it is made here")
    tap.until(lambda: vip(7009).set("four", "4"), 10, "it serves")
    lock = open(os.path.join(m.root, "run", "instance.lock"), "a")
    fcntl.flock(lock, fcntl.LOCK_EX)  # the stewards shall not bring it up before it was looked at
    m.other.power_on()
    tap.ok(pair.settled(m) is m, "the pair is in sync without it")
    tap.equal([counting(n) for n in (m, m.other)], [[0, 1]] * 2, "it does not count")
    tap.ok("only on node %s: hactl instance sync" % m.name in m.hactl("instance", "list").stdout, "the list says so")
    refused(m, "reached only node %s" % m.name, "resize", "shop", "--memory", "65mb")
    p = m.hactl("switchover", check=False)
    tap.ok(p.returncode == 1 and "instance 2 is not in sync yet" in p.stderr, "no switchover would leave it behind")
    lock.close()
    with Quiet("sync"):
        p = m.other.hactl("instance", "sync")
        tap.ok("node %s has taken the instances of node %s" % (m.other.name, m.name) in p.stdout, "sync brings the other node up, wherever it is typed")
        tap.until(lambda: [counting(n) for n in (m, m.other)] == [[0, 1, 2]] * 2, 15, "it counts on both")
    there = redis.Redis(host=m.other.address, port=7009, socket_timeout=2)
    tap.equal(there.get("four"), b"4", "with what was written to it alone")
    tap.ok("the same instances" in m.hactl("instance", "sync").stdout, "then there is nothing to do")


def peer_learns():
    """a node that was away takes the changes by itself when it is back"""
    m = pair.settled()
    m.other.power_cut()
    tap.until(lambda: not m.status()["peer"]["heard"], 10, "the peer is away")
    m.hactl("instance", "resize", "shop", "--memory", "80mb", "--force")
    m.other.power_on()
    control = redis.Redis(unix_socket_path=os.path.join(m.other.root, "run", "control-1.sock"), socket_timeout=2)
    tap.until(lambda: "memory 80mb" in conf_of(m.other) and control.config_get("maxmemory") == {"maxmemory": str(80 << 20)}, 90, "it learns the change")
    tap.ok(True, "the change is in its configuration, and its server has it")
    tap.until(lambda: m.status()["alarm_count"] == 0, 20, "no alarm is left")
    tap.ok(pair.settled(m) is m, "the pair is in sync")


def first_copy_cut_short():
    """the master dies in the middle of an instance's first copy: the other node serves all but that one, and nothing of it is lost"""
    m = pair.settled()
    other = m.other
    other.drop("tcp sport 7011")
    p = m.hactl("instance", "create", "big", "--port", "7011", "--memory", "64mb")
    tap.ok("first copy is under way" in p.stdout, "the copy does not come through")
    vip(7011).set("seven", "7")
    tap.ok("the slave makes its first copy" in m.hactl("instance", "list").stdout and "NOT in sync with the others" in m.hactl("status").stdout, "list and status say so")
    tap.ok(pair.settled(m) is m, "the pair is in sync without it")
    m.power_cut()
    pair.writes_work()
    tap.ok(other.serving() and 3 not in counting(other), "the other node takes over without it")
    try:
        vip(7011).get("seven")
        tap.ok(False, "half a copy is not served")
    except redis.exceptions.RedisError as e:
        tap.ok("LOADING" in str(e) or "MASTERDOWN" in str(e) or isinstance(e, pairlab.LOSSES), "half a copy is not served: %s" % e)
    other.drop(None)
    m.power_on()
    tap.ok(pair.settled(other) is other, "the pair is in sync again")
    tap.ok("hactl switchover" in other.hactl("instance", "list").stdout, "the list says what to do")
    other.hactl("switchover")
    tap.equal(tap.until(lambda: vip(7011).get("seven"), 15, "it is served"), b"7", "after that its data are served by the node that has them")
    number = next(n for n, i in listed(m).items() if i["name"] == "big")
    tap.until(lambda: number in counting(m) and number in counting(other), 20, "it counts on both")
    tap.ok(pair.settled(m) is m, "and all is in sync")
    m.hactl("instance", "delete", "big", "--no-backup", "--confirm", "delete %d" % number)


def deleted():
    """an instance is deleted, and its files come back as another one's"""
    m = pair.settled()
    vip(7009).set("five", "5")
    client = vip(7009)
    client.ping()
    trash = os.path.join(m.root, "data", "trash", "instance-2-*")
    before = set(glob.glob(trash))
    with Quiet("delete"):
        m.other.hactl("instance", "delete", "late", "--no-backup", "--confirm", "delete 2")
    tap.equal([counting(n) for n in (m, m.other)], [[0, 1]] * 2, "it counts on neither node")
    tap.ok(all("[instance 2]" not in conf_of(n) and not os.path.exists(os.path.join(n.root, "data", "instance-2")) for n in (m, m.other)), "it is gone from both")
    try:
        client.ping()
        tap.ok(False, "its clients are gone")
    except pairlab.LOSSES:
        tap.ok(True, "its clients are gone")
    files = list(set(glob.glob(trash)) - before)
    tap.equal(len(files), 1, "its files are in the trash")
    with Quiet("create from a folder"):
        m.hactl("instance", "create", "again", "--port", "7009", "--memory", "64mb", "--from-dir", files[0])
    tap.equal((vip(7009).get("four"), vip(7009).get("five")), (b"4", b"5"), "a folder becomes an instance again")
    there = redis.Redis(host=m.other.address, port=7009, socket_timeout=2)
    tap.until(lambda: there.get("five") == b"5", 10, "the slave has it")
    tap.ok(pair.settled(m) is m, "and the pair is in sync")
    m.hactl("instance", "delete", "again", "--no-backup", "--confirm", "delete 2")


def deleted_behind_a_backup():
    """without --no-backup a set is made first; without a set nothing is deleted"""
    m = pair.settled()
    m.hactl("instance", "create", "2", "--port", "7009", "--memory", "64mb")
    vip(7009).set("six", "6")
    folders = [os.path.join(n.root, "data", "backup") for n in (m, m.other)]
    for f in folders:
        if os.path.isdir(f):
            os.rename(f, f + ".aside")
        with open(f, "w") as block:
            block.write("no folder")
    refused(m, "nothing was deleted", "delete", "2", "--confirm", "delete 2")
    for f in folders:
        os.unlink(f)
        if os.path.isdir(f + ".aside"):
            os.rename(f + ".aside", f)
    m.hactl("instance", "delete", "2", "--confirm", "delete 2")
    tap.equal([counting(n) for n in (m, m.other)], [[0, 1]] * 2, "it is deleted")
    sets = json.loads(m.hactl("--json", "backup", "list").stdout)
    tap.ok("2-" in json.dumps(sets), "and there is a set of it") or tap.say(json.dumps(sets))


def tool_crashes():
    """hactl is killed in the middle of a change: both nodes come to the same instances by sync"""
    m = pair.settled()
    rnd = random.Random(tap.seed())
    with Quiet("crashes of the tool"):
        for turn in range(40 if os.environ.get("DUET_FULL") == "1" else 6):
            have = 2 in listed(m)
            words = ["delete", "2", "--no-backup", "--confirm", "delete 2"] if have else ["create", "2", "--port", "7009", "--memory", "64mb"]
            p = subprocess.Popen(["nsenter", "--net=/run/netns/" + pair.lab.names[m.name], tap.DUET, "hactl", "--root", m.root, "instance", *words],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(rnd.uniform(0.01, 0.4))  # the moment of the crash
            try:
                os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            p.wait()
            tap.until(lambda: m.hactl("instance", "sync", check=False).returncode == 0, 20, "sync")
            both = lambda: [sorted(listed(n)) for n in (m, m.other)] + [counting(n) for n in (m, m.other)]  # noqa: E731
            tap.until(lambda: len({str(x) for x in both()}) == 1, 20, "both nodes have and count the same: %r" % both())
            for n in (m, m.other):
                m.hactl("instance", "trash", "2", check=False)
    tap.ok(True, "after every crash both nodes come to the same")
    tap.ok(pair.settled(m) is m, "and stay in sync")
    for number in set(listed(m)) - {0}:
        m.hactl("instance", "delete", str(number), "--no-backup", "--confirm", "delete %d" % number)
    tap.equal([sorted(listed(n)) for n in (m, m.other)], [[0]] * 2, "what was created can be deleted")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(created_under_load, resized, password_changed, survives_a_power_cut, wrong_inputs, one_node_does_not_take_it, one_that_does_not_run, peer_away, peer_learns, first_copy_cut_short, deleted, deleted_behind_a_backup, tool_crashes)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
