#!/usr/bin/python3
"""The master's side of replication, with slaves of every pace: who waits for whom, what is kept for whom and for how long,
who is dropped; beside a real redis-server where that says the same."""
# timeout: 300

import os
import re
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap
import servers

MB = 1 << 20
OFF = ["--appendonly", "no", "--save", ""]


def redis(*options, **more):
    return servers.Server(*OFF, *options, command=[servers.REDIS_SERVER], **more)


def duet(*options, **more):
    return servers.Server(*options, **more)


BOTH = (("Redis", redis), ("Duet", lambda *o: duet(*OFF, *o)))


def info(c):
    return dict(l.split(":", 1) for l in c.cmd("INFO", "everything").decode().splitlines() if ":" in l)


def follow(slave, port):
    slave.cmd("REPLICAOF", "127.0.0.1", port)


def up(*slaves):
    tap.until(lambda: all(info(s)["master_link_status"] == "up" for s in slaves), 60, "the slaves are up")


def rss_mb(server):
    with open("/proc/%d/status" % server.process.pid) as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmRSS")) / 1024


def fill(c, count, size, prefix="k"):
    """Values that do not compress."""
    value = os.urandom(size)
    for base in range(0, count, 100):
        some = range(base, min(base + 100, count))
        c.send_raw(b"".join(servers.encode("SET", "%s%d" % (prefix, i), value) for i in some))
        for _ in some:
            c.read()


def copies(server):
    return server.log().count("a full copy begins")


class Raw:
    """A slave by hand, which reads when it is told to."""

    def __init__(self, server, *conf, sync=False):
        self.c = server.connect()
        self.c.sock.settimeout(60)
        for words in conf:
            self.c.cmd("REPLCONF", *words)
        self.sync = sync
        self.c.send(*(["SYNC"] if sync else ["PSYNC", "?", "-1"]))

    def line(self):
        """The next one that is no sign of life."""
        while True:
            text = self.c._line().lstrip(b"\n")
            if text:
                return text

    def head(self):
        """(id, offset) of the reply, or None."""
        if self.sync:
            return None
        words = self.line().split()
        return words[1], int(words[2])

    def copy(self, path):
        """Reads the copy into a file."""
        form = self.line()
        with open(path, "wb") as f:
            if form.startswith(b"$EOF:"):
                mark, data = form[5:], b""
                while not data.endswith(mark):
                    f.write(data[:-40])
                    data = data[-40:] + (self.c.buf or self.c.sock.recv(1 << 20))
                    self.c.buf = b""
                f.write(data[:-40])
                return
            left = int(form[1:])
            while left:
                data = self.c.buf[:left] or self.c.sock.recv(min(left, 1 << 20))
                self.c.buf = self.c.buf[len(data):] if self.c.buf else b""
                f.write(data)
                left -= len(data)

    def close(self):
        self.c.close()


EOF_CAPA = ("capa", "eof", "capa", "psync2")


def keys_of(path, options=()):
    """How many keys a real Redis finds in the copy, and their digest."""
    with redis("--enable-debug-command", "yes", *options) as r:
        r.stop()
        os.replace(path, os.path.join(r.directory, "dump.rdb"))
        r.start()
        c = r.connect()
        tap.until(lambda: not c.error("DBSIZE"), 60)
        return c.cmd("DBSIZE"), c.cmd("DEBUG", "DIGEST")


