#!/usr/bin/python3
"""Servers that are killed at random moments, and disks that are full or broken: nothing acknowledged is missing."""
# timeout: 300

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import servers

POLICIES = ["everysec", "always", "no"]


def info(c, section="persistence"):
    return dict(l.split(":", 1) for l in c.cmd("INFO", section).decode().splitlines() if ":" in l)


class Writer(threading.Thread):
    """One client with keys of its own. Each step raises `n` of its counters; what was acknowledged is in `acked`."""

    KINDS = ["pipeline", "multi", "script", "big"]

    def __init__(self, server, number, kind):
        super().__init__()
        self.server, self.name, self.kind, self.acked, self.sent = server, "w%d" % number, kind, 0, 0
        self.start()

    def words(self, n):
        if self.kind == "pipeline":
            return [["SET", "%s:%d" % (self.name, (n * 8 + j) % 64), n * 8 + j] for j in range(8)] + [["SET", self.name, n]]
        if self.kind == "multi":
            return [["MULTI"], ["SET", self.name + ":left", n], ["RPUSH", self.name + ":list", n], ["SET", self.name, n], ["EXEC"]]
        if self.kind == "script":
            return [["EVAL", "redis.call('SET', KEYS[1]..':left', ARGV[1]); redis.call('HSET', KEYS[1]..':hash', ARGV[1] % 50, ARGV[1]);"
                             "return redis.call('SET', KEYS[1], ARGV[1])", 1, self.name, n]]
        return [["SET", self.name + ":big", b"%d:" % n + b"x" * (50000 + n % 7 * 30000)], ["SET", self.name, n]]

    def run(self):
        try:
            c = self.server.connect()
            n = int(c.cmd("GET", self.name) or 0)
            while True:
                n += 1
                words = self.words(n)
                self.sent = n
                c.send_raw(b"".join(servers.encode(*w) for w in words))
                for _ in words:
                    c.read()
                self.acked = n
        except (servers.Closed, OSError, servers.Error):
            pass

    def wrong(self, c):
        """What is not as it was acknowledged; a group is whole or not there."""
        now = int(c.cmd("GET", self.name) or 0)
        if self.acked and not self.acked <= now <= self.sent:
            return "%s (%s): %d was acknowledged, %d sent, %d is there" % (self.name, self.kind, self.acked, self.sent, now)
        if self.kind in ("multi", "script") and int(c.cmd("GET", self.name + ":left") or 0) != now:
            return "%s: half of a transaction" % self.name
        if self.kind == "multi" and now and c.cmd("LRANGE", self.name + ":list", -1, -1) != [b"%d" % now]:
            return "%s: half of a transaction" % self.name
        if self.kind == "script" and now and int(c.cmd("HGET", self.name + ":hash", now % 50)) != now:
            return "%s: half of a script" % self.name
        if self.kind == "big" and now and int(c.cmd("GET", self.name + ":big").split(b":")[0]) < now:
            return "%s: an older value" % self.name
        return None


def killed(s, rng, moment):
    """One life that ends by SIGKILL; what was wrong in the next one."""
    writers = [Writer(s, i, Writer.KINDS[i % 4]) for i in range(4)]
    try:
        if moment != "first seconds":
            goal = rng.randrange(20, 200)
            tap.until(lambda: sum(w.acked for w in writers) > goal or not any(w.is_alive() for w in writers), 30, "writes under way", 0.002)
        if moment == "rewrite":
            s.connect().cmd("BGREWRITEAOF")
        time.sleep(rng.random() * 0.05)
    finally:
        s.kill(signal.SIGKILL)
        s.process.wait()
        for w in writers:
            w.join()
    if moment == "loading":
        for _ in range(3):
            s.start(wait=False)
            time.sleep(rng.random() * 0.1)
            s.kill(signal.SIGKILL)
            s.process.wait()
    s.start()
    c = s.connect()
    return sum(w.acked for w in writers), [x for x in (w.wrong(c) for w in writers) if x]


