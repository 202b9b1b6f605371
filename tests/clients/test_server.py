#!/usr/bin/python3
"""duet server as a process: options and files, its end, limits, many clients, bad ones."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap


def refuses(argv, *words):
    """The server ends with status 1 and a sentence that holds all the words."""
    done = subprocess.run([tap.DUET, "server"] + argv, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    fine = done.returncode == 1 and all(w in done.stderr for w in words) and done.stderr.count("\n") == 1
    if not tap.ok(fine, "refused with a sentence: %s" % " ".join(argv)):
        tap.say("status %d: %s" % (done.returncode, done.stderr))


def bad_options():
    """Bad options and files"""
    with tempfile.TemporaryDirectory() as d:
        refuses(["--foo", "1"], "option:1:", "'foo'", "--help")
        refuses(["--port", "7", "--appendfsync", "now"], "option:3:", "everysec")
        refuses(["--port", "70000"], "between 0 and 65535")
        refuses(["--port"], "needs a value")
        refuses(["--dir", os.path.join(d, "none")], "none", "No such file")
        refuses(["--cluster-enabled", "yes"], "cluster mode is not part of Duet")
        refuses(["--loadmodule", "x.so"], "modules are not part of Duet")
        refuses(["--rename-command", "nosuch", "x"], "no such command")
        refuses([os.path.join(d, "none.conf")], "none.conf")
        conf = os.path.join(d, "a.conf")
        for text, words in (("port 7\n\nfoo bar\n", ("a.conf:3:", "'foo'")), ("save 900\n", ("a.conf:1:", "save")),
                            ("port 1 2\n", ("a.conf:1:", "one value")), ('dir "a\n', ("a.conf:1:", "quote"))):
            with open(conf, "w") as f:
                f.write(text)
            refuses([conf], *words)
        with servers.Server() as s:
            refuses(["--port", str(s.port), "--dir", d], str(s.port), "in use")
        tap.equal(os.listdir(d), ["a.conf"], "and nothing is left behind in its directory")
    done = subprocess.run([tap.DUET, "server", "--help"], capture_output=True, text=True)
    tap.ok(done.returncode == 0 and "appendfsync" in done.stdout, "--help lists the directives")


def configuration():
    """A file, CONFIG GET, SET, REWRITE"""
    with tempfile.TemporaryDirectory() as d:
        conf, port = os.path.join(d, "duet.conf"), servers.free_port()
        with open(conf, "w") as f:
            f.write("# ours\nport %d\nmaxmemory 100mb\nsave 900 1\nsave 300 10\nrequirepass \"s p\"\n" % port)
        with servers.Server(command=[tap.DUET, "server", conf], directory=d, port=port, wait=False) as s:
            tap.ok(servers.wait_for_port(port), "a file is read")
            with s.connect() as c:
                tap.equal(c.error("GET", "a"), "NOAUTH Authentication required.", "requirepass asks for a password")
                tap.equal(c.error("AUTH", "no"), "WRONGPASS invalid username-password pair or user is disabled.", "a wrong one is refused")
                tap.equal(c.cmd("AUTH", "s p"), b"OK", "the right one lets in")
                tap.equal(c.cmd("CONFIG", "GET", "maxmemory"), [b"maxmemory", b"104857600"], "CONFIG GET shows the file's value")
                tap.equal(c.cmd("CONFIG", "GET", "save"), [b"save", b"900 1 300 10"], "save lines add up")
                tap.equal(c.cmd("CONFIG", "SET", "maxmemory", "1gb", "timeout", "7"), b"OK", "CONFIG SET changes several")
                tap.ok(c.error("CONFIG", "SET", "timeout", "9", "maxmemory", "x") and c.cmd("CONFIG", "GET", "timeout")[1] == b"7",
                       "and none when one is wrong")
                tap.equal(c.cmd("CONFIG", "REWRITE"), b"OK", "CONFIG REWRITE")
                text = open(conf).read()
                tap.ok(text.startswith("# ours\nport %d\nmaxmemory 1gb\n" % port) and "timeout 7" in text,
                       "keeps comments and order, and adds what is new") or tap.say(text)
                new = servers.free_port()
                tap.equal(c.cmd("CONFIG", "SET", "port", new), b"OK", "the port can be changed")
            tap.ok(servers.wait_for_port(new), "the new port answers")
            s.port = new
            s.stop()
            s.start(wait=False)
            tap.ok(servers.wait_for_port(new), "the rewritten file starts the server again")
            with s.connect() as c:
                c.cmd("AUTH", "s p")
                tap.equal(c.cmd("CONFIG", "GET", "timeout")[1], b"7", "with the changed values")


def background():
    """daemonize"""
    with tempfile.TemporaryDirectory() as d:
        port, pidfile = servers.free_port(), os.path.join(d, "pid")
        done = subprocess.run([tap.DUET, "server", "--daemonize", "yes", "--port", str(port), "--dir", d, "--pidfile", pidfile, "--logfile", os.path.join(d, "log.txt")],
                              stdin=subprocess.DEVNULL, timeout=20)
        tap.ok(done.returncode == 0 and servers.wait_for_port(port), "daemonize yes: the starter ends, the server answers")
        pid = int(tap.until(lambda: open(pidfile).read(), 10, "the pid file"))
        os.kill(pid, 15)
        tap.until(lambda: not os.path.exists(pidfile), 20, "its end")
        tap.ok("bye bye" in tap.until(lambda: open(os.path.join(d, "log.txt")).read(), 10), "and SIGTERM to the pid file's process ends it")


def its_end():
    """SIGTERM, SIGKILL and what is kept"""
    with servers.Server() as s:
        with s.connect() as c:
            c.cmd("SET", "a", "1")
            c.send("SET", "b", "2")
            tap.equal(c.read(), b"OK", "a reply")
            s.process.kill()
            s.process.wait()
        s.start()
        with s.connect() as c:
            tap.equal(c.cmd("MGET", "a", "b"), [b"1", b"2"], "by default SIGKILL loses nothing that was answered")
            c.cmd("SET", "c", "3")
        tap.equal(s.stop(), 0, "SIGTERM ends it with status 0")
        s.start()
        with s.connect() as c:
            tap.equal(c.cmd("MGET", "a", "b", "c"), [b"1", b"2", b"3"], "and everything is there again")
            c.send("SHUTDOWN", "NOSAVE")
            tap.ok(c.ends(), "SHUTDOWN answers nothing and ends")
        tap.equal(s.process.wait(10), 0, "with status 0")


def as_nobody():
    """An unprivileged user"""
    if os.getuid() != 0:
        tap.skip("runs as an unprivileged user", "these tests run as one")
        return
    d = tempfile.mkdtemp(prefix="duet-nobody-")
    os.chown(d, 65534, 65534)
    binary = os.path.join(d, "duet")
    subprocess.run(["cp", tap.DUET, binary], check=True)
    with servers.Server(command=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary, "server"], directory=d) as s:
        s.own_directory = True
        with s.connect() as c:
            tap.equal(c.cmd("SET", "a", "1"), b"OK", "runs as an unprivileged user")


PROTOCOL_ERRORS = [
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$03\r\nabc\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*x\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*1\r\n+OK\r\n", "expected '$', got '+'"),
    (b"*" + b"1" * 70000, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
    (b"x" * 70000, "too big inline request"),
    (b'SET "a\r\n', "unbalanced quotes in request"),
]


def bad_input():
    """Bad input ends its own connection only"""
    with servers.Server() as s, s.connect() as other:
        for data, text in PROTOCOL_ERRORS:
            with s.connect() as c:
                try:
                    c.send_raw(data)
                    got = _read_error(c)
                except OSError as e:
                    got = repr(e)
                tap.equal(got, "ERR Protocol error: " + text, "protocol error: " + text)
                tap.ok(c.ends(), "and the connection is closed")
        with s.connect() as c:
            n = 1000000
            c.send_raw(b"*%d\r\n$5\r\nPING1\r\n" % n + b"$1\r\nx\r\n" * (n - 1))
            tap.ok((_read_error(c) or "").startswith("ERR unknown command"), "a million arguments are read")
        with s.connect() as c:
            c.send_raw(b"\r\n\r\nPING\r\n*0\r\n*-1\r\nECHO 'a b'\r\n")
            tap.equal((c.read(), c.read()), (b"PONG", b"a b"), "inline requests and empty ones")
        with s.connect() as c:
            data = servers.encode("SET", "k", "v" * 1000) + servers.encode("GET", "k")
            for i in range(len(data)):
                c.send_raw(data[i:i + 1])
            tap.equal((c.read(), c.read()), (b"OK", b"v" * 1000), "a request may come byte by byte")
        tap.equal(other.cmd("PING"), b"PONG", "everyone else is served")


def _read_error(c):
    try:
        c.read()
    except servers.Error as e:
        return str(e)
    return None


def unread_replies():
    """A client that never reads"""
    with servers.Server("--client-output-buffer-limit", "normal", "4mb", "0", "0") as s, s.connect() as other:
        other.cmd("SET", "big", "x" * 1000000)
        with s.connect() as c:
            c.send_raw(servers.encode("GET", "big") * 60)
            tap.until(lambda: b"client_output_buffer_limit_disconnections:1" in other.cmd("INFO", "stats"), 10)
            tap.ok(True, "is closed at its output limit")
        tap.equal(other.cmd("PING"), b"PONG", "and everyone else is served")
        with s.connect() as c:
            c.send_raw(servers.encode("PING") * 100000)
            tap.equal([c.read() for _ in range(100000)].count(b"PONG"), 100000, "a pipeline of 100,000 is answered")


def many_clients():
    """Thousands of clients"""
    n = 10000 if tap.FULL else 3000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n + 200:
        n = hard - 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(n + 200, hard) if hard != resource.RLIM_INFINITY else n + 200, hard))
    with servers.Server("--maxclients", n + 1) as s:
        socks = []
        for i in range(n):
            socks.append(s.connect(timeout_s=30))
        for c in socks:
            c.send("INCR", "n")
        got = sorted(c.read() for c in socks)
        tap.equal(got, list(range(1, n + 1)), "%d clients are answered" % n)
        with s.connect() as last:
            last.cmd("PING")
            with s.connect() as over:
                tap.equal(_read_error(over), "ERR max number of clients reached", "one more than maxclients is told so")
                tap.ok(over.ends(), "and closed")
            rss = [line for line in open("/proc/%d/status" % s.pid) if line.startswith("VmRSS")][0].split()[1]
            tap.ok(int(rss) < 20000 + 6 * n, "an idle client costs little (%d KiB for all)" % int(rss))
            for c in socks:
                c.close()
            tap.ok(tap.until(lambda: last.cmd("CLIENT", "LIST").count(b"id=") == 1, 20), "their end is noticed")


def clients():
    """CLIENT"""
    with servers.Server() as s, s.connect() as c, s.connect() as d:
        ids = c.cmd("CLIENT", "ID"), d.cmd("CLIENT", "ID")
        tap.ok(ids[1] > ids[0], "ids grow")
        c.cmd("CLIENT", "SETNAME", "one")
        lines = d.cmd("CLIENT", "LIST").decode().splitlines()
        tap.ok(len(lines) == 2 and "name=one" in lines[0] and "cmd=client|setname" in lines[0], "CLIENT LIST")
        tap.equal(d.cmd("CLIENT", "KILL", "ID", ids[0]), 1, "CLIENT KILL by id")
        tap.ok(c.ends(), "the killed connection ends")
        with s.connect() as e:
            d.cmd("CLIENT", "PAUSE", "300", "WRITE")
            began = time.monotonic()
            e.send("SET", "a", "1")
            tap.equal(d.cmd("GET", "a"), None, "CLIENT PAUSE WRITE lets reads pass")
            tap.equal((e.read(), time.monotonic() - began > 0.25), (b"OK", True), "and holds a write for its time")
            d.cmd("CLIENT", "PAUSE", "100000")
            e.send("GET", "a")
            tap.ok(e.silent(0.1), "CLIENT PAUSE ALL holds reads too")
            d.cmd("CLIENT", "UNPAUSE")
            tap.equal(e.read(), b"1", "CLIENT UNPAUSE ends it")
            e.send_raw(servers.encode("CLIENT", "REPLY", "OFF") + servers.encode("SET", "a", "2") +
                       servers.encode("CLIENT", "REPLY", "ON") + servers.encode("CLIENT", "REPLY", "SKIP") +
                       servers.encode("SET", "a", "3") + servers.encode("GET", "a"))
            tap.equal((e.read(), e.read()), (b"OK", b"3"), "CLIENT REPLY OFF, ON, SKIP")


def transactions():
    """MULTI and WATCH"""
    with servers.Server() as s, s.connect() as c, s.connect() as d:
        c.cmd("MULTI")
        tap.equal([c.cmd("SET", "a", "1"), c.cmd("INCR", "a"), c.cmd("GET", "a")], [b"QUEUED"] * 3, "commands are queued")
        tap.equal(d.cmd("GET", "a"), None, "and not run")
        tap.equal(c.cmd("EXEC"), [b"OK", 2, b"2"], "until EXEC")
        c.cmd("WATCH", "a")
        d.cmd("SET", "a", "9")
        c.cmd("MULTI")
        c.cmd("SET", "a", "0")
        tap.equal(c.cmd("EXEC"), None, "a watched key that changed aborts it")
        c.cmd("WATCH", "a")
        d.cmd("SET", "b", "9")
        c.cmd("MULTI")
        c.cmd("GET", "a")
        tap.equal(c.cmd("EXEC"), [b"9"], "another key does not")
        c.cmd("WATCH", "a")
        d.cmd("FLUSHALL")
        c.cmd("MULTI")
        c.cmd("GET", "a")
        tap.equal(c.cmd("EXEC"), None, "FLUSHALL touches what it takes away")
        c.cmd("SET", "a", "1", "PX", "30")
        c.cmd("WATCH", "a")
        tap.until(lambda: d.cmd("GET", "a") is None, 5)
        c.cmd("MULTI")
        c.cmd("PING")
        tap.equal(c.cmd("EXEC"), None, "so does expiry")
        c.cmd("MULTI")
        c.cmd("SET", "x", "1")
        c.cmd("SELECT", "1")
        c.cmd("SET", "x", "2")
        tap.equal(c.cmd("EXEC"), [b"OK", b"OK", b"OK"], "SELECT inside a transaction")
        tap.equal((c.cmd("GET", "x"), d.cmd("GET", "x")), (b"2", b"1"), "reaches the other database")
        s.stop(signal.SIGKILL)
        s.start()
        with s.connect() as e:
            e.cmd("SELECT", "1")
            tap.equal(e.cmd("GET", "x"), b"2", "and so does the log")


def slow_commands():
    """SLOWLOG"""
    with servers.Server("--slowlog-log-slower-than", "5000", "--enable-debug-command", "yes") as s, s.connect() as c:
        c.cmd("CLIENT", "SETNAME", "me")
        c.send_raw(servers.encode("SET", "a", "1") * 10 + servers.encode("DEBUG", "SLEEP", "0.02") + servers.encode("GET", "a"))
        for _ in range(12):
            c.read()
        entries = [e for e in c.cmd("SLOWLOG", "GET", "-1") if e[3][0] == b"DEBUG"]
        tap.equal([e[3] for e in entries], [[b"DEBUG", b"SLEEP", b"0.02"]], "a slow command is kept, among quick ones of its pipeline")
        tap.ok(entries[0][2] >= 20000 and entries[0][5] == b"me", "with its time and its client")
        c.cmd("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3")
        for _ in range(5):
            c.cmd("PING")
        tap.equal(c.cmd("SLOWLOG", "LEN"), 3, "at most slowlog-max-len are kept")
        c.error("MGET")
        c.cmd("MGET", *["x" * 200] * 40)
        words = c.cmd("SLOWLOG", "GET", "1")[0][3]
        tap.equal((len(words), words[1][128:], words[31]), (32, b"... (72 more bytes)", b"... (10 more arguments)"), "long ones are cut")
        tap.ok(c.cmd("SLOWLOG", "RESET") == b"OK" and c.cmd("SLOWLOG", "LEN") <= 1, "SLOWLOG RESET forgets them")
        c.cmd("CONFIG", "SET", "slowlog-log-slower-than", "5000")
        c.send_raw(servers.encode("MULTI") + servers.encode("DEBUG", "SLEEP", "0.02") + servers.encode("PING") + servers.encode("EXEC"))
        c.read(), c.read(), c.read(), c.read()
        tap.equal([e[3] for e in c.cmd("SLOWLOG", "GET", "1")], [[b"DEBUG", b"SLEEP", b"0.02"]], "a slow command of a transaction is kept, EXEC is not")
        tap.ok(re.search(rb"cmdstat_debug:calls=2,usec=\d{5}", c.cmd("INFO", "commandstats")), "INFO commandstats has the time too")


def expiry():
    """Keys go in time"""
    with servers.Server() as s, s.connect() as c:
        for i in range(1000):
            c.send("SET", "k%d" % i, "v", "PX", "50")
        for i in range(1000):
            c.read()
        tap.ok(tap.until(lambda: c.cmd("DBSIZE") == 0, 10), "expired keys are deleted without being asked for")
        tap.ok(b"expired_keys:1000" in c.cmd("INFO", "stats"), "and counted")


def unix_socket():
    """A unix socket"""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "s.sock")
        with servers.Server("--unixsocket", path, "--unixsocketperm", "700"):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            with servers.Connection(sock) as c:
                tap.equal(c.cmd("PING"), b"PONG", "a unix socket is served")
            tap.equal(os.stat(path).st_mode & 0o777, 0o700, "with the permissions asked for")


tap.main(bad_options, configuration, background, its_end, as_nobody, bad_input, unread_replies, many_clients, clients, transactions, slow_commands, expiry,
         unix_socket)
