#!/usr/bin/python3
"""Backup sets and rollback by the control socket: what a set holds, who may make one, what a crash leaves."""
# timeout: 300

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap
import test_pair_link as pair

ID = "0-20261121T181500Z"


class Server(servers.Server):
    """A server with a control socket and a directory for sets beside its own."""

    def __init__(self, *options, **more):
        self.control_path = os.path.join(tempfile.mkdtemp(prefix="duet-sets-"), "control.sock")
        super().__init__("--control", self.control_path, *options, **more)
        self.sets = os.path.join(os.path.dirname(self.control_path), "sets")

    def duet(self, *words):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.control_path)
        with servers.Connection(s, 60) as c:
            return c.cmd("DUET", *words)

    def fields(self, *words):
        flat = [x.decode() for x in self.duet(*words)]
        return dict(zip(flat[::2], flat[1::2]))

    def refusal(self, *words):
        try:
            self.duet(*words)
        except servers.Error as e:
            return str(e)
        return None

    def set_dir(self, set_id=ID):
        return os.path.join(self.sets, set_id)

    def backup(self, set_id=ID, name="-", made_by="operator"):
        """Makes a set and waits for its end; the last status."""
        tap.equal(self.duet("BACKUP", "START", set_id, self.set_dir(set_id), name, made_by), b"OK", "a set is begun")
        return self.wait("BACKUP")

    def wait(self, what, limit_s=60):
        last = {}

        def over():
            last.update(self.fields(what, "STATUS"))
            return last["state"] in ("done", "failed")
        tap.until(over, limit_s, "%s ends" % what)
        return last

    def close(self):
        super().close()
        shutil.rmtree(os.path.dirname(self.control_path), ignore_errors=True)


def read_set(path):
    """{name: value} of a `set` file."""
    with open(os.path.join(path, "set")) as f:
        return dict(line.rstrip("\n").split(" ", 1) for line in f)


def unpack(path):
    return subprocess.run(["zstd", "-dc", os.path.join(path, "data.rdb.zst")], stdout=subprocess.PIPE, check=True).stdout


def digest(c):
    return c.cmd("DEBUG", "DIGEST")


def fill(c, keys=3000):
    rows = [("SET", "s:%d" % i, "v" * (i % 50)) for i in range(keys)]
    rows += [("RPUSH", "list", i) for i in range(500)] + [("HSET", "hash", "f%d" % i, i) for i in range(700)]
    rows += [("ZADD", "zset", i, "m%d" % i) for i in range(700)] + [("SADD", "set", i) for i in range(900)]
    rows += [("SET", "with-ttl", "x", "PX", 100000000), ("XADD", "stream", "1-1", "a", "b"), ("SELECT", 3), ("SET", "in3", "y"), ("SELECT", 0)]
    for at in range(0, len(rows), 500):
        part = rows[at:at + 500]
        c.send_raw(b"".join(servers.encode(*r) for r in part))
        for _ in part:
            c.read()


