#!/usr/bin/python3
"""Debian's redis-cli against duet server: commands, its tools, both protocols."""

import os
import pty
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap


def cli(s, *words, stdin=None, raw=False):
    argv = [servers.REDIS_CLI, "-p", str(s.port)] + ([] if raw else ["--no-raw"]) + list(words)
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
    return done.stdout.strip("\n")


def commands():
    """redis-cli"""
    with servers.Server() as s:
        tap.equal(cli(s, "ping"), "PONG", "ping")
        tap.equal(cli(s, "set", "k", "a b"), "OK", "set")
        tap.equal(cli(s, "get", "k"), '"a b"', "get")
        tap.equal(cli(s, "incr", "n"), "(integer) 1", "an integer")
        tap.equal(cli(s, "get", "none"), "(nil)", "nil")
        tap.equal(cli(s, "mget", "k", "none"), '1) "a b"\n2) (nil)', "an array")
        tap.equal(cli(s, "get"), "(error) ERR wrong number of arguments for 'get' command", "an error")
        tap.equal(cli(s, "-n", "3", "set", "k", "3"), "OK", "-n selects a database")
        tap.equal(cli(s, "-n", "3", "get", "k"), '"3"', "and stays in it")
        tap.equal(cli(s, "-3", "get", "none"), "(nil)", "RESP3: nil")
        tap.ok('1# "server" => "redis"' in cli(s, "-3", "hello", "3"), "RESP3: a map")
        tap.ok("redis_version:7.0.15" in cli(s, "-3", "info", "server", raw=True), "RESP3: verbatim text")
        tap.equal(cli(s, stdin="set i 1\nincr i\nget i\n"), 'OK\n(integer) 2\n"2"', "commands from standard input")
        tap.equal(cli(s, "-x", "set", "x", stdin="from stdin", raw=True), "OK", "-x")
        tap.equal(cli(s, "-r", "5", "incr", "r", raw=True), "1\n2\n3\n4\n5", "-r")


def tools():
    """redis-cli's own tools"""
    with servers.Server() as s:
        text = "".join("SET bulk:%d %d\n" % (i, i) for i in range(10000))
        got = cli(s, "--pipe", stdin=text)
        tap.ok("errors: 0, replies: 10000" in got, "--pipe") or tap.say(got)
        tap.equal(len(cli(s, "--scan", "--pattern", "bulk:*", raw=True).split()), 10000, "--scan")
        got = cli(s, "--bigkeys", raw=True)
        tap.ok("10000 strings with" in got, "--bigkeys") or tap.say(got)
        main, end = pty.openpty()  # into a pipe it would write only when some kilobytes are together
        with subprocess.Popen([servers.REDIS_CLI, "-p", str(s.port), "--stat", "-i", "1"], stdout=end) as p:
            os.close(end)
            with os.fdopen(main, errors="replace") as out:
                lines = [out.readline() for _ in range(3)]
            p.kill()
        tap.ok(any(line.split()[:1] == ["10000"] for line in lines), "--stat") or tap.say("".join(lines))


def password():
    """redis-cli with a password"""
    with servers.Server("--requirepass", "pw", wait=False) as s:
        servers.wait_for_port(s.port)
        tap.equal(cli(s, "get", "a"), "(error) NOAUTH Authentication required.", "without it")
        tap.equal(cli(s, "-a", "pw", "--no-auth-warning", "set", "a", "1"), "OK", "with it")
        tap.equal(cli(s, "-u", "redis://default:pw@127.0.0.1:%d/0" % s.port, "--no-auth-warning", "get", "a"), '"1"', "as a URL")


tap.main(commands, tools, password)
