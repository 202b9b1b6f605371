"""Backups and going back, end to end: sets made on the slave, rollback to a set and to a second, and an operator who errs."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import redis  # noqa: E402
import sets  # noqa: E402
import tap  # noqa: E402

pair = None
KEYS = 3000


def listed(node, *more):
    return {s["id"]: s for s in json.loads(node.hactl("--json", "backup", "list", *more).stdout).get("sets", [])}


def now(node, *more):
    return node.hactl("backup", "now", *more).stdout.strip()


def content(node):
    """Everything that a node's server holds, asked at its control socket."""
    c = node.control()
    return {k: c.dump(k) for k in c.scan_iter(count=1000)}


def same_on_both(what):
    m = pair.settled()
    want = content(m)
    try:
        tap.until(lambda: content(m.other) == want, 20, "the slave has the same")
        tap.ok(True, what)
    except TimeoutError:
        tap.ok(False, what)
    return want


def fill(generation):
    c = pair.client(socket_timeout=5)
    p = c.pipeline(transaction=False)
    for i in range(KEYS):
        p.set("key:%d" % i, "%s-%d" % (generation, i))
    p.execute()


def rollback(node, *argv, **kw):
    return node.hactl("rollback", "0", "--to", *argv, **kw)


# ---- making them ----

def made_on_the_slave():
    """a set is made on the slave, wherever it is asked for, and stands on both nodes"""
    m = pair.settled()
    fill("one")
    first = now(m, "--name", "asked on the master")
    time.sleep(1.01)  # a set's name has the second in it; the next would be -2
    second = json.loads(m.other.hactl("--json", "backup", "now").stdout)["id"]
    got = listed(m)
    tap.equal([got[i]["made_on"] for i in (first, second)], [m.other.name] * 2, "both were made on the slave")
    tap.equal([sorted(got[i]["on"]) for i in (first, second)], [["a", "b"]] * 2, "and stand on both nodes")
    tap.equal((got[first]["name"], got[first]["keys"], got[first]["made_by"]), ("asked on the master", KEYS, "operator"), "with name, keys and maker")
    tap.equal(m.hactl("backup", "verify", "all").stdout.count(": good"), 4, "all four copies are good")
    p = m.hactl("backup", "now", "7", check=False)
    tap.equal((p.returncode, "no instance '7'; there are: 0" in p.stderr), (2, True), "an instance that is not there is answered with those that are")
    for ident in (first, second):
        m.hactl("backup", "delete", ident, "--yes")


def made_without_a_slave():
    """with the slave off the set is made on the master, and crosses when it is back"""
    m = pair.settled()
    m.other.power_cut()
    tap.until(lambda: not m.status()["sync"]["in_sync"], 20, "the slave is given up")
    ident = now(m)
    tap.equal((listed(m)[ident]["made_on"], sorted(listed(m)[ident]["on"])), (m.name, [m.name]), "made on the master, and it stands there alone")
    m.other.power_on()
    pair.settled()
    os.path.exists(os.path.join(m.other.root, "run", "backup-tick")) and os.unlink(os.path.join(m.other.root, "run", "backup-tick"))
    m.other.hactl("backup", "tick")
    tap.equal(sorted(listed(m)[ident]["on"]), ["a", "b"], "the other node's steward fetches it")
    m.hactl("backup", "delete", ident, "--yes")


def no_room():
    """a disk without room: said before anything is begun"""
    m = pair.settled()
    os.makedirs(sets.folder(m.other), exist_ok=True)
    # In the node's own mount namespace, which `ip netns exec` made for it.
    inside = ["nsenter", "-m", "-t", str(m.other.pid("steward"))]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sets.folder(m.other)], check=True)
    subprocess.run([*inside, "dd", "if=/dev/zero", "of=" + os.path.join(sets.folder(m.other), "filler"), "bs=1k", "count=1000"], check=True, capture_output=True)
    try:
        p = m.hactl("backup", "now", check=False)
        tap.ok(p.returncode == 1 and "no room for a set" in p.stderr and "are free" in p.stderr, "the sentence says how much is needed and how much is free")
        tap.say(p.stderr.strip())
        left = subprocess.run([*inside, "ls", sets.folder(m.other)], capture_output=True, text=True).stdout
        tap.equal((left, listed(m)), ("filler\n", {}), "nothing was begun")
        m.hactl("backup", "schedule", "0", "every", "6h")
        m.hactl("backup", "tick", check=False)
        said = m.hactl("backup", "schedule").stdout
        tap.ok("could NOT be made at 20" in said, "a set that is due and cannot be made is told by the schedule")
        m.hactl("backup", "schedule", "0", "off")
    finally:
        subprocess.run([*inside, "umount", sets.folder(m.other)], check=True)


