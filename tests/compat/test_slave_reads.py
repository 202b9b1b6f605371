"""What a slave shows of keys whose time is over while its master has not deleted them yet: every command that reads, Duet beside redis-server, each
behind a redis-server of its own; and what both say of themselves (INFO's fields, ROLE, MASTERDOWN) while the link is up, held, and down."""

import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from test_slave import LIMIT_S, ask, both, info, master_of  # noqa: E402

KINDS = {"s": "SET s value", "n": "SET n 10", "l": "RPUSH l a b c", "h": "HSET h f v g 1", "t": "SADD t a b 3", "z": "ZADD z 1 a 2 b", "x": "XADD x 1-1 f v",
         "g": "GEOADD g 13 38 p", "p": "PFADD p a b"}
READS = ["GET s", "EXISTS s l h t z x g p live", "TTL s", "PTTL l", "EXPIRETIME h", "PEXPIRETIME z", "TYPE s", "TYPE x", "STRLEN s", "GETRANGE s 0 -1", "SUBSTR s 0 1", "GETBIT s 1",
         "BITCOUNT s", "BITPOS s 1", "BITFIELD_RO s GET u8 0", "MGET s n live", "LLEN l", "LRANGE l 0 -1", "LINDEX l 0", "LPOS l a", "HGET h f", "HGETALL h", "HKEYS h", "HVALS h", "HLEN h",
         "HMGET h f g", "HEXISTS h f", "HSTRLEN h f", "HRANDFIELD h", "HRANDFIELD h 2", "HSCAN h 0", "SCARD t", "SMEMBERS t", "SISMEMBER t a", "SMISMEMBER t a b", "SRANDMEMBER t", "SRANDMEMBER t 2", "SSCAN t 0",
         "SINTER t t", "SUNION t", "SDIFF t", "SINTERCARD 1 t", "ZCARD z", "ZRANGE z 0 -1", "ZSCORE z a", "ZMSCORE z a b", "ZRANK z a", "ZREVRANK z a", "ZCOUNT z -inf +inf", "ZRANGEBYSCORE z -inf +inf",
         "ZRANGEBYLEX z - +", "ZLEXCOUNT z - +", "ZREVRANGE z 0 -1", "ZRANDMEMBER z", "ZUNION 1 z", "ZINTER 1 z", "ZDIFF 1 z", "ZINTERCARD 1 z", "ZSCAN z 0", "XLEN x", "XRANGE x - +", "XREVRANGE x + -",
         "XREAD STREAMS x 0", "XINFO STREAM x", "XPENDING x group", "GEOPOS g p", "GEODIST g p p", "GEOHASH g p", "GEOSEARCH g FROMLONLAT 13 38 BYRADIUS 10 km", "PFCOUNT p", "PFCOUNT p live", "SORT_RO l ALPHA",
         "SORT_RO t BY z* ALPHA", "DUMP s", "OBJECT ENCODING s", "OBJECT REFCOUNT s", "OBJECT IDLETIME s", "TOUCH s l live", "LCS s n", "KEYS *", "SCAN 0 COUNT 1000", "SCAN 0 COUNT 1000 TYPE list", "DBSIZE",
         "SET s y", "GETEX s PERSIST", "GETDEL s", "EXPIRE s 100", "PERSIST s", "DEL s"]
EVALS = [["EVAL", "return redis.call('get', KEYS[1])", "1", "s"], ["EVAL", "return {redis.call('exists', 's'), redis.call('ttl', 's'), redis.call('type', 'l')['ok']}", "0"],
         ["MULTI"], ["GET", "s"], ["EXISTS", "l"], ["EXEC"]]
FIELDS = ("role", "master_host", "master_link_status", "master_sync_in_progress", "slave_priority", "slave_read_only", "replica_announced", "connected_slaves")


def expired_reads(slave):
    master = master_of(slave)
    ask(slave, "DEBUG SET-ACTIVE-EXPIRE 0")
    ask(master, "DEBUG SET-ACTIVE-EXPIRE 0", "SET live 1", *KINDS.values())
    ask(master, *("PEXPIRE %s 1" % k for k in KINDS), "WAIT 1 5000")
    tap.until(lambda: ask(slave, "DBSIZE") == [b":%d\r\n" % (len(KINDS) + 1)] and ask(slave, "PTTL z") == [b":-2\r\n"], LIMIT_S, "%s has them, their time is over" % slave.name)
    got = [(words, ask(slave, words)) for words in READS]
    got.append(("scripts and a transaction", ask(slave, *EVALS)))
    got.append(("a random key is there", ask(slave, "RANDOMKEY")[0][:1]))
    ask(slave, "CONFIG SET replica-read-only no")
    got += [("written over, %s" % words, ask(slave, words)) for words in
            ("APPEND s x", "GET s", "TTL s", "INCR n", "RPUSHX l x", "RPUSH l x", "LRANGE l 0 -1", "HSETNX h f w", "HGETALL h", "SET t v XX", "SADD t q", "SMEMBERS t", "ZINCRBY z 5 a", "ZRANGE z 0 -1 WITHSCORES",
             "GETEX g PERSIST", "GETDEL x", "RENAME p q", "COPY s live2", "DBSIZE")]
    return got


