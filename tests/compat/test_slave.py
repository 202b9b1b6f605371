"""A slave as its own clients see it, Duet beside redis-server, each behind a redis-server of its own: before the first copy arrives,
when it takes writes (replica-read-only no), and while it is paused."""

import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

OPTIONS = ("--enable-debug-command", "yes", "--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")
LIMIT_S = 20
NO_WRITES = "#!lua flags=no-writes\nreturn redis.call('get', 'x')"
STALE = "#!lua flags=no-writes,allow-stale\nreturn 1"


def ask(server, *lines):
    """The replies' bytes of lines of words; a line is a string or a list of words."""
    wire = server.wire()
    try:
        words = [line.split() if isinstance(line, str) else line for line in lines]
        return [raw for raw, _ in wire.pipeline([[w.encode() for w in line] for line in words])]
    finally:
        wire.close()


def info(server, field):
    wire = server.wire()
    text = wire.pipeline([(b"INFO",)])[0][1].decode()
    wire.close()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)[field]


def master_of(slave):
    master = servers.Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")], OPTIONS)
    ask(slave, "REPLICAOF 127.0.0.1 %d" % master.port)
    tap.until(lambda: info(slave, "master_link_status") == "up", LIMIT_S, "%s follows" % slave.name)
    return master


def both(what, run):
    ours, theirs = [run(s) for s in servers.pair(OPTIONS)]
    tap.equal(len(ours), len(theirs), "%s: as many replies" % what)
    for (title, mine), (_, wanted) in zip(ours, theirs):
        tap.equal(mine, wanted, "%s: %s" % (what, title))


def before_the_first_copy(slave):
    reads = (["GET", "x"], ["MULTI"], ["GET", "x"], ["EXEC"], ["EVAL", NO_WRITES, "1", "x"], ["MULTI"], ["EVAL", NO_WRITES, "1", "x"], ["EXEC"],
             ["EVAL", STALE, "1", "x"], ["MULTI"], ["EVAL", STALE, "1", "x"], ["EXEC"], ["MULTI"], ["PING"], ["EXEC"], ["SET", "x", "y"])
    with socket.socket() as silent:  # it takes connections and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        got = [("it has data and a master", ask(slave, "SET x v", "REPLICAOF 127.0.0.1 %d" % silent.getsockname()[1]))]
        got.append(("reads at once", ask(slave, *reads)))
        tap.until(lambda: info(slave, "master_link_status") == "down", LIMIT_S, "the link is not up")
        got.append(("reads later", ask(slave, *reads)))
        got.append(("no stale data", ask(slave, "CONFIG SET replica-serve-stale-data no", *reads)))
    return got


def writable(slave):
    master = master_of(slave)
    size = lambda n: tap.until(lambda: ask(slave, "DBSIZE") == [b":%d\r\n" % n], LIMIT_S, "%s holds %d keys" % (slave.name, n))  # noqa: E731
    got = [("keys with a time", ask(slave, "CONFIG SET replica-read-only no", "SET a 1 PX 1", "SET b 1", "PEXPIRE b 1", "RPUSH l x", "PEXPIRE l 1", "SET c 1 PX 100000", "RENAME c d",
                                    "SET e 1", "GETEX e PX 1"))]
    size(1)
    tap.until(lambda: info(slave, "slave_expires_tracked_keys") == "1", LIMIT_S, "%s tracks one key" % slave.name)
    got.append(("are gone by themselves", [ask(slave, "EXISTS a b l e", "TTL d", "APPEND a x", "TTL a"), info(slave, "expired_keys")]))
    ask(slave, "DEBUG SET-ACTIVE-EXPIRE 0")
    ask(master, "DEBUG SET-ACTIVE-EXPIRE 0", "SET m v PX 1", "SET n v PX 1", "WAIT 1 5000")
    size(4)
    tap.until(lambda: ask(slave, "GET m", "GET n") == [b"$-1\r\n"] * 2, LIMIT_S, "the master's keys have expired")
    got.append(("the master's are hidden, and make room for what is written",
                ask(slave, "GET m", "DBSIZE", "APPEND m x", "GET m", "TTL m", "SADD n x", "TYPE n", "DBSIZE", "SET o v PX 100")))
    tap.until(lambda: ask(slave, "GET o") == [b"$-1\r\n"], LIMIT_S, "a client's own key has expired")
    got.append(("a client's own does too", ask(slave, "DBSIZE", "SET o w NX", "TTL o")))
    got.append(("with those counted", info(slave, "expired_keys")))
    return got


def paused(slave):
    master = master_of(slave)
    same = lambda field: tap.until(lambda: info(slave, field) == info(master, "master_repl_offset"), LIMIT_S, "%s: %s is the master's" % (slave.name, field))  # noqa: E731
    ask(master, "SET x 1")
    same("slave_repl_offset")
    at = info(slave, "slave_repl_offset")
    got = [("paused", ask(slave, "CLIENT PAUSE 100000 WRITE"))]
    ask(master, "SET x 2", "SET y 1")
    same("slave_read_repl_offset")
    got.append(("what came is not applied", [ask(slave, "GET x", "GET y"), info(slave, "slave_repl_offset") == at]))
    got.append(("until the end", ask(slave, "CLIENT UNPAUSE")))
    same("slave_repl_offset")
    got.append(("then it is", ask(slave, "GET x", "GET y")))
    ask(slave, "CLIENT PAUSE 300 WRITE")
    ask(master, "SET x 3")
    same("slave_repl_offset")
    got.append(("or until the time is over", ask(slave, "GET x")))
    return got


def test_before_the_first_copy():
    """Before the first copy a slave serves its old data, or says MASTERDOWN"""
    both("first copy", before_the_first_copy)


def test_writable():
    """A slave that takes writes expires its clients' keys itself"""
    both("writable", writable)


def test_paused():
    """A paused slave stops to apply what its master sends"""
    both("paused", paused)


if __name__ == "__main__":  # test_slave_reads.py takes what it shares from here
    tap.main(test_before_the_first_copy, test_writable, test_paused)
