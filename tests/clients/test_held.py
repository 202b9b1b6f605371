#!/usr/bin/python3
"""Whatever would reveal a write that the pair's slave does not hold yet waits for it: each way to learn of one, by itself.

had and the pair's slave are this program, as in test_pair_server.py. A write is made and its reply held; then somebody else does or
gets what would tell of it, and must hear nothing until the slave has acknowledged."""

import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import certs
import servers
import tap
from test_pair_server import Node, in_sync, master

QUIET_S = 0.06


class Held:
    """A master with a slave that is told when to acknowledge; commands before `with` ends run acknowledged."""

    def __init__(self, *options, level="pair"):
        self.node = Node("--durability", level, *options)

    def __enter__(self):
        self.node.__enter__()
        master(self.node, alone=False)
        self.slave = in_sync(self.node)
        self.opened = []
        return self

    def __exit__(self, *exc):
        for c in self.opened:
            c.close()
        self.slave.close()
        self.node.__exit__(*exc)

    def connect(self, resp3=False, name=None):
        c = self.node.connect()
        self.opened.append(c)
        c.send("HELLO", "3" if resp3 else "2")
        self.acknowledge()
        c.read()
        return c

    def acknowledge(self, short=0):
        self.slave.ack(int(self.node.status()["offset"]) - short)

    def do(self, c, *words):
        """A command whose reply is waited for, the slave acknowledging meanwhile."""
        c.send(*words)
        for _ in range(50):
            self.acknowledge()
            if c.buf or not c.silent(0.02):
                return c.read()
        raise TimeoutError("%r was not answered" % (words,))

    def settle(self):
        """Nothing is held any more."""
        def none():
            self.acknowledge()
            return self.node.status()["held"] == "0"
        tap.until(none, 10, "nothing is held")

    def write(self, *words):
        """A held write, by a connection of its own."""
        self.settle()
        before = int(self.node.status()["offset"])
        c = self.node.connect()
        self.opened.append(c)
        c.send(*words)
        tap.until(lambda: int(self.node.status()["offset"]) > before, 5, "the write ran")
        return c


def waits(h, c, what, want=None):
    """c hears nothing, then after the acknowledgement something."""
    quiet = not c.buf and c.silent(QUIET_S)
    h.acknowledge(short=1)
    quiet = quiet and not c.buf and c.silent(QUIET_S / 4)
    h.acknowledge()
    try:
        got = c.read()
    except servers.Error as e:
        got = e
    tap.ok(quiet and (want is None or got == want), what)
    if not quiet or (want is not None and got != want):
        tap.say("quiet: %s, got %r, expected %r" % (quiet, got, want))
    return got


