#!/usr/bin/python3
"""hactl import from servers of other times: Redis 2.6 to 3.2 as they speak (imitated), Valkey; over TLS; with values of modules."""

import os
import random
import re
import socket
import struct
import sys
import threading

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("..", "../compat")]
import certs
import old_rdb as reader
import payloads
import replload
import servers
import tap
from test_import_live import LOCAL, Load, Process, Redis, Site, contents, fill, same, url

ID = "0123456789abcdef" * 2 + "01234567"


def old_rdb(version, more=b""):
    """A file as Redis 2.8 (6) wrote it: an own form of each kind."""
    s, n = payloads.string, payloads.length
    body = b"REDIS%04d\xfe\x00" % version
    body += b"\x00" + s(b"str") + s(b"value")
    body += b"\xfc" + struct.pack("<q", 32503680000000) + b"\x00" + s(b"later") + s(b"1")
    body += b"\x0a" + s(b"list") + s(payloads.ziplist(b"a", b"b", b"c"))
    body += b"\x01" + s(b"long") + n(300) + b"".join(s(b"%d" % i) for i in range(300))
    body += b"\x0d" + s(b"hash") + s(payloads.ziplist(b"f", b"v"))
    body += b"\x03" + s(b"zset") + n(1) + s(b"m") + b"\x031.5"
    body += b"\xfe\x03\x02" + s(b"set") + n(2) + s(b"x") + s(b"y") + more + b"\xff"
    return body + struct.pack("<Q", payloads.crc64(body))


OLD = {(0, b"str"): b"string", (0, b"later"): b"string", (0, b"list"): b"list", (0, b"long"): b"list", (0, b"hash"): b"hash", (0, b"zset"): b"zset",
       (3, b"set"): b"set"}