# ---- going back ----

def to_a_set():
    """rollback to a set, and back again"""
    m = pair.settled()
    pair.client().flushall()
    fill("old")
    old = content(m)
    ident = now(m)
    fill("new")
    pair.client().set("only new", "1")
    new = content(m)
    epoch = m.status()["node"]["epoch"]
    changes = {n: n.last_event() for n in (m, m.other)}
    p = rollback(m, ident, check=False)
    tap.equal((p.returncode, "nothing was done" in p.stderr, content(m) == new), (1, True, True), "without --yes and without a terminal nothing is done")
    tap.ok("LOST to clients: the writes of the last" in p.stdout and "%d commands" % (KEYS + 1) in p.stdout, "but it says what would be lost")
    p = rollback(m.other, ident, "--yes")
    tap.ok("kept as the set" in p.stdout and "follows, in sync" in p.stdout, "typed on the slave it is done on the master")
    tap.ok(same_on_both("both nodes have the same data") == old, "that of the set")
    tap.ok(pair.settled() is m and m.status()["node"]["epoch"] == epoch, "the master stayed master, of the same epoch")
    moved = [t for n in (m, m.other) for t in n.role_changes(changes[n]) if re.search(r"(boot|slave|master|promoting|suspended|yielded) -> ", t)]
    tap.equal(moved, [], "no role changed on the way")
    kept = [i for i, s in listed(m).items() if s["made_by"] == "rollback"]
    tap.equal((len(kept), sorted(listed(m)[kept[0]]["on"])), (1, ["a", "b"]), "the state before is a set of its own, on both nodes")
    pair.client().set("after", "1")
    rollback(m, kept[0], "--yes")
    tap.ok(same_on_both("a rollback to that one works too") == new, "and takes it all back")


