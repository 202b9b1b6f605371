#!/usr/bin/python3
"""hactl import FILE: files that a real redis-server wrote come out key by key; what is damaged, torn or cannot be taken is said
before anything is touched."""
# timeout: 600

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))
import old_rdb
import payloads

PEERS = os.path.join(os.environ.get("DUET_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duet"), "peers")


class Dir:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="duet-import-")
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


class Duet:
    """A Duet server with its control socket where hactl --root looks for it."""

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="duet-import-")
        for d in ("run", "data"):
            os.mkdir(os.path.join(self.root, d))
        self.server = servers.Server("--control", os.path.join(self.root, "run", "control-0.sock"), "--enable-debug-command", "yes",
                                     *self.options).__enter__()
        return self

    def __exit__(self, *exc):
        self.server.__exit__(*exc)
        shutil.rmtree(self.root, ignore_errors=True)

    def hactl(self, *words, data=None):
        p = subprocess.run([tap.DUET, "hactl", "--root", self.root, "import", *[str(w) for w in words], "--instance", "0"], input=data,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")

    def json(self, *words, **more):
        status, out, err = self.hactl("--json", *words, **more)
        return status, json.loads(out) if out else None, err

    def connect(self):
        """The control socket: every command, whatever the edition."""
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(self.root, "run", "control-0.sock"))
        return servers.Connection(s, 60)

    def digest(self):
        with self.connect() as c:
            return c.cmd("DEBUG", "DIGEST")

    def size(self):
        with self.connect() as c:
            return sum(int(x.split(b"keys=")[1].split(b",")[0]) for x in c.cmd("INFO", "keyspace").split(b"\r\n") if b"keys=" in x)


