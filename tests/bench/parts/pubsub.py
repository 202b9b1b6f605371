"""Messages: what a PUBLISH to a hundred subscribers costs the server, and what it takes to remember who may hold a copy of a key."""

import select
import socket
import threading

import rig
from frame import Step

ABOUT = "pub/sub: server CPU of a PUBLISH to 100 subscribers; client-side caching: bytes a tracked key"
READERS = 100
KEYS = 500000
A_REQUEST = 1000


class Readers:
    """Subscribers that read and drop what comes."""

    def __init__(self, server):
        self.over = False
        self.socks = []
        for _ in range(READERS):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(b"SUBSCRIBE ch\r\n")
            s.recv(4096)
            self.socks.append(s)
        self.thread = threading.Thread(target=self.drain, daemon=True)
        self.thread.start()

    def drain(self):
        poll = select.epoll()
        by_number = {s.fileno(): s for s in self.socks}
        for n in by_number:
            poll.register(n, select.EPOLLIN)
        while not self.over:
            for n, _ in poll.poll(0.1):
                by_number[n].recv(1 << 20)

    def close(self):
        self.over = True
        self.thread.join()
        for s in self.socks:
            s.close()


def fan_out(bench, spec, number):
    requests = 2000 if bench.quick else 10000
    with rig.Server(spec) as server:
        readers = Readers(server)
        for name, size, pipeline, share in (("64 B", 64, 1, 1), ("64 B, -P 16", 64, 16, 1), ("16 KB", 16384, 1, 4)):
            out = rig.load(server, ["PUBLISH", "ch", "m" * size], conns=1, pipeline=pipeline, requests=requests // share, seed=number + 1, max_ms=20000)
            bench.add("pubsub", "server CPU a PUBLISH to 100", name, spec.name, out["cpu_us"], "us")
        readers.close()


def tracked(bench, spec):
    n = KEYS // 5 if bench.quick else KEYS
    with rig.Server(spec) as server, server.connect() as c:
        c.cmd("HELLO", "3")
        c.cmd("MGET", *["warm:%011d" % i for i in range(A_REQUEST)])
        before = server.settled_rss_bytes(1.0)
        c.cmd("CLIENT", "TRACKING", "ON")
        for at in range(0, n, A_REQUEST):
            c.cmd("MGET", *["key:%012d" % i for i in range(at, at + A_REQUEST)])
        bench.add("pubsub", "bytes in all", "a tracked key of 16 B", spec.name, (server.settled_rss_bytes() - before) / n, "B", digits=1)


def steps(bench):
    found = [Step("tracked keys, %s" % s.name, 4, lambda s=s: tracked(bench, s)) for s in bench.real]
    for number in range(bench.rounds):
        found += [Step("round %d, %s" % (number + 1, s.name), 4, lambda s=s, k=number: fan_out(bench, s, k), optional=number > 0)
                  for s in bench.turn(bench.real, number)]
    return found
