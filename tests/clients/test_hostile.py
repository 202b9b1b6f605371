#!/usr/bin/python3
"""A hostile other side of a replication link, in both directions, seeded: a master that says anything at any step of the handshake, sends
damaged copies and commands that do not belong in a stream; a slave that asks for what is not there, floods, acknowledges what was never
sent and does not read. The Duet under test lives, keeps its memory within bounds, and follows or serves a sane side right afterwards. With
build/san/duet (make build/san/duet; DUET_FULL=1 makes it) it is the server under ASan and UBSan."""
# timeout: 280

import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

MASTERS = int(os.environ.get("COUNT", 3000 if tap.FULL else 250))
SLAVES = MASTERS // 2
ID = b"0123456789abcdef0123456789abcdef01234567"
SAN = os.path.join(tap.TOP, "build", "san", "duet")
SANITIZED = os.path.exists(SAN) and "DUET_BIN" not in os.environ
GROWS_MAX_KB = 200 * 1024
LIMIT_S = 60


def server(*options):
    command = [SAN, "server"] if SANITIZED else None
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1")
    return servers.Server("--enable-debug-command", "yes", "--save", "", "--repl-timeout", "5", *options, command=command, env=env)


def resident_kb(s):
    with open("/proc/%d/status" % s.pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def info(c, field):
    return dict(line.split(":", 1) for line in c.cmd("INFO", "replication").decode().splitlines() if ":" in line).get(field)


def lives(s, what):
    try:
        with s.connect(30) as c:
            answered = c.cmd("PING") == b"PONG"
    except (OSError, servers.Closed) as e:
        tap.say(repr(e))
        answered = False
    if not tap.ok(answered and s.process.poll() is None, what):
        tap.say(s.log()[-12000 if SANITIZED else -4000:])
    return answered


# ---- a hostile master ------------------------------------------------------------------------

class Copy:
    """A first copy's bytes as a sane master sends them, to be damaged."""

    def __init__(self):
        with servers.Server("--save", "") as s, s.connect() as c:
            rng = random.Random(1)
            for i in range(30):
                for words in (["SET", "s%d" % i, "v" * rng.randrange(200)], ["RPUSH", "l%d" % (i % 3), i, "x" * 70], ["SADD", "i", i], ["SADD", "t", "m%d" % i], ["HSET", "h", "f%d" % i, i],
                              ["ZADD", "z", i, "m%d" % i], ["SET", "e%d" % i, i, "PX", 10 ** 8], ["XADD", "x", "%d-1" % (i + 1), "f", i], ["HSET", "big", "f%d" % i, "w" * 100],
                              ["PFADD", "p", i]):
                    c.cmd(*words)
            c.cmd("XGROUP", "CREATE", "x", "g", "0")
            c.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", 5, "STREAMS", "x", ">")
            c.send("PSYNC", "?", "-1")
            data = b""
            while b"\n$" not in data or len(data) < data.index(b"\n$") + 100:
                data += c.sock.recv(1 << 20)
            size = data[data.index(b"\n$") + 2:].split(b"\r\n", 1)[0]
            if size.startswith(b"EOF:"):
                rest = data.split(size + b"\r\n", 1)[1]
                while size[4:] not in rest:
                    rest += c.sock.recv(1 << 20)
                self.bytes = rest[:rest.index(size[4:])]
            else:
                rest = data.split(size + b"\r\n", 1)[1]
                while len(rest) < int(size):
                    rest += c.sock.recv(1 << 20)
                self.bytes = rest[:int(size)]


STREAM = [["SUBSCRIBE", "c"], ["PSUBSCRIBE", "*"], ["UNSUBSCRIBE"], ["SHUTDOWN", "NOSAVE"], ["SHUTDOWN"], ["DEBUG", "SEGFAULT"], ["DEBUG", "SLEEP", "0.01"], ["DEBUG", "RELOAD"], ["DEBUG", "JMAP"],
          ["CONFIG", "SET", "dir", "/nowhere"], ["CONFIG", "SET", "requirepass", "hostile"], ["CONFIG", "REWRITE"], ["SLAVEOF", "NO", "ONE"], ["REPLICAOF", "127.0.0.1", "1"], ["FAILOVER"],
          ["BLPOP", "nothing", "0"], ["BLMOVE", "a", "b", "LEFT", "LEFT", "0"], ["BZPOPMIN", "nothing", "0"], ["XREAD", "BLOCK", "0", "STREAMS", "x", "$"], ["WAIT", "9", "0"], ["MONITOR"], ["CLIENT", "ID"],
          ["CLIENT", "KILL", "TYPE", "normal"], ["CLIENT", "PAUSE", "100000"], ["CLIENT", "REPLY", "OFF"], ["CLIENT", "LIST"], ["CLIENT", "NO-EVICT", "on"], ["CLIENT", "TRACKING", "on"], ["CLIENT", "SETNAME", "x"],
          ["HELLO", "3"], ["AUTH", "x"], ["ACL", "SETUSER", "default", "off"], ["ACL", "LOG"], ["QUIT"], ["RESET"], ["WATCH", "a"], ["UNWATCH"], ["DISCARD"], ["EXEC"], ["SYNC"], ["PSYNC", "?", "-1"],
          ["REPLCONF", "ACK", "999999999999"], ["REPLCONF", "listening-port", "1"], ["REPLCONF"], ["REPLCONF", "GETACK"], ["DUET", "MASTER", "5"], ["DUET", "NONE"], ["DUET", "STATUS"], ["SAVE"], ["BGSAVE"],
          ["BGREWRITEAOF"], ["MIGRATE", "127.0.0.1", "1", "k", "0", "10"], ["SCRIPT", "LOAD", "return 1"], ["SCRIPT", "FLUSH"], ["SCRIPT", "KILL"], ["EVAL", "return redis.call('subscribe','c')", "0"],
          ["EVAL", "redis.call('debug','segfault')", "0"], ["EVAL", "return redis.call('client','id')", "0"], ["EVAL", "redis.call('blpop','nothing',0) redis.call('replicaof','no','one')", "0"],
          ["EVAL", "error('x')", "0"], ["EVAL", "return redis.call('multi')", "0"], ["EVALSHA", "0" * 40, "0"], ["EVAL", "while redis.call('incr','loop') < 2000 do end", "0"], ["FUNCTION", "LOAD", "x"],
          ["SELECT", "99999"], ["SELECT", "-1"], ["SELECT"], ["SELECT", "x"], ["SWAPDB", "0", "99"], ["MOVE", "a", "99"], ["PUBLISH", "c", "m"], ["SPUBLISH", "c", "m"], ["LATENCY", "RESET"], ["MEMORY", "PURGE"],
          ["MODULE", "LOAD", "/x"], ["OBJECT", "FREQ", "a"], ["PING"], ["PING", "x"], ["", "x"], ["\x00\xff"], ["SET"], ["SET", "a"], ["SETRANGE", "a", "536870911", "x"], ["SETRANGE", "a", "-1", "x"],
          ["REPLCONF", "capa", "duet-digest", "capa", "5 5"], ["REPLCONF", "capa", "duet-digest", "capa", "x" * 3000], ["REPLCONF", "capa", "duet-import", "capa", "x" * 5000], ["REPLCONF", "capa", "duet-import", "capa", ""],
          ["INCRBYFLOAT", "a", "nan"], ["RESTORE", "r", "0", "garbage"], ["RESTORE", "r", "-1", ""], ["SPOP", "t", "-1"], ["LPUSH", "s1", "wrong type"], ["XADD", "x", "0-0", "f", "v"], ["XSETID", "x", "0"],
          ["XCLAIM", "x", "g", "c", "0", "1-1", "LASTID", "9-9", "JUSTID"], ["XGROUP", "CREATE", "x", "g", "$", "ENTRIESREAD", "-5"], ["ASKING"], ["READONLY"], ["CLUSTER", "RESET"], ["SLOWLOG", "RESET"],
          ["LOLWUT"], ["TIME"], ["KEYS", "*"], ["SCAN", "0"], ["GET", "s1"], ["DUMP", "h"], ["SORT", "t", "STORE", "u"], ["PFDEBUG", "GETREG", "p"], ["BITFIELD", "a", "SET", "u8", "#99999999999", "1"], ["SET", "k", "v", "PX", "-1"]]
LINES = [b"+OK\r\n", b"+PONG\r\n", b"-ERR no\r\n", b"-NOAUTH x\r\n", b"-NOMASTERLINK x\r\n", b"-LOADING x\r\n", b"-BUSY x\r\n", b"+CONTINUE\r\n", b"+CONTINUE " + ID + b"\r\n", b"+CONTINUE short\r\n",
         b"+FULLRESYNC\r\n", b"+FULLRESYNC " + ID + b"\r\n", b"+FULLRESYNC " + ID + b" 7\r\n", b"+FULLRESYNC " + ID + b" -1\r\n", b"+FULLRESYNC " + ID + b" 18446744073709551615\r\n",
         b"+FULLRESYNC " + ID + b" 9223372036854775807\r\n", b"+FULLRESYNC " + b"z" * 40 + b" 7\r\n", b"+FULLRESYNC " + ID + b" 99999999999999999999\r\n", b"$0\r\n", b"$-1\r\n", b"$7\r\n", b"$99999999999999\r\n",
         b"$EOF:\r\n", b"$EOF:" + ID + b"\r\n", b"$EOF:" + ID * 2 + b"\r\n", b"*1\r\n", b"*-1\r\n", b"*3\r\n$4\r\nPING\r\n", b":1\r\n", b"\r\n", b"\n" * 5000, b"\0" * 100, b"x" * 2000, b"+" + b"x" * 1100 + b"\r\n",
         b"+OK session 1 fork none\r\n", b"+OK session x\r\n", b"+OK hello b 0 0\r\n", b"\xff\xfe\r\n", b"_\r\n", b"%1\r\n"]


class HostileMaster:
    """Takes the slave's connections, each for the next story of a seeded list; `done` counts them."""

    def __init__(self, copy, seed):
        self.copy, self.rng, self.done, self.conversations, self.stop = copy.bytes, random.Random(seed), 0, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                continue
            sock.settimeout(2)
            try:
                self.tell(sock)
            except OSError:
                pass
            self.done += 1
            sock.close()

    def end(self):
        self.stop = True
        self.thread.join(30)
        self.listener.close()

    def garbage(self):
        r = self.rng
        return r.choice([lambda: r.choice(LINES), lambda: r.choice(LINES), lambda: r.randbytes(r.randrange(1, 3000)), lambda: b"".join(r.choice(LINES) for _ in range(20))])()

    def send(self, sock, data):
        """In pieces of any size."""
        if self.rng.random() < 0.3 and len(data) < 5000:
            at = 0
            while at < len(data):
                n = self.rng.choice((1, 3, 50))
                sock.sendall(data[at:at + n])
                at += n
        else:
            sock.sendall(data)

    def tell(self, sock):
        """A sane handshake, up to the step where it ends to be."""
        step = self.rng.choice((0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5))
        answers = {b"PING": b"+PONG\r\n", b"REPLCONF": b"+OK\r\n"}
        for at in range(3):
            request = sock.recv(65536)
            if at == step:
                self.send(sock, self.garbage())
                return self.linger(sock)
            self.send(sock, answers[b"PING" if b"PING" in request else b"REPLCONF"])
        sock.recv(65536)  # PSYNC
        if step == 3:
            self.send(sock, self.garbage())
            return self.linger(sock)
        self.send(sock, b"+FULLRESYNC %s %d\r\n" % (ID, self.rng.choice((0, 1, 7, 10 ** 6))))
        self.send(sock, self.damaged() if step == 4 else self.marked(self.copy))
        if step == 5:
            self.converse(sock)
        self.linger(sock)

    def linger(self, sock):
        """Reads until the slave hangs up, or has had its time."""
        if self.rng.random() < 0.4:
            return
        sock.settimeout(0.05 + 0.1 * self.rng.random())
        try:
            while sock.recv(65536):
                pass
        except OSError:
            pass

    def marked(self, data):
        if self.rng.random() < 0.5:
            return b"$%d\r\n" % len(data) + data
        return b"$EOF:" + ID[::-1] + b"\r\n" + data + ID[::-1]

    def damaged(self):
        r, data = self.rng, bytearray(self.copy)
        kind = r.randrange(9)
        if kind < 3:  # bits, with the checksum left out so that the values themselves are looked at
            for _ in range(r.randrange(1, 6)):
                data[r.randrange(9, len(data) - 8)] = r.randrange(256)
            if kind < 2:
                data[-8:] = bytes(8)
            return self.marked(bytes(data))
        if kind == 3:  # lengths of any size in the place of a byte
            at = r.randrange(9, len(data) - 8)
            data[at:at + 1] = r.choice([b"\x80\xff\xff\xff\xff", b"\x81" + b"\xff" * 8, b"\x81\0\0\0\1\0\0\0\0", b"\x80\x3f\xff\xff\xff", b"\xc3\x80\xff\xff\xff\xff\x80\xff\xff\xff\xff", b"\xc3\x01\x80\x3f\xff\xff\xff"])
            data[-8:] = bytes(8)
            return self.marked(bytes(data))
        if kind == 4:  # unknown types and opcodes
            return self.marked(b"REDIS0010" + r.choice([bytes([r.randrange(26, 256)]), b"\xfe\x81" + b"\xff" * 8, b"\xfe\x50", b"\xfb\x80\xff\xff\xff\xff\x80\xff\xff\xff\xff",
                                                         bytes([r.randrange(26)]) + b"\x01k" + r.randbytes(40), b"\xf7\x81" + struct.pack(">Q", r.getrandbits(64)) + b"\x02\x01"]) + b"\xff" + bytes(8))
        if kind == 5:  # shorter, or longer, than it was said
            n = len(data) + r.randrange(-200, 200)
            return b"$%d\r\n" % n + bytes(data) + (r.randbytes(200) if r.random() < 0.5 else b"")
        if kind == 6:  # the mark comes early, or never
            at = r.randrange(len(data))
            return b"$EOF:" + ID + b"\r\n" + bytes(data[:at]) + r.choice([ID, ID[:39], ID[1:], b""]) + bytes(data[at:])
        if kind == 7:
            return b"$EOF:" + ID + b"\r\n" + b"REDIS00%02d" % r.randrange(100) + r.randbytes(3000) + ID
        return b"$%d\r\n" % (1 << r.randrange(20, 60)) + bytes(data[:r.randrange(len(data))])

    def converse(self, sock):
        """Commands, nearly all of which no master sends."""
        r, out = self.rng, []
        for _ in range(r.randrange(1, 60)):
            kind = r.random()
            if kind < 0.75:
                out.append(servers.encode(*[w.encode("latin1") for w in r.choice(STREAM)]))
            elif kind < 0.85:
                out.append(servers.encode(r.choice(["MULTI", "MULTI", "EXEC"])))
            elif kind < 0.93:
                out.append(servers.encode("SET", "sane%d" % r.randrange(100), r.randrange(1000)))
            else:
                out.append(r.choice([b"*0\r\n", b"\r\n", b"\n", b"*-1\r\n", b"*1\r\n$-1\r\n", b"*2147483648\r\n", b"*1048577\r\n", b"*2\r\n$3\r\nGET\r\n$99999999999\r\n", b"SET inline 1\r\n", b"*1\r\n:1\r\n",
                                     b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1073741823\r\n", r.randbytes(30), b"*1048576\r\n" + b"$0\r\n\r\n" * 5000]))
        # What it sent must not be lost with the connection: the slave says when it has loaded the copy.
        heard, end = b"", time.monotonic() + 5
        while b"ACK" not in heard and time.monotonic() < end:
            heard = heard[-10:] + sock.recv(65536)
        self.conversations += 1
        self.send(sock, b"".join(out))
        sock.settimeout(0.05 if not SANITIZED else 0.2)
        while sock.recv(65536):
            pass


def follows_right(s, seed):
    """After all that: a sane master's data, key by key, and sound structures."""
    with servers.Server("--save", "") as m, m.connect() as mc, s.connect(30) as c:
        for i in range(200):
            mc.cmd("SET", "sane:%d" % i, i)
        c.cmd("REPLICAOF", "127.0.0.1", m.port)
        tap.until(lambda: info(c, "master_link_status") == "up", LIMIT_S, "it follows a sane master")
        mc.cmd("SET", "last", seed)
        tap.until(lambda: c.cmd("GET", "last") == b"%d" % seed, 20, "and the stream")
        tap.equal(sorted(c.cmd("KEYS", "*")), sorted(mc.cmd("KEYS", "*")), "it has the keys of a sane master")
        tap.equal(c.cmd("DEBUG", "VERIFY"), b"OK", "and its structures are sound")


def test_hostile_master():
    """A hostile master"""
    seed = tap.seed()
    copy = Copy()
    with server() as s:
        master = HostileMaster(copy, seed)
        with s.connect() as c:
            c.cmd("SET", "own", 1)
        base = resident_kb(s)
        try:
            deadline = time.monotonic() + LIMIT_S * (20 if tap.FULL else 2)
            last = -1
            while master.done < MASTERS and time.monotonic() < deadline and s.process.poll() is None:
                if master.done != last:  # a retry comes after a second: asked to follow anew, it comes at once
                    last = master.done
                    with s.connect(30) as c:
                        c.error("REPLICAOF", "NO", "ONE")  # LOADING, or a first copy in the middle
                        c.error("REPLICAOF", "127.0.0.1", master.port)
                time.sleep(0.003)
        except (OSError, servers.Closed) as e:
            tap.say(repr(e))
        master.end()
        tap.say("%d connections, %d of them came to the stream" % (master.done, master.conversations))
        if lives(s, "seed %d: after %d hostile masters the slave lives" % (seed, master.done)):
            grown = resident_kb(s) - base
            tap.ok(SANITIZED or grown < GROWS_MAX_KB, "its memory grew by %d KB" % grown)
            follows_right(s, seed)


# ---- hostile slaves ---------------------------------------------------------------------------

def words_of_slave(rng, replid, offset):
    num = lambda: rng.choice([b"0", b"1", b"-1", b"-2", b"18446744073709551615", b"18446744073709551616", b"9223372036854775807", b"9223372036854775808", b"x", b"", b"%d" % offset,  # noqa: E731
                              b"%d" % (offset + 1), b"%d" % (offset + 2), b"%d" % (offset // 2)])
    name = lambda: rng.choice([replid, ID, b"?", b"", b"z" * 40, replid[:39], replid + b"0", b"x" * 100000])  # noqa: E731
    return rng.choice([lambda: [b"PSYNC", name(), num()], lambda: [b"PSYNC", replid, b"%d" % rng.randrange(1, offset + 3)], lambda: [b"PSYNC", name()], lambda: [b"SYNC"], lambda: [b"SYNC", b"x"],
                       lambda: [b"REPLCONF", b"ACK", num()], lambda: [b"REPLCONF", b"ACK", num(), b"FACK", num()], lambda: [b"REPLCONF", b"listening-port", num()],
                       lambda: [b"REPLCONF", b"ip-address", rng.randbytes(rng.choice((1, 20, 45, 63, 64, 5000)))], lambda: [b"REPLCONF", b"capa", rng.choice([b"eof", b"psync2", b"", b"x" * 9999])] * 3,
                       lambda: [b"REPLCONF"], lambda: [b"REPLCONF", b"GETACK", b"*"], lambda: [b"REPLCONF", b"rdb-only", num()], lambda: [b"REPLCONF", b"rdb-filter-only", b"x"],
                       lambda: [b"REPLCONF", b"duet-pair", rng.choice([b"a", b"b", b"c", b""]), name(), num()], lambda: [b"REPLCONF", b"duet-hello", b"1", b"b", ID], lambda: [b"REPLCONF", b"duet-pair"],
                       lambda: [b"REPLCONF", b"duet-x", num()], lambda: [b"REPLCONF", b"ACK", num(), b"DUET-DIGEST", rng.randbytes(rng.choice((0, 20, 95, 96, 4000)))], lambda: [b"MULTI"], lambda: [b"EXEC"], lambda: [b"PING"], lambda: [b"SUBSCRIBE", b"c"], lambda: [b"MONITOR"], lambda: [b"CLIENT", b"REPLY", b"OFF"],
                       lambda: [b"EVAL", b"return redis.call('psync','?','-1')", b"0"], lambda: [b"SET", b"x", b"y"], lambda: [b"BLPOP", b"none", b"0"], lambda: [b"HELLO", b"3"], lambda: [b"WAIT", b"1", b"1"],
                       lambda: [b"REPLICAOF", b"NO", b"ONE"], lambda: [b"FAILOVER", b"ABORT"]])()


def hostile_slave(s, rng, replid, offset):
    """One connection; returns it when it stays and reads nothing."""
    sock = socket.create_connection(("127.0.0.1", s.port), 10)
    sock.settimeout(0.02)
    out = b"".join(servers.encode(*words_of_slave(rng, replid, offset)) for _ in range(rng.randrange(1, 12)))
    if rng.random() < 0.3:
        out += rng.choice([b"*1\r\n", b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$", b"PSYNC ? -1\r\n", b"SYNC\r\n", b"\r\n" * 1000, rng.randbytes(2000), b"*1\r\n$536870912\r\n" + b"x" * 100000, b"*99999999\r\n", b"\n" * 70000,
                           servers.encode("REPLCONF", "ACK", "1") * 3000])
    try:
        at = 0
        while at < len(out):
            n = rng.choice((1, 9, 500, 100000)) if len(out) < 5000 else len(out)
            sock.sendall(out[at:at + n])
            at += n
        if rng.random() < 0.5:
            sock.recv(rng.choice((1, 100, 65536)))
    except OSError:
        pass
    if rng.random() < 0.9:
        sock.close()
        return None
    return sock


def test_hostile_slaves():
    """Hostile slaves"""
    seed = tap.seed() + 1
    rng, kept = random.Random(seed), []
    with server("--repl-backlog-size", "1mb", "--client-output-buffer-limit", "replica 20mb 0 0", "--repl-diskless-sync-delay", "0") as s, s.connect(30) as c, server() as good, good.connect(30) as g:
        for i in range(1000):
            c.cmd("SET", "k%d" % i, "v" * 100)
        g.cmd("REPLICAOF", "127.0.0.1", s.port)
        tap.until(lambda: info(g, "master_link_status") == "up", LIMIT_S, "a sane slave follows")
        base = resident_kb(s)
        try:
            for i in range(SLAVES):
                sock = hostile_slave(s, rng, info(c, "master_replid").encode(), int(info(c, "master_repl_offset")))
                kept += [sock] if sock else []
                if len(kept) > 20:
                    kept.pop(rng.randrange(20)).close()
                if i % 3 == 0:
                    c.send_raw(b"".join(servers.encode("SET", "k%d" % rng.randrange(1000), b"w" * rng.randrange(30000)) for _ in range(50)))
                    for _ in range(50):
                        c.read()
                if s.process.poll() is not None:
                    break
        except (OSError, servers.Closed) as e:
            tap.say(repr(e))
        grown = resident_kb(s) - base if s.process.poll() is None else 0
        if lives(s, "seed %d: after %d hostile slaves the master lives" % (seed, i + 1)):
            tap.ok(SANITIZED or grown < GROWS_MAX_KB, "its memory grew by %d KB with %d slaves that do not read" % (grown, len(kept)))
            tap.equal(info(c, "role"), "master", "it is master still")
            for sock in kept:
                sock.close()
            c.cmd("SET", "last", seed)
            tap.until(lambda: g.cmd("GET", "last") == b"%d" % seed, LIMIT_S, "the sane slave has the last write")
            tap.equal(g.cmd("DEBUG", "DIGEST"), c.cmd("DEBUG", "DIGEST"), "the sane slave has all of the data")
            tap.equal(c.cmd("DEBUG", "VERIFY"), b"OK", "and the master's structures are sound")


if __name__ == "__main__":
    tap.main(test_hostile_master, test_hostile_slaves)
