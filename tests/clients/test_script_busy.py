#!/usr/bin/python3
"""A script that takes long: who is served meanwhile and how, SCRIPT KILL and SHUTDOWN NOSAVE, what is left of a script's writes when its
process goes, and a pair's node whose script is slow: it is busy, not dead; its lease holds for scripts; a change of roles ends them."""
# timeout: 120

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from test_pair_server import Node, boot_ns, master  # noqa: E402

BUSY = b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
LOOP = "while true do end"
THREADS = os.environ.get("DUET_IO_THREADS")


def text(answer):
    """Of an error, or of anything else."""
    return answer.args[0].encode() if isinstance(answer, Exception) and answer.args and isinstance(answer.args[0], str) else (
        answer.args[0] if isinstance(answer, Exception) else answer)


def ask(c, *words):
    try:
        return text(c.cmd(*words))
    except Exception as e:  # noqa: BLE001 - an error reply
        return text(e)


def until_busy(server):
    with server.connect() as c:
        tap.until(lambda: ask(c, "PING") == BUSY, 20, "others are told BUSY")


def options():
    return ["--busy-reply-threshold", "50"] + (["--io-threads", THREADS] if THREADS else [])


def test_kill():
    """A script that has written nothing is killed; nobody else's reply is lost"""
    with servers.Server(*options()) as s:
        other, runner, watcher = s.connect(), s.connect(), s.connect()
        tap.equal(ask(other, "SCRIPT", "KILL"), b"NOTBUSY No scripts in execution right now.", "there is nothing to kill at first")
        runner.send("SET", "before", "1")
        runner.send("EVAL", LOOP, "0")
        runner.send("GET", "before")
        until_busy(s)
        tap.equal(ask(other, "GET", "x"), BUSY, "a client that was there before is told BUSY")
        tap.equal(ask(other, "NOSUCH")[:21], b"ERR unknown command '"[:21], "what is no command at all is told so first")
        tap.equal(ask(other, "SHUTDOWN", "SAVE"), BUSY, "SHUTDOWN that would save is told BUSY")
        tap.equal([ask(watcher, *w) for w in (["MULTI"], ["GET", "x"], ["EXEC"])],
                  [b"OK", BUSY, b"EXECABORT Transaction discarded because of: BUSY Redis is busy running a script. You can only call SCRIPT KILL or "
                   b"SHUTDOWN NOSAVE."], "MULTI is taken, the queue is not")
        with s.connect() as new:
            tap.equal(ask(new, "HELLO", "2")[:2], [b"server", b"redis"], "a new connection says HELLO")
        for _ in range(200):
            other.send("GET", "x")
        tap.ok(all(ask_read(other) == BUSY for _ in range(200)), "a pipeline of 200 is answered 200 times")
        tap.equal(ask(other, "SCRIPT", "KILL"), b"OK", "SCRIPT KILL is taken")
        tap.equal(ask_read(runner), b"OK", "what stood before it in its pipeline was answered")
        tap.ok(ask_read(runner).startswith(b"ERR Script killed by user with SCRIPT KILL... script: "), "the script's client is told")
        tap.equal(ask_read(runner), b"1", "and the rest of its pipeline is run")
        tap.equal(ask(other, "GET", "before"), b"1", "others are served again")


def ask_read(c):
    try:
        return text(c.read())
    except Exception as e:  # noqa: BLE001 - an error reply
        return text(e)


def test_pcall_does_not_save_it():
    """A script that catches errors is killed all the same"""
    with servers.Server(*options()) as s:
        c = s.connect()
        c.send("EVAL", "local f = function() while true do pcall(redis.call, 'get', 'x') end end while true do pcall(f) end", "0")
        until_busy(s)
        with s.connect() as other:
            ask(other, "SCRIPT", "KILL")
        tap.ok(ask_read(c).startswith(b"ERR Script killed"), "it ends")
        tap.equal(ask(c, "PING"), b"PONG", "and its client goes on")


def test_client_goes():
    """The script's client closes its connection, another one too"""
    with servers.Server(*options()) as s:
        c, d = s.connect(), s.connect()
        c.send("EVAL", LOOP, "0")
        until_busy(s)
        d.send("GET", "x")
        d.close()
        c.close()
        with s.connect() as other:
            tap.equal(ask(other, "SCRIPT", "KILL"), b"OK", "its script is killed")
            tap.until(lambda: ask(other, "PING") == b"PONG", 20, "the server goes on")
            tap.ok(True, "the server goes on")