class Listener:
    """Calls client(socket) on a thread of its own for each connection."""

    def listen(self):
        self.port = servers.free_port()
        self.listener = socket.create_server((LOCAL, self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.client, args=(s,), daemon=True).start()


class OldMaster(Listener):
    """A master of that time. psync: 2.8's first form, without a second id; without it SYNC alone is known, as 2.6 has it."""

    def __init__(self, psync, rdb=None, diskless=False):
        self.psync, self.rdb, self.diskless = psync, rdb or old_rdb(6), diskless
        self.begin = 5000
        self.stream, self.links, self.seen, self.full, self.partial = b"", [], set(), 0, 0
        self.lock = threading.Lock()
        self.listen()

    def client(self, s):
        c = servers.Connection(s, 60)
        try:
            while True:
                self.answer(s, [w.upper() if i == 0 else w for i, w in enumerate(c.read())])
        except (servers.Closed, OSError, ValueError):
            s.close()

    def answer(self, s, words):
        name = words[0].decode()
        self.seen.add(name)
        if name == "PING":
            s.sendall(b"+PONG\r\n")
        elif name == "INFO":
            offset = b"master_repl_offset:%d\r\n" % (self.begin + len(self.stream)) if self.psync else b""
            text = b"# Server\r\nredis_version:2.8.24\r\nrun_id:%s\r\n# Replication\r\nrole:master\r\n%s" % (ID.encode(), offset)
            s.sendall(b"$%d\r\n%s\r\n" % (len(text), text))
        elif name == "REPLCONF" and self.psync:
            if words[1] != b"ACK":
                s.sendall(b"-ERR Unrecognized REPLCONF option: capa\r\n")
        elif name == "PSYNC" and self.psync:
            self.attach(s, words[1].decode(), int(words[2]))
        elif name == "SYNC":
            self.copy(s, b"")
        else:
            s.sendall(b"-ERR unknown command '%s'\r\n" % words[0])

    def attach(self, s, replid, offset):
        with self.lock:
            at = offset - 1 - self.begin
            if replid == ID and 0 <= at <= len(self.stream):
                self.partial += 1
                s.sendall(b"+CONTINUE\r\n" + self.stream[at:])
                self.links.append(s)
                return
        self.copy(s, b"+FULLRESYNC %s %d\r\n" % (ID.encode(), self.begin + len(self.stream)))

    def copy(self, s, head):
        with self.lock:
            self.full += 1
            mark = b"m" * 40
            form = b"$EOF:%s\r\n%s%s" % (mark, self.rdb, mark) if self.diskless else b"\n$%d\r\n%s" % (len(self.rdb), self.rdb)
            for i in range(0, len(head + form), 100):  # in pieces
                s.sendall((head + form)[i:i + 100])
            self.links.append(s)

    def say(self, *words):
        with self.lock:
            data = servers.encode(*words)
            self.stream += data
            for s in self.links:
                try:
                    s.sendall(data)
                except OSError:
                    pass

    def cut(self):
        with self.lock:
            for s in self.links:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has gone by itself
                    pass
            self.links = []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.listener.close()
        self.cut()


def old(psync, diskless, what):
    with OldMaster(psync, diskless=diskless) as source, Site() as site:
        p = site.hactl("import", url(source))
        if not tap.equal(p.returncode, 0, what + ": copied"):
            tap.say(p.stderr)
            return
        got = {key: v[0] for key, v in contents(site.connect()).items()}
        tap.equal(got, OLD, what + ": every kind, in its database")
        v = site.connect()
        source.say("SELECT", 0)
        for i in range(50):
            source.say("INCR", "n")
        tap.until(lambda: v.cmd("GET", "n") == b"50", 10)
        source.cut()
        source.say("INCR", "n")
        source.say("PING")
        if psync:
            tap.until(lambda: v.cmd("GET", "n") == b"51", 20, "the rest after the cut")
            tap.equal((source.full, source.partial), (1, 1), what + ": a link that was cut goes on where it was")
        else:
            tap.until(lambda: source.full == 2 and site.status().get("phase") == "follow", 20)
            tap.equal(v.cmd("GET", "n"), None, what + ": after a cut it is copied anew")
        p = site.hactl("import", "cutover")
        if not tap.equal(p.returncode, 0, what + ": cut over"):
            tap.say(p.stderr + str(site.status()))
        tap.ok(source.seen <= {"PING", "INFO", "MODULE", "FUNCTION", "REPLCONF", "PSYNC", "SYNC"}, what + ": asked for nothing else: %s" % sorted(source.seen))


def redis_28():
    """Redis 2.8: PSYNC without a second id, a copy of known length"""
    old(True, False, "as 2.8 speaks")


def redis_30():
    """Redis 2.8.18 to 3.2: the same, diskless"""
    old(True, True, "as 3.2 speaks, diskless")


def redis_26():
    """Redis 2.6: SYNC alone"""
    old(False, False, "as 2.6 speaks")


def broken():
    """a copy that is damaged, cut, or holds what is unknown: a sentence, and the instance stays as it was"""
    good = old_rdb(6)
    module = b"\x07" + payloads.string(b"doc") + b"\x81" + struct.pack(">Q", 0x2b0b2ea0d7d4a001) + b"\x00"
    for what, rdb, words in (("a flipped byte", good[:40] + b"\xff" + good[41:], "damaged"),
                             ("no RDB at all", b"HELLO" * 20, "damaged|RDB|form"),
                             ("a type that is not known", old_rdb(10, b"\x63" + payloads.string(b"k") + b"xxxx"), "type 99"),
                             ("a module's value", old_rdb(10, module), "module")):
        with OldMaster(True, rdb) as source, Site() as site:
            p = site.hactl("import", url(source))
            said = p.stderr.strip().splitlines()
            if not tap.ok(p.returncode == 1 and re.search(words, p.stderr), "%s: %s" % (what, said[-1][7:] if said else "")):
                tap.say(p.stderr)
            tap.equal((site.place()["state"], site.control("DBSIZE")), ("none", 0), what + ": the instance stays as it was")


def valkey():
    """Valkey 9"""
    if not replload.has_valkey():
        tap.skip(valkey.__doc__, "Valkey is not in the cache")
        return
    with Process([replload.VALKEY], "--save", "", "--repl-diskless-sync-delay", "0") as source, Site() as site:
        fill(source.connect(), random.Random(tap.seed()))
        p = site.hactl("import", url(source))
        if not tap.equal(p.returncode, 0, "copied"):
            tap.say(p.stderr)
            return
        load = Load(source, 3)
        tap.until(lambda: load.sent > 1000, 60)
        load.end()
        tap.equal(site.hactl("import", "cutover").returncode, 0, "cut over")
        same(site, source, "from Valkey")


def tls():
    """a source over TLS, believed by its certificate or not at all"""
    with certs.Authority() as ca:
        ca.make("server")
        port = servers.free_port()
        with Redis("--tls-port", str(port), "--tls-cert-file", ca.path("server.pem"), "--tls-key-file", ca.path("server.key"), "--tls-ca-cert-file", ca.path("ca.pem"), "--tls-auth-clients", "no",
                   "--tls-replication", "yes") as source, Site() as site:
            source.connect().cmd("SET", "a", "x" * 200000)
            there = "rediss://localhost:%d" % port
            p = site.hactl("import", there)
            tap.ok(p.returncode == 1 and "--cacert" in p.stderr, "it must be said whom to believe")
            p = site.hactl("import", there, "--insecure")
            if not tap.equal((p.returncode, site.control("STRLEN", "a")), (0, 200000), "--insecure"):
                tap.say(p.stderr)
            site.hactl("import", "abort")
            p = site.hactl("import", there, "--cacert", ca.path("ca.pem"), "--replace")
            if not tap.equal(p.returncode, 0, "--cacert"):
                tap.say(p.stderr)
            source.connect().cmd("SET", "b", 1)
            tap.until(lambda: site.control("GET", "b"), 10)
            tap.equal(site.hactl("import", "cutover").returncode, 0, "followed and cut over")


class OldTarget(Listener):
    """A server of Redis 2.8's time that is filled: keeps what it was told."""

    def __init__(self):
        self.told = []
        self.listen()

    def client(self, s):
        c, queued = servers.Connection(s, 60), None
        try:
            while True:
                words = c.read()
                name = words[0].upper()
                reply = b"+OK\r\n"
                if name == b"INFO":
                    text = b"redis_version:2.8.24\r\nused_memory:1000\r\n"
                    reply = b"$%d\r\n%s\r\n" % (len(text), text)
                elif name in (b"CONFIG", b"COMMAND", b"ROLE"):
                    reply = b"*0\r\n"
                elif name == b"GET":
                    reply = b"$-1\r\n"
                elif name == b"EXEC":
                    reply = b"*%d\r\n" % queued + b"+OK\r\n" * queued
                    queued = None
                if name == b"MULTI":
                    queued = 0
                elif queued is not None:
                    queued += 1
                    reply = b"+QUEUED\r\n"
                self.told.append(words)
                s.sendall(reply)
        except (servers.Closed, OSError, ValueError):
            s.close()

    def names(self):
        return [w[0].upper() for w in self.told]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.listener.close()


def export_old():
    """an export to a server of Redis 2.8's time: values in its forms, changes in its words"""
    with OldTarget() as target, Site() as site:
        v = site.connect()
        v.cmd("RPUSH", "list", *range(10))
        v.cmd("RPUSH", "long", *range(2000))
        v.cmd("HSET", "hash", "f", "v")
        v.cmd("ZADD", "zset", 1, "m")
        v.cmd("SADD", "set", "a", "b")
        v.cmd("SET", "str", "x")
        p = site.hactl("export", "--to", url(target))
        if not tap.equal(p.returncode, 0, "it begins, copies and follows"):
            tap.say(p.stderr)
            return
        sound = {}
        for words in target.told:
            if words[0].upper() == b"RESTORE":
                body = words[3]
                r = reader.Reader(body[1:-10], 6)
                r.value(body[0])
                sound[words[1]] = r.at == len(r.data) and struct.unpack("<H", body[-10:-8])[0] == 6
        tap.equal(sound, {k: True for k in (b"list", b"long", b"hash", b"zset", b"set", b"str")}, "each value is of a form that it knows")
        v.cmd("SET", "t", 1, "PX", 5000000)
        v.cmd("HSET", "hash", "a", 1, "b", 2)
        v.cmd("UNLINK", "str", "set")
        tap.until(lambda: [b"DEL", b"set"] in target.told, 20, "the last change")
        said = [w for w in target.told[-30:] if w[0] in (b"SET", b"PEXPIREAT", b"HSET", b"DEL", b"UNLINK") and b"duet:export" not in w]
        tap.equal([w[:2] if w[0] == b"PEXPIREAT" else w for w in said],
                  [[b"SET", b"t", b"1"], [b"PEXPIREAT", b"t"], [b"HSET", b"hash", b"a", b"1"], [b"HSET", b"hash", b"b", b"2"], [b"DEL", b"str"], [b"DEL", b"set"]],
                  "each change is said in words that it knows")
        site.hactl("export", "abort")


tests = [export_old, redis_28, redis_30, redis_26, broken, valkey, tls]
if __name__ == "__main__":
    tap.main(*([t for t in tests if t.__name__ in sys.argv[1:]] or tests))