def of_itself(slave):
    """Fields and ROLE while the link is up; while a master never says a word; while there is none."""
    shape = lambda: [(f, info(slave, f)) for f in FIELDS]  # noqa: E731
    digits = lambda raw: re.sub(rb":\d+\r\n", b":N\r\n", re.sub(rb"\$\d+\r\n\d+", b"N", raw))  # noqa: E731
    master = master_of(slave)
    ask(master, "SET a 1", "WAIT 1 5000")
    got = [("fields, up", shape()), ("ROLE, up", [digits(r) for r in ask(slave, "ROLE")]),
           ("offsets, up", [info(slave, "slave_repl_offset") == info(slave, "slave_read_repl_offset") == info(master, "master_repl_offset")]),
           ("lag, up", [int(info(slave, "master_last_io_seconds_ago")) in (0, 1, 2)])]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        ask(slave, "REPLICAOF 127.0.0.1 %d" % silent.getsockname()[1])
        tap.until(lambda: info(slave, "master_link_status") == "down" and b"connecting" in ask(slave, "ROLE")[0] or b"handshake" in ask(slave, "ROLE")[0], LIMIT_S, "%s shakes hands" % slave.name)
        got += [("fields, silent", shape()), ("ROLE, silent", [digits(r) for r in ask(slave, "ROLE")]), ("lag, silent", [info(slave, "master_last_io_seconds_ago")]),
                ("down for a while", [int(info(slave, "master_link_down_since_seconds")) < 30])]
        ask(slave, "CONFIG SET replica-serve-stale-data no")
        got += [("stale, %s" % w, ask(slave, w)) for w in ("GET a", "SET a 1", "KEYS *", "DBSIZE", "PUBLISH c m", "SUBSCRIBE c", "PING", "ECHO a", "SELECT 1", "AUTH x", "CLIENT GETNAME",
                                                          "COMMAND INFO nothing", "SCRIPT FLUSH", "DEBUG SLEEP 0", "WAIT 0 0", "SLOWLOG LEN", "LASTSAVE", "RANDOMKEY", "UNWATCH")]
    return got


def held_copy(slave):
    """A copy whose length is told and that stops in the middle."""
    body = b"REDIS0010" + b"\xfa\x05redis\x02no"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)

        def serve():
            s, _ = server.accept()
            buf = b""
            while True:
                data = s.recv(4096)
                if not data:
                    return
                buf += data
                while b"\r\n" in buf:
                    if buf.startswith(b"*"):
                        words = buf.split(b"\r\n")
                        n = 1 + 2 * int(words[0][1:])
                        if len(words) <= n:
                            break
                        word, buf = words[2].upper(), b"\r\n".join(words[n:])
                    else:
                        word, buf = buf.split(b"\r\n", 1)
                    if word == b"PING":
                        s.sendall(b"+PONG\r\n")
                    elif word == b"REPLCONF":
                        s.sendall(b"+OK\r\n")
                    elif word == b"PSYNC":
                        s.sendall(b"+FULLRESYNC " + b"a" * 40 + b" 100\r\n$1000\r\n" + body)
        threading.Thread(target=serve, daemon=True).start()
        ask(slave, "SET old 1", "REPLICAOF 127.0.0.1 %d" % server.getsockname()[1])
        tap.until(lambda: info(slave, "master_sync_in_progress") == "1" and info(slave, "master_sync_read_bytes") == str(len(body)), LIMIT_S, "%s receives" % slave.name)
        got = [("fields", [(f, info(slave, f)) for f in FIELDS + ("master_sync_total_bytes", "master_sync_read_bytes", "master_sync_left_bytes", "master_sync_perc", "loading", "master_last_io_seconds_ago")]),
               ("ROLE", [re.sub(rb":\d{4,}", b":port", r) for r in ask(slave, "ROLE")]), ("old data", ask(slave, "GET old", "DBSIZE", "SET x 1"))]
        ask(slave, "REPLICAOF NO ONE")
        got.append(("given up", ask(slave, "GET old", "DBSIZE", "SET x 1")))
    return got


def test_expired():
    """Keys whose time is over are not shown by a slave"""
    both("expired", expired_reads)


def test_of_itself():
    """What a slave says of itself, and refuses, with and without a master"""
    both("of itself", of_itself)


def test_held_copy():
    """What a slave says while a copy is on its way"""
    both("held copy", held_copy)


tap.main(test_expired, test_of_itself, test_held_copy)
