#!/usr/bin/python3
"""hactl import redis://... and hactl export: from and to running servers, cut over, resumed after whatever broke, exactly once."""

import json
import os
import random
import re
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

LOCAL = "127.0.0.1"


class Process:
    """A server that can be killed and started again with the same port and directory."""

    def __init__(self, binary, *options):
        self.dir = tempfile.mkdtemp(prefix="duet-import-")
        self.port = servers.free_port()
        self.words = list(binary) + ["--port", str(self.port), "--dir", self.dir] + list(options)
        self.log = open(os.path.join(self.dir, "output"), "ab")
        self.child = None
        self.start()

    def start(self):
        self.child = subprocess.Popen(self.words, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        tap.until(self.up, 20, "the server")

    def up(self):
        try:
            self.connect().cmd("PING")
        except servers.Error as e:
            return "LOADING" not in str(e)
        return True

    def connect(self):
        return servers.Connection(socket.create_connection((LOCAL, self.port), 10), 20)

    def kill(self, sig=signal.SIGKILL):
        self.child.send_signal(sig)
        self.child.wait()

    def close(self):
        if self.child.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


class Redis(Process):
    def __init__(self, *options, first=None):
        if first:
            super().__init__([servers.REDIS_SERVER] + first)
            return
        super().__init__([servers.REDIS_SERVER], "--save", "", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local", *options)


class Site(Process):
    """A duet server below a root, as a node keeps it, and hactl for it."""

    def __init__(self, *options):
        self.root = tempfile.mkdtemp(prefix="duet-import-")
        os.makedirs(self.root + "/run")
        self.socket = self.root + "/run/control-0.sock"
        super().__init__([tap.DUET, "server"], "--control", self.socket, *options)

    def up(self):
        return super().up() and self.control("DUET", "IMPORT", "STATUS")

    def control(self, *words):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.socket)
        with s:
            return servers.Connection(s).cmd(*words)

    def place(self):
        """What the data itself says of its import."""
        words = [w.decode() for w in self.control("DUET", "IMPORT", "STATUS")]
        return dict(zip(words[::2], words[1::2]))

    def hactl(self, *words, env=None, text=None, timeout=120):
        e = dict(os.environ, **(env or {}))
        return subprocess.run([tap.DUET, "hactl", "--root", self.root] + [str(w) for w in words] + ["--instance", "0"], input=text,
                              capture_output=True, text=True, timeout=timeout, env=e)

    def status(self, verb="import"):
        p = self.hactl(verb, "status", "--json")
        return json.loads(p.stdout) if p.returncode == 0 else {}

    def worker(self, kind="instance"):
        """The pid of the process that does it, 0 when none does."""
        try:
            with open("%s/data/import/%s-0/progress" % (self.root, kind)) as f:
                pid = int(re.search(r"^pid (\d+)$", f.read(), re.M)[1])
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                return pid if self.root.encode() in f.read() else 0
        except (OSError, TypeError):
            return 0

    def kill_worker(self, kind="instance"):
        """Its process, if there is one; gone when this returns."""
        pid = self.worker(kind)
        if pid > 1:
            os.kill(pid, signal.SIGKILL)
            tap.until(lambda: not self.worker(kind), 10)

    def close(self):
        for kind in ("instance", "export"):
            self.kill_worker(kind)
        super().close()
        shutil.rmtree(self.root, ignore_errors=True)


def url(process, login="", db=""):
    return "redis://%s%s:%d%s" % (login, LOCAL, process.port, db)


def value_of(c, kind, key):
    if kind == b"string":
        return c.cmd("GET", key)
    if kind == b"list":
        return c.cmd("LRANGE", key, 0, -1)
    if kind == b"set":
        return sorted(c.cmd("SMEMBERS", key))
    if kind == b"zset":
        flat = c.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
        return list(zip(flat[::2], map(float, flat[1::2])))
    if kind == b"hash":
        flat = c.cmd("HGETALL", key)
        return sorted(zip(flat[::2], flat[1::2]))
    return c.cmd("XRANGE", key, "-", "+")


def contents(c, dbs=16, stamps=True):
    """{(db, key): (kind, value, when it expires)}"""
    out = {}
    for db in range(dbs):
        c.cmd("SELECT", db)
        keys = sorted(c.cmd("KEYS", "*"))
        for key in keys:
            kind = c.cmd("TYPE", key)
            out[db, key] = (kind, value_of(c, kind, key), c.cmd("PEXPIRETIME", key) if stamps else 0)
    c.cmd("SELECT", 0)
    return out


def fill(c, rng, n=300):
    for i in range(n):
        c.cmd("SELECT", rng.choice([0, 0, 3, 9]))
        key = "%s:%d" % (rng.choice("abc"), i)
        kind = i % 6
        if kind == 0:
            c.cmd("SET", key, os.urandom(rng.randrange(200)))
        elif kind == 1:
            c.cmd("RPUSH", key, *range(rng.randrange(1, 300)))
        elif kind == 2:
            c.cmd("SADD", key, *[rng.randrange(10 ** 6) for _ in range(50)])
        elif kind == 3:
            c.cmd("ZADD", key, *[w for j in range(60) for w in (rng.random(), "m%d" % j)])
        elif kind == 4:
            c.cmd("HSET", key, *[w for j in range(60) for w in ("f%d" % j, rng.random())])
        else:
            c.cmd("XADD", key, "1-%d" % i, "f", i)
        if rng.random() < 0.2:
            c.cmd("PEXPIRE", key, rng.randrange(3600000, 7200000))
    c.cmd("SELECT", 0)


class Load:
    """Writers whose repetition or loss would show: counters, lists, transactions, short lives."""

    def __init__(self, source, seed, dbs=(0, 5)):
        self.source, self.rng, self.stop, self.sent, self.dbs = source, random.Random(seed), threading.Event(), 0, dbs
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def one(self, c):
        r = self.rng
        kind, n = r.randrange(8), r.randrange(40)
        if kind == 0:
            c.send("INCRBY", "n:%d" % n, r.randrange(9))
        elif kind == 1:
            c.send("RPUSH", "l:%d" % n, self.sent)
        elif kind == 2:
            c.send("LPOP", "l:%d" % n)
        elif kind == 3:
            c.send("APPEND", "s:%d" % n, r.randrange(10))
        elif kind == 4:
            c.send("HINCRBYFLOAT", "h:%d" % n, "f%d" % r.randrange(5), "0.5")
        elif kind == 5:
            c.send("SET", "t:%d" % n, self.sent, "PX", r.choice([5, 50, 10 ** 7]))
        elif kind == 6:
            c.send("SPOP", "u:%d" % n)
            c.send("SADD", "u:%d" % n, *[r.randrange(1000) for _ in range(3)])
            return 2
        else:
            c.send("MULTI")
            c.send("INCR", "t:%d" % n)
            c.send("INCR", "pair:a")
            c.send("INCR", "pair:b")
            c.send("EXEC")
            return 5
        return 1

    def run(self):
        c = None
        while not self.stop.is_set():
            try:
                if c is None:
                    c = self.source.connect()
                c.cmd("SELECT", self.rng.choice(self.dbs))
                for _ in range(sum(self.one(c) for _ in range(20))):
                    try:
                        c.read()
                    except servers.Error:
                        pass
                self.sent += 20
                time.sleep(0.002)
            except (OSError, servers.Closed):
                c = None
                time.sleep(0.02)

    def end(self):
        self.stop.set()
        self.thread.join()


def same(site, source, what, dbs=16):
    """Both hold the same; what expires at this moment is looked at again."""
    a, b = source.connect(), site.connect()
    try:
        tap.until(lambda: contents(a, dbs) == contents(b, dbs), 10, "the same data")
    except TimeoutError:
        x, y = contents(a, dbs), contents(b, dbs)
        for key in [k for k in sorted(set(x) | set(y)) if x.get(k) != y.get(k)][:5]:
            tap.say("%r: source %.200r, here %.200r" % (key, x.get(key), y.get(key)))
    return tap.equal(len(contents(b, dbs)), len(contents(a, dbs)), what + ": as many keys") and tap.ok(contents(a, dbs) == contents(b, dbs), what + ": the same data, key by key")


def plain():
    """copied, followed, cut over; the source was only read"""
    rng = random.Random(tap.seed())
    with Redis() as source, Site() as site:
        c = source.connect()
        fill(c, rng)
        c.cmd("CONFIG", "RESETSTAT")
        p = site.hactl("import", url(source))
        tap.equal(p.returncode, 0, "the import begins and copies")
        tap.ok("following" in p.stderr, "and then follows")
        v = site.connect()
        tap.ok(str(v.error("SET", "mine", 1)).startswith("READONLY") and "hactl import" in str(v.error("SET", "mine", 1)),
               "clients cannot write meanwhile, and are told of hactl")
        tap.ok("READONLY" in str(v.error("EVAL", "return redis.call('SET','mine',1)", 0)), "nor can their scripts")
        words = c.cmd("INFO", "commandstats").decode()
        asked = set(re.findall(r"cmdstat_([a-z|]+)", words)) - {"config|resetstat", "info"}
        tap.ok(asked <= {"ping", "auth", "replconf", "psync", "module|list", "function|list", "select"}, "the source was only read: %s" % sorted(asked))
        load = Load(source, 1)
        tap.until(lambda: load.sent > 2000, 60, "some load")
        tap.until(lambda: site.status().get("commands", 0) > 0, 20, "status tells what was followed")
        s = site.status()
        tap.ok(s.get("phase") == "follow" and "lag_bytes" in s and "lag_ms" in s, "status tells the lag in bytes and in time")
        load.end()
        c.cmd("SET", "short", 1, "PX", 1)
        p = site.hactl("import", "cutover")
        tap.equal(p.returncode, 0, "cut over")
        tap.equal(site.place()["state"], "none", "the instance's data is its own")
        same(site, source, "after the cut")
        tap.equal(v.cmd("SET", "mine", 1), b"OK", "clients write now")
        tap.equal(site.hactl("import", "cutover").returncode, 1, "it cannot be cut over twice")
        tap.equal(site.worker(), 0, "its process has ended")


def options():
    """databases, patterns, what is there already, abort"""
    with Redis() as source, Site() as site:
        c, v = source.connect(), site.connect()
        for i in range(20):
            for db in (0, 2, 4):
                c.cmd("SELECT", db)
                c.cmd("SET", "k%d" % i, db)
                c.cmd("SET", "other%d" % i, db)
        v.cmd("SET", "own", 1)
        p = site.hactl("import", url(source))
        tap.ok(p.returncode == 1 and "--replace" in p.stderr and v.cmd("GET", "own") == b"1", "an instance that holds keys is left as it is")
        p = site.hactl("import", url(source), "--merge", "--rename-db", "2=0", "--rename-db", "0=2", "--keys", "k*")
        tap.equal(p.returncode, 0, "--merge, --rename-db and --keys")
        c.cmd("SELECT", 2)
        c.cmd("MSET", "k100", "late", "other100", "late")
        c.cmd("SELECT", 4)
        c.cmd("DEL", "k1")
        tap.until(lambda: v.cmd("GET", "k100"), 10, "the change")
        tap.equal(sorted(v.cmd("KEYS", "*")), sorted([b"own", b"k100"] + [b"k%d" % i for i in range(20)]), "only what fits, where it goes, beside what was there")
        tap.equal(v.cmd("GET", "k3"), b"2", "from the database that was renamed")
        p = site.hactl("import", url(source), "--merge")
        tap.ok(p.returncode == 1 and "under way" in p.stderr, "a second one is refused")
        p = site.hactl("import", "abort")
        tap.ok(p.returncode == 0 and "given up" in p.stdout, "abort says what is left")
        tap.equal((site.place()["state"], v.cmd("SET", "x", 1)), ("none", b"OK"), "after it clients write")
        p = site.hactl("import", url(source, db="/4"), "--replace")
        tap.equal((p.returncode, v.cmd("DBSIZE")), (0, 0), "--replace: what was there is gone, and of one database of the source nothing is in another")
        v.cmd("SELECT", 4)
        tap.equal(v.cmd("DBSIZE"), 39, "only that database came")
        tap.equal(site.hactl("import", "abort").returncode, 0, "given up")


def refused(site, what, words, sentence, env=None):
    p = site.hactl("import", *words, env=env, timeout=60)
    said = p.stderr.strip().splitlines()
    if not tap.ok(p.returncode not in (0, -6, -11) and re.search(sentence, p.stderr), what + ": " + (said[-1][7:] if said else "")):
        tap.say(p.stderr)
    tap.equal((site.place()["state"], site.control("DBSIZE")), ("none", 1), what + ": the instance stays as it was")


def refusals():
    """sources that cannot be followed: a clear sentence, and nothing is changed"""
    with Site() as site:
        site.control("SET", "own", 1)
        more = ("--replace",)
        refused(site, "nobody there", (url(site).replace(str(site.port), str(servers.free_port())),) + more, "cannot be reached.*refused")
        refused(site, "no such name", ("redis://no-such-host.invalid:6379",) + more, "no-such-host.invalid")
        refused(site, "no address", ("redis://:x@",) + more, "form redis://")
        refused(site, "the instance itself", (url(site),) + more, "itself")
        with Redis("--requirepass", "secret word") as source:
            refused(site, "no password", (url(source),) + more, "asks for a password")
            refused(site, "a wrong one", (url(source, ":wrong@"),) + more, "refuses the password")
            refused(site, "a wrong one of a user", (url(source, "bob:wrong@"),) + more, "refuses the password of user bob")
            c = source.connect()
            c.cmd("AUTH", "secret word")
            c.cmd("ACL", "SETUSER", "eve", "on", ">pw", "+@all", "-psync", "~*")
            refused(site, "a user without permission", (url(source, "eve:pw@"),) + more, r"does not permit PSYNC.*eve")
            c.cmd("FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 1 end)")
            refused(site, "functions", (url(source, ":secret%20word@"),) + more, "functions, which cannot be taken: mylib")
            p = site.hactl("import", url(source), "--replace", "--skip-unsupported", env={"DUET_IMPORT_PASSWORD": "secret word"})
            tap.equal(p.returncode, 0, "with --skip-unsupported all the rest, by a password from the environment")
            mode = os.stat(site.root + "/data/import/instance-0/job").st_mode & 0o777
            tap.equal(mode, 0o600, "the file with the password is for its owner alone")
            seen = b""
            for name in os.listdir(site.root + "/data/import/instance-0"):
                with open(site.root + "/data/import/instance-0/" + name, "rb") as f:
                    seen += f.read()
            with open("/proc/%d/cmdline" % site.worker(), "rb") as f:
                seen += f.read()
            tap.ok(b"secret" not in seen, "nowhere is it to be read, neither in files nor among the words of a process")
            tap.equal(site.hactl("import", "abort").returncode, 0, "given up")
            site.control("FLUSHALL")
            site.control("SET", "own", 1)
        with tempfile.NamedTemporaryFile(suffix=".conf") as conf, Redis(first=[conf.name, "--sentinel"]) as source:
            refused(site, "a Sentinel", (url(source),) + more, "Sentinel")
        with Redis("--cluster-enabled", "yes", "--cluster-port", str(servers.free_port())) as source:
            refused(site, "a node of a cluster", (url(source),) + more, "Redis Cluster")
        with Redis("--replicaof", LOCAL, "1") as source:
            refused(site, "a slave without its master", (url(source),) + more, "without a link to its own master")


def hidden():
    """the password in the address is not among the words of the process that shows"""
    with Redis("--requirepass", "topsecret") as source, Site() as site:
        p = subprocess.Popen([tap.DUET, "hactl", "--root", site.root, "import", url(source, ":topsecret@"), "--instance", "0"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        tap.until(lambda: b"import" in open("/proc/%d/cmdline" % p.pid, "rb").read(), 10)
        tap.until(lambda: p.poll() is not None or b"topsecret" not in open("/proc/%d/cmdline" % p.pid, "rb").read(), 5, "the words hidden")
        p.communicate(timeout=60)
        tap.equal(p.returncode, 0, "it works, and its words tell nothing")
        site.hactl("import", "abort")


def big_key():
    """what the edition cannot hold is listed before anything is touched"""
    with Redis() as source, Site("--edition", "cluster") as site:
        c = source.connect()
        c.cmd("SET", "k" * 200, 1)
        c.cmd("SET", "big", "x" * 2000000)
        c.cmd("SET", "good", 1)
        p = site.hactl("import", url(source))
        tap.ok(p.returncode == 1 and "127 bytes" in p.stderr and "--skip-unsupported" in p.stderr, "they are listed")
        tap.equal((site.place()["state"], site.control("DBSIZE")), ("none", 0), "and nothing was begun")
        p = site.hactl("import", url(source), "--skip-unsupported")
        tap.equal((p.returncode, site.control("DBSIZE")), (0, 1), "--skip-unsupported takes the rest")
        site.hactl("import", "abort")


def copied_anew():
    """what the source no longer has is copied anew, and it is said"""
    with Redis("--repl-backlog-size", "16kb") as source, Site() as site:
        c = source.connect()
        c.cmd("SET", "gone", 1)
        tap.equal(site.hactl("import", url(source)).returncode, 0, "it follows")
        site.kill_worker()
        c.cmd("DEL", "gone")
        for i in range(100):
            c.cmd("SET", "k%d" % i, "x" * 1000)
        p = site.hactl("import", "resume")
        tap.ok(p.returncode == 0 and "anew" in p.stderr, "resumed by a new copy")
        tap.equal((site.status()["copies"], site.status()["resumed"]), (1, 0), "status counts it")
        tap.equal(site.hactl("import", "cutover").returncode, 0, "cut over")
        same(site, source, "copied anew", 1)


def chaos():
    """the worker, the server and the link die at random moments under load: nothing is applied twice, nothing is missing"""
    rng = random.Random(tap.seed())
    rounds = 300 if tap.FULL else 14
    with Redis("--repl-backlog-size", "64mb") as source, Site("--appendfsync", "no") as site:
        fill(source.connect(), rng, 60)
        load = Load(source, rng.random())
        try:
            tap.equal(site.hactl("import", url(source)).returncode, 0, "it follows under load")
            done = {"worker": 0, "server": 0, "link": 0, "both": 0}
            for _ in range(rounds):
                time.sleep(rng.random() * 0.25)
                what = rng.choice(sorted(done))
                done[what] += 1
                if what in ("server", "both"):
                    site.kill()
                if what in ("worker", "both"):
                    site.kill_worker()
                if what == "link":
                    source.connect().cmd("CLIENT", "KILL", "TYPE", "replica")
                if what in ("server", "both"):
                    site.start()
                if what in ("worker", "both"):
                    p = site.hactl("import", "resume", "--background")
                    if p.returncode:
                        tap.say(p.stderr)
        finally:
            load.end()
        tap.say("%s, %d commands" % (done, load.sent))
        tap.until(lambda: site.status().get("phase") == "follow", 30, "following again")
        s = site.status()
        p = site.hactl("import", "cutover", "--wait", "--timeout", "60000")
        if not tap.equal(p.returncode, 0, "cut over after %d interruptions" % rounds):
            tap.say(p.stderr + p.stdout)
        same(site, source, "exactly once")
        tap.ok(s["resumed"] > 0 or s["copies"] == 0, "it went on from where the data was (copies since the last start: %d)" % s["copies"])


def source_restarts():
    """the source restarts: it is copied anew, and followed"""
    with Redis("--appendonly", "yes") as source, Site() as site:
        c = source.connect()
        c.cmd("SET", "a", 1)
        tap.equal(site.hactl("import", url(source)).returncode, 0, "it follows")
        source.kill()
        tap.until(lambda: site.status().get("phase") == "wait", 20, "it waits")
        source.start()
        c = source.connect()
        c.cmd("SET", "b", 1)
        tap.until(lambda: site.connect().cmd("GET", "b"), 30, "it follows again")
        tap.ok(True, "it waits for a source that is down, and follows when it is back")
        load = Load(source, 5)
        tap.until(lambda: load.sent > 400, 60)
        p = site.hactl("import", "cutover", "--timeout", "1500")
        tap.ok(p.returncode == 0 or "still written to" in p.stderr, "a cutover under writers is refused, or finds a moment without any")
        load.end()
        if p.returncode:
            tap.equal(site.hactl("import", "cutover").returncode, 0, "and done when they stop")
            same(site, source, "after it", 6)


def place():
    """the place in the source's stream lives with the data: in the log, in snapshots, at slaves of either make"""
    with Site() as site, Site() as slave, Redis() as redis:
        s = socket.socket(socket.AF_UNIX)
        s.connect(site.socket)
        c = servers.Connection(s)
        c.cmd("DUET", "IMPORT", "BEGIN", "tok", "redis://there")

        def at(offset):
            c.cmd("MULTI")
            c.cmd("SET", "a", offset)
            c.cmd("DUET", "IMPORT", "AT", "tok", "ab" * 20, offset, 3)
            return c.cmd("EXEC")

        tap.equal(at(100), [b"OK", b"OK"], "a mark inside of a transaction")
        want = {"state": "follow", "token": "tok", "id": "ab" * 20, "offset": "100", "db": "3", "info": "redis://there"}
        here = lambda where: {k: v for k, v in where.place().items() if k in want}  # noqa: E731
        tap.equal(here(site), want, "it is told")
        for who in (slave, redis):
            who.connect().cmd("REPLICAOF", LOCAL, site.port)
        tap.until(lambda: slave.connect().cmd("GET", "a") == b"100" and redis.connect().cmd("GET", "a") == b"100", 20)
        tap.equal(here(slave), want, "a slave has it with its copy")
        at(200)
        tap.until(lambda: slave.connect().cmd("GET", "a") == b"200" and redis.connect().cmd("GET", "a") == b"200", 20)
        want["offset"] = "200"
        tap.equal(here(slave), want, "and by the stream; redis-server, as a slave, reads over it")
        slave.connect().cmd("REPLICAOF", "NO", "ONE")
        tap.ok("hactl import" in str(slave.connect().error("SET", "x", 1)), "a slave that was promoted does not take writes before the import's end")
        site.kill()
        site.start()
        tap.equal(here(site), want, "the log has it")
        site.control("BGREWRITEAOF")
        tap.until(lambda: b"aof_rewrite_in_progress:0" in site.control("INFO", "persistence") and b"aof_rewrite_scheduled:0" in site.control("INFO", "persistence"), 20)
        site.kill()
        site.start()
        tap.equal(here(site), want, "and the log's base")
        s = socket.socket(socket.AF_UNIX)
        s.connect(site.socket)
        c = servers.Connection(s)
        c.cmd("SET", "short", 1, "PX", 1)
        time.sleep(0.3)
        tap.equal((site.connect().cmd("GET", "short"), c.cmd("DBSIZE")), (None, 2), "what has expired is hidden, but not deleted: that is the source's to say")
        tap.equal((c.cmd("DUET", "IMPORT", "JOIN", "tok"), c.cmd("INCR", "short")), (b"OK", 2), "and whoever brings what the source says still sees it")
        tap.ok("another" in str(c.error("DUET", "IMPORT", "JOIN", "no")) and "under way" in str(c.error("DUET", "IMPORT", "BEGIN", "no", "x")), "another one is refused")
        tap.equal(c.cmd("DUET", "IMPORT", "END", "tok"), b"OK", "the end")
        tap.until(lambda: site.connect().cmd("DBSIZE") == 1, 10)
        tap.equal((site.connect().cmd("SET", "b", 1), site.place()["state"]), (b"OK", "none"), "from then on the data is the instance's own: it expires, and clients write")


def source_gone():
    """a source that does not come back: what is here is made to be enough by order"""
    with Redis() as source, Site() as site:
        source.connect().cmd("SET", "a", 1)
        tap.equal(site.hactl("import", url(source)).returncode, 0, "it follows")
        source.connect().cmd("SET", "b", 1)
        tap.until(lambda: site.connect().cmd("GET", "b"), 10)
        source.kill()
        tap.until(lambda: site.status().get("phase") == "wait", 20, "it waits")
        p = site.hactl("import", "cutover")
        tap.ok(p.returncode == 1 and "nothing to cut over" in p.stderr, "it is not cut over just so")
        p = site.hactl("import", "cutover", "--force")
        if not tap.ok(p.returncode == 0 and "without the source" in p.stdout, "with --force it is"):
            tap.say(p.stdout + p.stderr)
        tap.equal(site.connect().cmd("INCR", "b"), 2, "clients write")


def export():
    """the way back: an instance's data into a running Redis, followed, cut over"""
    rng = random.Random(tap.seed())
    with Redis() as target, Site("--requirepass", "own") as site:
        v = site.connect()
        v.cmd("AUTH", "own")
        fill(v, rng, 120)
        target.connect().cmd("SET", "there", 1)
        p = site.hactl("export", "--to", url(target))
        tap.ok(p.returncode == 1 and "--replace" in p.stderr, "a target that holds keys is left as it is")
        p = site.hactl("export", "--to", url(target), "--replace")
        if not tap.equal(p.returncode, 0, "exported, and followed"):
            tap.say(p.stderr)
            return
        for i in range(500):
            v.cmd("INCR", "n")
            if i in (100, 300):
                tap.until(lambda: site.worker("export"), 10)
                site.kill_worker("export")
                site.hactl("export", "resume", "--background")
        tap.until(lambda: site.worker("export") and site.status("export").get("phase") == "follow", 30)
        p = site.hactl("export", "cutover", "--wait", "--timeout", "30000")
        if not tap.equal(p.returncode, 0, "cut over, after its process was killed twice"):
            tap.say(p.stderr)
        a, b = contents(v), contents(target.connect())
        tap.ok(a == b, "the target has the same data, and no trace of the export")


tests = [place, plain, options, refusals, hidden, big_key, copied_anew, chaos, source_restarts, source_gone, export]
if __name__ == "__main__":
    wanted = [t for t in tests if t.__name__ in sys.argv[1:]] or tests
    tap.main(*wanted)