def kills():
    """SIGKILL at random moments under load, of several kinds, with every policy"""
    rounds, rng = (400 if tap.FULL else 36), random.Random(tap.seed())
    moments = ["load", "rewrite", "loading", "first seconds"]
    wrong, acked = [], 0
    for policy in POLICIES:
        with servers.Server("--appendfsync", policy, "--auto-aof-rewrite-min-size", "2mb") as s:
            for n in range(rounds // 3):
                steps, bad = killed(s, rng, moments[n % 4])
                acked += steps
                wrong += ["%s, kill %d: %s" % (policy, n, b) for b in bad]
    tap.equal(wrong[:5], [], "%d kills (under load, in a rewrite, while loading, just started), %d acknowledged steps: none missing, none halved" % (rounds, acked))


def clean_stop():
    """durable by default, and SIGTERM loses nothing"""
    with servers.Server() as s:
        c = s.connect()
        tap.equal((c.cmd("CONFIG", "GET", "appendonly")[1], c.cmd("CONFIG", "GET", "appendfsync")[1]), (b"yes", b"everysec"), "nothing said: the log is on, everysec")
        for policy in POLICIES:
            c.cmd("CONFIG", "SET", "appendfsync", policy)
            w = Writer(s, 0, "multi")
            tap.until(lambda: w.acked > 50, 20)
            tap.equal(s.stop(), 0, "%s: SIGTERM under load ends it with status 0" % policy)
            w.join()
            incr = sorted(f for f in os.listdir(os.path.join(s.directory, "log")) if f.endswith(".incr"))[-1]
            tail = open(os.path.join(s.directory, "log", incr), "rb").read()[-64:]
            tap.ok(tail[:8].strip(b"\0") and any(tail), "its log ends with a block: the room ahead was given back")
            s.start()
            c = s.connect()
            tap.equal(w.wrong(c), None, "and nothing is missing")
            tap.ok("clean end" in s.log().splitlines()[-2] + s.log(), "it was a clean end")


class Disk:
    """A file system of some megabytes; ext4 lies on a loop device, whose own disk may be smaller than it says."""

    def __init__(self, kind, mb, behind_mb=0):
        self.place, self.mounts = tempfile.mkdtemp(prefix="duet-disk-"), []
        self.data = os.path.join(self.place, "data")
        os.mkdir(self.data)
        try:
            if kind == "tmpfs":
                self.mount("-t", "tmpfs", "-o", "size=%dm" % mb, "tmpfs", self.data)
                return
            behind = os.path.join(self.place, "behind")
            os.mkdir(behind)
            self.mount("-t", "tmpfs", "-o", "size=%dm" % (behind_mb or mb + 16), "tmpfs", behind)
            image = os.path.join(behind, "image")
            with open(image, "wb") as f:
                f.truncate(mb << 20)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
            self.mount("-o", "loop", image, self.data)
        except (subprocess.CalledProcessError, OSError):
            self.close()
            raise

    def mount(self, *words):
        subprocess.run(["mount", *words], check=True, stderr=subprocess.DEVNULL)
        self.mounts.append(words[-1])

    def close(self):
        for m in reversed(self.mounts):
            tap.until(lambda: subprocess.run(["umount", m], stderr=subprocess.DEVNULL).returncode == 0, 30, "umount")
        shutil.rmtree(self.place, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def can_mount(kind):
    try:
        Disk(kind, 16).close()
        return True
    except (subprocess.CalledProcessError, OSError):
        tap.skip("disks of %s" % kind, "none can be mounted here")
        return False


def fill(c, acked, what):
    """Writes until it is refused; the error."""
    for i in range(100000):
        key, value = "%s:%d" % (what, i), "%d:%s" % (i, os.urandom(10000).hex())
        try:
            c.cmd("SET", key, value)
            acked[key] = value
        except servers.Error as e:
            return str(e)
        except socket.timeout:
            return "no answer"
    return None


def missing(c, acked):
    return [k for k, v in acked.items() if c.cmd("GET", k) != v.encode()]


def full_disk():
    """a full disk: refused in time, reads go on, snapshots give up without a trace, room heals it, nothing is lost"""
    for kind, policy in (("tmpfs", "everysec"), ("ext4", "everysec"), ("ext4", "always")):
        if not can_mount(kind):
            continue
        with Disk(kind, 24) as disk:
            ballast = os.path.join(disk.data, "ballast")
            with open(ballast, "wb") as f:
                f.write(bytes(10 << 20))
            name = "%s, %s" % (kind, policy)
            place = os.path.join(disk.data, "d")
            os.mkdir(place)
            with servers.Server("--auto-aof-rewrite-percentage", "0", "--appendfsync", policy, "--rdbcompression", "no", directory=place) as s:
                acked = {}
                why = fill(s.connect(3), acked, "a")
                tap.ok(why and why.startswith("MISCONF Errors writing to the AOF file: the disk is full: No space left on device"),
                       "%s: a write is refused before it is executed (%s)" % (name, why))
                c = s.connect()
                tap.equal(missing(c, acked), [], "%s: reads go on, %d keys" % (name, len(acked)))
                for n in range(20):  # the last blocks may have been found free a moment later
                    fields = info(c)
                    if fields["aof_last_write_status"] == "err":
                        break
                    fill(s.connect(3), acked, "more%d" % n)
                tap.equal((fields["aof_last_write_status"], fields["disk_low"]), ("err", "1"), "%s: INFO says so" % name)
                tap.ok("the disk is nearly full" in s.log(), "%s: there was an alarm before" % name)
                before = int(fields["rdb_saves"])
                c.cmd("BGREWRITEAOF")
                tap.until(lambda: info(c)["aof_last_bgrewrite_status"] == "err", 20)
                c.cmd("BGSAVE")
                tap.until(lambda: info(c)["rdb_last_bgsave_status"] == "err", 20)
                left = [f for d, _, fs in os.walk(s.directory) for f in fs if "tmp" in f or "new" in f or f == "dump.rdb"]
                tap.equal((left, int(info(c)["rdb_saves"])), ([], before), "%s: a rewrite and a snapshot give up, and leave nothing behind" % name)
                os.unlink(ballast)
                tap.until(lambda: c.cmd("SET", "after", 1) == b"OK", 20, "writes are taken again")
                tap.equal(info(c)["aof_last_write_status"], "ok", "%s: with room it heals by itself" % name)
                s.kill(signal.SIGKILL)
                s.process.wait()
                s.start()
                c = s.connect()
                tap.equal((missing(c, acked), c.cmd("GET", "after")), ([], b"1"), "%s: what was acknowledged is in the log" % name)
                s.stop()


def broken_disk():
    """a disk that fails: fatal until a restart, said so, and what was acknowledged with always is there"""
    if not can_mount("ext4"):
        return
    with Disk("ext4", 64, behind_mb=20) as disk:
        place, log = os.path.join(disk.data, "d"), os.path.join(disk.place, "server.log")
        os.mkdir(place)
        with servers.Server("--auto-aof-rewrite-percentage", "0", "--appendfsync", "always", "--logfile", log, directory=place) as s:
            acked = {}
            why = fill(s.connect(5), acked, "a")
            tap.ok(why is not None, "the disk fails (%s)" % why)
            c = s.connect()
            refused = tap.until(lambda: c.error("SET", "x", 1), 20)
            tap.ok("MISCONF" in refused and ("I/O error" in refused or "Read-only" in refused), "writes are refused with the reason (%s)" % refused)
            tap.equal(missing(c, acked), [], "reads go on")
            tap.ok("in doubt until the next start" in open(log).read(), "the log says what it means")
            tap.until(lambda: int(info(c, "server")["uptime_in_seconds"]) > 3, 20)
            tap.ok(c.error("SET", "x", 1), "and it is not forgotten")
            s.kill(signal.SIGKILL)
            s.process.wait()


tap.main(kills, clean_stop, full_disk, broken_disk)
