#!/usr/bin/python3
"""The editions: each command that an edition lists works; each that it refuses answers exactly as an unknown command does, in MULTI
too, and COMMAND does not show it; the limits hold and leave everything as it was; the control socket is bound by nothing."""

import os
import re
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers  # noqa: E402
import tap  # noqa: E402

MS = """auth echo ping quit select
    del scan exists expire expireat keys type move ttl persist pexpire pexpireat pttl randomkey rename renamenx sort
    append bitcount bitop bitpos decr decrby get getbit getrange getset incr incrby incrbyfloat mget mset msetnx psetex setex set setbit setnx setrange strlen
    hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hset hsetnx hstrlen hvals hscan
    lindex linsert llen lpop lpush lpushx lrange lrem lset ltrim rpop rpoplpush rpush rpushx blpop brpop brpoplpush
    sadd scard sdiff sdiffstore sinter sinterstore sismember smembers smove spop srandmember srem sscan sunion sunionstore
    zadd zcard zcount zincrby zinterstore zlexcount zrange zrangebylex zrangebyscore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange
    zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunionstore
    psubscribe pubsub publish punsubscribe subscribe unsubscribe
    discard exec multi unwatch watch command dbsize info time""".split()
GEO_PF_SCRIPT = "geoadd geohash geopos geodist georadius georadiusbymember pfadd pfcount pfmerge eval script".split()
CLUSTER = """del dump exists expire expireat persist pexpire pexpireat pttl restore ttl type
    append bitcount bitop decr decrby get getbit getrange getset incr incrby incrbyfloat mget mset msetnx psetex set setbit setex setnx setrange strlen
    hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hscan hset hsetnx hvals
    lindex linsert llen lpop lpush lpushx lrange lrem lset ltrim rpop rpoplpush rpush rpushx
    sadd scard sdiff sdiffstore sinter sinterstore sismember smembers smove spop srandmember srem sscan sunion sunionstore
    zadd zcard zcount zincrby zinterstore zlexcount zrange zrangebylex zrangebyscore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange
    zrevrangebyscore zrevrank zscan zscore zunionstore
    discard exec multi unwatch watch auth echo ping quit select""".split()
COMMANDS = {
    "master-slave": set(MS),
    "ckv": set(MS) - {"blpop", "brpop", "brpoplpush"} | set(GEO_PF_SCRIPT),
    "cluster": set(CLUSTER),
}
# Subcommands: what of a container that an edition has it has.
SUBCOMMANDS = {
    "master-slave": {"command": set(), "pubsub": {"channels", "numsub", "numpat", "help"}},
    "ckv": {"command": set(), "pubsub": {"channels", "numsub", "numpat", "help"}, "script": {"debug", "exists", "flush", "kill", "load", "help"}},
    "cluster": {},
}
# What the lists of refusals name, family by family, beside everything that is not listed.
REFUSED = {
    "master-slave": """cluster readonly readwrite swapdb geoadd georadius geosearch pfadd pfcount pfmerge touch restore object unlink wait migrate dump eval
        evalsha script bgrewriteaof bgsave client config debug flushall flushdb lastsave monitor role save shutdown slaveof slowlog bitfield""".split(),
    "ckv": "evalsha blpop brpop brpoplpush client config debug flushall object unlink swapdb cluster bitfield dump restore".split(),
    "cluster": """keys migrate move object randomkey rename renamenx sort scan eval evalsha script subscribe publish psubscribe pubsub pfadd bgrewriteaof bgsave
        client config dbsize debug flushall flushdb info lastsave monitor save shutdown slaveof slowlog time bitpos hstrlen zrevrangebylex""".split(),
}
LINKS = {"psync", "sync", "replconf"}  # a slave's, which no edition refuses on a connection that does nothing else
VERSIONS = {"open": "7.0.15", "master-slave": "2.8.23", "ckv": "3.2.12", "cluster": "2.8.23"}


def server(edition, *options, wait=True):
    return servers.Server("--save", "", "--appendonly", "no", "--edition", edition, *options, wait=wait)


def answers(s):
    try:
        return raw(s, ["PING"]) != b""
    except OSError:
        return False


def raw(s, *requests):
    """The replies to requests on a connection of their own, as bytes, without the QUIT that ends it."""
    with s.connect() as c:
        c.send_raw(b"".join(servers.encode(*r) for r in requests) + servers.encode("QUIT"))
        data = b""
        while True:
            more = c.sock.recv(1 << 20)
            if not more:
                return data[:-5] if data.endswith(b"+OK\r\n") else data
            data += more


