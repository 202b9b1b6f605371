"""Processes: FAULTS 7 (server killed), 8 (had killed), 9 (server stopped and continued), 10 (had stopped), 11 (the slave stalls)."""

import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = None


def fault_7_the_server_is_killed():
    """7: the master's server is killed: always a handover, nothing lost"""
    old = pair.settled()
    load = pairlab.Writer(pair, "kill")
    load.wait_for(100)
    old.signal("server", signal.SIGKILL)
    killed = time.monotonic()
    first = pair.writes_work()
    tap.say("server killed to the first write: %.0f ms" % ((first - killed) * 1000))
    load.wait_for(100)
    load.stop()
    tap.ok(pair.settled(old.other) is old.other, "7: the other node serves, the killed server is back as slave in sync")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "7: no acknowledged write is lost")


def fault_7_the_slaves_server_is_killed():
    """7: the slave's server is killed: the master goes on"""
    master = pair.settled()
    load = pairlab.Writer(pair, "slavekill")
    load.wait_for(100)
    master.other.signal("server", signal.SIGKILL)
    load.wait_for(200)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.ok(pair.settled(master) is master, "7: the master stayed, the slave's server is back in sync")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "7: no acknowledged write is lost")


def fault_8_had_is_killed():
    """8: the master's had is killed: it restarts; the lease and the VIP live no longer than demote-time"""
    old = pair.settled()
    load = pairlab.Writer(pair, "had")
    load.wait_for(100)
    pid = old.signal("had", signal.SIGKILL)
    load.wait_for(200)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.ok(old.pid("had") != pid, "8: had was started again")
    pair.settled()
    tap.ok(True, "8: one node serves, the other one is in sync")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "8: no acknowledged write is lost")


def fault_8_the_slaves_had_is_killed():
    """8: the slave's had is killed: the master goes on"""
    master = pair.settled()
    epoch = master.status()["node"]["epoch"]
    load = pairlab.Writer(pair, "slavehad")
    load.wait_for(100)
    pid = master.other.signal("had", signal.SIGKILL)
    load.wait_for(200)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.ok(master.other.pid("had") != pid and pair.settled(master) is master, "8: it is started again, the slave is in sync")
    tap.equal(master.status()["node"]["epoch"], epoch, "8: in the same epoch")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "8: no acknowledged write is lost")


def fault_11_the_slave_stalls():
    """11: the whole slave stalls for two seconds: the master goes on alone, the slave comes back into sync"""
    master = pair.settled()
    load = pairlab.Writer(pair, "slavestall")
    load.wait_for(100)
    pids = master.other.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    tap.until(lambda: master.status()["node"]["alone"], pairlab.SETTLE_S, "the master is alone")
    load.wait_for(50)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    load.wait_for(50)
    load.stop()
    tap.say("longest gap of a client: %.0f ms" % load.gap_ms())
    tap.ok(pair.settled(master) is master, "11: continued, the slave is in sync again, the master did not change")
    with master.other.client() as c:
        tap.equal(load.missing(c), [], "11: and the slave holds every acknowledged write")


def raw_write(node, key):
    """A connection to a node's own address that has been used, and the bytes of one write."""
    s = socket.create_connection((node.address, pairlab.PORT), timeout=5)
    s.sendall(b"PING\r\n")
    assert s.recv(100) == b"+PONG\r\n"
    return s, ("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\n1\r\n" % (len(key), key)).encode()


def answers(sock, limit_s=3):
    """Everything that comes until the end of the stream or the limit."""
    got, end = b"", time.monotonic() + limit_s
    while time.monotonic() < end:
        sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            part = sock.recv(4096)
        except (TimeoutError, ConnectionError):
            break
        if not part:
            break
        got += part
    return got


def fault_9_the_server_is_stopped_and_continued():
    """9: a server that was stopped executes not one write after the takeover"""
    old = pair.settled()
    load = pairlab.Writer(pair, "stop")
    load.wait_for(100)
    sock, write = raw_write(old, "ghost")
    stopped = old.signal("server", signal.SIGSTOP)
    since = time.monotonic()
    sock.sendall(write)
    first = pair.writes_work()
    tap.say("server stopped to the first write: %.0f ms" % ((first - since) * 1000))
    new = pair.master
    tap.ok(new is old.other, "9: the other node took over from a server that was stopped")
    load.wait_for(100)
    os.kill(stopped, signal.SIGCONT)
    got = answers(sock)
    sock.close()
    tap.ok(b"+OK" not in got, "9: the write that waited for the stopped server is not answered with OK")
    tap.say("it was answered with %r" % got)
    load.wait_for(50)
    load.stop()
    tap.ok(pair.settled(new) is new, "9: continued, it follows")
    for node in pair.nodes.values():
        tap.equal(node.client().exists("ghost"), 0, "9: the write stands on no node (%s)" % node.name)
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "9: no acknowledged write is lost")


def fault_10_had_is_stopped():
    """10: had is stopped: its server stops writing before the other node starts"""
    old = pair.settled()
    new = old.other
    at_old, at_new = pairlab.Writer(pair, "oldhad", at=old), pairlab.Writer(pair, "newhad", at=new)
    data = pairlab.Watch(old)
    at_old.wait_for(100)
    stopped = old.signal("had", signal.SIGSTOP)
    since = time.monotonic()
    at_new.wait_for(50)
    first = pair.writes_work()
    data.stop()
    os.kill(stopped, signal.SIGCONT)
    tap.say("had stopped to the first write at the VIP: %.0f ms" % ((first - since) * 1000))
    tap.ok(pair.settled(new) is new, "10: the other node took over, and had, continued, steps down")
    at_old.stop()
    at_new.stop()
    tap.ok(data.changed[-1] < at_new.times[0][0], "10: the old server's data changed for the last time before the first write of the new one was sent")
    tap.say("had stopped to the last change of its server's data: %.0f ms" % ((data.changed[-1] - since) * 1000))
    inside = [end for sent, end in at_old.times if end > at_new.times[0][0]]
    tap.equal(inside, [], "10: the old server answered no write after the new one began")
    tap.equal(at_old.missing(new.client()), [], "10: all that it had acknowledged is on the new one")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(fault_7_the_server_is_killed, fault_7_the_slaves_server_is_killed, fault_8_had_is_killed,
                    fault_8_the_slaves_had_is_killed, fault_11_the_slave_stalls,
                    fault_9_the_server_is_stopped_and_continued, fault_10_had_is_stopped)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
