"""Clients are told of a takeover, also those that only wait: FAULTS 1, 9 (the server, the whole node is stopped), and a planned one. Every
other client comes by IPv6."""

import os
import select
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402

EACH = 40           # clients of each kind
VIP6 = "fd77::10"
TOLD_S = 15         # generous: without help a client that only waits is never told
KINDS = {
    "idle": [b"PING"],
    "blpop": [b"BLPOP", b"nobody-pushes-here", b"0"],
    "subscribe": [b"SUBSCRIBE", b"nobody-publishes-here"],
    "monitor": [b"MONITOR"],
    "pipeline": [b"SET", b"pipelined", b"1"],
}
pair = None


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Waiter:
    """A client by hand: the kernel tells it of its connection's end, or nobody does."""

    def __init__(self, kind, host):
        self.kind, self.ended, self.how = kind, None, ""
        self.socket = socket.create_connection((host, pairlab.PORT), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.say()
        if kind == "blpop":
            self.socket.setblocking(False)
            return
        self.socket.recv(4096)
        self.socket.setblocking(False)

    def say(self):
        self.socket.sendall(request(*KINDS[self.kind]) * (16 if self.kind == "pipeline" else 1))

    def look(self):
        """Reads what is there; notes the end."""
        try:
            if not self.socket.recv(65536):
                self.end("closed")
            elif self.kind == "pipeline":
                self.say()
        except BlockingIOError:
            pass
        except OSError as e:
            self.end(type(e).__name__)

    def end(self, how):
        self.ended, self.how = time.monotonic(), how
        self.socket.close()


class Crowd:
    """Waiters of every kind, watched by one thread. Only the pipelining ones ever send anything."""

    def __init__(self, each=EACH):
        self.all = [Waiter(kind, (netlab.VIP, VIP6)[i % 2]) for kind in KINDS for i in range(each)]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        poll, by_fd = select.epoll(), {}
        for w in self.all:
            by_fd[w.socket.fileno()] = w
            poll.register(w.socket.fileno(), select.EPOLLIN)
        while not self.stopping.is_set():
            for fd, _ in poll.poll(0.1):
                w = by_fd[fd]
                if w.ended is None:
                    w.look()
        poll.close()

    def left(self):
        return [w for w in self.all if w.ended is None]

    def all_told(self, name, since):
        """Waits until every connection has ended; says when, and how."""
        end = time.monotonic() + TOLD_S
        while self.left() and time.monotonic() < end:
            time.sleep(0.01)
        self.stopping.set()
        self.thread.join()
        left = self.left()
        kinds = sorted({w.kind for w in left})
        tap.ok(not left, "%s: all %d clients were told, also those that only waited" % (name, len(self.all))
               + (": not %d of %s" % (len(left), ", ".join(kinds)) if left else ""))
        ends = sorted(w.ended - since for w in self.all if w.ended)
        if ends:
            tap.say("after %.0f to %.0f ms, median %.0f: %s" % (ends[0] * 1000, ends[-1] * 1000, ends[len(ends) // 2] * 1000,
                    ", ".join(sorted({w.how for w in self.all if w.how}))))
        for w in left:
            w.socket.close()


def known_to_the_slave(node, count):
    """Until the slave's server knows of so many connections of its master, and of none that have ended."""
    def enough():
        with node.control() as c:
            flat = c.execute_command("DUET", "STATUS")
        return int(dict(zip(flat[::2], flat[1::2]))[b"peer_clients"]) == count
    return tap.until(enough, pairlab.SETTLE_S, "the slave knows of %d clients" % count)


def fault_1_clients_are_told():
    """1: the master loses power; 200 clients are told, whatever they wait for"""
    old = pair.settled()
    crowd = Crowd()
    known_to_the_slave(old.other, len(crowd.all))
    tap.ok(True, "1: the slave's server knows the master's %d clients" % len(crowd.all))
    pool = pair.client(socket_timeout=10)
    pool.set("before", "the cut")
    cut = old.power_cut()
    crowd.all_told("1: power cut", cut)
    new = pair.master
    tap.ok(new is old.other, "1: the other node serves")
    told = new.status()["clients"]
    tap.ok(told["told"] >= len(crowd.all), "1: hactl status --json counts whom it told")
    tap.say("the new master told %d in %d ms" % (told["told"], told["told_ms"]))
    try:
        got = pool.get("before")
    except redis.exceptions.ConnectionError:
        got = pool.get("before")
    tap.equal(got, b"the cut", "1: redis-py's idle connection of its pool is reset at the first use at the latest, and it connects anew")
    old.power_on()
    pair.settled(new)


def an_idle_pair_knows_its_clients():
    """1: a pair that was just made and where nobody writes anything tells of its clients too"""
    new = pair.settled()
    idle = [Waiter("idle", netlab.VIP) for _ in range(600)]
    known_to_the_slave(new.other, len(idle))
    tap.ok(True, "1: the slave knows %d clients that only came, more than one message holds" % len(idle))
    for w in idle:
        w.socket.close()


def a_switchover_tells_clients():
    """65: after a planned switchover clients that only wait are told too"""
    old = pair.settled()
    crowd = Crowd(10)
    known_to_the_slave(old.other, len(crowd.all))
    began = time.monotonic()
    old.hactl("switchover")
    crowd.all_told("65: switchover", began)
    pair.settled(old.other)


def fault_9_a_stopped_server_tells_clients():
    """9: the master's server is stopped; its clients are told by the kernel, at had's word"""
    old = pair.settled()
    crowd = Crowd(10)
    known_to_the_slave(old.other, len(crowd.all))
    stopped = old.signal("server", signal.SIGSTOP)
    crowd.all_told("9: server stopped", time.monotonic())
    new = tap.until(lambda: old.other if old.other.serving() else None, pairlab.SETTLE_S, "the other node serves")
    os.kill(stopped, signal.SIGCONT)
    tap.ok(pair.settled(new) is new, "9: the other node took over")


def fault_10_a_stopped_node_tells_clients():
    """10: all of the master is stopped; the new master tells its clients"""
    old = pair.settled()
    crowd = Crowd(10)
    known_to_the_slave(old.other, len(crowd.all))
    pids, began = old.pids(), time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    crowd.all_told("10: all processes stopped", began)
    tap.ok(old.other.serving(), "10: the other node serves")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    pair.settled(old.other)


def main():
    global pair
    vip6 = "vip %s/64\n" % VIP6
    with pairlab.Pair(network={"a": vip6, "b": vip6}) as pair:
        pair.lab.ip("g", "addr", "add", "fd77::2/64", "dev", "br0", "nodad")
        pairlab.run(an_idle_pair_knows_its_clients, fault_1_clients_are_told, a_switchover_tells_clients, fault_9_a_stopped_server_tells_clients,
                    fault_10_a_stopped_node_tells_clients)


if __name__ == "__main__":
    main()
    sys.exit(tap.done())
