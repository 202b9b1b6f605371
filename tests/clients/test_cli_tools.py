#!/usr/bin/python3
"""The tools in Debian's redis-cli, each with what it must find out: keys, sizes, latencies, dumps, streams of commands."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import servers
import tap

CLI = servers.REDIS_CLI


def cli(s, *words, stdin=None, program=(CLI,), limit_s=60):
    done = subprocess.run([*program, "-p", str(s.port)] + [str(w) for w in words], input=stdin, capture_output=True, timeout=limit_s)
    return (done.stdout + done.stderr).decode(errors="replace")


class Screen:
    """redis-cli on a terminal, read until a pattern shows."""

    def __init__(self, s, *words):
        self.main, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen([CLI, "-p", str(s.port)] + list(words), stdin=end, stdout=end, stderr=end, start_new_session=True,
                                        env=dict(os.environ, TERM="dumb", HOME="/nowhere"))
        os.close(end)
        self.text = ""

    def shows(self, pattern, limit_s=20):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if re.search(pattern, self.text, re.S):
                return True
            if select.select([self.main], [], [], 0.1)[0]:
                try:
                    data = os.read(self.main, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                self.text += data.decode(errors="replace")
        return bool(re.search(pattern, self.text, re.S)) or tap.say("the screen shows: " + self.text[-800:])

    def type(self, line, pattern):
        """A line at the prompt, and whether the pattern shows before the next prompt."""
        before, self.text = self.text, ""
        os.write(self.main, line.encode() + b"\r")
        shown = self.shows(r"\n.*" + pattern + r".*> $")
        self.text = before + self.text
        return shown

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        os.close(self.main)


def fill(s):
    with s.connect() as c:
        c.cmd("MSET", *[w for i in range(500) for w in ("str:%d" % i, "x" * (i + 1))])
        for i in range(1, 21):
            c.cmd("RPUSH", "list:%d" % i, *range(i * 10))
            c.cmd("SADD", "set:%d" % i, *range(i * 5))
            c.cmd("HSET", "hash:%d" % i, *[w for j in range(i * 3) for w in (j, "v")])
            c.cmd("ZADD", "zset:%d" % i, *[w for j in range(i * 2) for w in (j, "m%d" % j)])


def biggest(command):
    """--bigkeys, --memkeys, --hotkeys"""
    with rig.Server(command, "--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0") as s:
        fill(s)
        got = cli(s, "--bigkeys")
        for line in ("Sampled 580 keys in the keyspace!", "Biggest string found '\"str:499\"' has 500 bytes", "Biggest   list found '\"list:20\"' has 200 items",
                     "Biggest    set found '\"set:20\"' has 100 members", "Biggest   hash found '\"hash:20\"' has 60 fields",
                     "Biggest   zset found '\"zset:20\"' has 40 members", "500 strings with 125250 bytes (86.21% of keys, avg size 250.50)", "20 lists with 2100 items (03.45% of keys, avg size 105.00)"):
            tap.ok(line in got, "--bigkeys: " + line.strip()) or tap.say(got)
        got = cli(s, "--memkeys")
        with s.connect() as c:
            strings = max(c.cmd("MEMORY", "USAGE", "str:%d" % i) for i in range(500))
            lists = sum(c.cmd("MEMORY", "USAGE", "list:%d" % i) for i in range(1, 21))
            tap.ok(re.search(r"Biggest string found '\"str:\d+\"' has %d bytes" % strings, got), "--memkeys says what MEMORY USAGE says") or tap.say(got)
            tap.ok("20 lists with %d bytes" % lists in got, "and adds up") or tap.say(got)
            for _ in range(60):
                c.cmd("GET", "str:7")
            for _ in range(30):
                c.cmd("LLEN", "list:3")
        got = cli(s, "--hotkeys")
        hot = re.findall(r"hot key found with counter: (\d+)\tkeyname: \"(\S+)\"", got)
        tap.ok([k for _, k in hot[:2]] == ["str:7", "list:3"] and int(hot[0][0]) >= 60, "--hotkeys tells the two that were used most") or tap.say(got[-600:])
        with s.connect() as c:
            c.cmd("CONFIG", "SET", "maxmemory-policy", "noeviction")
        tap.ok("ERR An LFU maxmemory policy is not selected" in cli(s, "--hotkeys"), "--hotkeys without an LFU policy is told why not")


def scanning(command):
    """--scan"""
    with rig.Server(command) as s:
        fill(s)
        tap.equal(len(set(cli(s, "--scan").split())), 580, "every key")
        tap.equal(sorted(cli(s, "--scan", "--pattern", "*:1?").split()), sorted(t + ":1%d" % i for t in ("str", "list", "set", "hash", "zset") for i in range(10)), "--pattern")
        with s.connect() as c:
            c.cmd("SET", b"bin\x00\xff", "1")
        got = [cli(s, "--scan", *words) for words in (("--pattern", "bin*"), ("--quoted-pattern", '"bin\\x00*"'), ("--quoted-pattern", '"bin\\x01*"'))]
        tap.ok(got[0].startswith("bin") and got[1] == got[0] and got[2] == "", "--quoted-pattern") or tap.say(repr(got))


def pipe(command):
    """--pipe"""
    with rig.Server(command) as s:
        n = 1000000
        data = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n" % (len(k), k) for k in (b"key:%d" % i for i in range(n)))
        got = cli(s, "--pipe", stdin=data, limit_s=120)
        tap.ok("errors: 0, replies: %d" % n in got and cli(s, "dbsize").strip() == str(n), "a million commands") or tap.say(got)
        got = cli(s, "--pipe", stdin=b"SET a 1\r\nINCR a\r\nLPUSH a x\r\nNOSUCH\r\nGET a\r\n")
        tap.ok("errors: 2, replies: 5" in got and "WRONGTYPE" in got, "errors are counted and shown") or tap.say(got)


def latencies(command):
    """--latency and its kin, --stat"""
    with rig.Server(command) as s:
        fill(s)
        got = cli(s, "--latency", "-i", "1").split()
        tap.ok(len(got) == 4 and int(got[3]) > 10 and float(got[0]) <= float(got[2]) <= float(got[1]), "--latency: %s" % " ".join(got))
        with Screen(s, "--latency-history", "-i", "0.3") as h, Screen(s, "--latency-dist", "-i", "0.3") as d, Screen(s, "--stat", "-i", "0.2") as t:
            tap.ok(h.shows(r"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\) -- 0\.\d+ seconds range.*min: "), "--latency-history")
            tap.ok(d.shows(r"From 0 to 100%.*\x1b\[38;5;"), "--latency-dist")
            tap.ok(t.shows(r"keys +mem +clients +blocked +requests +connections.*\n580 +[\d.]+[KM] +[34] +0 +\d+ \(\+\d+\) +\d+"), "--stat")


def dumps(command):
    """--rdb, --functions-rdb, --replica"""
    with rig.Server(command, "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0") as s:
        fill(s)
        with s.connect() as c:
            c.cmd("SET", "ttl", "x", "PX", 10000000)
            c.cmd("SELECT", "5")
            c.cmd("SET", "five", "5")
            path = os.path.join(s.directory, "copy.rdb")
            got = cli(s, "--rdb", path)
            tap.ok("Transfer finished with success" in got, "--rdb") or tap.say(got)
            with rig.Server([servers.REDIS_SERVER], "--dbfilename", "copy.rdb", "--enable-debug-command", "yes", directory=s.directory) as copy, copy.connect() as other:
                tap.ok(int(cli(copy, "dbsize")) == 581 and cli(copy, "-n", "5", "get", "five").strip() == "5", "redis-server loads it")
                tap.equal(other.cmd("DEBUG", "DIGEST"), c.cmd("DEBUG", "DIGEST"), "and has the same data")
            tap.ok("Transfer finished with success" in cli(s, "--rdb", "-") or cli(s, "--rdb", "-").startswith("REDIS00"), "to standard output")
            got = cli(s, "--functions-rdb", path + ".f")
            if command[0] != servers.REDIS_SERVER:
                tap.ok("unctions" in got and "aborting" in got, "--functions-rdb is refused") or tap.say(got)
        with Screen(s, "--replica") as r:
            tap.ok(r.shows(r"SYNC done after \d+ bytes\. Logging commands from master\."), "--replica synchronises")
            cli(s, "rpush", "stream", "a b")
            tap.ok(r.shows(r'"rpush","stream","a b"'), "and shows what is written")


def formats(command):
    """--csv, --json, -2, -3, --no-raw, --quoted-input, -x, -X"""
    with rig.Server(command) as s:
        cli(s, "rpush", "l", 'a"b', "c,d", "e\nf")
        cli(s, "hset", "h", "f", "1")
        cli(s, "zadd", "z", "1.5", "a", "inf", "b")
        tap.equal(cli(s, "--csv", "lrange", "l", "0", "-1"), '"a\\"b","c,d","e\\nf"\n', "--csv")
        tap.equal(json.loads(cli(s, "--json", "lrange", "l", "0", "-1")), ['a"b', "c,d", "e\nf"], "--json")
        tap.equal([json.loads(cli(s, "--json", *words.split())) for words in ("hgetall h", "zscore z a", "get none", "zrange z 0 0 withscores", "exists z")],
                  [{"f": "1"}, 1.5, None, [["a", 1.5]], 1], "--json of maps, doubles, nothing")
        tap.equal(cli(s, "-2", "--no-raw", "hgetall", "h"), '1) "f"\n2) "1"\n', "-2")
        tap.equal(cli(s, "-3", "--no-raw", "hgetall", "h"), '1# "f" => "1"\n', "-3: a map")
        tap.equal(cli(s, "-3", "--no-raw", "zscore", "z", "a"), "(double) 1.5\n", "-3: a double")
        tap.equal(cli(s, "-3", "--no-raw", "zrange", "z", "0", "-1", "withscores"), '1) 1) "a"\n   2) (double) 1.5\n2) 1) "b"\n   2) (double) inf\n', "-3: pairs")
        tap.equal(cli(s, "-3", "--no-raw", "sadd", "s", "1"), "(integer) 1\n", "-3: an integer")
        tap.equal(cli(s, "-3", "--no-raw", "smembers", "s"), '1~ "1"\n', "-3: a set")
        tap.equal(cli(s, "--quoted-input", "set", '"q\\x00k"', '"v\\n"'), "OK\n", "--quoted-input")
        tap.equal(cli(s, "--no-raw", "--quoted-input", "get", '"q\\x00k"'), '"v\\n"\n', "and back")
        tap.equal((cli(s, "-X", "TAG", "mset", "x1", "TAG", "x2", "y", stdin=b"in\0put"), cli(s, "--no-raw", "get", "x1")), ("OK\n", '"in\\x00put"\n'), "-X")
        done = subprocess.run([CLI, "-p", str(s.port), "-e", "get", "l"], capture_output=True)
        tap.ok(done.returncode == 1, "-e ends with a status")
        with Screen(s) as t:
            tap.ok(t.shows(r"127\.0\.0\.1:\d+> $"), "the prompt")
            tap.ok(t.type("multi", r"OK.*\(TX\)") and t.type("incr n", "QUEUED") and t.type("exec", r"1\) \(integer\) 1"), "a transaction at the prompt")
            tap.ok(t.type("select 3", r"OK\s.*\[3\]"), "and another database")
            tap.ok(t.type("auth wrong", r"ERR AUTH <password> called without any password configured for the default user\. Are you sure your configuration is correct\?"), "AUTH without a password")
            tap.ok(t.type("hello 3", r"1# \"server\" => \"redis\"") and t.type("hgetall none", r"\(empty hash\)"), "HELLO 3 at the prompt")


def watching(command):
    """MONITOR, SUBSCRIBE, PSUBSCRIBE"""
    with rig.Server(command) as s:
        with Screen(s, "monitor") as m:
            m.shows("OK")
            cli(s, "-n", "2", "set", "a key", "b\nc")
            tap.ok(m.shows(r'\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] "set" "a key" "b\\nc"'), "MONITOR")
        for version, words in (("-2", ("subscribe", "news", "sport")), ("-3", ("subscribe", "news", "sport"))):
            with Screen(s, version, "--no-raw", *words) as m:
                tap.ok(m.shows(r'1\) "subscribe"\s+2\) "news"\s+3\) \(integer\) 1\s.*"sport"\s+3\) \(integer\) 2'), version + ": SUBSCRIBE")
                tap.equal(cli(s, "publish", "news", "hello"), "1\n", version + ": it is told")
                tap.ok(m.shows(r'1\) "message"\s+2\) "news"\s+3\) "hello"'), version + ": a message")
        with Screen(s, "--csv", "psubscribe", "n*") as m:
            m.shows("psubscribe")
            cli(s, "publish", "news", "x,y")
            tap.ok(m.shows(r'"pmessage","n\*","news","x,y"'), "PSUBSCRIBE, --csv")


def tracking(command):
    """CLIENT TRACKING in redis-cli -3"""
    with rig.Server(command) as s:
        with Screen(s, "-3") as t:
            t.shows("> $")
            t.type("client tracking on", "OK")
            t.type("get k", r"\(nil\)")
            cli(s, "set", "k", "1")
            tap.ok(t.type("ping", r"-> invalidate: 'k'"), "an invalidation is shown")


def scripting(command):
    """--eval"""
    with rig.Server(command) as s:
        path = os.path.join(s.directory, "s.lua")
        with open(path, "w") as f:
            f.write("return {KEYS[1], KEYS[2], ARGV[1], redis.call('SET', KEYS[1], ARGV[1])}")
        tap.equal(cli(s, "--no-raw", "--eval", path, "k1", "k2", ",", "a1"), '1) "k1"\n2) "k2"\n3) "a1"\n4) OK\n', "--eval")


def valkey(command):
    """valkey-cli"""
    cache = os.environ.get("DUET_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duet")
    root = os.path.join(cache, "peers", "root", "usr")
    libraries = os.path.join(root, "lib", "x86_64-linux-gnu")
    program = [os.path.join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, os.path.join(root, "bin", "valkey-cli")]
    if not all(os.path.exists(p) for p in program[::3]):
        tap.skip("valkey-cli", "it is not in the cache")
        return
    with rig.Server(command) as s:
        fill(s)
        tap.equal((cli(s, "set", "a", "1", program=program), cli(s, "-3", "--json", "hgetall", "hash:1", program=program)), ("OK\n", '{"0":"v","1":"v","2":"v"}\n'), "commands")
        tap.ok("Sampled 581 keys" in cli(s, "--bigkeys", program=program), "--bigkeys")
        tap.equal(len(cli(s, "--scan", program=program).split()), 581, "--scan")


if __name__ == "__main__":
    rig.main(biggest, scanning, pipe, latencies, dumps, formats, watching, tracking, scripting, valkey)
