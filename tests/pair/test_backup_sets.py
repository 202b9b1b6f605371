"""hactl backup with sets made by hand: what both nodes hold, verify, delete, export, import, damage."""

import io
import json
import os
import random
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import sets  # noqa: E402
import tap  # noqa: E402

pair = None
made = []  # old, both, new
archives = []


def listed(node, *more):
    return {s["id"]: s for s in json.loads(node.hactl("--json", "backup", "list", *more).stdout).get("sets", [])}


def no_partials(node):
    return [f for f in os.listdir(sets.folder(node)) if "." in f] if os.path.isdir(sets.folder(node)) else []


def both_nodes_in_one_list():
    """the sets of both nodes in one list"""
    m = pair.settled()
    tap.ok("no backup sets" in m.hactl("backup", "list").stdout, "without any, the list says how to make one")
    old, new = sets.make(m, 7200, "before the upgrade"), sets.make(m.other, 60, data=os.urandom(3000000))
    both = sets.make(m, 600)
    subprocess.run(["cp", "-r", sets.folder(m, both), sets.folder(m.other)], check=True)
    for node in (m, m.other):
        got = listed(node)
        tap.equal(sorted(got), [old, both, new], "node %s lists all three" % node.name)
        tap.equal([sorted(got[i]["on"]) for i in (old, both, new)], [[m.name], ["a", "b"], [m.other.name]], "and where they are")
    tap.equal((got[old]["name"], got[old]["made_by"], got[old]["keys"], got[new]["bytes"]), ("before the upgrade", "operator", 17, 3000000), "with what is in them")
    tap.equal(sorted(listed(m, "--local")), [old, both], "--local: this node's alone")
    text = m.hactl("backup", "list").stdout
    tap.ok("before the upgrade" in text and "3.0 MB" in text and "2 h" in text, "the table says it for people")
    shown = m.hactl("backup", "show", new).stdout
    tap.ok("on node %s   not verified yet" % m.other.name in shown and "offset 1234" in shown, "show tells all of one that only the other node has")
    p = m.hactl("backup", "show", "0-20200101T000000Z", check=False)
    tap.equal((p.returncode, new in p.stderr), (2, True), "a wrong name is answered with the names there are")
    made.extend((old, both, new))


def verified_or_damaged():
    """verify compares each byte on both nodes"""
    old, both, new = made
    m = pair.settled()
    p = m.hactl("backup", "verify", "all")
    tap.equal(p.stdout.count(": good"), 4, "all copies of all sets are good")
    tap.equal(listed(m)[new]["on"][m.other.name]["state"], "good", "the list knows it, the other node's verdict too")
    data = os.path.join(sets.folder(m, both), "data.rdb.zst")
    with open(data, "r+b") as f:
        f.write(b"N")
    p = m.hactl("backup", "verify", both, check=False)
    tap.equal((p.returncode, "on node %s: DAMAGED" % m.name in p.stdout, "on node %s: good" % m.other.name in p.stdout), (1, True, True),
              "one changed byte on one node is found, the other copy is good")
    tap.ok("DAMAGED" in m.hactl("backup", "show", both).stdout, "and stays known")
    os.truncate(os.path.join(sets.folder(m, old), "data.rdb.zst"), 3)
    with open(os.path.join(sets.folder(m.other, both), "set"), "r+b") as f:
        f.seek(30)
        f.write(b"#")
    got = listed(m)
    tap.equal((got[old]["on"][m.name]["state"], got[both]["on"][m.other.name]["state"]), ("damaged", "damaged"), "a short file and a changed set file show without verifying")
    for node in (m, m.other):
        p = node.hactl("backup", "export", both, "-", check=False, text=False)
        tap.ok(p.returncode == 1, "a set that is damaged on both nodes is not exported from %s" % node.name)


def deleted():
    """delete takes a set off both nodes"""
    old, both, new = made
    m = pair.settled()
    p = m.hactl("backup", "delete", both, check=False)
    tap.equal((p.returncode, "nothing was deleted" in p.stderr, both in listed(m)), (1, True, True), "without --yes and without a terminal nothing is deleted")
    m.hactl("backup", "delete", both, "--yes")
    m.hactl("backup", "delete", old, "--yes")
    tap.equal((list(listed(m)), list(listed(m.other))), ([new], [new]), "deleted on both nodes")
    tap.equal(os.listdir(sets.folder(m)), [], "nothing of it is left")


