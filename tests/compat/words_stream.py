"""Stream commands for the generator in words.py.

Ids are small and go up slowly, so that messages meet: trimmed, deleted, claimed while they are gone. "*" is asked for on
streams only whose last id lies in the future: there it does not depend on the clock. What is counted in milliseconds since
a delivery is either well below QUIET_MS or well above it."""

GROUPS = [b"g1", b"g1", b"g2", b"g3", b"", b"\x00g"]
CONSUMERS = [b"c1", b"c1", b"c2", b"c3", b"", b"c\r\n"]
QUIET_MS = 500000
BAD_IDS = [b"", b"-", b"+", b"x", b"1-", b"-1", b"1-x", b"1-2-3", b"1--5", b" 1", b"1 ", b"+1", b"1-+1", b"01-02", b"1-01", b"99999999999999999999",
           b"18446744073709551616", b"1-18446744073709551616", b"$", b">", b"*", b"1-*", b"1\x00x", b"(", b"((1", b"(-", b"(+", b"1" * 130]
EDGE_IDS = [b"0", b"0-0", b"0-1", b"1", b"18446744073709551615-18446744073709551615", b"18446744073709551615-18446744073709551614",
            b"18446744073709551615", b"9223372036854775808-9223372036854775808", b"9223372036854775807", b"00-01"]


