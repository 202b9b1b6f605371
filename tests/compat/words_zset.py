"""Sorted set commands for the generator in words.py.

Four kinds of keys: z (anything), zb (big ones), zl (all scores alike, so that ranges of names mean something) and zn (few short
members of different scores). Ranges of names are asked of the last two only: with scores that differ a big sorted set answers
them by chance, in redis-server too."""

SCORES = [b"0", b"-0", b"1", b"-1", b"2", b"1.5", b"3.14159265358979", b"-2.5e-3", b"1e10", b"1e17", b"1e16", b"-1e300", b"1e-300", b"inf", b"-inf",
          b"+inf", b"Infinity", b"0x1p3", b"+2", b"4503599627370496", b"9007199254740993", b"123456789012345678", b"0.1", b"1e-7", b"5e-324",
          b"17179869184.25", b"00012", b"1e5", b".5", b"5."]
BAD_SCORES = [b"", b" 1", b"1 ", b"abc", b"nan", b"-nan", b"1,5", b"1e", b"--1", b"1e5000", b"-1e5000", b"1e-5000", b"1\x00", b"0x", b"NaN(1)", b"1" * 300,
              b"0." + b"3" * 280]
ENDS = [b"-inf", b"+inf", b"inf", b"(-inf", b"(+inf", b"(inf", b"", b"(", b" 1", b"( 1", b"1 ", b"(1 ", b"nan", b"(nan", b"1e5000", b"(1\x00x", b"((1",
        b"abc", b"[1", b"0x10", b"1e5", b"(0.1", b"0.1", b"-0", b"(0", b"0" * 80 + b"1"]
NAME_ENDS = [b"-", b"+", b"-", b"+", b"[", b"(", b"", b"-x", b"+x", b"-\x00", b"+\x00y", b"abc", b"[m", b"(m", b"[m5", b"(m5", b"[m1\x00", b"[\xff", b"(z",
             b"[0", b"(9", b"[a", b"[" + b"w" * 5000]
OPTIONS = [b"NX", b"XX", b"CH", b"INCR", b"GT", b"LT"]
RANGES = [b"ZRANGE", b"ZRANGE", b"ZRANGE", b"ZREVRANGE", b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE", b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZRANGESTORE"]