def table():
    """Name -> (arity, {subcommand: arity}) of every command that Duet has."""
    with server("open") as s, s.connect() as c:
        return {row[0].decode(): (row[1], {sub[0].decode().split("|")[1]: sub[1] for sub in row[9]}) for row in c.cmd("COMMAND")}


def arguments(arity, have=1):
    return ["a"] * (abs(arity) - have)


def works(s, *words):
    with s.connect() as c:
        c.send(*words)
        return not re.match(rb"-ERR unknown|-ERR wrong number", c._line())


def unknown(words):
    """What redis-server says of a command that it does not know."""
    return ("-ERR unknown command '%s', with args beginning with: %s\r\n" % (words[0], "".join("'%s' " % w for w in words[1:]))).encode()


def commands(edition):
    have = table()
    with server(edition) as s:
        listed = COMMANDS[edition]
        missing = [n for n in sorted(listed & set(have)) if n not in ("quit",) and not have[n][1] and not works(s, n, *arguments(have[n][0]))]
        tap.equal(missing, [], "%s: every listed command works" % edition)
        tap.ok(raw(s, ["quit"]) == b"", "%s: quit, too" % edition)
        tap.equal(sorted(listed - set(have)), [], "%s: Duet has all that is listed" % edition)
        refused = sorted(set(have) - listed - LINKS)
        tap.equal([n for n in REFUSED[edition] if n not in refused], [], "%s: what is named as refused is" % edition)
        wrong, in_multi = [], []
        for n in refused:
            words = [n] + arguments(have[n][0])
            if raw(s, words) != unknown(words):
                wrong.append((n, raw(s, words)))
            want = b"+OK\r\n" + unknown(words) + b"-EXECABORT Transaction discarded because of previous errors.\r\n"
            if raw(s, ["multi"], words, ["exec"]) != want:
                in_multi.append(n)
        tap.equal(wrong, [], "%s: %d others answer as an unknown command does" % (edition, len(refused)))
        tap.equal(in_multi, [], "%s: and in MULTI" % edition)
        subcommands(s, edition, have)
        shown(s, edition, have, listed)


def subcommands(s, edition, have):
    wrong = []
    for name in sorted(COMMANDS[edition] & set(have)):
        arity, subs = have[name]
        allowed = SUBCOMMANDS[edition].get(name, set())
        for sub, sub_arity in sorted(subs.items()):
            words = [name, sub] + arguments(sub_arity, 2)
            reply = raw(s, words)
            want = ("-ERR unknown subcommand '%s'. Try %s HELP.\r\n" % (sub, name.upper())).encode()
            if (reply == want) == (sub in allowed):
                wrong.append((words, reply))
    tap.equal(wrong, [], "%s: subcommands, as listed" % edition)


def shown(s, edition, have, listed):
    if "command" not in listed:
        return
    with s.connect() as c:
        rows = {row[0].decode(): {sub[0].decode().split("|")[1] for sub in row[9]} for row in c.cmd("COMMAND")}
        info = c.cmd("INFO", "server").decode() if "info" in listed else ""
    tap.equal(set(rows), listed & set(have), "%s: COMMAND shows what is listed and nothing else" % edition)
    tap.equal({n: subs for n, subs in rows.items() if subs}, {n: set(subs) & set(have[n][1]) for n, subs in SUBCOMMANDS[edition].items() if subs and n in have},
              "%s: and its subcommands" % edition)
    tap.ok("redis_version:%s\r" % VERSIONS[edition] in info, "%s: INFO says redis_version %s" % (edition, VERSIONS[edition]))


def master_slave():
    """master-slave"""
    commands("master-slave")


def ckv():
    """ckv"""
    commands("ckv")


def cluster():
    """cluster"""
    commands("cluster")


def open_():
    """open says its version in HELLO and INFO"""
    with server("open") as s, s.connect() as c:
        tap.ok(b"7.0.15" in c.cmd("HELLO"), "HELLO")
        tap.ok(b"redis_version:7.0.15\r" in c.cmd("INFO", "server"), "INFO")


# ---- limits ----

MB = 1 << 20


def dataset(c):
    return {k: c.cmd("STRLEN", k) for k in ("k", "other", "bits", "far")}