def whole():
    """a set is made, says what it is, and its data loads into Debian's redis-server"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c)
        tap.equal(s.fields("BACKUP", "STATUS")["state"], "idle", "there is none at first")
        st = s.backup(name="before the upgrade")
        tap.equal((st["state"], st["reason"]), ("done", ""), "it ends well")
        tap.equal(sorted(os.listdir(s.sets)), [ID], "its directory has its name, and nothing stands beside it")
        tap.equal(sorted(os.listdir(s.set_dir())), ["data.rdb.zst", "set"], "it holds two files")
        row, raw = read_set(s.set_dir()), unpack(s.set_dir())
        repl = dict(l.split(":", 1) for l in c.cmd("INFO", "replication").decode().splitlines() if ":" in l)
        want = {"id": ID, "instance": "0", "name": "before the upgrade", "node": "-", "made-by": "operator", "keys": "3007",
                "offset": repl["master_repl_offset"], "replid": repl["master_replid"], "raw-bytes": str(len(raw)),
                "bytes": str(os.path.getsize(os.path.join(s.set_dir(), "data.rdb.zst"))), "redis-version": "7.0.15"}
        tap.equal({k: row.get(k) for k in want}, want, "`set` says what it holds")
        tap.ok(abs(int(row["begin-us"]) / 1e6 - time.time()) < 60 and int(row["end-us"]) >= int(row["begin-us"]), "and when it was made")
        tap.equal(st["keys_done"], st["keys_total"], "the progress came to its end")
        d = tempfile.mkdtemp(prefix="duet-set-redis-")
        with open(os.path.join(d, "dump.rdb"), "wb") as f:
            f.write(raw)
        with servers.Server("--enable-debug-command", "yes", command=[servers.REDIS_SERVER], directory=d) as r:
            tap.equal(digest(r.connect()), digest(c), "redis-server has the same data from it")
        shutil.rmtree(d)


def refusals():
    """what cannot be made is refused with a sentence"""
    with Server() as s:
        c = s.connect()
        c.cmd("SET", "a", 1)
        d = s.set_dir()
        for words, why in (((("nonsense", d, "-", "operator")), "N-YYYYMMDDThhmmssZ"), ((ID, d, "a\nb", "operator"), "name"),
                           ((ID, d, "x" * 61, "operator"), "name"), ((ID, d, "-", "somebody"), "maker"), ((ID, "sets/x", "-", "operator"), "from the root"),
                           ((ID, os.path.dirname(s.sets), "-", "operator"), "there already")):
            tap.ok(why in (s.refusal("BACKUP", "START", *words) or ""), "refused: %s" % (words[:1] + words[2:],))
        tap.ok(s.refusal("BACKUP", "NOW") and s.refusal("LOG", "BOOK") and s.refusal("ROLLBACK", "x"), "unknown words are refused")
        tap.ok(not os.path.exists(s.sets), "and nothing was made")
        with open(s.sets, "w"):
            pass
        st = s.backup()
        tap.ok(st["state"] == "failed" and "ot a directory" in st["reason"], "where no directory can be, it fails with the reason: %s" % st["reason"])
        os.unlink(s.sets)
        tap.equal(s.backup()["state"], "done", "and the next one is made")
        tap.ok("there already" in s.refusal("BACKUP", "START", ID, d, "-", "operator"), "a set is not written over")


def cancel():
    """a set under way can be cancelled; one that a crash left is written over"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        c.cmd("DEBUG", "POPULATE", 300000, "key", 200)
        s.duet("BACKUP", "START", ID, s.set_dir(), "-", "schedule")
        tap.ok("being made" in (s.refusal("BACKUP", "START", ID + "-2", s.set_dir(ID + "-2"), "-", "schedule") or "being made"), "one at a time")
        tap.equal(s.duet("BACKUP", "CANCEL"), b"OK", "it is cancelled")
        st = s.wait("BACKUP")
        tap.equal((st["state"], st["reason"]), ("failed", "cancelled"), "its status says so")
        tap.equal(os.listdir(s.sets) if os.path.exists(s.sets) else [], [], "nothing of it is left")
        tap.equal(s.duet("BACKUP", "CANCEL"), b"OK", "cancelling nothing is fine")
        s.duet("BACKUP", "START", ID, s.set_dir(), "-", "schedule")
        tap.until(lambda: os.path.exists(s.set_dir() + ".partial"), 20, "it is being written", 0.001)
        s.stop(signal.SIGKILL)
        tap.ok(not os.path.exists(s.set_dir()), "a crash leaves no set")
        s.start()
        tap.equal(s.backup()["state"], "done", "a set of the same name is made after it")
        tap.ok(not os.path.exists(s.set_dir() + ".partial"), "and takes the place of what was left")


