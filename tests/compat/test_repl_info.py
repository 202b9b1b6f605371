"""INFO replication, ROLE and CLIENT LIST in every state that replication knows, field by field beside redis-server: as master, slave
and slave between two others; with the link up, down, in its handshake and in the middle of a copy."""

import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

OPTIONS = ("--enable-debug-command", "yes", "--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")
LIMIT_S = 20
ID = "1" * 40


def ask(server, *lines):
    wire = server.wire()
    try:
        return [v for _, v in wire.pipeline([[w.encode() for w in line.split()] for line in lines])]
    finally:
        wire.close()


def info(server):
    return dict(line.split(":", 1) for line in ask(server, "INFO replication")[0].decode().split("\r\n") if ":" in line)


def redis():
    return servers.Server("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")], OPTIONS)


def view(server, known=()):
    """[(field, value)] in INFO's order, then ROLE. Ports, lines and offsets are told by who they belong to: known is (text, name)."""
    def plain(field, value):
        for text, name in known:
            value = value.replace(text, name)
        value = re.sub(r"lag=[012]\b", "lag=now", value)
        if field in ("master_last_io_seconds_ago", "master_sync_last_io_seconds_ago", "master_link_down_since_seconds"):
            value = "now" if value in ("0", "1", "2", "3") else value
        if field == "master_replid" and value != ID:
            value = "an id"
        return value
    found = [(f, plain(f, v)) for f, v in info(server).items() if not f.startswith("duet_")]
    role = ask(server, "ROLE")[0]
    text = repr(role)
    for t, name in known:
        text = text.replace(t, name)
    return found + [("ROLE", text)]


def both(what, run):
    ours, theirs = [run(s) for s in servers.pair(OPTIONS)]
    tap.equal([t for t, _ in ours], [t for t, _ in theirs], "%s: the same states" % what)
    for (title, mine), (_, wanted) in zip(ours, theirs):
        tap.equal([f for f, _ in mine], [f for f, _ in wanted], "%s, %s: the same fields in the same order" % (what, title))
        wanted = dict(wanted)
        tap.equal([(f, v, wanted[f]) for f, v in mine if f in wanted and v != wanted[f]], [], "%s, %s: the same values" % (what, title))


def follow(slave, master):
    ask(slave, "REPLICAOF 127.0.0.1 %d" % master.port)
    tap.until(lambda: info(slave)["master_link_status"] == "up", LIMIT_S, "%s follows" % slave.name)
    tap.until(lambda: "state=online" in info(master)["slave0"], LIMIT_S, "the master knows")


def level(master, slave):
    end = info(master)["master_repl_offset"]
    tap.until(lambda: info(slave)["slave_repl_offset"] == end, LIMIT_S, "level")
    tap.until(lambda: "offset=%s," % end in info(master)["slave0"], LIMIT_S, "the slave has said so")


def as_master(server):
    got = [("new", view(server))]
    ask(server, "SET a b", "CONFIG SET min-replicas-to-write 0")
    slave = redis()
    follow(slave, server)
    ask(server, "SET c d")
    level(server, slave)
    known = [(str(slave.port), "SLAVE")]
    got.append(("a slave is there", view(server, known + [(info(server)["master_repl_offset"], "END")])))
    ask(server, "CONFIG SET min-replicas-to-write 2", "CONFIG SET repl-backlog-size 20000")
    got.append(("more slaves are wanted", view(server, known + [(info(server)["master_repl_offset"], "END")])))
    slave.end()
    tap.until(lambda: info(server)["connected_slaves"] == "0", LIMIT_S, "the slave has gone")
    got.append(("it has gone", view(server, [(info(server)["master_repl_offset"], "END")])))
    return got


def as_slave(server):
    ask(server, "SET own data", "SET own data")
    master, below = redis(), redis()
    ask(master, "SET a b")
    ask(server, "CONFIG SET replica-priority 7")
    follow(server, master)
    ask(master, "SET c d")
    level(master, server)
    end = lambda: [(str(master.port), "MASTER"), (str(below.port), "BELOW"), (info(master)["master_repl_offset"], "END")]  # noqa: E731
    got = [("up", view(server, end()))]
    ask(server, "CONFIG SET replica-read-only no", "CONFIG SET replica-announced no")
    follow(below, server)
    ask(master, "SET e f")
    level(master, server)
    level(server, below)
    got.append(("with a slave below", view(server, end())))
    got.append(("seen from below", view(below, [(str(server.port), "BETWEEN")] + end())))
    known = end()
    master.end()
    tap.until(lambda: info(server)["master_link_status"] == "down", LIMIT_S, "the master has gone")
    tap.until(lambda: ask(server, "ROLE")[0][3] in (b"connect", b"connecting"), LIMIT_S, "it tries again")
    seen = [(f, v.replace("b'connecting'", "b'connect'")) for f, v in view(server, known)]
    got.append(("the master has gone", seen))
    ask(server, "REPLICAOF NO ONE")
    got.append(("promoted", [(f, v) for f, v in view(server, known) if f not in ("slave0", "connected_slaves", "ROLE", "master_replid2")]))
    return got


class Silent:
    """A master that answers a slave's words as the table says, and no others."""

    def __init__(self, answers):
        self.answers = answers
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.kept = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                c, _ = self.socket.accept()
                self.kept.append(c)
                threading.Thread(target=self.serve, args=(c,), daemon=True).start()
        except OSError:
            pass

    def serve(self, c):
        try:
            lines = c.makefile("rb")
            while True:
                words = []
                for _ in range(int(lines.readline()[1:])):
                    words.append(lines.read(int(lines.readline()[1:]) + 2)[:-2])
                c.sendall(self.answers.get(words[0].upper(), b""))
        except (OSError, ValueError):
            pass

    def close(self):
        for c in self.kept + [self.socket]:
            c.close()


def coming_up(server):
    got = []
    polite = {b"PING": b"+PONG\r\n", b"REPLCONF": b"+OK\r\n"}
    copy = b"+FULLRESYNC %s 1234\r\n" % ID.encode()
    for title, word, answers in (("nobody speaks", "handshake", {}), ("PSYNC is not answered", "handshake", polite),
                                 ("a copy of known length", "sync", dict(polite, PSYNC=copy + b"$1000\r\nREDIS0010")),
                                 ("a copy that ends with a mark", "sync", dict(polite, PSYNC=copy + b"$EOF:%s\r\nREDIS0010" % (b"m" * 40)))):
        master = Silent({k if isinstance(k, bytes) else k.encode(): v for k, v in answers.items()})
        ask(server, "REPLICAOF 127.0.0.1 %d" % master.port)
        tap.until(lambda: ask(server, "ROLE")[0][3] == word.encode(), LIMIT_S, "%s: %s" % (server.name, title))
        got.append((title, view(server, [(str(master.port), "MASTER")])))
        master.close()
    return got


def test_master():
    """A master's INFO and ROLE"""
    both("master", as_master)


def test_slave():
    """A slave's"""
    both("slave", as_slave)


def test_coming_up():
    """A slave's whose link comes up"""
    both("coming up", coming_up)


tap.main(test_master, test_slave, test_coming_up)
