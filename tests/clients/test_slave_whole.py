#!/usr/bin/python3
"""What a pair's slave knows of its own data: a command that fails here and not on the master, and a first copy that was not complete when the server
ended, once and twice."""
# timeout: 120

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap
from test_pair_link import Node, together

LIMIT_S = 20


def diverge(m, s, key):
    """The slave's list becomes a string; the master's next command on it fails there."""
    with s.connect() as c:
        c.cmd("CONFIG", "SET", "replica-read-only", "no")
        c.cmd("SET", key, "not a list")
        c.cmd("CONFIG", "SET", "replica-read-only", "yes")
    with m.connect() as c:
        c.cmd("RPUSH", key, "b")


def test_diverged():
    """A command of the stream that fails is not passed over"""
    with Node("a", "--repl-diskless-sync-delay", "0") as m, Node("b") as s:
        m.lead(1, alone=True)
        s.follow(1, m)
        tap.until(lambda: together(m, s), LIMIT_S, "the slave streams")
        m.duet("ALONE", "0")
        with m.connect() as c:
            c.cmd("RPUSH", "list", "a")
            tap.until(lambda: together(m, s), LIMIT_S, "the slave has it")
            copies = int(s.info()["duet_slave_copies"])
            diverge(m, s, "list")
            tap.until(lambda: int(s.info()["duet_slave_copies"]) == copies + 1 and together(m, s), LIMIT_S, "a full copy is taken")
            tap.ok(True, "the pair's slave takes a full copy when a command of its master fails")
            status = s.status()
            tap.equal((status["apply_errors"], status["divergences"], status["diverged"], status["whole"]), ("1", "1", "0", "1"), "DUET STATUS counts it")
            with s.connect() as sc:
                tap.equal(sc.cmd("LRANGE", "list", 0, -1), [b"a", b"b"], "and the data is the master's")
            tap.ok("the data differs" in s.log() and "was not applied" in s.log(), "the log says which command failed")
            s.stop(signal.SIGKILL)
            s.again()
            s.follow(1, m)
            tap.until(lambda: together(m, s), LIMIT_S, "it streams again after a restart")
            tap.equal(s.status()["whole"], "1", "after a restart its data is whole")


def test_plain_goes_on():
    """A plain slave goes on, as Redis's does"""
    with servers.Server("--repl-diskless-sync-delay", "0") as m, servers.Server() as s:
        mc, sc = m.connect(), s.connect()
        mc.cmd("RPUSH", "list", "a")
        sc.cmd("REPLICAOF", "127.0.0.1", m.port)
        tap.until(lambda: sc.cmd("EXISTS", "list"), LIMIT_S, "the slave has the list")
        tap.until(lambda: b"master_link_status:up" in sc.cmd("INFO", "replication"), LIMIT_S, "the slave streams")
        diverge(m, s, "list")
        mc.cmd("SET", "after", "1")
        tap.until(lambda: sc.cmd("GET", "after") == b"1", LIMIT_S, "what follows is applied")
        tap.ok(b"duet_apply_errors:1" in sc.cmd("INFO", "replication"), "INFO counts the command that failed")


def test_first_copy():
    """A first copy that never was complete is remembered over restarts"""
    closed = servers.free_port()

    class Nowhere:
        port = closed
    with Node("a", "--repl-diskless-sync-delay", "0") as m, Node("b") as s:
        m.lead(1, alone=True)
        with m.connect() as c:
            c.cmd("SET", "a", "1")
        s.follow(1, Nowhere)
        for n in ("", " a second time"):
            s.stop(signal.SIGKILL)
            s.again()
            tap.equal(s.status()["whole"], "0", "restarted%s, it knows that its first copy is not complete" % n)
        try:
            s.lead(2, alone=True)
            tap.ok(False, "it does not become master")
        except servers.Error as e:
            tap.ok("not complete" in str(e), "it does not become master: %s" % e)
        s.follow(1, m)
        tap.until(lambda: together(m, s), LIMIT_S, "the copy comes")
        tap.equal(s.status()["whole"], "1", "then it is whole")
        tap.ok(not os.path.exists(os.path.join(s.directory, "first-copy")), "and the mark is gone")
        s.stop(signal.SIGKILL)
        s.again()
        tap.equal(s.status()["whole"], "1", "also after a restart")
        s.lead(2, alone=True)
        with s.connect() as c:
            tap.equal(c.cmd("GET", "a"), b"1", "as master it serves the data")


def test_handed_over_before():
    """Who becomes master without a copy, by the rules, is not held up by the mark"""
    class Nowhere:
        port = servers.free_port()
    with Node("b") as s:
        s.follow(1, Nowhere)
        s.lead(2, alone=True)
        s.stop(signal.SIGKILL)
        s.again()
        tap.equal(s.status()["whole"], "1", "a master that wrote nothing is whole after a restart")


if __name__ == "__main__":
    tap.main(test_diverged, test_plain_goes_on, test_first_copy, test_handed_over_before)