def delays():
    """repl-diskless-sync-delay and repl-diskless-sync-max-replicas"""
    with duet("--repl-diskless-sync-delay", "2") as m, duet() as a, duet() as b:
        mc, ac, bc = m.connect(), a.connect(), b.connect()
        mc.cmd("SET", "k", 1)
        follow(ac, m.port)
        tap.until(lambda: info(mc)["connected_slaves"] == "1", 10)
        tap.ok("state=wait_bgsave" in info(mc)["slave0"], "the first slave waits for others")
        follow(bc, m.port)
        up(ac, bc)
        tap.equal((copies(m), info(mc)["sync_full"]), (1, "2"), "two that came in the delay share one walk")
        for c in (ac, bc):
            c.cmd("REPLICAOF", "NO", "ONE")
            c.cmd("FLUSHALL")
        mc.cmd("CONFIG", "SET", "repl-diskless-sync-delay", "3600", "repl-diskless-sync-max-replicas", "2")
        for c in (ac, bc):
            c.cmd("SET", "own", "line")
            follow(c, m.port)
        up(ac, bc)
        tap.equal(copies(m), 2, "a walk begins at once when as many wait as repl-diskless-sync-max-replicas says")
        bc.cmd("REPLICAOF", "NO", "ONE")
        bc.cmd("SET", "own", "line")
        tap.until(lambda: info(mc)["connected_slaves"] == "1", 10)
        follow(bc, m.port)
        tap.until(lambda: "state=wait_bgsave" in info(mc).get("slave0", "") + info(mc).get("slave1", ""), 10)
        mc.cmd("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        up(bc)
        tap.ok(True, "a delay that is taken back lets the waiting go")
        mc.cmd("CONFIG", "SET", "repl-diskless-sync-delay", "3600", "repl-diskless-sync", "no")
        ac.cmd("REPLICAOF", "NO", "ONE")
        ac.cmd("SET", "own", "line")
        follow(ac, m.port)
        up(ac)
        tap.ok(True, "with repl-diskless-sync no nobody waits")


def told(c):
    names = ("repl_backlog_active", "repl_backlog_size", "repl_backlog_first_byte_offset", "repl_backlog_histlen", "second_repl_offset",
             "master_replid2", "connected_slaves")
    i = info(c)
    return {n: i[n] for n in names}


def backlog():
    """repl_backlog_* and repl-backlog-ttl as Redis has them"""
    seen = {}
    for name, make in BOTH:
        with make("--repl-diskless-sync-delay", "0", "--repl-backlog-ttl", "1", "--repl-ping-replica-period", "3600") as m, duet(*OFF) as s:
            mc, sc = m.connect(), s.connect()
            mc.cmd("SET", "before", 1)
            steps = seen.setdefault(name, [told(mc)])
            first_id = info(mc)["master_replid"]
            follow(sc, m.port)
            up(sc)
            mc.cmd("SET", "k", "v" * 1000)
            i = told(mc)
            tap.equal(int(info(mc)["master_repl_offset"]) + 1, int(i["repl_backlog_first_byte_offset"]) + int(i["repl_backlog_histlen"]),
                      "%s: the backlog ends where the stream does" % name)
            del i["repl_backlog_first_byte_offset"], i["repl_backlog_histlen"]  # Redis counts from the first slave on
            steps.append(i)
            sc.cmd("REPLICAOF", "NO", "ONE")
            tap.until(lambda: info(mc)["repl_backlog_active"] == "0", 20, "the backlog goes")
            steps.append(told(mc))
            tap.ok(info(mc)["master_replid"] != first_id, "%s: with it goes the replication id" % name)
            follow(sc, m.port)
            up(sc)
            tap.equal((info(mc)["sync_full"], info(mc)["sync_partial_ok"]), ("2", "0"), "%s: who comes later gets a full copy" % name)
            steps.append(told(mc)["repl_backlog_active"])
            mc.cmd("CONFIG", "SET", "repl-backlog-ttl", "0")
    tap.equal(seen["Duet"], seen["Redis"], "INFO tells of the backlog what Redis tells")
    with duet(*OFF, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16mb") as m, duet(*OFF) as s:
        mc, sc = m.connect(), s.connect()
        follow(sc, m.port)
        up(sc)
        fill(mc, 200, 100000)
        tap.until(lambda: info(mc)["slave0"].split("offset=")[1].split(",")[0] == info(mc)["master_repl_offset"], 20)
        tap.ok(16 * MB <= int(info(mc)["repl_backlog_histlen"]) <= 17 * MB, "as much is kept as repl-backlog-size says")
        mc.cmd("CONFIG", "SET", "repl-backlog-size", "1mb")
        tap.until(lambda: int(info(mc)["repl_backlog_histlen"]) <= 2 * MB, 20)
        tap.ok(True, "a smaller size takes effect at once")
        mc.cmd("CONFIG", "SET", "repl-backlog-size", "4mb")
        fill(mc, 100, 100000)
        tap.ok(int(info(mc)["repl_backlog_histlen"]) >= 4 * MB, "and so does a bigger one")


def limits():
    """client-output-buffer-limit of slaves, as Redis obeys it"""
    for name, make in BOTH + (("Duet with a log", lambda *o: duet(*o)),):
        with make("--repl-diskless-sync-delay", "0", "--client-output-buffer-limit", "replica 16mb 0 0") as m, duet(*OFF) as s:
            mc, sc = m.connect(), s.connect()
            follow(sc, m.port)
            up(sc)
            mc.cmd("SET", "first", 1)
            tap.equal(mc.cmd("WAIT", 1, 10000), 1, "%s: a slave is level" % name)

            def lag():
                """More than the kernel takes for a reader that stands still (32 MB, where tcp_rmem lets it grow so far) and the limit."""
                s.kill(signal.SIGSTOP)
                fill(mc, 800, 100000)

            def back():
                s.kill(signal.SIGCONT)
                up(sc)
                tap.until(lambda: info(sc)["slave_repl_offset"] == info(mc)["master_repl_offset"], 30)

            lag()
            tap.until(lambda: info(mc)["connected_slaves"] == "0", 20)
            tap.ok(True, "%s: beyond the hard limit a slave is dropped" % name)
            back()
            mc.cmd("CONFIG", "SET", "client-output-buffer-limit", "replica 0 16mb 2")
            lag()
            tap.equal(info(mc)["connected_slaves"], "1", "%s: beyond the soft one it is not, at first" % name)
            mc.cmd("SET", "later", 1)
            deadline = time.monotonic() + 30
            while info(mc)["connected_slaves"] == "1" and time.monotonic() < deadline:
                mc.cmd("SET", "later", 1)  # Redis looks when it writes
                time.sleep(0.05)
            tap.equal(info(mc)["connected_slaves"], "0", "%s: but after that many seconds" % name)
            if name != "Redis":
                tap.equal(info(mc)["client_output_buffer_limit_disconnections"], "2", "%s: both were counted" % name)
            back()
            mc.cmd("CONFIG", "SET", "client-output-buffer-limit", "replica 1mb 0 0", "repl-backlog-size", "128mb")
            lag()
            tap.equal(info(mc)["connected_slaves"], "1", "%s: a limit below the backlog's size is taken for that" % name)
            back()


def slow_copies():
    """a slave that does not read holds neither the others nor BGSAVE, and costs no memory"""
    size = 400 if tap.FULL else 60
    with duet(*OFF, "--repl-diskless-sync-delay", "0", "--repl-diskless-sync-max-replicas", "2") as m, duet(*OFF) as s:
        mc, sc = m.connect(), s.connect()
        fill(mc, size * 10, 100000)
        mc.cmd("CONFIG", "SET", "repl-diskless-sync-delay", "3600", "client-output-buffer-limit", "replica 0 0 0")
        slow = Raw(m, EOF_CAPA)
        tap.until(lambda: info(mc)["connected_slaves"] == "1", 10)
        before = rss_mb(m)
        follow(sc, m.port)
        up(sc)
        tap.equal(copies(m), 1, "one walk for two slaves")
        tap.ok("state=online" not in info(mc)["slave1"] or "state=online" not in info(mc)["slave0"], "the fast one is there, the slow one not")
        fill(mc, 1000, 100000, "later")
        tap.ok(rss_mb(m) - before < 100 + 60, "what the slow one lacks, %d MB of the copy and 100 MB of the stream, is not in memory (+%d MB, 100 of it data)" % (
            size, rss_mb(m) - before))
        mc.cmd("BGSAVE")
        tap.until(lambda: info(mc)["rdb_bgsave_in_progress"] == "0" and info(mc)["rdb_saves"] == "1", 30)
        tap.ok(True, "BGSAVE does not wait for it")
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "copy")
            _, offset = slow.head()
            slow.copy(path)
            tap.equal(keys_of(path)[0], size * 10, "the slow one gets its copy whole")
        slow.c.send("REPLCONF", "ACK", offset)
        stream = []
        while len(stream) < 2:
            stream += [w for w in [slow.c.read()] if w[0] != b"PING"]
        tap.ok(stream[0] == [b"SELECT", b"0"] and stream[1][1] == b"later0", "and the stream from there on")
        seen = 1
        while seen < 1000:
            w = slow.c.read()
            if w[0] == b"SET":
                if w[1] != b"later%d" % seen:
                    break
                seen += 1
        tap.equal(seen, 1000, "without a gap")
        slow.close()
        lone = Raw(m, EOF_CAPA)
        mc.cmd("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        tap.until(lambda: copies(m) == 2, 10)
        mc.cmd("BGSAVE")
        tap.until(lambda: info(mc)["rdb_bgsave_in_progress"] == "0" and info(mc)["rdb_saves"] == "2", 30)
        tap.ok(True, "nor does BGSAVE wait for one that is alone")
        mc.cmd("CONFIG", "SET", "client-output-buffer-limit", "replica 32mb 0 0")
        fill(mc, 400, 100000, "more")
        tap.until(lambda: info(mc)["connected_slaves"] == "1", 20)
        tap.ok("client-output-buffer-limit" in m.log(), "without a log, one whose copy takes too long for the limit is dropped, with the reason")
        lone.close()


def old_forms():
    """who must be told the length first: bounded memory; rdb-only"""
    size = 2000 if tap.FULL else 60
    with duet(*OFF, "--repl-diskless-sync-delay", "0") as m, tempfile.TemporaryDirectory() as d:
        mc = m.connect()
        fill(mc, size * 10, 100000)
        before = rss_mb(m)
        path = os.path.join(d, "copy")
        for name, raw in (("SYNC", lambda: Raw(m, sync=True)), ("PSYNC without eof", lambda: Raw(m))):
            slow = raw()
            slow.head()
            slow.copy(path)
            tap.equal(keys_of(path)[0], mc.cmd("DBSIZE"), "%s: the copy is whole" % name)
            tap.ok(rss_mb(m) - before < 60, "%s: the master's memory is as it was (+%d MB)" % (name, rss_mb(m) - before))
            mc.cmd("SET", "after", name)
            w = slow.c.read()
            while w[0] != b"SET":
                w = slow.c.read()
            tap.equal(w, [b"SET", b"after", name.encode()], "%s: the stream follows" % name)
            slow.close()
        only = Raw(m, ("rdb-only", "1"), EOF_CAPA)
        only.head()
        only.copy(path)
        mc.cmd("SET", "unseen", 1)
        tap.ok(only.c.silent(1.5), "rdb-only: no stream follows the copy")
        tap.equal(info(mc)["connected_slaves"], "1", "and the connection stays the slave's to close")
        only.close()


def good_slaves():
    """min-replicas-to-write and -max-lag, as Redis has them"""
    script, reads = "return redis.call('set',KEYS[1],'x')", "return redis.call('get',KEYS[1])"

    def all_ways(c):
        seen = [c.error("SET", "k", 1), c.error("GET", "k"), c.error("EVAL", script, 1, "k"), c.error("EVAL", reads, 1, "k"), c.error("PUBLISH", "a", "b"),
                c.error("EVAL", "#!lua\n" + script, 1, "k"), c.error("EVAL", "#!lua flags=no-writes\n" + reads, 1, "k"), c.error("DEL", "none")]
        c.cmd("MULTI")
        seen += [c.error("GET", "k"), c.error("SET", "k", 2), c.error("EXEC")]
        c.cmd("MULTI")
        c.cmd("GET", "k")
        return [re.sub(r"[0-9a-f]{40}", "SHA", str(x)) for x in seen + [c.error("EXEC")]]

    seen = {}
    for name, make in BOTH:
        with make("--repl-diskless-sync-delay", "0") as m, duet(*OFF) as s:
            mc, sc = m.connect(), s.connect()
            steps = seen.setdefault(name, [])
            mc.cmd("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "2")
            steps.append(all_ways(mc))
            steps.append(info(mc).get("min_slaves_good_slaves"))
            mc.cmd("CONFIG", "SET", "min-replicas-max-lag", "0")
            steps.append((mc.error("SET", "k", 1), info(mc).get("min_slaves_good_slaves")))
            mc.cmd("CONFIG", "SET", "min-replicas-max-lag", "2")
            follow(sc, m.port)
            up(sc)
            tap.until(lambda: not mc.error("SET", "k", 1), 10)
            steps.append((all_ways(mc), info(mc)["min_slaves_good_slaves"]))
            s.kill(signal.SIGSTOP)
            tap.until(lambda: mc.error("SET", "k", 1), 20)
            steps.append((all_ways(mc), info(mc)["connected_slaves"], info(mc)["min_slaves_good_slaves"]))
            s.kill(signal.SIGCONT)
            tap.until(lambda: not mc.error("SET", "k", 1), 20)
    tap.equal(seen["Duet"], seen["Redis"], "writes are refused as Redis refuses them: alone, in MULTI, in scripts, while a slave's lag is too long")


def behind_in_the_log():
    """a slave that was away for long continues from the kept log"""
    count = 400000 if tap.FULL else 60000
    with duet("--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16kb", "--enable-debug-command", "yes") as m, duet() as s:
        mc, sc = m.connect(), s.connect()
        follow(sc, m.port)
        up(sc)
        s.kill(signal.SIGSTOP)
        mc.cmd("CLIENT", "KILL", "TYPE", "replica")
        for i in range(count // 20):
            mc.cmd("SET", "small%d" % i, i)  # each a block of the log
        for base in range(0, count, 1000):
            mc.send_raw(b"".join(servers.encode("SET", "k%d" % i, "v" * 100) for i in range(base, base + 1000)))
            for _ in range(1000):
                mc.read()
        mc.cmd("SET", "big", os.urandom(20 * MB))
        mc.cmd("SET", "end", 1)
        mc.cmd("DEBUG", "WATCH-TURNS", "1")
        mc.cmd("CONFIG", "RESETSTAT")
        s.kill(signal.SIGCONT)
        tap.until(lambda: info(sc)["master_link_status"] == "up" and info(sc)["slave_repl_offset"] == info(mc)["master_repl_offset"], 60)
        tap.equal(info(mc)["sync_partial_ok"], "1", "it continues by partial resynchronisation")
        tap.equal((sc.cmd("DBSIZE"), sc.cmd("GET", "big") == mc.cmd("GET", "big")), (mc.cmd("DBSIZE"), True), "with the same data")
        tap.say("longest turn of the master meanwhile: %s us" % info(mc)["duet_longest_turn_cpu_us"])


tap.main(delays, backlog, limits, slow_copies, old_forms, good_slaves, behind_in_the_log)