def to_a_second():
    """rollback to a moment between two sets: exactly what had been written by then"""
    m = pair.settled()
    first = now(m)
    log, stop = [], threading.Event()

    def write():
        c, n = pair.client(socket_timeout=5), 0
        while not stop.is_set():
            n += 1
            sent = time.time()
            c.set("counter", n)
            c.rpush("list", n)
            log.append((n, sent, time.time()))
            time.sleep(0.002)
    t = threading.Thread(target=write)
    t.start()
    tap.until(lambda: len(log) > 300, 30, "300 writes")
    moment = time.time()
    tap.until(lambda: log[-1][1] > moment + 1.2, 30, "writes behind the moment")
    second = now(m)
    tap.until(lambda: log[-1][1] > listed(m)[second]["begin_us"] / 1e6 + 1, 30, "writes behind the second set")
    stop.set()
    t.join()
    typed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + ("%.6f" % (moment % 1))[1:]
    p = rollback(m.other, typed, "--yes", check=False)
    if not tap.ok(p.returncode == 0, "rollback to %s, typed on the slave" % typed):
        tap.say(p.stdout + p.stderr)
        return
    got = content_at(moment, log)
    same_on_both("the slave has the same")
    tap.ok(first in listed(m) and second in listed(m), "sets stay")
    pair.client().set("counter", "later")
    # The second try: a moment behind the one that was gone back to. Its writes stand in the log that was put aside.
    middle = log[len(log) // 2][2]
    if middle <= moment:
        middle = moment + (log[-1][2] - moment) / 2
    p = rollback(m, "%.6f" % middle, "--yes", check=False)
    if tap.ok(p.returncode == 0 and "put aside" in p.stdout, "a second try, to a second that the first one had taken back"):
        tap.ok(content_at(middle, log) > got, "has what was written up to then")
        same_on_both("and so has the slave")
    else:
        tap.say(p.stdout + p.stderr)
    before = sorted(i for i, s in listed(m).items() if s["made_by"] == "rollback")[-2]
    rollback(m, before, "--yes")
    tap.equal(int(pair.client().get("counter")), log[-1][0], "a third one, to the state before the first, brings the last write back")


def content_at(moment, log):
    c = pair.settled().control()
    got, items = int(c.get("counter")), [int(x) for x in c.lrange("list", 0, -1)]
    acked = max(n for n, sent, done in log if done <= moment)
    sent = max(n for n, sent, done in log if sent <= moment)
    tap.ok(acked <= got <= sent, "the counter is %d: %d had been acknowledged and %d been sent by then" % (got, acked, sent))
    tap.ok(items == list(range(1, len(items) + 1)) and len(items) in (got - 1, got), "the list is of the same moment")
    return got


def digest_of(port, node=None):
    c = redis.Redis(host=node.address if node else netlab.VIP, port=port, socket_timeout=5)
    return {k: c.dump(k) for k in c.scan_iter(count=1000)}


def cloned():
    """a set, and a second, become new instances; the source does not notice"""
    m = pair.settled()
    fill("in the set")
    pair.client().config_set("maxmemory-policy", "noeviction")
    base = content(m)
    ident = now(m)
    pair.client().set("key:0", "between")
    middle = content(m)
    tap.until(lambda: time.time() > listed(m)[ident]["begin_us"] / 1e6 + 1, 10, "the next second")
    moment = time.time()
    time.sleep(0.05)  # a write that belongs behind the moment
    fill("later")
    last = content(m)
    replid = m.status()["instances"][0]["replid"]
    for at, port, name, typed, want in ((m, 7001, "copy", ident, base), (m.other, 7002, "second", "%.6f" % moment, middle)):
        p = at.hactl("clone", typed, name, "--port", str(port), "--memory", "64mb", "--from", "0", check=False)
        if not tap.ok(p.returncode == 0, "clone of %s, typed on the %s" % ("the set" if typed == ident else "a moment", "master" if at is m else "slave")):
            tap.say(p.stdout + p.stderr)
            continue
        tap.ok(digest_of(port) == want, "the new instance has the data of then, at the VIP")
        tap.until(lambda: digest_of(port, m.other) == want, 30, "the slave's copy")
        tap.ok(True, "and so has the slave's")
        redis.Redis(host=netlab.VIP, port=port).set("own", "life")
    tap.ok(content(m) == last and m.status()["instances"][0]["replid"] == replid, "nothing changed at the source")
    for argv, sentence in (((ident, "copy", "--port", "7003"), "copy"), ((ident, "third", "--port", "7001"), "7001"),
                           (("0-20200101T000000Z", "third", "--port", "7003"), "there is no set"), (("2020-01-01 00:00:00", "third", "--port", "7003", "--from", "0"), "is not in the log"),
                           ((ident, "third"), "--port")):
        p = m.hactl("clone", *argv, check=False)
        tap.ok(p.returncode != 0 and sentence in p.stderr, "'clone %s' is refused" % " ".join(argv))
    left = [f for n in (m, m.other) for f in os.listdir(os.path.join(n.root, "data")) if f.startswith("clone")]
    tap.equal(left, [], "nothing half made is left")
    p = m.hactl("rollback", "copy", "--to", ident, "--yes", check=False)
    tap.ok(p.returncode == 1 and "another instance's" in p.stderr, "the set is the source's, not the clone's")
    for number in [i["number"] for i in m.status()["instances"] if i["number"]]:
        m.hactl("instance", "delete", str(number), "--confirm", "delete %d" % number, "--no-backup")
    pair.settled()


def an_operator_who_errs():
    """wrong names, times out of range, and an operator who says no"""
    m = pair.settled()
    want = content(m)
    some = sorted(listed(m))[0]
    future = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 3600))
    for argv, sentence, status in (
            (("0-20200101T000000Z",), "there is no set '0-20200101T000000Z'; there are: ", 1),
            (("2020-01-01 00:00:00",), "is not in the log that is kept; any second from 20", 1),
            ((future,), "has not come yet", 1),
            (("half past six",), "is neither a set nor a time", 1),
            (("31d ago",), "is not in the log that is kept", 1)):
        for node in (m, m.other):
            p = rollback(node, *argv, "--yes", check=False)
            if not tap.ok(p.returncode == status and sentence in p.stderr, "--to '%s' on %s: %s" % (argv[0], node.name, sentence)):
                tap.say(p.stdout + p.stderr)
            if "no set" in sentence or "range" in sentence:
                tap.ok(some in p.stderr, "with the sets there are")
    p = m.hactl("rollback", "5", "--to", some, "--yes", check=False)
    tap.equal((p.returncode, "no instance '5'" in p.stderr), (2, True), "a wrong instance")
    p = m.hactl("rollback", "0", check=False)
    tap.equal((p.returncode, "--to SET|TIME" in p.stderr), (2, True), "no --to")
    for answer in ("1", "", "yes"):
        status, said = on_terminal(m, answer, "rollback", "0", "--to", some)
        tap.ok(status == 1 and "Type the instance's name, 0" in said and "nothing was done" in said, "an operator who types '%s'" % answer)
    tap.ok(same_on_both("all is as it was") == want, "nothing of this changed anything")
    status, said = on_terminal(m, "0", "rollback", "0", "--to", some)
    tap.ok(status == 0 and "follows, in sync" in said, "an operator who types the instance's name")


