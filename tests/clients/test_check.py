#!/usr/bin/python3
"""duet check and duet restore: what they find, what they mend, what they make. Every kind of damage."""
# timeout: 300

import datetime
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap
import test_backup_sets as sets


def run(*words, **more):
    return subprocess.run([tap.DUET, *[str(w) for w in words]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          **more)


def check(*words):
    """(exit status, items)"""
    p = run("check", "--json", *words)
    return p.returncode, json.loads(p.stdout)["items"] if p.stdout else p.stderr


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


class Dir:
    """A directory that goes away."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="duet-check-")
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


def flip(data, i):
    out = bytearray(data)
    out[i] ^= 1 << i % 8
    return bytes(out)


def small_rdb(d):
    """A small RDB file with every kind in it."""
    with servers.Server("--appendonly", "no", directory=d) as s:
        c = s.connect()
        c.cmd("SET", "string", "some text that is long enough, long enough, long enough")
        c.cmd("SET", "number", 12345, "PX", 10000000)
        c.cmd("RPUSH", "list", "a", "b", 3)
        c.cmd("SADD", "ints", 1, 2, 3)
        c.cmd("SADD", "set", "x", "y")
        c.cmd("ZADD", "zset", 1.5, "m", 2, "n")
        c.cmd("HSET", "hash", "f", "v", "g", "w")
        c.cmd("XADD", "stream", "1-1", "a", "b")
        c.cmd("SAVE")
    return os.path.join(d, "dump.rdb")


def summary():
    """an RDB file is told about: ours, and one of Debian's redis-server"""
    for command, name in ((None, "duet"), ([servers.REDIS_SERVER], "redis-server")):
        with Dir() as d, servers.Server("--save", "", "--appendonly", "no", command=command, directory=d) as s:
            c = s.connect()
            sets.fill(c, 100)
            c.cmd("SET", "big", "x" * 20000)
            c.cmd("HSET", "big hash", *sum(([i, "value %d" % i] for i in range(2000)), []))
            c.cmd("SAVE")
            status, (item,) = check(os.path.join(d, "dump.rdb"))
            want = {"kind": "RDB file", "sound": True, "keys": 109, "strings": 103, "lists": 1, "sets": 1, "sorted_sets": 1, "hashes": 2, "streams": 1,
                    "databases": 2, "keys_with_expiry": 1, "biggest_key": "big hash"}
            tap.equal((status, {k: item.get(k) for k in want}), (0, want), "what is in a file of %s" % name)
            p = run("check", os.path.join(d, "dump.rdb"))
            tap.ok(p.returncode == 0 and "RDB file, sound" in p.stdout and "biggest_key" in p.stdout, "and in words")


def rdb_damage():
    """an RDB file: a bit flipped at every byte is found, a cut at every byte too; what is before it can be saved"""
    with Dir() as d:
        path = small_rdb(d)
        data = read(path)
        names = []
        for i in range(len(data)):
            write(os.path.join(d, "f%d.rdb" % i), flip(data, i))
            write(os.path.join(d, "c%d.rdb" % i), data[:i])
            names += [os.path.join(d, "f%d.rdb" % i), os.path.join(d, "c%d.rdb" % i)]
        found = []
        for at in range(0, len(names), 200):
            status, items = check(*names[at:at + 200])
            tap.equal(status, 1, "damage among %d files" % len(items)) if at == 0 else None
            found += items
        missed = [i["path"] for i in found if i["sound"]]
        tap.equal(missed, [], "each of %d damaged files is told" % len(found))
        tap.ok(all(i["damage"] and 0 <= i["damage_at"] <= len(data) for i in found), "with the byte and what is wrong")
        write(path, data + b"more")
        tap.equal(check(path)[0], 1, "bytes behind the end are damage")
        rng, good = random.Random(tap.seed()), 0
        for i in sorted(rng.sample(range(len(data)), 12)):
            new = os.path.join(d, "new%d.rdb" % i)
            p = run("check", "--salvage", new, os.path.join(d, "c%d.rdb" % i))
            if p.returncode == 2:
                tap.ok("nothing before the damage" in p.stderr and not os.path.exists(new), "cut at %d: nothing can be kept" % i)
                continue
            with servers.Server("--appendonly", "no", "--dbfilename", os.path.basename(new), directory=d) as s:
                c = s.connect()
                keys = c.cmd("DBSIZE")
                good += all(c.cmd("TYPE", k) != b"none" for k in c.cmd("KEYS", "*")) and check(new)[1][0]["keys"] == keys
        tap.ok(good > 5, "what was saved from cut files loads (%d of them)" % good)
        original = os.path.join(d, "c%d.rdb" % (len(data) // 2))
        tap.equal(read(original), data[:len(data) // 2], "and the original is as it was")
        tap.equal(run("check", "--salvage", original, path).returncode, 2, "no file is written over")


def small_log(d, clean=False):
    """A data directory whose log has a kept increment, a base and one behind it; the counters after each write."""
    os.makedirs(d)
    with servers.Server("--appendfsync", "always", directory=d) as s:
        c = s.connect()
        for i in range(5):
            c.cmd("INCR", "n")
        sets.rewrite(c)
        for i in range(12):
            c.send_raw(b"".join(servers.encode(*w) for w in (["MULTI"], ["INCR", "n"], ["RPUSH", "l", i], ["EXEC"])))
            for _ in range(4):
                c.read()
        s.stop(signal.SIGTERM if clean else signal.SIGKILL)
    for name in ("server.out", "duet.lock"):
        if os.path.exists(os.path.join(d, name)):
            os.unlink(os.path.join(d, name))
    return os.path.join(d, "log")


def trim(log):
    """Without the room that is made ahead."""
    for name in os.listdir(log):
        if name.endswith(".incr"):
            data = read(os.path.join(log, name)).rstrip(b"\0")
            write(os.path.join(log, name), data + b"\0" * 0)


def log_damage():
    """a log: a bit flipped at every byte of every file is found; where it can be mended it loads, and is a prefix"""
    with Dir() as d:
        log = small_log(os.path.join(d, "data"), clean=True)
        status, (item,) = check(log)
        tap.equal((status, item["sound"], item["commands"], item["clean_end"], item["kept_increments"]), (0, True, 24, True, 1), "a sound log")
        tap.equal(check(os.path.join(d, "data"))[1][0]["path"], os.path.join(d, "data", "log"), "the data directory stands for it")
        names, size = [], 0
        for name in sorted(os.listdir(log)):
            data = read(os.path.join(log, name))
            size += len(data)
            for i in range(len(data)):
                copy = os.path.join(d, "copies", "%s-%d" % (name, i))
                os.makedirs(copy)
                for other in os.listdir(log):
                    if other != name:
                        os.link(os.path.join(log, other), os.path.join(copy, other))
                write(os.path.join(copy, name), flip(data, i))
                names.append(copy)
        found = []
        for at in range(0, len(names), 200):
            found += check("--quick", *names[at:at + 200])[1]
        tap.equal([i["path"] for i in found if i["sound"]], [], "each of %d flipped bits in %d bytes is found" % (len(found), size))
        told = [i for i in found if not any(k in i for k in ("damage", "torn", "kept_damage"))]
        tap.equal(told, [], "and told")
        rng = random.Random(tap.seed())
        pick = [n for n in names if ".incr-" in n or "manifest" in n]
        loads = 0
        for copy in rng.sample(pick, 40 if tap.FULL else 14):
            data = os.path.join(d, "mend")
            os.makedirs(data)
            os.rename(copy, os.path.join(data, "log"))
            before = {n: read(os.path.join(data, "log", n)) for n in os.listdir(os.path.join(data, "log"))}
            dry = run("check", "--dry-run", data)
            tap_same = {n: read(os.path.join(data, "log", n)) for n in os.listdir(os.path.join(data, "log"))} == before
            asks = run("check", "--repair", data)
            untouched = {n: read(os.path.join(data, "log", n)) for n in os.listdir(os.path.join(data, "log"))} == before
            p = run("check", "--repair", "--yes", data)
            kept = [n for n in os.listdir(data) if n.startswith("log.before-repair-")]
            same = kept and {n: read(os.path.join(data, kept[0], n)) for n in os.listdir(os.path.join(data, kept[0]))} == before
            with servers.Server(directory=data) as s:
                c = s.connect()
                n, l = int(c.cmd("GET", "n")), c.cmd("LRANGE", "l", 0, -1)
                prefix = n == 5 + len(l) and l == [b"%d" % i for i in range(len(l))]
            fine = dry.returncode == 1 and tap_same and asks.returncode == 1 and untouched and p.returncode == 0 and same and prefix
            loads += bool(fine)
            if not fine:
                tap.say("%s: dry %d %s, asked %d %s, repair %d, kept %s, prefix %s\n%s%s" %
                        (copy, dry.returncode, tap_same, asks.returncode, untouched, p.returncode, same, prefix, p.stdout, p.stderr))
            shutil.rmtree(data)
        tap.equal(loads, 40 if tap.FULL else 14, "mended logs load, a prefix of what was; nothing is done unasked; the log as it was is kept")


def cuts():
    """a torn tail, damage in the middle: what it costs is told before"""
    with Dir() as d:
        data = os.path.join(d, "data")
        log = small_log(data)
        trim(log)
        path = os.path.join(log, "000002.incr")
        whole = read(path)
        status, (item,) = check(log)
        tap.equal((status, item["commands"]), (0, 24), "a log after SIGKILL is sound")
        write(path, whole[:-10])
        status, (item,) = check(log)
        tap.ok(status == 1 and item["torn_in"] == "000002.incr" and item["commands"] == 22 and "repair_tail" in item, "a torn tail is told as such")
        tap.equal((item["behind_commands"], item["behind_blocks"]), (0, 0), "with nothing sound behind it")
        write(path, flip(whole, len(whole) // 3))
        status, (item,) = check(log)
        tap.ok(status == 1 and item["damage_in"] == "000002.incr" and "repair_cut" in item, "damage in the middle is another thing")
        tap.equal((item["commands"] + item["behind_commands"] + 2, item["behind_bytes"]), (24, len(whole) - item["damage_at"]), "what lies behind it is counted")
        text = run("check", data).stdout
        tap.ok("are lost" in text and "peer" in text, "and the choices are named")
        with servers.Server(directory=data, wait=False) as s:
            s.process.wait(20)
            tap.ok(s.process.returncode != 0 and "byte %d" % item["damage_at"] in s.log(), "the server refuses it at the same byte")
        write(path, whole)
        with servers.Server(directory=data) as s:
            tap.equal(check(data)[0], 0, "a log that a server writes can be looked at")
            write(os.path.join(log, "manifest"), b"damaged\n")
            p = run("check", "--repair", "--yes", data)
            tap.ok(p.returncode == 2 and "stop it first" in p.stderr, "and is not mended: %s" % p.stderr.strip())


def lost_parts():
    """a manifest, a base or a kept increment that is gone"""
    def fresh(d, name):
        data = os.path.join(d, name)
        return data, small_log(data, clean=True)

    def loads(data):
        with servers.Server(directory=data) as s:
            return int(s.connect().cmd("GET", "n"))
    with Dir() as d:
        data, log = fresh(d, "manifest")
        os.unlink(os.path.join(log, "manifest"))
        tap.ok("manifest" in check(data)[1][0]["damage_in"], "no manifest: told")
        tap.equal(run("check", "--repair", "--yes", data).returncode, 0, "it is made again")
        tap.equal(loads(data), 17, "and everything is there")
        data, log = fresh(d, "base")
        base = os.path.join(log, "000002.base")
        write(base, flip(read(base), 40))
        status, (item,) = check(data)
        tap.ok(status == 1 and item["damage_in"] == "000002.base" and "cannot_repair" in item, "a damaged base: %s" % item.get("cannot_repair"))
        tap.equal(run("check", "--repair", "--yes", data).returncode, 1, "nothing is done about it")
        data, log = fresh(d, "older")
        with servers.Server(directory=data) as s:
            c = s.connect()
            c.cmd("INCR", "n")
            sets.rewrite(c)
            c.cmd("INCR", "n")
            newest = max(n for n in os.listdir(log) if n.endswith(".base"))
            s.stop()
        os.unlink(os.path.join(log, newest))
        status, (item,) = check(data)
        tap.ok(status == 1 and "repair_manifest" in item, "the newest base is gone, an older one is kept: %s" % item.get("repair_manifest"))
        tap.equal(run("check", "--repair", "--yes", data).returncode, 0, "it takes its place")
        tap.equal(loads(data), 19, "and nothing is lost")
        data, log = fresh(d, "kept")
        kept = os.path.join(log, "000001.incr")
        write(kept, flip(read(kept), 100))
        status, (item,) = check(data)
        tap.ok(status == 1 and item["kept_damage_in"] == "000001.incr" and "repair_kept" in item, "damage in what is kept only to go back")
        tap.equal(run("check", "--repair", "--yes", data).returncode, 0, "it is forgotten")
        tap.equal(loads(data), 17, "and nothing is lost")


def damaged_sets():
    """a set and its archive: every flipped bit is found"""
    with Dir() as d, sets.Server() as s:
        c = s.connect()
        sets.fill(c, 30)
        s.backup()
        good = s.set_dir()
        status, (item,) = check(good)
        tap.equal((status, item["kind"], item["id"], item["keys_read"]), (0, "backup set", sets.ID, 37), "a sound set")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as t:
            for name in ("set", "data.rdb.zst"):
                t.add(os.path.join(good, name), sets.ID + "/" + name)
        path = os.path.join(d, "a.tar")
        write(path, archive.getvalue())
        status, (item,) = check(path)
        tap.equal((status, item["kind"], item["keys_read"]), (0, "archive of a backup set", 37), "its archive")
        names = []
        for name in ("set", "data.rdb.zst"):
            data = read(os.path.join(good, name))
            for i in range(0, len(data), 1 if name == "set" or tap.FULL else 23):
                copy = os.path.join(d, "%s-%d" % (name, i))
                shutil.copytree(good, copy)
                write(os.path.join(copy, name), flip(data, i))
                names.append(copy)
        found = []
        for at in range(0, len(names), 200):
            found += check(*names[at:at + 200])[1]
        tap.equal([i["path"] for i in found if i["sound"]], [], "each of %d flipped bits" % len(found))
        for cut in (600, 1100, 1800, len(archive.getvalue()) // 3):
            write(path, archive.getvalue()[:cut])
            tap.equal(check(path)[0], 1, "an archive cut at byte %d" % cut)


def usage():
    """what cannot be looked at is told, with status 2"""
    with Dir() as d:
        write(os.path.join(d, "x"), b"nothing of ours")
        for words in ([], ["--nonsense", d], [os.path.join(d, "absent")], [os.path.join(d, "x")], [d], ["--repair", os.path.join(d, "x")], ["--salvage"]):
            p = run("check", *words)
            tap.ok(p.returncode == 2 and p.stderr, "duet check %s: %s" % (" ".join(words).replace(d, "DIR"), p.stderr.split("\n")[0][:80].replace(d, "DIR")))
        for words in ([], [d], ["--to", d], [d, "--to", d, "--until", "1"], [d, "--to", d + "/n", "--log", d, "--until", "yesterday"]):
            p = run("restore", *words)
            tap.ok(p.returncode == 2 and p.stderr, "duet restore %s" % " ".join(words).replace(d, "DIR"))
        tap.ok(run("check", "--help").returncode == 0 and run("restore", "--help").returncode == 0, "both have --help")


def clones():
    """a new server's data: from a set, from its archive on a stream, up to a second of the log of a running server"""
    with Dir() as d, sets.Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        sets.fill(c, 2000)
        s.backup()
        of_set = sets.digest(c)
        marks, states = [], []
        for n in range(5):
            marks.append(sets.step(c, n))
            states.append(sets.state(c))

        def clone(name, *words, **more):
            to = os.path.join(d, name)
            p = run("restore", "--to", to, "--json", *words, **more)
            if p.returncode:
                return p.stderr
            told = json.loads(p.stdout)
            with servers.Server("--enable-debug-command", "yes", directory=to) as n:
                nc = n.connect()
                info = dict(l.split(":", 1) for l in nc.cmd("INFO", "replication").decode().splitlines() if ":" in l)
                tap.equal((info["master_replid"], int(info["master_repl_offset"])), (told["replid"], told["offset"]), "%s: a line of its own" % name)
                nc.cmd("SET", "here only", "1")
                nc.cmd("DEL", "here only")
                return sets.state(nc)
        tap.equal(clone("set", s.set_dir())[3], of_set, "of a set")
        log = os.path.join(s.directory, "log")
        tap.equal(clone("second", s.set_dir(), "--log", log, "--until", marks[2]), states[2], "of a set and the log behind it")
        tap.equal(clone("base", "--log", log, "--until", marks[3]), states[3], "of the log alone")
        when = datetime.datetime.fromtimestamp(marks[1] / 1e6, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        tap.equal(clone("date", s.set_dir(), "--log", log, "--until", when), states[1], "up to a date: %s" % when)
        tap.equal(sets.state(c), states[4], "the original is as it was")
        p = subprocess.run([tap.DUET, "restore", "-", "--to", os.path.join(d, "stream")], input=tar_of(s.set_dir()), stdout=subprocess.PIPE, timeout=60)
        with servers.Server("--enable-debug-command", "yes", directory=os.path.join(d, "stream")) as n:
            tap.equal((p.returncode, sets.digest(n.connect())), (0, of_set), "from a stream")
        tap.ok("already" in clone("set", s.set_dir()), "a directory with a log in it is not touched")
        tap.ok("reach back" in clone("early", s.set_dir(), "--log", log, "--until", marks[0] - 10 ** 7), "a time before the log is refused")
        tap.ok(not os.path.exists(os.path.join(d, "early")), "and leaves nothing")
        path = os.path.join(s.set_dir(), "data.rdb.zst")
        data = read(path)
        write(path, data[:-20])
        tap.ok("not sound" in clone("bad", s.set_dir()) and not os.path.exists(os.path.join(d, "bad")), "a set that is not sound leaves nothing")


def tar_of(path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name in ("set", "data.rdb.zst"):
            t.add(os.path.join(path, name), os.path.basename(path) + "/" + name)
    return out.getvalue()


if __name__ == "__main__":
    tap.main(summary, rdb_damage, log_damage, cuts, lost_parts, damaged_sets, usage, clones)