def replies():
    """replies: reads of the key, writes without effect, refusals, errors"""
    with Held("--enable-debug-command", "yes") as h:
        reader = h.connect()
        cases = [("GET", "k"), ("SETNX", "k", "other"), ("EXISTS", "k"), ("TYPE", "k"), ("TTL", "k"), ("OBJECT", "ENCODING", "k"),
                 ("OBJECT", "IDLETIME", "k"), ("MEMORY", "USAGE", "k"), ("DEBUG", "OBJECT", "k"), ("DUMP", "k"), ("LPUSH", "k", "x"),
                 ("RENAMENX", "k2", "k"), ("STRLEN", "k"), ("TOUCH", "k"), ("COPY", "k", "k3"), ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k"),
                 ("EVAL_RO", "return redis.call('EXISTS', KEYS[1])", "1", "k"), ("SORT", "k"), ("DEBUG", "DIGEST"), ("DEBUG", "DIGEST-VALUE", "k"),
                 ("KEYS", "*"), ("SCAN", "0"), ("DBSIZE",), ("RANDOMKEY",), ("INFO",), ("INFO", "keyspace"), ("INFO", "replication"), ("INFO", "commandstats"), ("INFO", "stats"),
                 ("SLOWLOG", "GET"), ("SLOWLOG", "LEN"), ("LASTSAVE",), ("ROLE",), ("MEMORY", "STATS"), ("CLIENT", "LIST"), ("CLIENT", "NO-EVICT", "on"),
                 ("LATENCY", "HISTOGRAM"), ("CONFIG", "GET", "durability"), ("COMMAND", "COUNT"), ("NOSUCH",), ("GET",), ("PING",), ("TIME",),
                 ("MULTI",), ("SUBSCRIBE", "ch"), ("RESET",)]
        for n, words in enumerate(cases):
            w = h.write("SET", "k", "v%d" % n)
            reader.send(*words)
            waits(h, reader, "%s waits for another's write" % " ".join(words[:2]))
            w.close()
        for words in (("GET", "k"), ("PING",)):
            w = h.write("SET", "k", "w")
            fresh = h.node.connect()
            h.opened.append(fresh)
            fresh.send("SELECT", "0")
            fresh.send(*words)
            waits(h, fresh, "%s of a new connection waits" % words[0], b"OK")
        w = h.write("SET", "k", "x")
        other = h.node.connect()
        tap.equal(other.cmd("PING"), b"PONG", "the first PING of a connection tells nothing and is answered at once: a slave's link begins with it")
        tap.equal(h.node.control("GET", "k"), b"x", "the control socket is never held")
        other.close()


def transactions():
    """MULTI, EXEC, WATCH"""
    with Held() as h:
        c = h.connect()
        h.do(c, "WATCH", "k")
        h.do(c, "MULTI")
        h.do(c, "GET", "other")
        w = h.write("SET", "k", "1")
        c.send("EXEC")
        waits(h, c, "that WATCH aborted an EXEC waits for the write that did it")
        h.do(c, "MULTI")
        h.do(c, "INCR", "n")
        c.send("EXEC")
        tap.equal(waits(h, c, "EXEC waits for what it wrote"), [1], "and then says it")
        for words in (("WATCH", "a"), ("MULTI",), ("SET", "a", "1"), ("DISCARD",)):
            w = h.write("SET", "k", "2")
            c.send(*words)
            waits(h, c, "%s waits behind another's write" % words[0])
        w.close()


def scripts():
    """scripts, and what is answered while one runs"""
    with Held("--busy-reply-threshold", "50") as h:
        c, d = h.connect(), h.connect()
        c.send("EVAL", "redis.call('SET', KEYS[1], '1') return redis.call('GET', KEYS[1])", "1", "k")
        waits(h, c, "a script that writes waits", b"1")
        before = int(h.node.status()["offset"])
        c.send("EVAL", "redis.call('SET', KEYS[1], '2') return redis.error_reply('no')", "1", "k")
        tap.until(lambda: int(h.node.status()["offset"]) > before, 5)
        tap.ok("no" in str(waits(h, c, "one that ends with an error too")), "and its error comes")
        w = h.write("SET", "k", "3")
        c.send("EVAL", "local t = redis.call('TIME')[1] + 1 while redis.call('TIME')[1] - t < 1 do end return redis.call('GET', KEYS[1])", "1", "k")
        d.send("GET", "k")
        tap.until(lambda: d.buf or not d.silent(0.05), 10, "BUSY")
        tap.ok("BUSY" in (_error(d) or ""), "while a script runs others are told BUSY at once, which tells nothing of the data")
        tap.ok(w.silent(QUIET_S) and not w.buf, "but a write's reply of before is held all the same")
        waits(h, c, "and what the script has read", b"3")


def _error(c):
    try:
        c.read()
    except servers.Error as e:
        return str(e)
    return None