def test_written():
    """One that has written is not killed; SHUTDOWN NOSAVE ends the server, and the script's writes are not there at the next start"""
    with servers.Server("--appendonly", "yes", *options()) as s:
        c = s.connect()
        c.cmd("SET", "kept", "1")
        c.send("EVAL", "for i = 1, 1000 do redis.call('set', 'k' .. i, i) end redis.call('set', 'kept', 2) " + LOOP, "0")
        until_busy(s)
        other = s.connect()
        tap.ok(ask(other, "SCRIPT", "KILL").startswith(b"UNKILLABLE Sorry the script already executed write commands"), "SCRIPT KILL says why not")
        other.send("SHUTDOWN", "NOSAVE")
        tap.equal(s.process.wait(20), 0, "the server has ended")
        s.start()
        with s.connect() as again:
            tap.equal([ask(again, "GET", "kept"), ask(again, "DBSIZE")], [b"1", 1], "of the script's writes none is there, what was before is")


def test_transaction():
    """In a transaction: the queue goes on behind a script that was killed"""
    with servers.Server(*options()) as s:
        c = s.connect()
        for words in (["MULTI"], ["INCR", "n"], ["EVAL", LOOP, "0"], ["INCR", "n"], ["EXEC"]):
            c.send(*words)
        until_busy(s)
        with s.connect() as other:
            tap.equal(ask(other, "SCRIPT", "KILL"), b"OK", "the script writes nothing: it can be killed")
        for _ in range(4):
            ask_read(c)
        got = ask_read(c)
        tap.ok(isinstance(got, list) and got[0] == 1 and got[2] == 2, "EXEC answers for all three")


def test_threshold_zero():
    """A threshold of 0: nobody is served"""
    with servers.Server("--busy-reply-threshold", "0") as s:
        with s.connect() as c:
            c.send("EVAL", "for i = 1, 3e7 do end return 5", "0")
            with s.connect() as other:
                tap.equal(ask(other, "PING"), b"PONG", "the answer comes behind the script")
            tap.equal(ask_read(c), 5, "which was not disturbed")


def test_pair():
    """A pair's node with a slow script: had is answered, the counters go on, a change of roles ends it"""
    with Node("--busy-reply-threshold", "100000") as n:
        master(n)
        c = n.connect()
        c.send("EVAL", "redis.call('set', 'a', 1) " + LOOP, "0")
        tap.until(lambda: n.field("busy_since_ns") and boot_ns() - n.field("busy_since_ns") > 300_000_000, 20, "the script runs")
        seen = set()
        tap.until(lambda: seen.add(n.field("executor_ns")) or len(seen) > 10, 20, "the executor's counter to go on")
        tap.ok(boot_ns() - n.field("alive_ns") < 5e9 and len(seen) > 10, "both counters go on")
        tap.equal(n.status()["role"], "master", "STATUS is answered from inside the script")
        tap.equal(ask(Control(n), "PING"), b"PONG", "so is PING")
        tap.equal(ask(Control(n), "SET", "x", "1"), BUSY, "and nothing that touches the data")
        tap.equal(ask(Control(n), "DUET", "SLAVE", "2", "127.0.0.1", "1"), b"OK", "DUET SLAVE ends the script, and is answered then")
        tap.equal(n.status()["role"], "slave", "the node is a slave")
        c = n.connect()
        c.send("EVAL", LOOP, "0")
        tap.until(lambda: n.field("busy_since_ns") and boot_ns() - n.field("busy_since_ns") > 100_000_000, 20, "the script runs")
        tap.equal(ask(Control(n), "DUET", "FSYNC"), b"OK", "a slave's FSYNC, before it is promoted, does not wait for a script that reads")
        tap.ok(ask_read(c).startswith(b"ERR Script ended: the role of this node changes"), "which has ended")


class Control:
    def __init__(self, node):
        self.cmd = node.control


def test_lease():
    """A script's writes need the lease: without it they wait, and go on when it is back"""
    with Node("--busy-reply-threshold", "100000") as n:
        master(n)
        c = n.connect()
        c.cmd("SET", "stop", "0")
        c.send("EVAL", "local n = 0 while true do n = n + 1 redis.call('set', 'n', n) if n > 2000000 then return n end end", "0")
        tap.until(lambda: n.field("busy_since_ns") and boot_ns() - n.field("busy_since_ns") > 100_000_000, 20, "the script runs")
        n.lease(0)
        offset = []

        def still():
            offset.append(int(n.status()["offset"]))
            return len(offset) > 20 and len(set(offset[-10:])) == 1
        tap.until(still, 20, "writing to stop")
        tap.ok(True, "nothing is written without a lease, and STATUS is answered")
        n.lease(60)
        tap.equal(ask_read(c), 2000001, "with a new one it runs to its end")


if __name__ == "__main__":
    tap.main(test_kill, test_pcall_does_not_save_it, test_client_goes, test_written, test_transaction, test_threshold_zero, test_pair, test_lease)
