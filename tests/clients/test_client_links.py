#!/usr/bin/python3
"""Slaves and masters as CLIENT LIST, CLIENT KILL, INFO and ROLE show them, beside a real Redis; what a slave announces of itself."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

REDIS, DUET = [servers.REDIS_SERVER], [tap.DUET, "server"]
OPTIONS = ("--save", "", "--repl-diskless-sync-delay", "0")


def lines(c, *words):
    return [dict(f.split("=", 1) for f in line.split()) for line in c.cmd("CLIENT", "LIST", *words).decode().splitlines()]


def info(c, section="replication"):
    return dict(line.split(":", 1) for line in c.cmd("INFO", section).decode().splitlines() if ":" in line)


def up(m, s):
    """The slave streams and is counted."""
    return info(s)["master_link_status"] == "up" and "state=online" in info(m).get("slave0", "")


def links(master, slave):
    """A master and a slave of these kinds; what both say."""
    with servers.Server(*OPTIONS, command=master) as a, servers.Server(*OPTIONS, "--replicaof", "127.0.0.1 %d" % a.port, command=slave) as b:
        with a.connect() as m, b.connect() as s:
            tap.until(lambda: up(m, s), 20, "the slave streams")
            name = "%s <- %s" % tuple("Redis" if x == REDIS else "Duet" for x in (master, slave))
            at_m, at_s = lines(m, "TYPE", "replica"), lines(s, "TYPE", "master")
            tap.equal([(x["flags"], x["cmd"]) for x in at_m], [("S", "replconf")], name + ": the slave's connection is in CLIENT LIST TYPE replica, with its flag")
            tap.equal([x["flags"] for x in at_s], ["M"], name + ": and the master's in the slave's")
            tap.equal((at_m[0]["laddr"], at_m[0]["addr"]), (at_s[0]["addr"], at_s[0]["laddr"]), name + ": both name the same connection")
            both = [at_m[0]["id"], at_s[0]["id"]]
            tap.ok(at_m[0]["id"] in [x["id"] for x in lines(m)] and lines(m, "ID", both[0])[0]["flags"] == "S", name + ": it is in the list of all, and found by its id")
            tap.ok("S" not in [x["flags"] for x in lines(m, "TYPE", "normal")], name + ": and none of the normal ones")
            tap.equal(sorted(int(x["id"]) for x in lines(m)), [int(x["id"]) for x in lines(m)], name + ": in the order of ids")
            tap.equal(sorted(at_m[0]), sorted(lines(m, "TYPE", "normal")[0]), name + ": with the fields of a client")

            def comes_back(what):
                tap.until(lambda: up(m, s) and lines(m, "TYPE", "slave") and lines(m, "TYPE", "slave")[0]["id"] != seen[-1], 20, what)
                seen.append(lines(m, "TYPE", "slave")[0]["id"])

            seen = [at_m[0]["id"]]
            for where, words in ((m, ("TYPE", "replica")), (m, ("ADDR", "{addr}")), (m, ("ID", "{id}")), (s, ("TYPE", "master")), (s, ("ADDR", "127.0.0.1:%d" % a.port))):
                now = lines(m, "TYPE", "slave")[0]
                tap.equal(where.cmd("CLIENT", "KILL", *[w.format(**now) for w in words]), 1, "%s: CLIENT KILL %s closes it" % (name, words[0]))
                comes_back("the slave is back")
            tap.equal(s.cmd("CLIENT", "KILL", "127.0.0.1:%d" % a.port), b"OK", name + ": and the old form")
            comes_back("the slave is back")
            tap.equal(info(m, "stats")["sync_full"], "1", name + ": by partial resynchronisation each time")


def kinds():
    """lists and kills, in every company"""
    for master, slave in ((REDIS, REDIS), (DUET, REDIS), (REDIS, DUET), (DUET, DUET)):
        links(master, slave)


def announce():
    """replica-announce-ip, -port, replica-announced"""
    for master in (REDIS, DUET):
        with servers.Server(*OPTIONS, command=master) as a, servers.Server(*OPTIONS, "--replicaof", "127.0.0.1 %d" % a.port, "--replica-announce-ip", "10.11.12.13",
                                                                           "--replica-announce-port", "7777", "--replica-announced", "no") as b:
            with a.connect() as m, b.connect() as s:
                tap.until(lambda: up(m, s), 20, "the slave streams")
                name = "a Redis" if master == REDIS else "Duet"
                tap.ok("ip=10.11.12.13,port=7777," in info(m)["slave0"], "%s shows what the slave announced" % name)
                tap.equal(m.cmd("ROLE")[2][0][:2], [b"10.11.12.13", b"7777"], "in ROLE too")
                tap.equal(info(s)["replica_announced"], "0", "a slave that is not to be announced says so")
                s.cmd("CONFIG", "SET", "replica-announce-ip", "", "replica-announce-port", "0")
                m.cmd("CLIENT", "KILL", "TYPE", "slave")
                tap.ok(tap.until(lambda: "ip=127.0.0.1,port=%d," % b.port in info(m)["slave0"], 20), "and its own address when it is told so at run time")


if __name__ == "__main__":
    tap.main(kinds, announce)