def ckv_strings():
    """ckv: a string is at most 32 MB, and what would make a longer one changes nothing"""
    with server("ckv") as s, s.connect() as c:
        most, over = b"x" * (32 * MB), b"x" * (32 * MB + 1)
        tap.equal(c.cmd("SET", "k", most), b"OK", "SET of 32 MB")
        c.cmd("SET", "other", "1")
        before = dataset(c)
        for words in (["SET", "k", over], ["SET", "new", over], ["APPEND", "k", "y"], ["SETRANGE", "k", 32 * MB, "y"], ["SETRANGE", "far", 32 * MB, "y"], ["SETBIT", "bits", 32 * MB * 8, 1],
                      ["MSET", "other", "2", "far", over], ["MSETNX", "n1", "2", "n2", over], ["GETSET", "k", over], ["SETNX", "n3", over], ["SETEX", "k", 100, over],
                      ["PSETEX", "k", 100000, over], ["BITFIELD_RO", "k"], ["APPEND", "nothing", over]):
            reply = raw(s, words)
            tap.ok(reply.startswith(b"-ERR"), "%s %s is refused: %s" % (words[0], words[1], reply[:60].decode()))
        tap.equal(dataset(c), before, "and nothing was changed")
        tap.ok(raw(s, ["MULTI"], ["SET", "other", "5"], ["SET", "k", over], ["EXEC"]).endswith(b"-EXECABORT Transaction discarded because of previous errors.\r\n"),
               "in MULTI it undoes the transaction")
        longer = b"-ERR a value is longer than the %d bytes allowed\r\n" % (32 * MB)
        for words in (["SET", "k", over], ["APPEND", "k", "y"], ["SETRANGE", "far", 32 * MB, "y"]):
            tap.equal(raw(s, words), longer, "%s is told the edition's limit" % words[0])
        tap.ok(longer in raw(s, ["MULTI"], ["APPEND", "k", "y"], ["EXEC"]), "and what only shows as it runs is told in EXEC's reply")
        tap.equal(dataset(c), before, "still nothing was changed")
        tap.equal(c.cmd("HSET", "h", "f", over), 1, "a field of a hash may be longer")
        c.cmd("SET", "t", "1", "PX", 100700)
        tap.ok(c.cmd("PTTL", "t") % 1000 == 0 and 99000 <= c.cmd("PTTL", "t") <= 101000, "PTTL tells whole seconds")
        tap.equal([c.cmd("PTTL", "nosuch"), c.cmd("PTTL", "k")], [-2, -1], "but what it says of others is as ever")
        if "eval" in table():
            tap.ok(raw(s, ["EVAL", "return redis.call('set', 'k', string.rep('x', %d))" % (32 * MB + 1), 0]).startswith(b"-ERR"), "a script's SET is refused")
            tap.equal(dataset(c), before, "and changes nothing")