def wakes():
    """wake-ups of blocked clients"""
    cases = [(("BLPOP", "q", "0"), ("RPUSH", "q", "v")), (("BLMOVE", "q", "q2", "LEFT", "RIGHT", "0"), ("RPUSH", "q", "v")),
             (("BZPOPMIN", "z", "0"), ("ZADD", "z", "1", "m")), (("BZMPOP", "0", "1", "z", "MIN"), ("ZADD", "z", "1", "m")),
             (("XREADGROUP", "GROUP", "g", "me", "BLOCK", "0", "STREAMS", "s", ">"), ("XADD", "s", "*", "f", "v")),
             (("XREAD", "BLOCK", "0", "STREAMS", "s", "$"), ("XADD", "s", "*", "f", "v"))]
    with Held() as h:
        h.node.control("XADD", "s", "1-1", "a", "b")
        h.node.control("XGROUP", "CREATE", "s", "g", "$")
        for words, write in cases:
            h.settle()
            c = h.connect()
            c.send(*words)
            tap.until(lambda: b"blocked_clients:1" in h.node.control("INFO", "clients"), 5, "it waits")
            h.write(*write)
            waits(h, c, "%s is woken when the slave has it" % words[0])
            c.close()
        h.node.control("XGROUP", "SETID", "s", "g", "$")
        c = h.connect()
        c.send("XREADGROUP", "GROUP", "g", "me", "BLOCK", "0", "STREAMS", "s", ">")
        tap.until(lambda: b"blocked_clients:1" in h.node.control("INFO", "clients"), 5, "it waits")
        h.write("DEL", "s")
        waits(h, c, "who waits for a key that is deleted is told when the slave has it")
        c.send("BLPOP", "q", "0.05")
        tap.until(lambda: b"blocked_clients:1" in h.node.control("INFO", "clients"), 5, "it waits")
        h.write("SET", "k", "v")
        waits(h, c, "that nothing came in time is held behind a held write")


def pushes():
    """PUBLISH, its receivers, keyspace events, invalidations, MONITOR"""
    with Held("--notify-keyspace-events", "KEA") as h:
        sub, pat, resp3 = h.connect(), h.connect(), h.connect(resp3=True)
        h.do(sub, "SUBSCRIBE", "news")
        h.do(pat, "PSUBSCRIBE", "ne*")
        h.do(resp3, "SUBSCRIBE", "news")
        h.do(resp3, "SUBSCRIBE", "__keyevent@0__:set")
        h.do(pat, "PSUBSCRIBE", "__keyspace@0__:*")
        for words, receivers in ((("PUBLISH", "news", "x"), (sub, pat, resp3)), (("SET", "k", "v"), (pat, resp3)), (("SPUBLISH", "news", "x"), ())):
            w = h.write(*words)
            for r in receivers:
                tap.ok(not r.buf and r.silent(QUIET_S), "%s: a receiver hears nothing before the slave has it" % words[0])
            waits(h, w, "%s: who sent it waits too" % words[0])
            for r in receivers:
                tap.ok(r.read(), "%s: then it comes" % words[0])
        h.settle()
        big = b"y" * 100000  # is not copied for each receiver
        w = h.write("PUBLISH", "news", big)
        quiet = sub.silent(QUIET_S) and resp3.silent(QUIET_S)
        h.acknowledge()
        tap.ok(quiet and sub.read()[2] == big and resp3.read()[2] == big, "a big message, shared between its receivers, waits as well")
        h.settle()
        pat.close()
        track, mon = h.connect(resp3=True), h.connect()
        h.do(track, "CLIENT", "TRACKING", "ON")
        h.do(track, "GET", "k")
        h.do(mon, "MONITOR")
        h.write("SET", "k", "w")
        tap.ok(mon.silent(QUIET_S) and track.silent(QUIET_S), "neither MONITOR nor an invalidation comes before the slave has the write")
        h.acknowledge()
        tap.ok(b'"SET"' in mon.read() and track.read()[0] == b"invalidate", "then both")
        h.settle()
        bcast, target = h.connect(), h.connect()
        number = h.do(target, "CLIENT", "ID")
        h.do(target, "SUBSCRIBE", "__redis__:invalidate")
        h.do(bcast, "CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", number)
        h.write("SET", "k", "z")
        waits(h, target, "an invalidation that is redirected, of a client that tracks by prefix")
        h.settle()
        resp3.buf = b""
        h.node.control("SET", "short", "lived")
        h.do(resp3, "SUBSCRIBE", "__keyevent@0__:expired")
        h.settle()
        while not resp3.silent(QUIET_S):
            h.settle()
        resp3.buf = b""
        h.node.control("PEXPIRE", "short", "1")
        before = int(h.node.status()["offset"])
        tap.until(lambda: h.node.control("DBSIZE") == 1, 10, "it is gone")
        tap.ok(int(h.node.status()["offset"]) >= before and resp3.silent(QUIET_S), "an event of a key that expired by itself waits for its deletion")
        h.acknowledge()
        tap.ok(resp3.read()[1] == b"__keyevent@0__:expired", "and then comes")