def check(path):
    """duet check: (exit status, items)"""
    p = subprocess.run([tap.DUET, "check", "--json", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return p.returncode, json.loads(p.stdout)["items"] if p.stdout else p.stderr


def pipe(c, commands):
    """Sends all, reads all answers; the first error is raised."""
    commands = list(commands)
    c.send_raw(b"".join(servers.encode(*w) for w in commands))
    return [c.read() for _ in commands]


def redis(directory, *options, command=None):
    return servers.Server("--save", "", "--enable-debug-command", "yes", *options, command=command or [servers.REDIS_SERVER], directory=directory)


def load(c, dbs=(0, 3, 9), big=True, streams=True):
    """Every kind of value in several databases, in the first one (big) values too big for one RESTORE, too."""
    for db in dbs:
        pipe(c, [["SELECT", db]] + [["SET", "s%d" % i, "v" * (i % 200)] for i in range(300)] + [["SET", "n%d" % i, i * 7 - 300] for i in range(100)])
        pipe(c, [["PEXPIREAT", "s%d" % i, 4102444800000 + i] for i in range(0, 300, 3)])
        pipe(c, [["RPUSH", "l", *range(100)], ["SADD", "si", *range(100)], ["SADD", "ss", *["m%d" % i for i in range(1000)]], ["HSET", "h", "a", "b"],
                 ["ZADD", "z", "1.5", "a", "2", "b", "inf", "c", "-0.1", "d"], ["PFADD", "hll", "a", "b"], ["SETBIT", "bits", 1000, 1], ["SET", "", "empty"],
                 ["SET", b"\x00\xff\r\n", b"\x00\xff\r\n"], ["HSET", "hv", *sum([["f%d" % i, "w" * i] for i in range(300)], [])],
                 ["ZADD", "zv", *sum([[i / 7, "m%d" % i] for i in range(400)], [])]])
        large = big and db == dbs[0]
        if large:
            pipe(c, [["HSET", "hb", *sum([["f%d" % i, "value-%d" % i] for i in range(20000)], [])], ["SET", "string", os.urandom(9 << 20)],
                     ["SET", "yyy", "y" * (10 << 20)], ["ZADD", "zb", *sum([[i / 7, "member-%d" % i] for i in range(20000)], [])],
                     ["SADD", "sb", *["m%d-%s" % (i, "x" * 10) for i in range(20000)]], ["RPUSH", "lb", *["e%d-%s" % (i, "x" * 30) for i in range(20000)]],
                     ["SADD", "ib", *range(1000000000000, 1000000000500)], ["PEXPIREAT", "hb", 4102444800000]])
        for n, key in ((3000 if large else 20, "x"), (20, "xs")) if streams else ():
            pipe(c, [["XADD", key, "1-%d" % (i + 1), "f", os.urandom(100).hex(), "g", i] for i in range(n)] + [["XADD", key, "2-1", "other", "fields", "a", "b"]])
            pipe(c, [["XDEL", key, "1-5", "1-9"], ["XGROUP", "CREATE", key, "g1", "0"], ["XGROUP", "CREATE", key, "g2", "$"],
                     ["XREADGROUP", "GROUP", "g1", "c1", "COUNT", 15, "STREAMS", key, ">"], ["XACK", key, "g1", "1-1", "1-2"],
                     ["XGROUP", "CREATECONSUMER", key, "g1", "c2"], ["XCLAIM", key, "g1", "c2", 0, "1-3"]])
        if streams:
            pipe(c, [["XADD", "xe", "5-5", "a", "b"], ["XDEL", "xe", "5-5"], ["XGROUP", "CREATE", "xe", "g", "0"]])


def scores(c, key):
    flat = c.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
    return [(m, float(v)) for m, v in zip(flat[::2], flat[1::2])]


def same_scores(a, b, key):
    """Servers print scores in different digits, and digest them so."""
    return a.cmd("TYPE", key) == b.cmd("TYPE", key) == b"zset" and scores(a, key) == scores(b, key)


def differing(a, b):
    """Names of keys whose digests are not the same, of all databases."""
    wrong = []
    for db in range(16):
        values = []
        for c in (a, b):
            c.cmd("SELECT", db)
            keys = sorted(c.cmd("KEYS", "*"))
            values.append(dict(zip(keys, pipe(c, [["DEBUG", "DIGEST-VALUE", k] for k in keys]))))
        wrong += [(db, k) for k in sorted(set(values[0]) | set(values[1])) if values[0].get(k) != values[1].get(k) and not same_scores(a, b, k)]
    return wrong


def same(what, duet, source):
    with duet.connect() as ours, source.connect() as theirs:
        equal = tap.ok(ours.cmd("DEBUG", "DIGEST") == theirs.cmd("DEBUG", "DIGEST"), what)
        if not equal:
            tap.say("# differing: %r" % differing(ours, theirs)[:20])


def rdb_of_every_kind():
    """an RDB file with every kind of value, in several databases, small and big"""
    with Dir() as d, redis(d) as r, Duet() as duet:
        with r.connect() as c:
            load(c)
            c.cmd("SAVE")
        path = os.path.join(d, "dump.rdb")
        status, report, err = duet.json(path)
        tap.ok(status == 0 and report["done"] and report["failed"] == 0, "it is imported: %s" % err)
        same("each key has the value, expiry and group that it had", duet, r)
        tap.equal(report["keys"], duet.size(), "the report counts the keys that are there")
        tap.ok(report["in_pieces"] >= 5, "big values went in pieces (%d)" % report["in_pieces"])
        tap.equal([x["from"] for x in report["databases"]], [0, 3, 9], "and names the databases")
        status, out, err = duet.hactl(path)
        tap.ok(status == 1 and "--replace" in err and "--merge" in err, "once more is refused: the instance is not empty")
        status, out, err = duet.hactl(path, "--replace")
        tap.ok(status == 0, "with --replace it is done again")
        same("and the data are the same", duet, r)


def filters():
    """--db, --rename-db, --keys, --merge"""
    with Dir() as d, redis(d) as r, Duet() as duet:
        with r.connect() as c:
            load(c, big=False)
            c.cmd("SAVE")
        path = os.path.join(d, "dump.rdb")
        status, report, err = duet.json(path, "--db", 3, "--rename-db", "3=0", "--keys", "s*", "--keys", "h")
        with duet.connect() as ours, r.connect() as theirs:
            theirs.cmd("SELECT", 3)
            want = sorted(k for k in theirs.cmd("KEYS", "*") if k[:1] == b"s" or k == b"h")
            tap.equal(sorted(ours.cmd("KEYS", "*")), want, "one database under another number, by two patterns")
            tap.equal(report["left_out"], 3 * len(theirs.cmd("KEYS", "*")) - len(want), "the others are counted as left out")
            ours.cmd("SET", "own", "mine")
            ours.cmd("SET", "s1", "mine")
            status, out, err = duet.hactl(path, "--db", 0, "--merge")
            tap.ok(status == 0 and ours.cmd("GET", "own") == b"mine", "--merge keeps what is there")
            tap.equal(ours.cmd("GET", "s1"), b"v", "but for a key of the same name")
            tap.equal(ours.cmd("DBSIZE"), theirs.cmd("DBSIZE") + 1, "and brings the others")
        for words, sentence in ((["--rename-db", "x=1"], "FROM=TO"), (["--db", "x"], "number of a database"), (["--replace", "--merge"], "exclude")):
            status, out, err = duet.hactl(path, *words)
            tap.ok(status == 2 and sentence in err, "%s is refused: %s" % (" ".join(words), err.strip()))


AOF = ["--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"]


def write_log(c):
    """Commands of many kinds, transactions among them."""
    load(c, dbs=(0, 5), big=False)
    pipe(c, [["SELECT", 0]] + [["INCR", "counter"] for _ in range(500)] + [["RPUSH", "list", i] for i in range(500)])
    pipe(c, [["MULTI"], ["SET", "in-multi", 1], ["INCR", "counter"], ["SELECT", 7], ["SET", "other", 1], ["EXEC"], ["SELECT", 0], ["SPOP", "ss", 10],
             ["DEL", "s1", "s2"], ["RENAME", "s4", "s4-new"], ["MOVE", "s5", 7], ["SETEX", "ttl", 1000, "x"], ["EVAL", "redis.call('set','by-script',ARGV[1])", 0, "v"],
             ["SELECT", 8], ["SET", "swapped", 1], ["SWAPDB", 8, 5], ["SELECT", 9], ["SET", "gone", 1], ["FLUSHDB"], ["SELECT", 0], ["COPY", "h", "h2", "DB", 3]])


def logs():
    """append directories of Redis 7: commands alone, behind a base, after rewrites; and single files"""
    for preamble in ("no", "yes"):
        with Dir() as d, redis(d, *AOF, "--aof-use-rdb-preamble", preamble, "--aof-timestamp-enabled", "yes") as r, Duet() as duet:
            with r.connect() as c:
                write_log(c)
            folder = os.path.join(d, "appendonlydir")
            status, report, err = duet.json(folder)
            tap.ok(status == 0 and report["failed"] == 0, "a directory, aof-use-rdb-preamble %s: %s" % (preamble, err))
            same("its data are the same", duet, r)
            tap.ok(report["sent_commands"] > 1000, "%d commands were sent" % report["sent_commands"])
            with r.connect() as c:
                c.cmd("BGREWRITEAOF")
                tap.until(lambda: b"aof_rewrite_in_progress:0" in c.cmd("INFO", "persistence") and any("2.base" in f for f in os.listdir(folder)), 60, "rewritten")
                pipe(c, [["SET", "behind-the-rewrite", 1], ["INCRBY", "counter", 5]])
            status, report, err = duet.json(os.path.join(folder, "appendonly.aof.manifest"), "--replace")
            tap.ok(status == 0, "after a rewrite, by its manifest's path: %s" % err)
            same("its data are the same", duet, r)
            base = next(f for f in os.listdir(folder) if "2.base" in f)
            whole = os.path.join(d, "whole.aof")
            with open(whole, "wb") as out:
                for name in [base] + sorted(f for f in os.listdir(folder) if ".incr." in f and f.endswith("2.incr.aof")):
                    with open(os.path.join(folder, name), "rb") as f:
                        out.write(f.read())
            status, items = check(folder)
            tap.ok(status == 0 and [x["kind"] for x in items] == ["append-only file"] * 2 and all(x["sound"] for x in items), "duet check reads the directory")
            status, items = check(whole)
            tap.ok(status == 0 and items[0]["commands"] > 1 and ("rdb_keys" in items[0]) == (preamble == "yes"), "and the file: %r" % items)
            status, report, err = duet.json(whole, "--replace")
            tap.ok(status == 0, "as one file (%s): %s" % ("RDB and commands" if preamble == "yes" else "commands", err))
            same("its data are the same", duet, r)
            status, report, err = duet.json(d, "--replace")
            tap.ok(status == 0, "by the data directory above it")


def torn_logs():
    """a log whose tail is torn: said by bytes, taken without it when asked to; other damage is refused; nothing was touched"""
    with Dir() as d, Duet() as duet:
        with redis(d, *AOF) as r, r.connect() as c:
            pipe(c, [["SET", "a", 1], ["INCR", "a"], ["MULTI"], ["INCR", "a"], ["SET", "b", "x" * 50], ["EXEC"]])
        folder = os.path.join(d, "appendonlydir")
        last = os.path.join(folder, "appendonly.aof.1.incr.aof")
        with open(last, "rb") as f:
            whole = f.read()
        multi = whole.index(b"*1\r\n$5\r\nMULTI")
        with duet.connect() as c:
            c.cmd("SET", "mine", 1)
        before = duet.digest()
        for cut in (multi - 3, multi + 5, multi + 40, len(whole) - 1):
            with open(last, "wb") as f:
                f.write(whole[:cut])
            end = multi if cut > multi else whole.rindex(b"*2\r\n$4\r\nINCR", 0, multi)
            status, out, err = duet.hactl(folder, "--replace")
            tap.ok(status == 1 and "%d bytes" % (cut - end) in err and "--truncate" in err, "cut at byte %d: %s" % (cut, err.strip()))
            tap.ok(duet.digest() == before, "the instance is as it was")
            status, items = check(folder)
            tap.ok(status == 1 and items[-1]["damage_at"] == end and items[-1]["behind_it_bytes"] == cut - end, "duet check says the same")
        status, report, err = duet.json(folder, "--replace", "--truncate")
        with duet.connect() as c:
            tap.equal((status, c.cmd("KEYS", "*"), c.cmd("GET", "a")), (0, [b"a"], b"2"), "with --truncate it is what stands before the torn transaction")
            tap.equal(report["dropped_bytes"], len(whole) - 1 - multi, "and the bytes that are left out are told")
        before = duet.digest()
        for at, what in ((multi - 20, "a byte in the middle"), (0, "the first byte")):
            with open(last, "wb") as f:
                f.write(whole[:at] + b"\x01" + whole[at + 1:])
            status, out, err = duet.hactl(folder, "--replace")
            tap.ok(status == 1 and duet.digest() == before, "%s damaged: refused, nothing touched: %s" % (what, err.strip()[-150:]))
        os.unlink(last)
        status, out, err = duet.hactl(folder, "--replace")
        tap.ok(status == 1 and "appendonly.aof.1.incr.aof" in err, "a file that the manifest names is missing: it is named")


def refusals():
    """damaged files, files of something else, functions, editions, memory, --dry-run"""
    with Dir() as d, redis(d) as r, Duet() as duet:
        path = os.path.join(d, "dump.rdb")
        with r.connect() as c:
            load(c, dbs=(0,), big=False)
            c.cmd("FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 1 end)")
            c.cmd("SAVE")
            status, out, err = duet.hactl(path)
            tap.ok(status == 1 and "libraries of functions" in out and '"mylib"' in out, "a library of functions is listed by its name")
            tap.ok("--skip-unsupported" in err and duet.size() == 0, "and refused; nothing is touched")
            status, report, err = duet.json(path, "--skip-unsupported", "--dry-run")
            tap.ok(status == 0 and not report["done"] and duet.size() == 0, "--dry-run touches nothing")
            tap.equal([x["what"] for x in report["refused"]], ["libraries of functions"], "JSON lists it too")
            status, out, err = duet.hactl(path, "--skip-unsupported")
            same("--skip-unsupported takes the rest", duet, r)
            before = duet.digest()
        with open(path, "rb") as f:
            good = f.read()
        bad = os.path.join(d, "bad")
        for at in (20, len(good) // 2, len(good) - 4):
            with open(bad, "wb") as f:
                f.write(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1:])
            status, out, err = duet.hactl(bad, "--replace", "--skip-unsupported")
            tap.ok(status == 1 and duet.digest() == before, "damage at byte %d: %s" % (at, err.strip()[-160:]))
        for at in (0, 5, 300, len(good) - 1):
            with open(bad, "wb") as f:
                f.write(good[:at])
            status, out, err = duet.hactl(bad, "--replace", "--skip-unsupported")
            tap.ok(status == 1 and duet.digest() == before, "cut at byte %d: %s" % (at, err.strip()[-160:]))
        for content, sentence in ((b"hello", "no RDB file"), (b"\x1f\x8b\x08\x00aaaaaaaaaa", "gzip")):
            with open(bad, "wb") as f:
                f.write(content)
            status, out, err = duet.hactl(bad, "--replace")
            tap.ok(status == 1 and sentence in err, err.strip())
        status, out, err = duet.hactl(os.path.join(d, "not-there"))
        tap.ok(status == 1 and "not-there" in err, err.strip())
    with Dir() as d, redis(d) as r, Duet("--edition", "cluster", "--maxmemory", "100kb") as duet:
        path = os.path.join(d, "dump.rdb")
        with r.connect() as c:
            pipe(c, [["SET", "k" * 200, 1], ["SET", "big", "x" * 1000001], ["SET", "good", 1], ["XADD", "x", "*", "a", "b"], ["RPUSH", "l", os.urandom(800000)]])
            c.cmd("SAVE")
        status, out, err = duet.hactl(path)
        tap.ok(status == 1 and "127 bytes" in out and "1000000 bytes" in out and "streams" in out, "an edition's limits are told")
        tap.ok("memory" in err, "and that it does not fit: %s" % err.strip())
        status, out, err = duet.hactl(path, "--skip-unsupported")
        tap.ok(status == 1 and duet.size() == 0, "too big for the memory is refused by itself")


def streams_and_packed():
    """from standard input, and compressed by zstd"""
    with Dir() as d, redis(d) as r, Duet() as duet:
        with r.connect() as c:
            load(c, dbs=(0,), big=False)
            c.cmd("SAVE")
        path = os.path.join(d, "dump.rdb")
        with open(path, "rb") as f:
            status, out, err = duet.hactl("-", data=f.read())
        tap.ok(status == 0, "standard input: %s" % err)
        same("its data are the same", duet, r)
        subprocess.run(["zstd", "-q", path, "-o", path + ".any-name"], check=True)
        status, out, err = duet.hactl(path + ".any-name", "--replace")
        tap.ok(status == 0, "a file compressed by zstd: %s" % err)
        same("its data are the same", duet, r)
        with open(path + ".any-name", "rb") as f:
            packed = f.read()
        status, out, err = duet.hactl("-", "--replace", data=packed[:-20])
        tap.ok(status == 1 and duet.size() > 0, "a cut one is refused: %s" % err.strip())


def other_servers():
    """a file of Valkey 9, when it is in the cache"""
    command = os.path.join(PEERS, "valkey-server")
    if not os.path.exists(command):
        tap.skip("a file of Valkey 9", "it is not in the cache")
        return
    with Dir() as d, redis(d, command=[command]) as r, Duet() as duet:
        with r.connect() as c:
            load(c, big=False)
            c.cmd("HSET", "expiring", "a", 1, "b", 2)
            fields = c.error("HPEXPIRE", "expiring", 100000000, "FIELDS", 1, "a") is None
            c.cmd("SAVE")
        path = os.path.join(d, "dump.rdb")
        if fields:
            status, out, err = duet.hactl(path)
            tap.ok(status == 1 and "whose fields expire" in out and '"expiring"' in out, "hashes whose fields expire are listed")
        status, report, err = duet.json(path, "--skip-unsupported")
        tap.ok(status == 0 and report["source"].startswith("Valkey"), "a file of %s: %s" % (report and report["source"], err))
        with duet.connect() as ours, r.connect() as theirs:
            tap.equal(differing(ours, theirs), [(9, b"expiring")] if fields else [], "all but that hash is the same")


def export():
    """backup export --rdb: a set becomes a file that redis-server loads; in the forms of 3.2 and 2.8 too, where they hold it"""
    name = "0-20261121T181500Z"
    with Dir() as d, Dir() as e, redis(d) as r, Duet() as duet:
        with r.connect() as c:
            load(c)
            c.cmd("SAVE")
        duet.hactl(os.path.join(d, "dump.rdb"))

        def backup(name):
            place = os.path.join(duet.root, "data", "backup", "instance-0", name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with duet.connect() as c:
                c.cmd("DUET", "BACKUP", "START", name, place, "-", "operator")
                tap.until(lambda: b"done" in c.cmd("DUET", "BACKUP", "STATUS"), 60, "the set is made")
            return place

        def hactl(*words, **more):
            return subprocess.run([tap.DUET, "hactl", "--root", duet.root, "backup", "export", "--local", "--rdb", *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=120)

        def loads(path, what):
            os.makedirs(os.path.join(e, "data"), exist_ok=True)
            os.replace(path, os.path.join(e, "data", "dump.rdb"))
            with redis(os.path.join(e, "data")) as other:
                same(what, duet, other)

        place = backup(name)
        path = os.path.join(e, "out.rdb")
        p = hactl(name, path)
        tap.ok(p.returncode == 0, "written: %s" % p.stderr.decode())
        loads(path, "redis-server 7.0 loads it: the same data")
        p = hactl(name, "-")
        with open(path, "wb") as f:
            f.write(p.stdout)
        loads(path, "and from standard output")
        p = hactl("--rdb-version", "7", name, path)
        tap.ok(p.returncode == 1 and b"stream" in p.stderr and not os.path.exists(path), "streams have no old form: %s" % p.stderr.decode().strip()[-200:])
        p = hactl("--rdb-version", "9", name, path)
        tap.equal(p.returncode, 2, "a version that is none is refused")
        with open(os.path.join(place, "data.rdb.zst"), "r+b") as f:
            f.seek(5000)
            f.write(b"damage")
        p = hactl(name, path)
        tap.ok(p.returncode == 1 and b"damaged" in p.stderr and not os.path.exists(path), "a damaged set is refused: %s" % p.stderr.decode().strip()[-200:])
        with r.connect() as c:
            c.cmd("FLUSHALL")
            load(c, streams=False)
            c.cmd("SAVE")
        duet.hactl(os.path.join(d, "dump.rdb"), "--replace")
        name = "0-20261121T181501Z"
        backup(name)
        for version in ("7", "6"):
            p = hactl("--rdb-version", version, name, path)
            tap.ok(p.returncode == 0, "version %s: %s" % (version, p.stderr.decode()))
            with open(path, "rb") as f:
                tap.ok(len(old_rdb.read(f.read(), int(version))) == duet.size(), "a reader that knows nothing newer reads it")
            loads(path, "its data are the same")


def rdb_file(path, bodies):
    """An RDB file of values, each a type byte and what follows; keys are k0, k1 ..."""
    data = b"REDIS0010\xfe\x00"
    for i, body in enumerate(bodies):
        data += body[:1] + payloads.string(b"k%d" % i) + body[1:]
    data += b"\xff"
    with open(path, "wb") as f:
        f.write(data + struct.pack("<Q", payloads.crc64(data)))


def old_forms():
    """values in every form since Redis 2.2, small ones and ones that go in pieces; what is not sound is refused"""
    many = [b"word-%d" % i for i in range(3000)]
    texts = [w + b"-" + b"y" * 90 for w in many]
    scored = [x for w in texts for x in (w, int(w[5:w.index(b"-", 5)]))]
    big = [b"\x0a" + payloads.string(payloads.ziplist(*texts)), b"\x0d" + payloads.string(payloads.ziplist(*texts)),
           b"\x0c" + payloads.string(payloads.ziplist(*scored)), b"\x0e" + payloads.length(30) + payloads.string(payloads.ziplist(*texts[:100])) * 30,
           b"\x09" + payloads.string(payloads.zipmap(*zip(many[:250], texts))), b"\x0b" + payloads.string(payloads.intset(*range(1 << 40, (1 << 40) + 40000))),
           b"\x10" + payloads.string(payloads.listpack(*texts)), b"\x11" + payloads.string(payloads.listpack(*scored)),
           b"\x03" + payloads.length(3000) + b"".join(payloads.string(w) + b"\x0412.5" for w in texts)]
    with Dir() as d, Duet() as duet:
        path = os.path.join(d, "dump.rdb")
        sound = [b for n, b in payloads.SOUND.items() if n != "trailing bytes"]
        rdb_file(path, sound + big)
        status, report, err = duet.json(path)
        tap.ok(status == 0 and report["failed"] == 0 and report["in_pieces"] == len(big) - 1, "they are imported, %s in pieces: %s" % (report and report["in_pieces"], err))
        with redis(d) as r:
            same("as redis-server loads them", duet, r)
        wrong = []
        for name, body in {**payloads.BAD, **payloads.REFUSED}.items():
            if body:
                rdb_file(path, [body, payloads.SOUND["string"]])
                status, out, err = duet.hactl(path, "--replace")
                if status != 1 or not err.strip():
                    wrong.append((name, status))
        tap.equal(wrong, [], "each of %d that are not sound is told" % len(payloads.BAD))


def requests(*commands):
    return b"".join(servers.encode(*c) for c in commands)


def past_expiry():
    """times to live that are over by now say what they say in a log: the data are those that redis-server loads"""
    past, future = 1000000000000, 4102444800000
    log = requests(["SELECT", 0], ["INCR", "k"], ["PEXPIREAT", "k", past], ["INCR", "k"], ["SET", "p", 1], ["PEXPIREAT", "p", past], ["INCR", "p"], ["PERSIST", "p"],
                   ["SET", "q", 1, "PXAT", past], ["APPEND", "q", "2"], ["PEXPIREAT", "q", future], ["RPUSH", "l", 1], ["PEXPIREAT", "l", past], ["DEL", "l"], ["SET", "end", 1])
    with Dir() as d, Duet() as duet:
        path = os.path.join(d, "log")
        with open(path, "wb") as f:
            f.write(log)
        status, out, err = duet.hactl(path)
        with duet.connect() as c:
            tap.until(lambda: c.cmd("GET", "k") is None, 20, "what is over goes")
            got = {k: c.cmd("GET", k) for k in sorted(c.cmd("KEYS", "*"))}
        os.mkdir(os.path.join(d, "appendonlydir"))
        os.rename(path, os.path.join(d, "appendonlydir", "appendonly.aof.1.incr.aof"))
        with open(os.path.join(d, "appendonlydir", "appendonly.aof.manifest"), "w") as f:
            f.write("file appendonly.aof.1.incr.aof seq 1 type i\n")
        with redis(d, *AOF) as r, r.connect() as c:
            tap.until(lambda: c.cmd("GET", "k") is None, 20, "what is over goes there too")
            tap.equal(got, {k: c.cmd("GET", k) for k in sorted(c.cmd("KEYS", "*"))}, "the keys that are left, and their values")


def interrupted():
    """hactl or the server killed on the way: the same line goes on, and every command counts once"""
    count = 240000
    log = requests(["SELECT", 2]) + b"".join(servers.encode("INCR", "n") + (requests(["MULTI"], ["RPUSH", "l", i], ["INCR", "m"], ["EXEC"]) if i % 50 == 0 else b"")
                                             for i in range(count))
    with Dir() as d, redis(d) as r, Duet("--appendonly", "yes") as duet:
        with r.connect() as c:
            load(c, dbs=(0,), big=True)
            c.cmd("SAVE")
        path = os.path.join(d, "whole")
        with open(path, "wb") as out, open(os.path.join(d, "dump.rdb"), "rb") as rdb:
            out.write(rdb.read() + log)
        at = []

        def offset():
            with duet.connect() as c:
                s = c.cmd("DUET", "IMPORT", "STATUS")
            return int(dict(zip(s[::2], s[1::2]))[b"offset"])

        for kill in ("hactl", "server", "hactl"):
            p = subprocess.Popen([tap.DUET, "hactl", "--root", duet.root, "import", path, "--instance", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            before = at[-1] if at else 0
            tap.until(lambda: p.poll() is not None or offset() > before + 300000, 60, "it is on its way", step_s=0.001)
            if kill == "server":
                duet.server.stop(signal.SIGKILL)
                p.communicate(timeout=60)
                duet.server.start()
            else:
                p.kill()
                p.communicate()
            at.append(offset())
        tap.ok(0 < at[0] < at[1] < at[2] < len(log) + os.path.getsize(os.path.join(d, "dump.rdb")), "it was interrupted at %r of %d" % (at, os.path.getsize(path)))
        tap.ok(duet.server.connect().error("SET", "a", 1) is not None, "clients' writes are refused meanwhile")
        status, out, err = duet.hactl(os.path.join(d, "dump.rdb"))
        tap.ok(status == 1 and "under way" in err, "another import is refused: %s" % err.strip()[-120:])
        status, out, err = duet.hactl(path)
        tap.ok(status == 0 and "goes on" in err, "the same line goes on: %s" % err)
        with duet.connect() as c:
            c.cmd("SELECT", 2)
            tap.equal((c.cmd("GET", "n"), c.cmd("GET", "m"), c.cmd("LLEN", "l")), (b"%d" % count, b"%d" % (count // 50), count // 50), "every command counts once")
            c.cmd("FLUSHDB")
            tap.equal(c.cmd("SET", "a", 1), b"OK", "and clients may write again")
            c.cmd("DEL", "a")
        same("the keys in front are whole", duet, r)


tap.main(rdb_of_every_kind, filters, logs, torn_logs, refusals, streams_and_packed, other_servers, export, old_forms, past_expiry, interrupted)
