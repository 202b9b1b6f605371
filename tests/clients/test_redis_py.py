#!/usr/bin/python3
"""Debian's redis-py against duet server, with its own parser and with hiredis."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

import redis
from redis.connection import HiredisParser, PythonParser


def client(s, parser, **more):
    pool = redis.ConnectionPool(host="127.0.0.1", port=s.port, parser_class=parser, **more)
    return redis.Redis(connection_pool=pool)


def strings(r, name):
    r.flushall()
    tap.ok(r.ping() and r.set("a", "1") and r.get("a") == b"1", name + "set and get")
    tap.equal((r.incr("a"), r.incrby("a", 10), r.decr("a")), (2, 12, 11), name + "counters")
    tap.equal(r.incrbyfloat("f", "0.5"), 0.5, name + "a float counter")
    tap.equal((r.set("a", "x", nx=True), r.set("n", "x", nx=True), r.set("a", "y", xx=True)), (None, True, True), name + "conditions")
    tap.equal(r.getset("a", "z"), b"y", name + "getset")
    tap.ok(r.mset({"m1": "1", "m2": "2"}) and r.mget("m1", "m2", "m3") == [b"1", b"2", None], name + "mset and mget")
    blob = bytes(range(256)) * 100
    tap.ok(r.set("blob", blob) and r.get("blob") == blob, name + "binary values")
    tap.equal((r.append("ap", "ab"), r.append("ap", "cd"), r.strlen("ap"), r.getrange("ap", 1, 2)), (2, 4, 4, b"bc"), name + "append and ranges")
    tap.equal((r.setbit("bits", 7, 1), r.getbit("bits", 7), r.bitcount("bits")), (0, 1, 1), name + "bits")


def keys(r, name):
    r.flushall()
    r.set("k", "v", ex=100)
    tap.ok(0 < r.ttl("k") <= 100 and 0 < r.pttl("k") <= 100000, name + "ttl")
    tap.ok(r.persist("k") and r.ttl("k") == -1 and r.ttl("none") == -2, name + "persist")
    tap.ok(r.expire("k", 10) and r.rename("k", "k2") and r.exists("k", "k2") == 1, name + "rename and exists")
    tap.equal((r.type("k2"), r.delete("k2", "none"), r.dbsize()), (b"string", 1, 0), name + "type, delete, dbsize")
    for i in range(1000):
        r.set("scan:%d" % i, i)
    tap.equal(len(set(r.scan_iter(match="scan:*", count=100))), 1000, name + "scan hands out every key")
    tap.equal(len(r.keys("scan:99*")), 11, name + "keys by pattern")
    try:
        r.execute_command("INCR", "scan:1", "2")
        tap.ok(False, name + "an error reply raises")
    except redis.ResponseError as e:
        tap.equal(str(e), "wrong number of arguments for 'incr' command", name + "an error reply raises")


def pipelines(r, name):
    r.flushall()
    with r.pipeline(transaction=False) as p:
        for i in range(5000):
            p.set("p%d" % i, i)
            p.get("p%d" % i)
        got = p.execute()
    tap.ok(got[1::2] == [str(i).encode() for i in range(5000)], name + "a pipeline of 10,000")
    with r.pipeline() as p:
        p.watch("p1")
        value = int(p.get("p1"))
        p.multi()
        p.set("p1", value + 1)
        tap.equal(p.execute(), [True], name + "a transaction with WATCH")
    with r.pipeline() as p:
        p.watch("p1")
        r.set("p1", "other")
        p.multi()
        p.set("p1", "mine")
        try:
            p.execute()
            tap.ok(False, name + "a changed key raises WatchError")
        except redis.WatchError:
            tap.equal(r.get("p1"), b"other", name + "a changed key raises WatchError")

    def add(p):
        p.multi()
        p.incr("n")

    threads = [threading.Thread(target=lambda: [r.transaction(add, "n") for _ in range(50)]) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal(r.get("n"), b"400", name + "eight threads count together")


def connection(r, name):
    r.client_setname("me")
    tap.equal(r.client_getname(), "me", name + "client_setname") or tap.say(r.client_getname())
    tap.ok(any(c["name"] == "me" for c in r.client_list()), name + "client_list")
    tap.ok(r.config_set("timeout", 0) and r.config_get("maxmemory*")["maxmemory"] == "0", name + "config")
    info = r.info()
    tap.ok(info["redis_version"] == "7.0.15" and info["role"] == "master" and info["tcp_port"] > 0, name + "info")
    tap.ok(r.info("keyspace")["db0"]["keys"] > 0, name + "info keyspace")
    tap.ok(len(r.time()) == 2 and r.echo("x") == b"x", name + "time and echo")
    tap.ok(r.command_count() > 50 and "get" in r.command(), name + "command")
    tap.ok(r.lastsave() is not None and r.role()[0] == b"master", name + "lastsave and role")


def databases(s, parser, name):
    one, two = client(s, parser, db=1), client(s, parser, db=2)
    one.flushall()
    one.set("k", "1")
    two.set("k", "2")
    tap.equal((one.get("k"), two.get("k")), (b"1", b"2"), name + "databases are apart")
    tap.ok(one.move("k", 3) and client(s, parser, db=3).get("k") == b"1", name + "move")


def main():
    """redis-py"""
    with servers.Server() as s:
        for parser in (PythonParser, HiredisParser):
            name = "%s: " % ("hiredis" if parser is HiredisParser else "redis-py")
            r = client(s, parser)
            for test in (strings, keys, pipelines, connection):
                test(r, name)
            databases(s, parser, name)


def password():
    """redis-py with a password"""
    with servers.Server("--requirepass", "secret", wait=False) as s:
        servers.wait_for_port(s.port)
        good = redis.Redis(port=s.port, password="secret")
        tap.ok(tap.until(good.ping, 10), "a password is taken")
        tap.ok(redis.Redis(port=s.port, username="default", password="secret").ping(), "with the user's name too")
        try:
            redis.Redis(port=s.port).get("a")
            tap.ok(False, "without one AuthenticationError is raised")
        except redis.AuthenticationError:
            tap.ok(True, "without one AuthenticationError is raised")


def reconnect():
    """redis-py over a restart"""
    with servers.Server() as s:
        r = redis.Redis(port=s.port)
        r.set("a", "1")
        s.stop()
        try:
            r.get("a")
            tap.ok(False, "a server that is gone raises ConnectionError")
        except redis.ConnectionError:
            tap.ok(True, "a server that is gone raises ConnectionError")
        s.start()
        tap.equal(r.get("a"), b"1", "the same client goes on after the restart")


tap.main(main, password, reconnect)