def exported():
    """an archive goes out and comes in, as a file and as a stream"""
    new = made[2]
    m = pair.settled()
    here, there = m, m.other
    with open(os.path.join(sets.folder(there, new), "data.rdb.zst"), "rb") as f:
        data = f.read()
    there.hactl("backup", "delete", "nonsense", "--yes", check=False)
    stream = here.hactl("backup", "export", new, "-", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(stream)) as t:
        tap.equal([n.rstrip("/") for n in t.getnames()], [new, new + "/set", new + "/data.rdb.zst"], "the stream of a set of the other node is a tar archive, set first")
        tap.ok(t.extractfile(new + "/data.rdb.zst").read() == data, "with its data")
    ssh = subprocess.run(["nsenter", "--net=/run/netns/" + pair.lab.names[here.name], tap.DUET, "console", "--root", here.root, "-c",
                          "backup export %s" % new], capture_output=True)
    tap.ok(ssh.stdout == stream, "`ssh node backup export SET > file` writes the same")
    path = os.path.join(pair.work, "set.tar")
    there.hactl("backup", "export", new, path)
    with open(path, "rb") as f:
        tap.ok(f.read() == stream, "and so does export to a file")
    p = here.hactl("backup", "export", new, "/nowhere/set.tar", check=False)
    tap.equal((p.returncode, "/nowhere/set.tar" in p.stderr), (1, True), "a file that cannot be written is named")
    here.hactl("backup", "delete", new, "--yes")
    tap.equal(listed(here), {}, "it is gone")
    tap.equal(here.hactl("backup", "import", path).stdout.strip(), new, "imported from a file")
    tap.equal(sorted(listed(there)[new]["on"]), ["a", "b"], "it stands on both nodes")
    p = here.hactl("backup", "import", "-", input=stream, text=False)
    tap.ok(b"was here already" in p.stderr, "a second time it is only checked")
    here.hactl("backup", "delete", new, "--yes")
    p = here.hactl("--peer", "backup", "import", "-", input=stream, text=False)
    tap.equal(p.stdout.strip().decode(), new, "imported from a stream, through the channel")
    tap.equal(sorted(listed(here)[new]["on"]), ["a", "b"], "and again it stands on both nodes")
    tap.equal(here.hactl("backup", "verify", "all").stdout.count(": good"), 2, "whole")
    here.hactl("backup", "delete", new, "--yes")
    archives.append(stream)


def damaged_archives():
    """an archive that is damaged is refused, and nothing is left of it"""
    stream = archives[0]
    m = pair.settled()
    rng = random.Random(tap.seed())
    small = stream[:512 * 4]
    places = list(range(0, 512 * 3)) if tap.FULL else rng.sample(range(0, 512 * 3), 40) + [0, 100, 124, 148, 156, 257, 512]
    places = [p for p in places if small[p] or p % 512 < 345] + rng.sample(range(2048, len(stream) - 2048), 10)
    taken = []
    for at in places:
        bad = bytearray(stream)
        bad[at] ^= 1 << rng.randrange(8)
        if at < 512 or m.hactl("backup", "import", "-", "--local", input=bytes(bad), check=False, text=False).returncode == 0:
            taken += [at] if at >= 512 else []
    tap.equal([at for at in taken if at < 512 * 3 and not padding(stream, at)], [], "a changed byte of the set or its heads is found (%d places)" % len(places))
    tap.equal([at for at in taken if at >= 2048], [], "and one of its data")
    for ident in listed(m):
        m.hactl("backup", "delete", ident, "--yes")
    cut = [512, 700, 1024, 1536, 2048, 2500, len(stream) // 2, len(stream) - 1024 - 1]
    left = [n for n in cut if m.hactl("backup", "import", "-", "--local", input=stream[:n], check=False, text=False).returncode == 0]
    tap.equal(left, [], "a stream that is cut off is refused")
    tap.equal((listed(m), no_partials(m)), ({}, []), "nothing is left of them")
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w", format=tarfile.USTAR_FORMAT) as t:
        info = tarfile.TarInfo("../../../etc/set")
        info.size = 5
        t.addfile(info, io.BytesIO(b"hello"))
    p = m.hactl("backup", "import", "-", "--local", input=evil.getvalue(), check=False, text=False)
    tap.ok(p.returncode == 1 and not os.path.exists(os.path.join(m.root, "etc", "set")), "an archive of other files writes none of them")


def padding(stream, at):
    """Zeros that tar ignores: behind the set file."""
    size = int(stream[512 + 124:512 + 135], 8)
    return 1024 + size <= at < 1536


def alone():
    """the other node is off"""
    m = pair.settled()
    ident = sets.make(m, 100)
    subprocess.run(["cp", "-r", sets.folder(m, ident), sets.folder(m.other)], check=True)
    m.other.power_cut()
    p = m.hactl("backup", "list")
    tap.ok(ident in p.stdout and "only this node's sets are known" in p.stderr, "the list is this node's and says so")
    p = m.hactl("backup", "delete", ident, "--yes", check=False)
    tap.equal((p.returncode, "would come back" in p.stderr, ident in listed(m)), (5, True, True), "deleting waits for the other node")
    m.hactl("backup", "delete", ident, "--yes", "--local")
    tap.equal(listed(m), {}, "--local deletes here all the same")
    m.other.power_on()
    pair.settled()
    tap.equal(sorted(listed(m)[ident]["on"]), [m.other.name], "and the other node still has it")


def by_stick():
    """export and import by a stick: a loop device here"""
    m = pair.settled()
    ident = sets.make(m, 50, data=os.urandom(300000))
    image = os.path.join(pair.work, "stick.img")
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    p = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True)
    if p.returncode:
        tap.skip("a set travels by stick", "no loop device here: " + p.stderr.strip())
        return
    device = p.stdout.strip()
    try:
        name = m.hactl("backup", "export", ident, "--device", device).stdout.strip()
        tap.ok(name.endswith("/%s.tar" % ident), "written to the stick as %s.tar" % ident)
        tap.ok(device not in open("/proc/mounts").read() and not os.path.exists(os.path.dirname(name)), "which is not mounted any more")
        m.hactl("backup", "delete", ident, "--yes")
        tap.equal(m.other.hactl("backup", "import", "--device", device).stdout.strip(), ident, "read from it on the other node")
        tap.equal(sorted(listed(m)[ident]["on"]), ["a", "b"], "and it stands on both nodes")
        p = m.hactl("backup", "import", "no-such.tar", "--device", device, check=False)
        tap.ok(p.returncode == 1 and "no-such.tar" in p.stderr, "a file that is not on it is named")
        subprocess.run(["dd", "if=/dev/zero", "of=" + device, "bs=64k", "count=16"], capture_output=True)
        p = m.hactl("backup", "export", ident, "--device", device, check=False)
        tap.ok(p.returncode == 1 and "no file system that is known" in p.stderr, "a stick without a file system is said to be one")
    finally:
        subprocess.run(["losetup", "-d", device], check=False)
    m.hactl("backup", "delete", ident, "--yes")