def on_terminal(node, answer, *argv):
    """hactl with a terminal, on which an operator types one line; exit status and all that was shown."""
    main, side = pty.openpty()
    p = subprocess.Popen(["nsenter", "--net=/run/netns/" + pair.lab.names[node.name], tap.DUET, "hactl", "--root", node.root, *argv],
                         stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    said = b""
    try:
        while b"to go back: " not in said:
            said += os.read(main, 4096)
        os.write(main, answer.encode() + b"\n")
        while True:
            said += os.read(main, 4096)
    except OSError:  # the terminal's end
        pass
    os.close(main)
    return p.wait(), said.decode(errors="replace")


# ---- faults ----

def damaged_set():
    """a set that is damaged is not gone back to"""
    m = pair.settled()
    ident = now(m)
    fill("after the set")
    want = content(m)
    for n in (m, m.other):
        with open(os.path.join(sets.folder(n, ident), "data.rdb.zst"), "r+b") as f:
            f.seek(1000)
            f.write(b"damaged")
    p = rollback(m, ident, "--yes", check=False)
    tap.ok(p.returncode == 1 and "its data is as it was" in p.stderr, "refused: " + p.stderr.strip()[-120:])
    tap.ok(same_on_both("both nodes are as before") == want, "nothing was lost")
    m.hactl("backup", "verify", "all", check=False)
    p = rollback(m, ident, "--yes", check=False)
    tap.ok(p.returncode == 1 and "damaged wherever it is" in p.stderr, "once known to be damaged it is refused by name")
    m.hactl("backup", "delete", ident, "--yes")


def power_cut_in_a_rollback():
    """the master loses power in the middle of a rollback"""
    m = pair.settled()
    fill("set")
    base = content(m)
    ident = now(m)
    fill("present")
    present = content(m)
    p = subprocess.Popen(["nsenter", "--net=/run/netns/" + pair.lab.names[m.name], tap.DUET, "hactl", "--root", m.root, "rollback", "0", "--to", ident,
                          "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""
    while b"kept as the set" not in seen:
        part = os.read(p.stdout.fileno(), 4096)
        if not part:
            break
        seen += part
    m.power_cut()
    p.wait()
    m.power_on()
    pair.settled()
    got = same_on_both("both nodes are the same again")
    tap.ok(got in (base, present), "with the data of before or of after, not of between (%s)" % ("before" if got == present else "after"))
    rollback(pair.settled(), ident, "--yes")
    tap.ok(same_on_both("the second try works") == base, "and the data is the set's")


def power_cut_in_a_backup():
    """power goes while a set is made"""
    m = pair.settled()
    big = os.urandom(1 << 20)
    c = pair.client(socket_timeout=10)
    for i in range(40):
        c.set("big:%d" % i, big)
    before = set(listed(m))
    victim = m.other  # it makes the set
    p = subprocess.Popen(["nsenter", "--net=/run/netns/" + pair.lab.names[m.name], tap.DUET, "hactl", "--root", m.root, "backup", "now"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    tap.until(lambda: [f for f in os.listdir(sets.folder(victim)) if f.endswith(".partial")] or p.poll() is not None, 20, "the set has been begun", 0.001)
    victim.power_cut()
    victim.power_on()
    pair.settled()
    tap.ok(p.wait() != 0, "the one who asked is told")
    left = [i for i in set(listed(m)) - before]
    tap.equal([i for i in left if any(v["state"] == "damaged" for v in listed(m)[i]["on"].values())], [], "no half set stands in the list")
    ident = now(m)
    tap.ok(m.hactl("backup", "verify", ident).stdout.count(": good") == 2, "the next one is made and good")
    c.delete(*["big:%d" % i for i in range(40)])


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(made_on_the_slave, made_without_a_slave, no_room, to_a_set, to_a_second, cloned, an_operator_who_errs, damaged_set,
                    power_cut_in_a_rollback, power_cut_in_a_backup)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