class ZsetWords:
    def zset(self):
        return self.pick([self.zset_add, self.zset_add, self.zset_add, self.zset_change, self.zset_ask, self.zset_ask, self.zset_range, self.zset_range,
                          self.zset_range, self.zset_range, self.zset_combine, self.zset_combine, self.zset_pop, self.zset_pick])()

    def zset_key(self, kinds=(b"z", b"z", b"z", b"zb", b"zl", b"zn")):
        if self.chance(0.03):
            return self.pick([self.key(), self.set_key()])
        return self.pick(kinds) + b"%d" % self.rng.randint(0, 3)

    def zset_named(self):
        """A key whose members may be asked for by their names."""
        return self.pick([b"zl", b"zn"]) + b"%d" % self.rng.randint(0, 3) if self.chance(0.98) else self.pick([b"h1", b"nosuch"])

    def zset_member(self, key):
        r = self.rng.random()
        if key[:2] == b"zn":
            return b"m%d" % self.rng.randint(0, 40) if r < 0.7 else b"%d" % self.rng.randint(-9, 30)
        if key[:2] == b"zb" and r < 0.5:
            return b"%d" % self.rng.randint(0, 800)
        if r < 0.5:
            return b"m%d" % self.rng.randint(0, 12)
        return b"%d" % self.rng.randint(-5, 30) if r < 0.85 else self.value()

    def score(self):
        r = self.rng.random()
        if r < 0.5:
            return b"%d" % self.rng.randint(-10, 20)
        if r < 0.7:
            return b"%.*f" % (self.rng.randint(1, 6), self.rng.uniform(-30, 30))
        if r < 0.75:
            return repr(self.rng.uniform(-1, 1) * 10 ** self.rng.randint(-20, 25)).encode()
        return self.pick(SCORES) if r < 0.97 else self.pick(BAD_SCORES)

    def zset_pairs(self, key):
        most = 1 if self.chance(0.5) else 5
        count = self.rng.randint(1, most) if key[:2] != b"zb" or self.chance(0.9) else self.rng.randint(100, 300)
        return [w for _ in range(count) for w in (b"0" if key[:2] == b"zl" else self.score(), self.zset_member(key))]

    def zset_add(self):
        key = self.zset_key()
        options = [w for w in self.options(OPTIONS, 3, ())] if self.chance(0.4) else []
        if key[:2] == b"zl":
            options = [w for w in options if w.upper() != b"INCR"]
        elif self.chance(0.15):
            return [b"ZINCRBY", key, self.score(), self.zset_member(key)]
        return [b"ZADD", key] + options + self.zset_pairs(key)

    def zset_change(self):
        key = self.zset_key()
        name = self.pick([b"ZREM", b"ZREM", b"ZREMRANGEBYRANK", b"ZREMRANGEBYSCORE", b"ZREMRANGEBYLEX"])
        if name == b"ZREM":
            return [name, key] + [self.zset_member(key) for _ in range(self.rng.randint(1, 4))]
        if name == b"ZREMRANGEBYRANK":
            start = self.rng.randint(-12, 12)
            return [name, key, b"%d" % start, b"%d" % (start + self.rng.randint(-1, 4))] if self.chance(0.8) else [name, key, self.int(), self.int()]
        if name == b"ZREMRANGEBYSCORE":
            low = self.rng.uniform(-10, 20)
            ends = [b"%.2f" % low, b"(%.2f" % (low + self.rng.uniform(-0.2, 3))] if self.chance(0.8) else [self.zset_end(), self.zset_end()]
            return [name, key] + ends
        return [name, self.zset_named(), self.name_end(), self.name_end()]

    def zset_ask(self):
        key = self.zset_key()
        name = self.pick([b"ZCARD", b"ZCOUNT", b"ZCOUNT", b"ZLEXCOUNT", b"ZMSCORE", b"ZSCORE", b"ZSCORE", b"ZRANK", b"ZREVRANK", b"ZSCAN"])
        if name == b"ZCARD":
            return [name, key]
        if name == b"ZCOUNT":
            return [name, key, self.zset_end(), self.zset_end()]
        if name == b"ZLEXCOUNT":
            return [name, self.zset_named(), self.name_end(), self.name_end()]
        if name == b"ZMSCORE":
            return [name, key] + [self.zset_member(key) for _ in range(self.rng.randint(1, 4))]
        if name == b"ZSCAN":
            tail = self.pick([[], [b"MATCH", self.pick([b"*", b"m*", b"[0-9]", b"m?"])], [b"TYPE", b"zset"], [b"COUNT", b"0"], [b"MATCH"]])
            return [name, key, self.pick([b"0", b"0", b"0", b"x"]), b"COUNT", b"2000"] + tail
        return [name, key, self.zset_member(key)]

    def zset_end(self):
        r = self.rng.random()
        if r < 0.3:
            return self.pick([b"-inf", b"+inf", b"0"])
        return (b"(" if self.chance(0.3) else b"") + self.score() if r < 0.8 else self.pick(ENDS)

    def name_end(self):
        r = self.rng.random()
        if r < 0.4:
            return self.pick([b"-", b"+"])
        return self.pick([b"[", b"("]) + self.zset_member(b"zl") if r < 0.85 else self.pick(NAME_ENDS)

    def zset_range(self):
        name = self.pick(RANGES)
        words = [b"BYSCORE", b"BYLEX", b"REV", b"WITHSCORES", b"LIMIT", b"WITHSCORE"]
        options = [self.case(self.pick(words)) for _ in range(self.rng.randint(0, 3))]
        by_name = b"LEX" in name or b"BYLEX" in [w.upper() for w in options]
        key = self.zset_named() if by_name else self.zset_key()
        if by_name and self.chance(0.9):
            ends = [self.name_end(), self.name_end()]
        elif b"SCORE" in name or b"BYSCORE" in [w.upper() for w in options]:
            ends = [self.zset_end(), self.zset_end()]
        else:
            ends = [self.small(), self.small()]
        tail = [w for o in options for w in ([o, self.small(), self.small()] if o.upper() == b"LIMIT" and self.chance(0.95) else [o])]
        return [name] + ([self.zset_key((b"zb", b"z"))] if name == b"ZRANGESTORE" else []) + [key] + ends + tail

    def zset_combine(self):
        name = self.pick([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"ZINTERCARD"])
        n = self.rng.randint(1, 4)
        keys = [self.set_key() if self.chance(0.2) else self.zset_key() for _ in range(n)]
        if self.chance(0.15):
            keys[-1] = keys[0]
        words = [b"WITHSCORES", b"WEIGHTS", b"AGGREGATE", b"LIMIT"]
        tail = [w for o in self.options(words, 2, ()) for w in self.zset_option(o, n)]
        store = [self.zset_key((b"zb", b"z"))] if name.endswith(b"STORE") else []
        return [name] + store + [b"%d" % n if self.chance(0.95) else self.small()] + keys + tail

    def zset_option(self, word, n):
        name = word.upper()
        if name == b"WEIGHTS":
            return [word] + [self.score() for _ in range(n if self.chance(0.97) else n - 1)]
        if name == b"AGGREGATE":
            return [word, self.case(self.pick([b"SUM", b"MIN", b"MAX", b"MIN", b"MAX", b"AVG"]))]
        return [word, self.small()] if name == b"LIMIT" else [word]

    def zset_pop(self):
        name = self.pick([b"ZPOPMIN", b"ZPOPMAX", b"ZMPOP"])
        if name != b"ZMPOP":
            return [name, self.zset_key()] + self.pick([[], [], [b"%d" % self.rng.randint(0, 4)], [self.small()], [b"1", b"2"]])
        n = self.rng.randint(1, 3)
        tail = self.pick([[], [b"COUNT", b"%d" % self.rng.randint(1, 4)], [b"count", self.small()], [b"COUNT"], [b"COUNT", b"1", b"COUNT", b"2"]])
        count = b"%d" % n if self.chance(0.95) else self.pick([self.small(), b"9223372036854775807", b"9223372036854775806", b"99999"])
        return [name, count] + [self.zset_key() for _ in range(n)] + [self.case(self.pick([b"MIN", b"MAX", b"MIN", b"MAX", b"MID"]))] + tail

    def zset_pick(self):
        tail = self.pick([[], [self.small()], [b"1000"], [b"1000", b"WITHSCORES"], [self.small(), b"withscores"], [b"3", b"SCORES"], [b"x"],
                          [b"9223372036854775807", b"WITHSCORES"], [b"-9223372036854775808"]])
        return [b"ZRANDMEMBER", self.zset_key()] + tail