def under_writes():
    """a set is of one instant while clients write, and others' snapshots wait for it or it for them"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        c.cmd("DEBUG", "POPULATE", 200000, "key", 100)
        c.cmd("MSET", "a", 0, "z", 0)
        stop = threading.Event()

        def write():
            w, n = s.connect(), 0
            while not stop.is_set():
                n += 1
                w.cmd("MSET", "a", n, "z", n, "key:%d" % (n % 200000), "changed")
        t = threading.Thread(target=write)
        t.start()
        try:
            c.cmd("BGSAVE")
            st = s.backup()
            again = s.backup(ID + "-2")
        finally:
            stop.set()
            t.join()
        tap.equal((st["state"], again["state"]), ("done", "done"), "both are made")
        for set_id in (ID, ID + "-2"):
            d = tempfile.mkdtemp(prefix="duet-set-load-")
            with open(os.path.join(d, "dump.rdb"), "wb") as f:
                f.write(unpack(s.set_dir(set_id)))
            with servers.Server("--appendonly", "no", directory=d) as r:
                a, z = r.connect().cmd("MGET", "a", "z")
                tap.equal(a, z, "%s is of one instant (%s)" % (set_id, a))
            shutil.rmtree(d)


def wall_us():
    return int(time.time() * 1e6)


def step(c, n):
    """Writes that a moment can be told by; returns a time behind them, and makes sure that the next ones are later."""
    c.cmd("MSET", "a", n, "z", n)
    c.cmd("RPUSH", "steps", n)
    c.cmd("SELECT", n % 3)
    c.cmd("INCR", "counter")
    c.cmd("SELECT", 0)
    now = wall_us() + 2000
    tap.until(lambda: wall_us() > now + 2000, 5, "the clock goes on", 0.001)
    return now


def state(c):
    return c.cmd("GET", "a"), c.cmd("GET", "z"), c.cmd("LLEN", "steps"), digest(c)


def times():
    """DUET LOG tells what is covered, and what lies behind a second"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        tap.ok(s.refusal("LOG", "AT", wall_us() - 1000000), "an empty log covers nothing")
        before = wall_us()
        marks = [step(c, i) for i in range(10)]
        cover = s.fields("LOG", "COVER")
        tap.ok(before <= int(cover["from_us"]) <= marks[0] and marks[8] <= int(cover["to_us"]) <= marks[9], "the times of the first and the last write")
        tap.equal((cover["parts"], cover["base_offset"], cover["part.0.base"], cover["part.0.number"]), ("1", "0", "0", "1"), "one part, from nothing")
        at = [s.fields("LOG", "AT", m) for m in marks]
        offsets = [int(a["offset"]) for a in at]
        tap.equal(offsets, sorted(set(offsets)), "each moment has its place")
        tap.equal([int(a["lost_commands"]) for a in at], [3 * (9 - i) for i in range(10)], "commands behind it are counted")
        tap.equal((at[9]["lost_bytes"], at[9]["lost_commands"], at[9]["offset"]), ("0", "0", cover["to_offset"]), "nothing lies behind the last")
        tap.equal(int(at[3]["lost_bytes"]), int(cover["to_offset"]) - offsets[3], "bytes are those of the stream")
        tap.ok("covers" in s.refusal("LOG", "AT", before - 5000000), "a time before all is refused")
        tap.ok("not come" in s.refusal("LOG", "AT", wall_us() + 10 ** 9), "so is one to come")
        s.stop()
        s.start()
        tap.equal({k: v for k, v in s.fields("LOG", "AT", marks[4]).items() if k in ("offset", "wall_us")},
                  {k: v for k, v in at[4].items() if k in ("offset", "wall_us")}, "and all of it is so after a restart")


