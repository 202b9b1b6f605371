"""Commands whose effects depend on chance, on time and on what others do, for test_effects_long.py: nobody compares their replies, so
nothing is left out. Times to live end all the time while the test runs, or in years."""

import time

from words import Words

# What a script does with a command, with chance and with the clock. KEYS are none: they are the command's words.
SCRIPTS = [
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"redis.replicate_commands() local r = math.random(9) redis.call('set', 'chance' .. r, math.random()) return redis.pcall(unpack(ARGV))",
    b"local t = redis.call('time') redis.call('set', 'time', t[1], 'px', 1 + t[2] % 900) redis.pcall(unpack(ARGV))",
    b"redis.call('incr', 'n') redis.pcall(unpack(ARGV)) redis.call('nosuch')",
    b"redis.call('sadd', 's1', math.random(50)) redis.call('spop', 's1') redis.pcall(unpack(ARGV)) error('in the middle')",
    b"local r = redis.call('srandmember', 's2') if r then redis.call('lpush', 'l1', r) end redis.pcall(unpack(ARGV))",
    b"local r = redis.call('randomkey') if r then redis.call('copy', r, 'copied', 'replace') end",
    b"for i = 1, 3 do redis.call('rpush', 'b' .. i, i) end redis.pcall(unpack(ARGV))",
    b"redis.call('lpush', 'b1', 1) redis.call('lpop', 'b1') redis.call('zadd', 'bz1', 1, 'm')",
    b"redis.call('select', 3) redis.call('incr', 'three') redis.pcall(unpack(ARGV))",
    b"redis.call('set', 'short', 1, 'px', 1) for i = 1, 3000 do local x = redis.call('get', 'short') end redis.pcall(unpack(ARGV)) redis.call('append', 'short', 'x')",
    b"redis.call('set', 'gone', 1, 'pxat', 1) redis.call('get', 'gone') redis.pcall(unpack(ARGV))",
    b"local k = redis.call('keys', '*') for i = 1, math.min(#k, 5) do redis.call('pexpire', k[i], math.random(3000)) end",
    b"redis.call('incrbyfloat', 'float', math.random()) redis.call('hincrbyfloat', 'h1', 'float', math.random()) redis.pcall(unpack(ARGV))",
    b"redis.call('xadd', 'x1', 'maxlen', '~', 50, '*', 'f', math.random()) redis.pcall(unpack(ARGV))",
    b"#!lua flags=allow-oom\nreturn redis.pcall(unpack(ARGV))",
]