def conf_line(node, word):
    with open(os.path.join(node.root, "etc", "duet.conf")) as f:
        return [line.strip() for line in f if line.strip().startswith(word)]


def schedule_and_retention():
    """schedule and retention stand in duet.conf of both nodes, and the steward's tick does what they say"""
    m = pair.settled()
    for i in listed(m):
        m.hactl("backup", "delete", i, "--yes")
    shown = m.hactl("backup", "schedule").stdout
    tap.ok("off" in shown and "sets 7" in shown, "without any word of it: off, and seven sets are kept")
    m.hactl("backup", "schedule", "0", "every", "6h")
    m.other.hactl("backup", "retention", "0", "sets", "3")
    for n in (m, m.other):
        tap.equal((conf_line(n, "backup-schedule"), conf_line(n, "backup-retention")), (['backup-schedule "every 6h"'], ['backup-retention "sets 3"']),
                  "both stand in node %s's duet.conf" % n.name)
        got = json.loads(n.hactl("--json", "backup", "schedule").stdout)["instances"][0]
        tap.equal((got["schedule"], got["retention"], got["newest"]), ("every 6h", "sets 3", ""), "and node %s tells them" % n.name)
    for wrong in (("schedule", "0", "daily", "25:00"), ("schedule", "0", "every", "1m"), ("schedule", "0"), ("retention", "0", "sets", "0"),
                  ("retention", "0", "weeks", "2"), ("schedule", "9", "off")):
        p = m.hactl("backup", *wrong, check=False)
        tap.ok(p.returncode in (1, 2) and p.stderr, "'backup %s' is refused: %s" % (" ".join(wrong), p.stderr.strip()[:70]))
    m.other.hactl("backup", "tick")
    tap.equal(listed(m), {}, "the slave's steward makes none")
    m.hactl("backup", "tick")
    got = listed(m)
    tap.equal([(s["made_by"], s["made_on"], sorted(s["on"])) for s in got.values()], [("schedule", m.other.name, ["a", "b"])], "the master's has one made, on the slave")
    m.hactl("backup", "tick")
    tap.equal(len(listed(m)), 1, "and no second one before its time")
    old = [sets.make(m, 3600 * h) for h in (50, 40, 30, 20)]
    named = sets.make(m, 3600 * 60, name="before the upgrade")
    before = sets.make(m, 3600 * 55, made_by="rollback")
    m.hactl("backup", "tick")
    tap.equal(sorted(listed(m, "--local")), sorted([named, before, *old[2:], *got]), "three are kept, and those with a name or of a rollback")
    with open(os.path.join(sets.folder(m, old[3]), "data.rdb.zst"), "w") as f:
        f.write("short")
    m.hactl("backup", "tick")
    tap.ok(old[3] in listed(m, "--local") and old[2] in listed(m, "--local"), "a damaged one does not count")
    m.hactl("backup", "schedule", "0", "off")
    m.hactl("backup", "retention", "0", "days", "1")
    m.hactl("backup", "tick")
    tap.equal(sorted(listed(m, "--local")), sorted([named, before, old[3], *got]), "by days, the newest good one and what is younger")
    m.other.power_cut()
    p = m.hactl("backup", "schedule", "0", "daily", "03:30", check=False)
    tap.ok(p.returncode != 0 and conf_line(m, "backup-schedule") == ["backup-schedule off"], "with the other node off nothing is changed")
    m.other.power_on()
    pair.settled()


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(both_nodes_in_one_list, verified_or_damaged, deleted, exported, damaged_archives, by_stick, alone, schedule_and_retention)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