def muted():
    """CLIENT REPLY OFF and SKIP"""
    with Held() as h:
        c = h.connect()
        c.send("CLIENT", "REPLY", "OFF")
        c.send("SET", "k", "1")
        c.send("CLIENT", "REPLY", "ON")
        tap.until(lambda: h.node.control("GET", "k") == b"1", 5)
        waits(h, c, "CLIENT REPLY ON answers when what was written in silence is safe", b"OK")
        c.send("CLIENT", "REPLY", "SKIP")
        c.send("SET", "k", "2")
        c.send("PING")
        tap.until(lambda: h.node.control("GET", "k") == b"2", 5)
        waits(h, c, "and so the reply behind a skipped one", b"PONG")


def others():
    """TLS, a unix socket, I/O threads, a further slave"""
    with certs.Authority() as ca:
        ca.make("server")
        port = servers.free_port()
        with Held("--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", ca.path("ca.pem"), "--tls-cert-file", ca.path("server.pem"),
                  "--tls-key-file", ca.path("server.key"), "--unixsocket", "s.sock", "--io-threads", "3") as h:
            clients = {"TLS": _tls(port), "the unix socket": servers.Connection(_unix(os.path.join(h.node.directory, "s.sock")))}
            for name, c in clients.items():
                h.do(c, "SET", "a", "b")
                c.send("SET", "k", name)
                waits(h, c, "a reply over %s waits" % name, b"OK")
                h.write("SET", "k", "x")
                c.send("GET", "k")
                waits(h, c, "and a read", b"x")
            group = [h.connect() for _ in range(12)]
            h.write("SET", "k", "y")
            for c in group:
                c.send("GET", "k")
            tap.ok(all(c.silent(0.02) for c in group), "nobody hears of it from an I/O thread")
            h.acknowledge()
            tap.ok(all(c.read() == b"y" for c in group), "then all do")
            h.settle()
            with servers.Server("--replicaof", "127.0.0.1 %d" % h.node.port, "--save", "") as far, far.connect() as f:
                tap.until(lambda: b"master_link_status:up" in f.cmd("INFO", "replication"), 20, "a further slave streams")
                h.write("SET", "k", "z")
                tap.ok(not _comes(lambda: f.cmd("GET", "k") == b"z"), "a further slave does not show a write that the pair's slave lacks")
                h.acknowledge()
                tap.ok(_comes(lambda: f.cmd("GET", "k") == b"z", 5), "and has it when that one does")
            for c in clients.values():
                c.close()


def _comes(condition, limit_s=QUIET_S * 2):
    try:
        return tap.until(condition, limit_s)
    except TimeoutError:
        return False


def _tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return servers.Connection(context.wrap_socket(servers.socket.create_connection(("127.0.0.1", port))))


def _unix(path):
    s = servers.socket.socket(servers.socket.AF_UNIX)
    s.connect(path)
    return s