class EffectWords(Words):
    """redis_master: leaves out what redis-server does not tell its slaves as it is."""

    def __init__(self, rng, redis_master=False, many=0):
        super().__init__(rng)
        self.redis_master, self.many = redis_master, many
        self.multi = False

    def key(self):
        return b"key:%d" % self.rng.randrange(self.many) if self.many and self.chance(0.5) else super().key()

    # ---- time ----

    def milliseconds(self):
        """Nearly all end while the test runs."""
        r = self.rng.random()
        if r < 0.3:
            return self.rng.randint(1, 20)
        if r < 0.8:
            return self.rng.randint(1, 3000)
        return self.rng.randint(-5, 0) if r < 0.84 else self.rng.randint(10 ** 7, 10 ** 10)

    def seconds(self):
        r = self.rng.random()
        if r < 0.9:
            return b"%d" % (self.milliseconds() // 1000 + (r < 0.5))
        return self.pick([b"0", b"-1", b"9223372036854775807", b"9223372036854775", b"100000000", b"abc", b"", b"1000000000000"])

    def date(self, unit):
        if self.chance(0.8):
            return b"%d" % ((int(time.time() * 1000) + self.milliseconds()) * unit // 1000)
        return self.pick([b"1", b"0", b"-5", b"4102444800" if unit == 1 else b"4102444800000", b"9223372036854775807", b"x"])

    def timed(self, word):
        word = word.upper()
        if word == b"PX" and self.chance(0.95):
            return [b"%d" % self.milliseconds()]
        return [self.seconds() if word in (b"EX", b"PX") else self.date(1 if word == b"EXAT" else 1000)]

    def brief(self):
        """Any key gets a time to live, or loses it, by each way there is."""
        k = self.any_key()
        ms = b"%d" % self.milliseconds()
        at = b"%d" % (int(time.time() * 1000) + self.milliseconds())
        return self.pick([[b"PEXPIRE", k, ms], [b"PEXPIREAT", k, at], [b"EXPIRE", k, self.seconds()], [b"PERSIST", k], [b"GETEX", k, b"PX", ms], [b"GETEX", k, b"PXAT", at],
                          [b"GETEX", k, b"PERSIST"], [b"SET", k, self.value(), b"PX", ms], [b"SET", k, self.value(), b"KEEPTTL"], [b"SET", k, self.value(), b"GET", b"PXAT", at],
                          [b"PEXPIRE", k, ms, self.pick([b"NX", b"XX", b"GT", b"LT"])], [b"PEXPIRE", k, b"-1"], [b"EXPIREAT", k, b"1"], [b"GETEX", k, b"EXAT", b"1"],
                          [b"SET", k, b"v", b"EXAT", b"1"], [b"GETDEL", k], [b"GETSET", k, self.value()], [b"INCRBYFLOAT", k, self.float()],
                          [b"HINCRBYFLOAT", self.hash_key(), self.field_name(), self.float()], [b"PSETEX", k, ms, self.value()], [b"SETEX", k, self.seconds(), self.value()],
                          [b"GET", k], [b"EXISTS", k], [b"APPEND", k, b"x"], [b"INCR", k], [b"SETRANGE", k, self.offset(), b"y"], [b"SETNX", k, b"new"],
                          [b"SET", k, b"nx", b"NX", b"PX", ms], [b"SET", k, b"xx", b"XX", b"PX", ms], [b"COPY", k, self.any_key(), b"REPLACE"], [b"RENAME", k, self.any_key()],
                          [b"MOVE", k, b"1"], [b"COPY", k, k, b"DB", b"2", b"REPLACE"]])

    def any_key(self):
        r = self.rng.random()
        if r < 0.4:
            return self.key()
        return self.pick([self.hash_key, self.set_key, self.list_key, self.stream_key, self.dump_key])() if r < 0.8 else b"z%d" % self.rng.randint(0, 5)

    # ---- chance ----

    def drawn(self):
        s, x = self.set_key(), b"x%d" % self.rng.randint(0, 4)
        n = b"%d" % self.rng.randint(1, 30)
        return self.pick([[b"SPOP", s], [b"SPOP", s, n], [b"SADD", s] + [self.member() for _ in range(20)], [b"ZPOPMIN", b"z1", n], [b"XADD", b"xs", b"*", b"f", self.value()],
                          [b"XADD", b"xs", b"MAXLEN", b"~", n, b"*", b"f", self.value()], [b"XADD", b"xs", b"NOMKSTREAM", b"MINID", b"~", b"%d" % int(time.time() * 1000), b"*", b"f", b"v"],
                          [b"XTRIM", b"xs", b"MAXLEN", b"~", n], [b"XGROUP", b"CREATE", b"xs", b"g1", self.pick([b"0", b"$"]), b"MKSTREAM"],
                          [b"XREADGROUP", b"GROUP", b"g1", self.pick([b"c1", b"c2"]), b"COUNT", n, b"STREAMS", b"xs", b">"],
                          [b"XREADGROUP", b"GROUP", b"g1", b"c3", b"NOACK", b"COUNT", n, b"STREAMS", b"xs", b">"],
                          [b"XAUTOCLAIM", b"xs", b"g1", self.pick([b"c1", b"c2", b"c4"]), b"0", b"-", b"COUNT", n], [b"XAUTOCLAIM", x, b"g1", b"c1", b"0", b"-", b"JUSTID"],
                          [b"XGROUP", b"SETID", b"xs", b"g1", b"0"], [b"XGROUP", b"DELCONSUMER", b"xs", b"g1", b"c2"], [b"XSETID", b"xs", b"%d-0" % (int(time.time() * 1000) + 5)],
                          [b"SUNIONSTORE", s, self.set_key(), self.set_key()], [b"SORT", s, b"ALPHA", b"STORE", b"sorted"], [b"SORT", b"l1", b"BY", b"nosort", b"STORE", b"sorted"],
                          [b"SRANDMEMBER", s], [b"PFCOUNT", b"hll1"], [b"PFADD", b"hll1", self.value()], [b"PFMERGE", b"hll2", b"hll1"], [b"RANDOMKEY"],
                          [b"MSET", self.key(), b"1", self.key(), b"2"], [b"BITFIELD", self.key(), b"OVERFLOW", b"SAT", b"INCRBY", b"u8", b"#3", b"200"],
                          [b"LMOVE", self.list_key(), b"b1", b"LEFT", b"RIGHT"], [b"RPUSH", self.pick([b"b1", b"b2", b"b3"]), self.value(), self.value()],
                          [b"ZADD", self.pick([b"bz1", b"bz2"]), b"%d" % self.rng.randint(0, 9), self.value()], [b"BLPOP", b"b2", b"0.001"], [b"BLMOVE", b"b1", b"b2", b"LEFT", b"LEFT", b"0.001"],
                          [b"ZRANGESTORE", b"zstored", b"z1", b"0", n], [b"GEOSEARCHSTORE", b"gstored", b"g1", b"FROMLONLAT", b"15", b"37", b"BYRADIUS", b"500", b"km"]])

    def scripted(self):
        words = self.plain()
        while words[0].upper() in (b"MULTI", b"EXEC", b"EVAL", b"SORT", b"SORT_RO"):
            words = self.plain()
        return [b"EVAL", self.pick(SCRIPTS), b"0"] + words

    # ---- the whole ----

    OWN = [brief] * 12 + [drawn] * 8
    FAMILIES = [f for f in Words.FAMILIES if f.__name__ not in ("connection", "lcs")] + OWN

    def plain(self):
        while True:
            words = super().command()
            said = [w.upper() for w in words]
            if said[0].startswith(b"FLUSH") and self.chance(0.95):
                continue
            if said[0] in (b"KEYS", b"SCAN", b"DEBUG", b"MIGRATE") or said[0][:2] == b"BL" and said[-1] != b"0.001":
                continue  # the second: bent, it would wait for ever
            if self.redis_master and b"FAIL" in said:
                continue  # a BITFIELD that fails for overflow leaves the string longer there, and slaves are not told
            if self.redis_master and said[0].startswith(b"PF"):
                continue  # one that finds its sparse registers damaged may have changed them there already, and slaves are not told
            return words

    def command(self):
        r = self.rng.random()
        if r < 0.06:
            return self.scripted()
        if r < 0.09:
            self.multi = not self.multi
            return [b"MULTI"] if self.multi else [self.pick([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])]
        if r < 0.093 and self.multi:
            return [b"NOSUCH"]
        return self.plain()