def ckv_auth():
    """ckv: AUTH instance-id:password"""
    for options, right, wrong in ((["--instance-id", "crs-1"], ["crs-1:pass", "pass"], ["crs-2:pass", "crs-1:passx", "crs-1", ":pass", "crs-1:"]),
                                  ([], ["crs-1:pass", "any:pass", "pass"], ["crs-1:x", "crs-1:", "pass:crs-1"])):
        with server("ckv", "--requirepass", "pass", *options, wait=False) as s:
            tap.until(lambda: answers(s), 20, "the server answers")
            for word in right:
                tap.equal(raw(s, ["AUTH", word], ["PING"]), b"+OK\r\n+PONG\r\n", "%s: %s is right" % (" ".join(options) or "no instance-id", word))
            for word in wrong:
                tap.ok(raw(s, ["AUTH", word]).startswith(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
                       "%s is not" % word)
    with server("open", "--requirepass", "pass", wait=False) as s:
        tap.until(lambda: answers(s), 20, "the server answers")
        tap.ok(raw(s, ["AUTH", "crs-1:pass"]).startswith(b"-WRONGPASS"), "elsewhere an id makes it another password")


def cluster_limits():
    """cluster: keys of 127 bytes, values of 1,000,000 bytes, database 0, 30 minutes"""
    with server("cluster") as s, s.connect() as c:
        key, long_key, most, over = "k" * 127, "k" * 128, b"x" * 1000000, b"x" * 1000001
        tap.equal(c.cmd("SET", key, most), b"OK", "the longest key and value")
        for words in (["SET", long_key, "1"], ["MSET", "a", "1", long_key, "1"], ["HSET", long_key, "f", "1"], ["SET", "a", over], ["HSET", "h", "f", over], ["RPUSH", "l", "1", over],
                      ["SADD", "s", over], ["ZADD", "z", 1, over], ["APPEND", key, "x"], ["SETRANGE", key, 1000000, "x"], ["SETBIT", key, 8000000, 1], ["MSET"] + ["a", "1"] * 40 + [long_key, "1"]):
            tap.ok(raw(s, words).startswith(b"-ERR"), "%s ... is refused" % words[0])
        tap.equal([c.cmd("EXISTS", k) for k in ("a", "h", "l", "s", "z")], [0] * 5, "and nothing was written")
        tap.equal(c.cmd("STRLEN", key), 1000000, "nor changed")
        tap.equal(c.cmd("GET", long_key), None, "a key that cannot be is not there")
        tap.equal(raw(s, ["SELECT", 0], ["SELECT", 1]), b"+OK\r\n-ERR DB index is out of range\r\n", "there is database 0 only")


class Control:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.c = servers.Connection(self.sock)


def control_socket():
    """The control socket is bound by nothing"""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "control.sock")
        with server("cluster", "--control", path) as s:
            c = Control(path).c
            tap.equal(c.cmd("CONFIG", "GET", "timeout"), [b"timeout", b"1800"], "CONFIG works there: the edition's timeout is 30 minutes")
            tap.ok(c.cmd("COMMAND", "COUNT") > 200, "COMMAND shows every command there")
            for bad in ("0", "1801"):
                try:
                    c.cmd("CONFIG", "SET", "timeout", bad)
                    tap.ok(False, "timeout %s is refused" % bad)
                except servers.Error as e:
                    tap.ok("edition cluster" in str(e), "timeout %s is refused: %s" % (bad, e))
            c.cmd("SET", "k" * 200, "1")
            tap.equal(c.cmd("GET", "k" * 200), b"1", "its keys may be longer")
            tap.ok(raw(s, ["PING"]) == b"+PONG\r\n", "clients are served beside it")
        with server("ckv", "--control", path) as s:
            c = Control(path).c
            for policy, fine in (("allkeys-lru", False), ("noeviction", True), ("volatile-lru", True), ("volatile-ttl", False)):
                try:
                    ok = c.cmd("CONFIG", "SET", "maxmemory-policy", policy) == b"OK"
                except servers.Error as e:
                    ok = "edition ckv" not in str(e)
                tap.equal(ok, fine, "ckv: maxmemory-policy %s is %s" % (policy, "taken" if fine else "refused"))


def configuration():
    """A configuration that the edition does not allow is refused by a sentence"""
    import subprocess
    for options, why in ((["--edition", "ckv", "--maxmemory-policy", "allkeys-lru"], "maxmemory-policy must be volatile-lru or noeviction"),
                         (["--edition", "cluster", "--timeout", "4000"], "edition cluster closes idle connections"), (["--edition", "gold"], "open, master-slave, ckv, cluster")):
        p = subprocess.run([tap.DUET, "server", "--port", "1", *options], capture_output=True, text=True, timeout=20)
        tap.ok(p.returncode and why in p.stderr, "%s: %s" % (" ".join(options), p.stderr.strip()))


def slave_reads():
    """ckv: a slave is read only where the configuration says so"""
    with servers.Server("--save", "", "--appendonly", "no") as master:
        for edition, options, read in (("ckv", [], False), ("ckv", ["--slave-reads", "yes"], True), ("open", [], True), ("open", ["--slave-reads", "no"], False)):
            with server(edition, "--replicaof", "127.0.0.1", str(master.port), *options) as slave:
                with master.connect() as c:
                    c.cmd("SET", "k", "v")
                tap.until(lambda: b"master_link_status:up" in raw(slave, ["INFO", "replication"]), 20, "the slave follows")
                reply = raw(slave, ["GET", "k"])
                tap.ok(reply == b"$1\r\nv\r\n" if read else reply.startswith(b"-MASTERDOWN"), "%s %s: %s" % (edition, " ".join(options), reply.decode().strip()))


tap.main(open_, master_slave, ckv, cluster, ckv_strings, ckv_auth, cluster_limits, control_socket, configuration, slave_reads)