def levels():
    """durability is changed while replies are held"""
    with Held() as h:
        n, c = h.node, h.connect()

        def level(word):
            return n.control("CONFIG", "SET", "durability", word)

        tap.equal(n.status()["durability"], "pair", "DUET STATUS names the level")
        h.write("SET", "a", "0")
        c.send("SET", "a", "1")
        tap.ok(c.silent(QUIET_S), "at pair a reply is held")
        level("async")
        tap.equal(c.read(), b"OK", "async releases it at once")
        tap.equal(c.cmd("SET", "a", "2"), b"OK", "and holds nothing")
        tap.equal((n.status()["held"], n.status()["durability"]), ("0", "async"), "as DUET STATUS says")
        level("pair")
        c.send("SET", "a", "3")
        waits(h, c, "pair again: the next reply waits", b"OK")
        level("disk")
        c.send("SET", "a", "4")
        tap.until(lambda: n.control("GET", "a") == b"4", 5)
        h.acknowledge()
        tap.ok(c.silent(QUIET_S), "disk: that the slave holds it in memory is not enough")
        offset = int(n.status()["offset"])
        h.slave.c.send("REPLCONF", "ACK", offset, "FACK", offset - 1)
        tap.ok(c.silent(QUIET_S), "nor an fsync one byte short")
        h.slave.c.send("REPLCONF", "ACK", offset, "FACK", offset)
        tap.equal(c.read(), b"OK", "what it has on disk is answered")
        c.send("SET", "a", "5")
        tap.until(lambda: n.control("GET", "a") == b"5", 5)
        h.acknowledge()
        tap.ok(c.silent(QUIET_S), "a write at disk, in the slave's memory only, is held")
        level("pair")
        tap.equal(c.read(), b"OK", "and released by going back to pair, since the slave holds it")
        for _ in range(3):
            c.send("INCR", "n")
        tap.until(lambda: n.control("GET", "n") == b"3", 5)
        level("disk")
        h.acknowledge()
        tap.ok(c.silent(QUIET_S), "held at pair, disk before the acknowledgement: they wait for the disk")
        level("async")
        tap.equal([c.read() for _ in range(3)], [1, 2, 3], "in their order when they may go")


def lag():
    """how late the slave is"""
    with Held(level="async") as h:
        n = h.node
        tap.equal((n.status()["slaves"], n.status()["slave_lag_ms"]), ("1", "0"), "a slave that has everything is not late")
        n.control("SET", "k", "v")
        tap.ok(tap.until(lambda: int(n.status()["slave_lag_ms"]) >= 1500, 10), "one that acknowledges nothing is later every second")
        h.acknowledge()
        tap.ok(tap.until(lambda: n.status()["slave_lag_ms"] == "0", 10), "until it does")


def bounded():
    """how much may be held"""
    with Held() as h:
        n = h.node
        n.duet("ALONE", "1")
        n.control("SET", "big", "x" * 20000)
        n.duet("ALONE", "0")
        h.settle()
        crowd = []
        for i in range(200):
            c = n.connect(30)
            c.sock.setblocking(False)
            crowd.append(c)
            h.opened.append(c)
        h.write("SET", "k", "v")
        data = servers.encode("GET", "big") * 100  # 400 MB of replies, were all of them made
        grown = 0
        for i, c in enumerate(crowd):
            c.sock.send(data)
            if i % 10 == 9:
                grown = max(grown, int(n.status()["held_bytes"]))
        time.sleep(0.3)
        grown = max(grown, int(n.status()["held_bytes"]))
        tap.ok(0 < grown < 100 << 20, "200 clients that ask for 2 MB each are not read on when 64 MB are held in all (%d MB)" % (grown >> 20))
        n.duet("ALONE", "1")
        got = 0
        for c in crowd:
            c.sock.settimeout(30)
            got += sum(len(c.read()) == 20000 for _ in range(100))
        tap.equal(got, 200 * 100, "and all of them get all of their replies, once they may go")
        tap.equal(n.status()["held_bytes"], "0", "then nothing is held")


if __name__ == "__main__":
    tap.main(replies, transactions, scripts, wakes, pushes, muted, others, levels, lag, bounded)
