#!/usr/bin/python3
"""Slaves of other times and odd ones, played by this program: they know less of the protocol than today's, or keep to it badly.
Each gets what it can read, and none disturbs the others."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import replload
from replload import duet, info
import servers
import tap


def counts(c):
    found = info(c, "stats")
    return int(found["sync_full"]), int(found["sync_partial_ok"]), int(found["sync_partial_err"])


class Slave:
    """One connection that asks for a copy and takes it."""

    def __init__(self, master, *options):
        self.c = master.connect()
        self.said = [self.c.error("REPLCONF", *o) for o in options]
        self.id, self.offset = None, 0

    def line(self):
        line = b""
        while not line:  # a newline alone is a sign of life
            while b"\n" not in self.c.buf:
                self.c._more()
            line, self.c.buf = self.c.buf.split(b"\n", 1)
            line = line.rstrip(b"\r")
        return line

    def ask(self, *words):
        self.c.send(*words)
        return self.line()

    def copy(self):
        """The bytes of the copy, in either form."""
        head = self.line()
        if head.startswith(b"$EOF:"):
            while head[5:] not in self.c.buf:
                self.c._more()
            data, self.c.buf = self.c.buf.split(head[5:], 1)
            return "mark", data
        size = int(head[1:])
        while len(self.c.buf) < size:
            self.c._more()
        data, self.c.buf = self.c.buf[:size], self.c.buf[size:]
        return "length", data

    def until(self, words):
        """The stream up to this command."""
        seen = []
        while not seen or seen[-1] != words:
            seen.append(self.c.read())
        return seen

    def closed(self):
        try:
            while True:
                self.c._more()
        except (servers.Closed, OSError):
            return True


def online(c, count):
    tap.until(lambda: sum("state=online" in v for k, v in info(c).items() if k.startswith("slave")) == count, 20, "%d slaves are online" % count)


def forms():
    """what a slave can take decides in which form its copy comes"""
    with duet() as m, m.connect() as c:
        c.cmd("SET", "a", "1")
        for what, options, ask, form, head in (
                ("of 2.6 (SYNC)", [], ["SYNC"], "length", None),
                ("of 2.8 (PSYNC, no capabilities)", [("listening-port", 1)], ["PSYNC", "?", "-1"], "length", b"+FULLRESYNC "),
                ("of 3.2 (capa eof)", [("listening-port", 1), ("capa", "eof")], ["PSYNC", "?", "-1"], "mark", b"+FULLRESYNC "),
                ("that only knows psync2", [("capa", "psync2")], ["PSYNC", "?", "-1"], "length", b"+FULLRESYNC "),
                ("with capabilities of the future", [("capa", "eof", "capa", "psync2", "capa", "tomorrow")], ["PSYNC", "?", "-1"], "mark", b"+FULLRESYNC "),
                ("of another line", [("capa", "eof", "capa", "psync2")], ["PSYNC", "f" * 40, "17"], "mark", b"+FULLRESYNC "),
                ("whose offset is no number", [("capa", "eof")], None, None, None)):
            s = Slave(m, *options)
            if ask is None:
                tap.equal(s.c.error("PSYNC", "?", "x"), "ERR value is not an integer or out of range", "a slave %s is told so" % what)
                s.c.close()
                continue
            if head:
                line = s.ask(*ask)
                tap.ok(line.startswith(head) and len(line.split()) == 3, "a slave %s is answered by %s" % (what, head.decode().strip())) or tap.say(line)
            else:
                s.c.send(*ask)
            got, data = s.copy()
            tap.ok(got == form and data.startswith(b"REDIS00") and b"\x00\x01a" in data, "a slave %s gets its copy with its %s" % (what, form))
            if form == "mark":
                s.c.send("REPLCONF", "ACK", line.split()[2])
            c.cmd("SET", "after", what)
            s.until([b"SET", b"after", what.encode()])
            tap.ok(True, "a slave %s is sent the stream behind it" % what)
            s.c.close()
        tap.equal(Slave(m, ("no-such-option", 1)).said, ["ERR Unrecognized REPLCONF option: no-such-option"], "an option that is not known is refused by name")


def old_lines():
    """a slave without psync2 cannot follow its line into another one"""
    with duet() as top, duet() as heir:
        with top.connect() as c:
            for i in range(50):
                c.cmd("SET", "k%d" % i, i)
        with heir.connect() as h:
            h.cmd("REPLICAOF", "127.0.0.1", top.port)
            tap.until(lambda: replload.up(heir), 20, "the link is up")
            with top.connect() as c:
                c.cmd("SET", "last", 1)
            tap.until(lambda: replload.place(heir) == replload.place(top), 20, "level")
            old_id, end = replload.place(top)
            h.cmd("REPLICAOF", "NO", "ONE")
            h.cmd("SET", "mine", 1)
            new = Slave(heir, ("capa", "eof", "capa", "psync2"))
            tap.equal(new.ask("PSYNC", old_id, int(end) + 1), b"+CONTINUE " + info(h)["master_replid"].encode(), "with psync2 it continues, and is told the new line")
            tap.equal(new.until([b"SET", b"mine", b"1"])[-1], [b"SET", b"mine", b"1"], "at the byte that it asked for")
            before = counts(h)
            old = Slave(heir, ("capa", "eof"))
            tap.ok(old.ask("PSYNC", old_id, int(end) + 1).startswith(b"+FULLRESYNC " + info(h)["master_replid"].encode()), "without it, it gets a copy of the new line")
            old.copy()
            tap.equal([b - a for a, b in zip(before, counts(h))], [1, 0, 1], "which INFO counts as a full one")
            same = Slave(heir, ("capa", "eof"))
            tap.equal(same.ask("PSYNC", info(h)["master_replid"], int(end) + 1), b"+CONTINUE", "on the same line it continues, by a word without an id")
            beyond = Slave(heir, ("capa", "eof", "capa", "psync2"))
            tap.ok(beyond.ask("PSYNC", old_id, int(end) + 2).startswith(b"+FULLRESYNC "), "who has more of the old line than the new one took over gets a copy")
            far = Slave(heir, ("capa", "eof", "capa", "psync2"))
            tap.ok(far.ask("PSYNC", info(h)["master_replid"], 1 << 62).startswith(b"+FULLRESYNC "), "and so does who claims what is not there yet")
            for s in (new, old, same, beyond, far):
                s.c.close()


def odd_ones():
    """slaves that keep to nothing do no harm"""
    with duet("--repl-timeout", "2") as m, duet() as good, m.connect() as c:
        with good.connect() as g:
            g.cmd("REPLICAOF", "127.0.0.1", m.port)
        online(c, 1)
        liar = Slave(m, ("capa", "eof", "capa", "psync2"))
        liar.ask("PSYNC", "?", "-1")
        liar.copy()
        liar.c.send("REPLCONF", "ACK", 1 << 60)  # it claims what was never sent
        c.cmd("SET", "a", "1")
        c.cmd("WAIT", 1, 5000)
        tap.ok("offset=%d" % (1 << 60) not in str(info(c)), "an acknowledgement of what was never sent counts for nothing")
        chatty = Slave(m, ("capa", "eof", "capa", "psync2"))
        chatty.ask("PSYNC", "?", "-1")
        chatty.copy()
        chatty.c.send("REPLCONF", "ACK", 0)
        chatty.c.send("SET", "evil", "1")
        chatty.c.send("FLUSHALL")
        c.cmd("SET", "b", "1")
        tap.equal((c.cmd("WAIT", 1, 5000) >= 1, c.cmd("EXISTS", "evil"), c.cmd("GET", "a")), (True, 0, b"1"), "commands that a slave sends are not run")
        mute = Slave(m, ("capa", "eof", "capa", "psync2"))
        mute.ask("PSYNC", "?", "-1")
        mute.copy()
        tap.ok(mute.closed(), "who never says that it has loaded its copy is given up")
        tap.ok(liar.closed() and chatty.closed(), "and who acknowledges no more, too")
        torn = Slave(m, ("capa", "eof", "capa", "psync2"))
        torn.ask("PSYNC", "?", "-1")
        torn.c.send_raw(b"*3\r\n$8\r\nREPL\x00\xff\r\n$-7\r\n")
        tap.ok(torn.closed(), "nonsense ends its connection")
        c.cmd("SET", "c", "1")
        tap.equal(c.cmd("WAIT", 1, 10000), 1, "a good slave goes on beside them")
        replload.same(m, [good], "and holds the same")


tap.main(forms, old_lines, odd_ones)
