#!/usr/bin/python3
"""FAILOVER between plain servers: Duet and a real Redis 7.0 hand the mastership to one another, under load, by a partial
resynchronisation; refusals, a target that never catches up, one that says no."""

import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers
import tap

REDIS = [servers.REDIS_SERVER]
OPTIONS = ("--save", "", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes")


def info(s):
    with s.connect() as c:
        return dict(line.split(":", 1) for line in c.cmd("INFO", "everything").decode().splitlines() if ":" in line)


def follows(s, m):
    """s streams from m and has everything."""
    mine, theirs = info(s), info(m)
    return mine["role"] == "slave" and mine["master_port"] == str(m.port) and mine["master_link_status"] == "up" and mine["master_repl_offset"] == theirs["master_repl_offset"]


def is_online(m, port):
    return any("port=%d,state=online" % port in v for k, v in info(m).items() if k.startswith("slave"))


class Load(threading.Thread):
    """Writes to whoever is master, and knows what was acknowledged."""

    def __init__(self, server):
        super().__init__()
        self.server, self.acked, self.end, self.refused = server, 0, False, 0
        self.start()

    def run(self):
        with self.server.connect(30) as c:
            while not self.end:
                try:
                    c.cmd("SET", "n", self.acked + 1)
                    self.acked += 1
                except servers.Error:
                    self.refused += 1
                    return


def turns():
    """the mastership goes round: Duet -> Redis -> Duet -> Duet"""
    with servers.Server(*OPTIONS) as a, servers.Server(*OPTIONS, command=REDIS) as b, servers.Server(*OPTIONS) as c:
        def follow(s, m):
            with s.connect() as x:
                x.cmd("REPLICAOF", "127.0.0.1", m.port)
            tap.until(lambda: follows(s, m), 20, "the slave streams")

        for m, s, words in ((a, b, ()), (b, a, ()), (a, c, ("TIMEOUT", "30000")), (c, b, ()), (b, c, ("TIMEOUT", "30000"))):
            names = ["Redis" if x is b else "Duet" for x in (m, s)]
            if not follows(s, m):
                follow(s, m)
            tap.until(lambda: is_online(m, s.port), 10)
            full = int(info(s)["sync_full"])
            load = Load(m)
            tap.until(lambda: load.acked > 50, 10)
            with m.connect() as x:
                tap.equal(x.cmd("FAILOVER", "TO", "127.0.0.1", s.port, *words), b"OK", "%s hands over to %s: FAILOVER is answered at once" % tuple(names))
            tap.until(lambda: info(m)["role"] == "slave" and info(s)["role"] == "master" and info(m)["master_failover_state"] == "no-failover", 20, "the roles are changed")
            load.join(20)
            tap.ok(load.refused == 1 and not load.is_alive(), "a writer who waited is told READONLY then")
            tap.until(lambda: follows(m, s), 20, "the old master follows")
            with s.connect() as x, m.connect() as y:
                tap.ok(int(x.cmd("GET", "n")) == load.acked == int(y.cmd("GET", "n")), "nothing acknowledged is missing, on either side")
                x.cmd("SET", "by", s.port)
                tap.until(lambda: y.cmd("GET", "by") == b"%d" % s.port, 10)
                if b not in (m, s):  # their digests are not made alike
                    tap.equal(x.cmd("DEBUG", "DIGEST"), y.cmd("DEBUG", "DIGEST"), "both hold the same")
            tap.equal(int(info(s)["sync_full"]) - full, 0, "by a partial resynchronisation")


def refusals():
    """refusals, by the words of Redis"""
    def answers(command):
        with servers.Server(*OPTIONS, command=command) as m, servers.Server(*OPTIONS, command=command) as s:
            out = []
            with m.connect() as c, s.connect() as d:
                def errors(x, *rows):
                    out.extend(x.error(*row.format(port=s.port).split()) for row in rows)

                errors(c, "FAILOVER", "FAILOVER ABORT", "FAILOVER ABORT NOW", "FAILOVER TIMEOUT", "FAILOVER TIMEOUT 0", "FAILOVER TIMEOUT x", "FAILOVER TIMEOUT 10 TIMEOUT 10",
                       "FAILOVER TO h", "FAILOVER TO h x", "FAILOVER FORCE", "FAILOVER TO h 1 FORCE TIMEOUT 10")
                d.cmd("REPLICAOF", "127.0.0.1", m.port)
                tap.until(lambda: follows(s, m) and is_online(m, s.port), 20)
                errors(d, "FAILOVER", "FAILOVER ABORT")
                errors(c, "FAILOVER TO h 1", "FAILOVER FORCE", "FAILOVER FORCE TIMEOUT 10", "FAILOVER TO 127.0.0.1 {port} FORCE", "FAILOVER ABORT")
                s.kill(servers.signal.SIGSTOP)
                c.cmd("SET", "k", "v")
                out.append(c.cmd("FAILOVER"))
                errors(c, "FAILOVER", "FAILOVER TO 127.0.0.1 {port}", "REPLICAOF NO ONE", "REPLICAOF h 1")
                out.append(info(m)["master_failover_state"])
                out.append(c.cmd("GET", "k"))
                with m.connect() as w:
                    w.send("SET", "k", "w")
                    out.append(w.silent(0.1))
                    out.append(c.cmd("FAILOVER", "ABORT"))
                    out.append(w.read())
                out.append(info(m)["master_failover_state"])
                c.cmd("SET", "k", "x")
                out.append(c.cmd("FAILOVER", "TO", "127.0.0.1", s.port, "TIMEOUT", "150"))
                tap.until(lambda: info(m)["master_failover_state"] == "no-failover", 10, "it is given up")
                out.append((info(m)["role"], c.cmd("SET", "k", "y")))
                s.kill(servers.signal.SIGCONT)
                with s.connect() as f:
                    id = info(m)["master_replid"]
                    errors(c, "PSYNC %s 1 FAILOVER" % id)
                    errors(f, "PSYNC %s 1 FAILOVER" % ("0" * 40))
            return out

    want = answers(REDIS)
    tap.equal(answers([tap.DUET, "server"]), want, "Duet says what Redis says, %d answers" % len(want))


def a_no():
    """a target that refuses"""
    with servers.Server(*OPTIONS) as m, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fake = m.connect()
        fake.cmd("REPLCONF", "listening-port", port)
        fake.cmd("REPLCONF", "capa", "eof", "capa", "psync2")
        with m.connect() as c:
            c.cmd("SET", "k", "v")
            fake.send("PSYNC", "?", "-1")
            offset = int(fake._line().split()[2])
            while b"$EOF:" not in fake.buf:
                fake._more()
            mark = fake.buf.split(b"$EOF:")[1][:40]
            while fake.buf.count(mark) < 2:
                fake._more()
            fake.send("REPLCONF", "ACK", offset)
            tap.until(lambda: is_online(m, port), 10)
            line = info(m)["master_replid"]
            c.cmd("FAILOVER", "TO", "127.0.0.1", port)
            side = servers.Connection(listener.accept()[0])
            asked = []
            while not asked or asked[-1][0] != b"PSYNC":
                asked.append(side.read())
                side.send_raw(b"+PONG\r\n" if asked[-1][0] == b"PING" else b"-ERR no\r\n" if asked[-1][0] == b"PSYNC" else b"+OK\r\n")
            tap.equal((asked[-1][1].decode(), int(asked[-1][2]), asked[-1][3:]), (line, offset + 1, [b"FAILOVER"]), "it was asked to take over from where it is")
            tap.until(lambda: info(m)["master_failover_state"] == "no-failover", 10)
            tap.equal(c.cmd("SET", "k", "w"), b"OK", "a target that says no leaves the master master")
            tap.ok("Failover target rejected psync request" in m.log(), "which its log says")
            side.close()
        fake.close()


if __name__ == "__main__":
    tap.main(turns, refusals, a_no)