def back():
    """to a set, to a second behind it, to a second of the log alone; and it stays so after a crash"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c, 500)
        marks, states = [], []

        def go(n):
            marks.append(step(c, n))
            states.append(state(c))
        for n in range(5):
            go(n)
        s.backup()
        of_set = state(c)
        for n in range(5, 12):
            go(n)
        old_id = dict(l.split(":", 1) for l in c.cmd("INFO", "replication").decode().splitlines() if ":" in l)["master_replid"]

        def roll(*words):
            tap.equal(s.duet("ROLLBACK", *words), b"OK", "a rollback to %s is begun" % (words[1:],))
            st = s.wait("ROLLBACK")
            tap.equal((st["state"], st["reason"]), ("done", ""), "it ends well")
            return st
        st = roll("-", marks[8])
        tap.equal(state(c), states[8], "a second of the log")
        repl = dict(l.split(":", 1) for l in c.cmd("INFO", "replication").decode().splitlines() if ":" in l)
        tap.ok(repl["master_replid"] == st["replid"] != old_id and repl["master_replid2"].strip("0") == "", "it is a line of its own")
        tap.equal(repl["master_repl_offset"], st["offset"], "at its place")
        tap.ok(os.path.isdir(os.path.join(st["tail"], "log")), "the log as it was is kept")
        c.cmd("SET", "after", "1")
        was = state(c)
        s.stop(signal.SIGKILL)
        s.start()
        c = s.connect()
        tap.equal(state(c), was, "after SIGKILL it is as it was, with what came behind")
        tap.equal(dict(l.split(":", 1) for l in c.cmd("INFO", "replication").decode().splitlines() if ":" in l)["master_repl_offset"],
                  str(int(st["offset"]) + len(servers.encode("SELECT", 0) + servers.encode("SET", "after", 1))), "and goes on at that place")
        st2 = roll(s.set_dir(), 0)
        tap.equal(state(c), of_set, "the set alone")
        tap.equal(st2["keys"], read_set(s.set_dir())["keys"], "keys are counted")
        # Into the log as it was: a server in its directory has everything.
        with servers.Server("--enable-debug-command", "yes", directory=st["tail"]) as old:
            tap.equal(state(old.connect()), states[11], "the kept log loads, with what was taken back")
        roll(s.set_dir(), 0)
        roll(s.set_dir(), 0)
        tap.equal(len(os.listdir(os.path.join(s.directory, "tails"))), 3, "no more than three are kept")
        tap.equal(s.stop(), 0, "a clean stop")
        s.start()
        tap.equal(state(s.connect()), of_set, "and it is all there again")


def back_behind_set():
    """a set and the log behind it, over a rewrite of the log, with a set that was taken in between"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c, 300)
        marks, states = [], []
        for n in range(4):
            marks.append(step(c, n))
        s.backup()
        for n in range(4, 14):
            marks.append(step(c, n))
            states.append(state(c))
            if n == 8:
                c.cmd("BGREWRITEAOF")
                tap.until(lambda: "aof_rewrite_in_progress:0" in c.cmd("INFO", "persistence").decode() and
                          "aof_rewrite_scheduled:0" in c.cmd("INFO", "persistence").decode(), 20, "the log is rewritten")
        tap.equal(s.fields("LOG", "COVER")["parts"], "2", "the log has two parts")
        tap.equal(s.duet("ROLLBACK", s.set_dir(), marks[6]), b"OK", "to a second before the rewrite")
        st = s.wait("ROLLBACK")
        tap.equal(st["state"], "done", "it ends well: %s" % st["reason"])
        tap.equal(state(c), states[2], "the set, and the log behind it")
        before = state(c)
        tap.equal(s.duet("ROLLBACK", s.set_dir(), marks[1]), b"OK", "a time before the set")
        st = s.wait("ROLLBACK")
        tap.ok(st["state"] == "failed" and "reach back" in st["reason"] or "made after" in st["reason"], "is refused: %s" % st["reason"])
        tap.equal(state(c), before, "and nothing is changed")


def rewrite(c):
    c.cmd("BGREWRITEAOF")
    tap.until(lambda: all(x in c.cmd("INFO", "persistence").decode() for x in ("aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0")), 20,
              "the log is rewritten")