class StreamWords:
    xtop = 5

    def stream(self):
        return self.pick([self.stream_add] * 7 + [self.stream_cut] * 3 + [self.stream_ask] * 3 + [self.stream_read] * 2 + [self.stream_group] * 4 +
                         [self.stream_read_group] * 6 + [self.stream_ack] * 2 + [self.stream_pending] * 3 + [self.stream_claim] * 3 +
                         [self.stream_autoclaim] * 2 + [self.stream_info] * 3 + [self.stream_future] * 2)()

    def stream_key(self):
        return b"x%d" % self.rng.randint(0, 4) if self.chance(0.96) else self.key()

    def stream_number(self):
        """Of the milliseconds of an id that may be there."""
        return self.rng.randint(max(0, self.xtop - 25), self.xtop + 2)

    def stream_id(self):
        r = self.rng.random()
        if r < 0.6:
            return b"%d-%d" % (self.stream_number(), self.rng.randint(0, 3))
        if r < 0.8:
            return b"%d" % self.stream_number()
        return self.pick(EDGE_IDS) if r < 0.95 else self.pick(BAD_IDS)

    def stream_field(self):
        return self.pick([b"f", b"field", b"n"]) if self.chance(0.95) else self.value()

    def stream_fields(self):
        if self.chance(0.6):
            return [b"f", self.stream_value()]
        words = [w for _ in range(self.rng.randint(1, 3)) for w in (self.stream_field(), self.stream_value())]
        return words if self.chance(0.97) else words[:-1]

    def stream_value(self):
        return b"%d" % self.rng.randint(0, 99) if self.chance(0.6) else self.value()

    def stream_trim(self):
        by = self.pick([b"MAXLEN", b"MAXLEN", b"MINID"])
        how = self.pick([[], [b"="], [b"~"], [b"~"]])
        if by == b"MINID":
            to = self.stream_id()
        else:
            to = b"%d" % self.rng.randint(0, 60) if self.chance(0.9) else self.int()
        limit = [b"LIMIT", b"%d" % self.rng.randint(0, 250) if self.chance(0.9) else self.int()] if self.chance(0.25) else []
        words = [self.case(by)] + how + [to] + limit
        return words if self.chance(0.96) else self.pick([words * 2, limit, [by], words + [b"MAXLEN", b"3"], words + [b"LIMIT"], words + [b"NOMKSTREAM"]])

    def stream_add(self):
        r = self.rng.random()
        if r < 0.02:
            return [b"DEL", self.stream_key()]
        if r < 0.03:
            return [self.pick([b"RENAME", b"COPY"]), self.stream_key(), self.stream_key()]
        self.xtop += self.chance(0.5)
        if self.chance(0.01):
            self.xtop += 40
        kind = self.rng.random()
        if kind < 0.4:
            id = b"%d-*" % self.xtop
        elif kind < 0.8:
            id = b"%d-%d" % (self.xtop, self.rng.randint(0, 3))
        elif kind < 0.9:
            id = b"%d" % self.xtop
        else:
            id = self.stream_id()
            id = b"5" if id in (b"*", b"18446744073709551615") or id.startswith((b"184", b"92")) and self.chance(0.9) else id
        make = [self.case(b"NOMKSTREAM")] if self.chance(0.1) else []
        trim = self.stream_trim() if self.chance(0.2) else []
        return [b"XADD", self.stream_key()] + (make + trim if self.chance(0.5) else trim + make) + [id] + self.stream_fields()

    def stream_future(self):
        key = b"xf%d" % self.rng.randint(0, 1)
        r = self.rng.random()
        if r < 0.3:
            return [b"XADD", key, b"9000000000000000-%d" % self.rng.randint(0, 20)] + self.stream_fields()
        if r < 0.8:
            trim = [b"MAXLEN", self.pick([b"~", b"="]), b"%d" % self.rng.randint(50, 250)] if self.chance(0.2) else []
            return [b"XADD", key, b"NOMKSTREAM"] + trim + [b"*"] + self.stream_fields()
        return self.pick([[b"XRANGE", key, b"-", b"+"], [b"XREVRANGE", key, b"+", b"-", b"COUNT", b"3"], [b"XINFO", b"STREAM", key],
                          [b"XTRIM", key, b"MAXLEN", b"~", b"%d" % self.rng.randint(0, 200)]])

    def stream_cut(self):
        name = self.pick([b"XDEL", b"XDEL", b"XTRIM", b"XSETID"])
        if name == b"XDEL":
            return [name, self.stream_key()] + [self.stream_id() for _ in range(self.rng.randint(1, 6))]
        if name == b"XTRIM":
            return [name, self.stream_key()] + self.stream_trim()
        options = [w for o in self.options([b"ENTRIESADDED", b"MAXDELETEDID", b"ENTRIES"], 2, ())
                   for w in (o, self.stream_id() if o.upper() == b"MAXDELETEDID" else self.int())]
        id = b"%d-%d" % (self.xtop, self.rng.randint(0, 3)) if self.chance(0.8) else self.stream_id()
        return [name, self.stream_key(), b"7-7" if id.startswith((b"184", b"92")) and self.chance(0.95) else id] + options

    def stream_end(self):
        r = self.rng.random()
        if r < 0.3:
            return self.pick([b"-", b"+"])
        return (b"(" if self.chance(0.3) else b"") + self.stream_id()

    def stream_ask(self):
        name = self.pick([b"XLEN", b"XRANGE", b"XRANGE", b"XREVRANGE", b"TYPE", b"OBJECT"])
        if name in (b"XLEN", b"TYPE"):
            return [name, self.stream_key()]
        if name == b"OBJECT":
            return [name, b"ENCODING", self.stream_key()]
        ends = self.pick([[b"-", b"+"], [self.stream_end(), self.stream_end()], [self.stream_end(), b"+"]])
        tail = self.pick([[], [], [b"COUNT", b"%d" % self.rng.randint(0, 6)], [self.case(b"COUNT"), self.small()], [b"COUNT"], [b"COUNT", b"1", b"COUNT", b"2"],
                          [b"LIMIT", b"1"]])
        return [name, self.stream_key()] + (ends if name == b"XRANGE" else ends[::-1]) + tail

    def stream_count(self):
        if not self.chance(0.4):
            return []
        return [self.case(b"COUNT"), b"%d" % self.rng.randint(0, 5) if self.chance(0.9) else self.int()]

    def stream_block(self):
        """Never for long: nobody would end the wait."""
        return [self.case(b"BLOCK"), self.pick([b"1", b"1", b"1", b"2", b"-1", b"x", b"1.5", b"9223372036854775808"])] if self.chance(0.04) else []

    def stream_read(self):
        n = self.rng.randint(1, 3)
        ids = [self.pick([b"0", b"$", self.stream_id(), self.stream_id(), self.stream_id(), b">" if self.chance(0.1) else b"0"]) for _ in range(n)]
        options = self.stream_count() + self.stream_block() + ([self.pick([b"NOACK", b"GROUP", b"FOO", b"STREAMS"])] if self.chance(0.03) else [])
        words = [b"XREAD"] + options + [self.case(b"STREAMS")] + [self.stream_key() for _ in range(n)] + ids
        return words if self.chance(0.97) else words[:-1]

    def stream_name(self, names):
        return self.pick(names) if self.chance(0.97) else self.value()

    def stream_group(self):
        key, group = self.stream_key(), self.stream_name(GROUPS)
        name = self.pick([b"CREATE", b"CREATE", b"CREATE", b"CREATE", b"SETID", b"DESTROY", b"CREATECONSUMER", b"DELCONSUMER", b"HELP", b"NOSUCH"])
        if name == b"DESTROY" and self.chance(0.6):
            name = b"SETID"
        words = [self.case(b"XGROUP"), self.case(name)]
        if name in (b"HELP", b"NOSUCH"):
            return words + self.pick([[], [key], [key, group]])
        if name == b"DESTROY":
            return words + [key, group]
        if name.endswith(b"CONSUMER"):
            return words + [key, group, self.stream_name(CONSUMERS)]
        options = [w for o in self.options([b"MKSTREAM", b"ENTRIESREAD", b"MKSTREAM", b"X"] if name == b"CREATE" else [b"ENTRIESREAD", b"X"], 2, ())
                   for w in ([o, self.pick([b"0", b"1", b"5", b"-1", b"-2", b"100", b"x"])] if o.upper() == b"ENTRIESREAD" else [o])]
        return words + [key, group, self.pick([b"0", b"$", b"0", self.stream_id(), self.stream_id()])] + options

    def stream_read_group(self):
        n = 1 if self.chance(0.7) else 2
        ids = [b">" if self.chance(0.65) else self.pick([b"0", self.stream_id(), b"$" if self.chance(0.1) else b"0"]) for _ in range(n)]
        options = self.stream_count() + self.stream_block() + ([self.case(b"NOACK")] if self.chance(0.15) else []) + ([b"FOO"] if self.chance(0.02) else [])
        group = [self.case(b"GROUP"), self.stream_name(GROUPS), self.stream_name(CONSUMERS)]
        words = options + group if self.chance(0.3) else group + options
        return [b"XREADGROUP"] + words + [self.case(b"STREAMS")] + [self.stream_key() for _ in range(n)] + ids

    def stream_ack(self):
        return [b"XACK", self.stream_key(), self.stream_name(GROUPS)] + [self.stream_id() for _ in range(self.rng.randint(1, 5))]

    def stream_idle(self):
        return self.pick([b"0", b"0", b"0", b"%d" % QUIET_MS, b"-1", b"9223372036854775807"]) if self.chance(0.97) else self.pick([b"x", b"", b"1.5"])

    def stream_pending(self):
        words = [b"XPENDING", self.stream_key(), self.stream_name(GROUPS)]
        if self.chance(0.4):
            return words
        idle = [self.case(b"IDLE"), self.stream_idle()] if self.chance(0.3) else []
        ends = [b"-", b"+"] if self.chance(0.6) else [self.stream_end(), self.stream_end()]
        tail = [self.stream_name(CONSUMERS)] if self.chance(0.4) else []
        words += idle + ends + [self.pick([b"10", b"1", b"3", b"0", b"-1", self.small()])] + tail
        return words if self.chance(0.95) else words[:-1]

    def stream_claim(self):
        ids = [self.stream_id() for _ in range(self.rng.randint(1, 5))]
        options = []
        for o in self.options([b"IDLE", b"TIME", b"RETRYCOUNT", b"FORCE", b"FORCE", b"JUSTID", b"LASTID", b"FOO" if self.chance(0.1) else b"FORCE"], 3, ()):
            options.append(o)
            word = o.upper()
            if word == b"IDLE":
                options.append(self.pick([b"0", b"1000000", b"2000000", b"-1", b"x"]))
            elif word == b"TIME":
                options.append(self.pick([b"1000", b"0", b"1600000000000", b"-5", b"x", b"9223372036854775807"]))
            elif word == b"RETRYCOUNT":
                options.append(self.pick([b"0", b"1", b"7", b"-1", b"-3", b"x", b"9223372036854775807"]))
            elif word == b"LASTID":
                options.append(b"%d-1" % self.stream_number() if self.chance(0.9) else self.stream_id())
        return [b"XCLAIM", self.stream_key(), self.stream_name(GROUPS), self.stream_name(CONSUMERS), self.stream_idle()] + ids + options

    def stream_autoclaim(self):
        start = self.pick([b"0", b"0-0", b"-", self.stream_end()])
        options = [w for o in self.options([b"COUNT", b"JUSTID", b"COUNT", b"FOO" if self.chance(0.1) else b"JUSTID"], 2, ())
                   for w in ([o, self.pick([b"1", b"2", b"3", b"0", b"-1", b"100", b"x", b"9223372036854775807", b"576460752303423487"])]
                             if o.upper() == b"COUNT" else [o])]
        return [b"XAUTOCLAIM", self.stream_key(), self.stream_name(GROUPS), self.stream_name(CONSUMERS), self.stream_idle(), start] + options

    def stream_info(self):
        name = self.pick([b"STREAM", b"STREAM", b"STREAM", b"GROUPS", b"CONSUMERS", b"HELP", b"NOSUCH"])
        words = [self.case(b"XINFO"), self.case(name)]
        if name in (b"HELP", b"NOSUCH"):
            return words + self.pick([[], [self.stream_key()]])
        if name == b"CONSUMERS":
            return words + [self.stream_key(), self.stream_name(GROUPS)]
        if name == b"GROUPS":
            return words + [self.stream_key()]
        return words + [self.stream_key()] + self.pick([[], [b"FULL"], [b"full", b"COUNT", b"0"], [b"FULL", b"COUNT", b"%d" % self.rng.randint(1, 4)],
                                                        [b"FULL", b"COUNT"], [b"FULL", b"COUNT", b"-1"], [b"FULL", b"COUNT", b"x"], [b"FUL"], [b"FULL", b"X", b"1"]])

    STREAM_TIMED = (b"XREAD", b"XREADGROUP", b"XCLAIM", b"XAUTOCLAIM", b"XPENDING")
