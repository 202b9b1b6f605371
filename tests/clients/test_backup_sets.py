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


if __name__ == "__main__":
    tap.main(whole, refusals, cancel, under_writes)