def old_bases():
    """bases that a rewrite replaced are kept, so that the log reaches back over it without a set"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        marks, states = [], []
        for n in range(12):
            marks.append(step(c, n))
            states.append(state(c))
            if n in (2, 5, 8):
                rewrite(c)
        cover = s.fields("LOG", "COVER")
        tap.equal((cover["parts"], [cover["part.%d.base" % i] for i in range(4)]), ("4", ["0", "1", "1", "1"]), "two older bases are kept beside the newest")
        s.stop()
        s.start()
        c = s.connect()
        tap.equal(s.duet("ROLLBACK", "-", marks[6]), b"OK", "back over a rewrite, by the log alone")
        tap.equal(s.wait("ROLLBACK")["state"], "done", "it ends well")
        tap.equal(state(c), states[6], "with the older base")
    with Server("--log-keep-bytes", "0") as s:
        c = s.connect()
        marks = [step(c, n) for n in range(3)]
        rewrite(c)
        step(c, 3)
        tap.equal(s.fields("LOG", "COVER")["parts"], "1", "with log-keep-bytes 0 nothing older than the base is kept")
        s.duet("ROLLBACK", "-", marks[1])
        st = s.wait("ROLLBACK")
        tap.ok(st["state"] == "failed" and "reach back" in st["reason"], "and there is no way back: %s" % st["reason"])


def bad_sets():
    """a set that is not sound changes nothing"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c, 2000)
        s.backup()
        c.cmd("SET", "later", "1")
        was = digest(c)
        path = os.path.join(s.set_dir(), "data.rdb.zst")
        with open(path, "rb") as f:
            good = f.read()
        for name, data in (("a flipped bit", good[:len(good) // 2] + bytes([good[len(good) // 2] ^ 4]) + good[len(good) // 2 + 1:]),
                           ("a cut end", good[:-9]), ("bytes behind", good + b"x"), ("nothing", b"")):
            with open(path, "wb") as f:
                f.write(data)
            tap.equal(s.duet("ROLLBACK", s.set_dir(), 0), b"OK", "a rollback to a set with %s" % name)
            st = s.wait("ROLLBACK")
            tap.ok(st["state"] == "failed" and "not sound" in st["reason"], "fails: %s" % st["reason"])
            tap.equal(digest(c), was, "the data is as it was")
            tap.ok(not os.path.exists(os.path.join(s.directory, "rollback")), "and nothing is left over")
        c.cmd("SET", "still", "writable")
        tap.ok("no backup set" in s.refusal("ROLLBACK", "/nowhere", 0), "no set: refused")
        tap.ok(s.refusal("ROLLBACK", "-", 0), "no time: refused")
        tap.ok("not come" in s.refusal("ROLLBACK", "-", wall_us() + 10 ** 9), "a time to come: refused")
        with open(path, "wb") as f:
            f.write(good)
        s.duet("ROLLBACK", s.set_dir(), 0)
        tap.equal(s.wait("ROLLBACK")["state"], "done", "the mended set is taken")
        tap.equal(c.cmd("EXISTS", "later", "still"), 0, "and what came later is gone")


def crashes():
    """SIGKILL at random moments of a rollback: the old data or the new, never a mix"""
    rng = __import__("random").Random(tap.seed())
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c, 30000)  # (what DEBUG POPULATE makes is not in the log)
        c.cmd("SET", "gen", "set")
        s.backup()
        new = digest(c)
        for i in range(40):
            c.cmd("SET", "x:%d" % i, "later")
        c.cmd("SET", "gen", "now")
        old, seen = digest(c), set()
        for i in range(40 if tap.FULL else 12):
            s.duet("ROLLBACK", s.set_dir(), 0)
            time_s = rng.random() * 0.25
            end = time.monotonic() + time_s
            tap.until(lambda: time.monotonic() > end, 5, "the moment", 0.0005)
            s.stop(signal.SIGKILL)
            s.start()
            c = s.connect()
            found = digest(c)
            seen.add(found)
            if found not in (old, new):
                tap.ok(False, "round %d: neither the old data nor the new (killed after %.3f s)" % (i, time_s))
                break
            if found == new:  # once more from the other side
                for k in range(40):
                    c.cmd("SET", "x:%d" % k, "later")
                c.cmd("SET", "gen", "now")
                old = digest(c)
        tap.ok(seen <= {old, new}, "every time it was one of the two (%d of them seen)" % len(seen))


def between():
    """what a crash between the two renames leaves is finished; what one before them leaves is thrown away"""
    with Server("--enable-debug-command", "yes") as s:
        c = s.connect()
        fill(c, 300)
        want = digest(c)
        log, aside = os.path.join(s.directory, "log"), os.path.join(s.directory, "rollback")
        s.stop()
        os.makedirs(aside)
        os.rename(log, os.path.join(aside, "log"))
        s.start()
        tap.equal((digest(s.connect()), os.path.exists(aside)), (want, False), "the new log takes the place of the one that was moved away")
        s.stop(signal.SIGKILL)
        os.makedirs(os.path.join(aside, "log"))
        with open(os.path.join(aside, "log", "000001.base"), "wb") as f:
            f.write(b"REDIS")
        s.start()
        tap.equal((digest(s.connect()), os.path.exists(aside)), (want, False), "one that was not finished goes")


def flat(node, *words):
    rows = [x.decode() for x in node.duet(*words)]
    return dict(zip(rows[::2], rows[1::2]))


def in_pair():
    """in a pair the slave is counted out first, and follows by itself"""
    with pair.Node("a", "--enable-debug-command", "yes") as a, pair.Node("b", "--enable-debug-command", "yes") as b:
        a.lead(1, alone=True)
        c = a.connect()
        fill(c, 1000)
        b.follow(1, a)
        tap.until(lambda: pair.together(a, b), 20, "the link stands")
        a.duet("ALONE", "0")
        path = os.path.join(b.directory, "sets", ID)
        b.duet("BACKUP", "START", ID, path, "-", "operator")
        tap.until(lambda: flat(b, "BACKUP", "STATUS")["state"] == "done", 20, "the set")
        tap.equal((read_set(path)["node"], read_set(path)["offset"]), ("b", a.status()["offset"]), "the slave makes a set at the stream's place")
        of_set = digest(c)
        marks = [step(c, i) for i in range(6)]
        was = digest(c)
        tap.ok("only a master" in str(refused(b, "ROLLBACK", path, "0")), "a slave is not rolled back")
        a.duet("ROLLBACK", path, marks[2])
        tap.until(lambda: flat(a, "ROLLBACK", "STATUS")["stage"] == "wait", 20, "it waits for had")
        st = a.status()
        tap.equal((st["insync_link"], st["loading"], st["role"]), ("0", "0", "master"), "the slave is dropped, and had sees a master that is well")
        tap.equal(digest(c), was, "nothing has happened to the data")
        c.send("SET", "held", "1")
        tap.ok(c.silent(0.2), "a write's reply is held: the slave is gone, and had has not said that this node is alone")
        a.duet("ALONE", "1")
        tap.equal(c.read(), b"OK", "then it is released")
        tap.until(lambda: flat(a, "ROLLBACK", "STATUS")["state"] == "done", 20, "the rollback")
        rolled = digest(c)
        tap.equal((c.cmd("GET", "a"), c.cmd("LLEN", "steps"), c.cmd("EXISTS", "held")), (b"2", 3, 0), "the set, made on the slave, and the log behind it")
        tap.until(lambda: pair.together(a, b), 30, "the slave is back")
        tap.equal(digest(b.connect()), rolled, "and has the same")
        tap.equal(b.status()["replid"], flat(a, "ROLLBACK", "STATUS")["replid"], "of the new line")
        a.duet("ALONE", "0")
        tap.equal(c.cmd("SET", "x", "1"), b"OK", "writes are acknowledged by it")
        copies = a.info()["sync_full"]
        a.duet("ROLLBACK", path, "0")
        tap.until(lambda: flat(a, "ROLLBACK", "STATUS")["state"] == "failed", 30, "a had that says nothing")
        tap.ok("counted out" in flat(a, "ROLLBACK", "STATUS")["reason"], "is waited for, and then nothing is changed: %s" % flat(a, "ROLLBACK", "STATUS")["reason"])
        tap.until(lambda: pair.together(a, b), 30, "the slave is back")
        tap.equal((c.cmd("EXISTS", "x"), a.info()["sync_full"]), (1, copies), "the data is there, and the slave went on without a copy")
        tap.ok(of_set != rolled, "(the moments differ)")


def refused(node, *words):
    try:
        node.duet(*words)
    except servers.Error as e:
        return e


def replicas():
    """a replica of a plain server copies anew; clients hear that the data is loaded, and wait for nothing"""
    with Server("--enable-debug-command", "yes", "--appendfsync", "always") as s:
        with servers.Server("--replicaof", "127.0.0.1 %d" % s.port, "--enable-debug-command", "yes") as r:
            c = s.connect()
            fill(c, 20000)
            s.backup()
            want = digest(c)
            tap.until(lambda: digest(r.connect()) == want, 20, "the replica has it")
            stop, errors, told = threading.Event(), set(), []

            def write():
                w, n = s.connect(), 0
                while not stop.is_set():
                    n += 1
                    try:
                        w.cmd("SET", "w", n)
                    except servers.Error as e:
                        errors.add(str(e).split()[0])
            blocked = s.connect()
            blocked.send("BLPOP", "nothing", 0)
            writers = [threading.Thread(target=write) for _ in range(3)]
            for t in writers:
                t.start()
            try:
                for _ in range(3):
                    s.duet("ROLLBACK", s.set_dir(), 0)
                    st = s.wait("ROLLBACK")
                    told.append((st["state"], st["reason"]))
            finally:
                stop.set()
                for t in writers:
                    t.join()
            tap.equal(told, [("done", "")] * 3, "three rollbacks under writes")
            tap.ok(errors <= {"LOADING"}, "writers saw no other error than LOADING: %s" % errors)
            tap.ok("UNBLOCKED" in (blocked_error(blocked) or ""), "a blocked client is told")
            tap.until(lambda: digest(r.connect()) == digest(c), 30, "the replica has the same")
            tap.ok(True, "the replica has the same")
            tap.ok(c.cmd("WAIT", 1, 10000) == 1, "and acknowledges")


def blocked_error(c):
    try:
        c.read()
    except servers.Error as e:
        return str(e)


if __name__ == "__main__":
    tap.main(whole, refusals, cancel, under_writes, times, back, back_behind_set, old_bases, bad_sets, crashes, between, in_pair, replicas)
