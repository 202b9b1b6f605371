"""The seeded generator: commands with right and wrong arities, types, numbers, ranges, options in any order, and
binary keys and values. Each family is a function that returns the words of one command."""

import os

from words_dump import DumpWords
from words_command import CommandWords
from words_geo import GeoWords
from words_hll import HllWords
from words_stream import StreamWords
from words_zset import ZsetWords

KEYS = [b"k%d" % i for i in range(14)] + [b"", b"\x00bin\r\n\xff", b"K" * 300, "schlüssel".encode()]
INTS = [b"0", b"1", b"-1", b"2", b"3", b"5", b"7", b"8", b"10", b"-2", b"-5", b"-100", b"100", b"4096", b"32767", b"99999",
        b"2147483647", b"2147483648", b"-2147483649", b"4294967296", b"9223372036854775807", b"-9223372036854775808",
        b"9223372036854775806"]
BAD_INTS = [b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.0", b"1e3", b"abc", b"9223372036854775808", b"-9223372036854775809",
            b"0x10", b"\x00", b"1\x00", b"--1", b"99999999999999999999999999"]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"-0.5", b"3.14159265358979", b"1e10", b"1.5e-7", b"5.0e3", b"100", b"1e300", b"-1e17",
          b"0.00000000000000001", b"17179869184", b"3.0", b"+2", b"0x1p3"]
BAD_FLOATS = [b"", b" 1", b"1 ", b"abc", b"nan", b"1,5", b"1e", b"--1", b"1e5000", b"inf", b"-inf", b"Infinity"]
VALUES = [b"", b"a", b"hello world", b"\x00", b"\xff\xfe\x00\x01", b"foobar", b"x" * 44, b"y" * 45, b"z" * 300, b"w" * 5000,
          b"\r\n", b"$5\r\nhello\r\n", b"12345678901234567890", b"12345678901234567890123", b"3.5", b"007", b"-0", b" 5"]
PATTERNS = [b"*", b"k*", b"k?", b"k[1-3]", b"k[^1-3]", b"*1*", b"", b"[", b"k[", b"\\k*", b"k1\\", b"*\xff*", b"[a-z]?", b"k[3-1]",
            b"K*K", b"*********1"]
TIMED = {b"SET", b"SETEX", b"PSETEX", b"GETEX", b"EXPIRE", b"PEXPIRE"}
UNITS = [b"BYTE", b"BIT", b"byte", b"bit", b"bits"]


class Words(ZsetWords, GeoWords, HllWords, DumpWords, StreamWords, CommandWords):
    def __init__(self, rng):
        self.rng = rng
        self.serial = 0
        self.next = None

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def chance(self, share):
        return self.rng.random() < share

    def key(self):
        return self.pick(KEYS) if self.chance(0.97) else self.pick([b"h", b"s", b"l", b"z"]) + b"%d" % self.rng.randint(0, 5)

    def int(self):
        r = self.rng.random()
        if r < 0.5:
            return b"%d" % self.rng.randint(-20, 40)
        return self.pick(INTS) if r < 0.93 else self.pick(BAD_INTS)

    def small(self):
        return b"%d" % self.rng.randint(-12, 25) if self.chance(0.95) else self.pick(BAD_INTS)

    def offset(self):
        """Not so big that a test machine would feel it."""
        r = self.rng.random()
        if r < 0.8:
            return b"%d" % self.rng.randint(0, 60)
        return b"%d" % self.rng.randint(-3, 20000) if r < 0.9 else self.pick(BAD_INTS + [b"4294967296", b"9223372036854775807"])

    def float(self):
        return self.pick(FLOATS) if self.chance(0.85) else self.pick(BAD_FLOATS)

    def value(self):
        r = self.rng.random()
        if r < 0.35:
            return self.pick(VALUES)
        if r < 0.6:
            return self.int()
        if r < 0.7:
            return self.float()
        if r < 0.8:
            return bytes(self.rng.getrandbits(8) for _ in range(self.rng.randint(0, 20)))
        return b"v%d" % self.rng.randint(0, 1000)

    def seconds(self):
        """A time to live that ends either at once or long after the test. No two are the same: the servers' clocks are read at
        two moments, and GT and LT would tell."""
        self.serial += 1
        if self.chance(0.6):
            return b"%d" % (1000 + self.serial * 7919 % 999983)
        return self.pick([b"0", b"-1", b"9223372036854775807", b"9223372036854775", b"abc", b"", b"-9223372036854775808", b"10000000000000000"])

    def date(self, unit):
        return self.pick([b"%d" % ((2000000000 + self.rng.randint(0, 5)) * unit), b"1", b"1000", b"0", b"-5", b"9223372036854775807",
                          b"9223372036854775", b"x", b"4102444800" if unit == 1 else b"4102444800000"])

    def timed(self, word):
        word = word.upper()
        if word in (b"EX", b"PX"):
            n = self.seconds()
            if word == b"PX" and n in (b"9223372036854775", b"10000000000000000"):  # they fit: no two alike, either
                n = b"%d" % (int(n) - self.serial * 1000003)
            return [n + b"000" if word == b"PX" and n.isdigit() and b"0" < n < b"999999999999" and len(n) < 8 else n]
        return [self.date(1 if word == b"EXAT" else 1000)]

    def case(self, word):
        r = self.rng.random()
        return word if r < 0.6 else word.lower() if r < 0.85 else bytes(c ^ 0x20 if self.chance(0.5) else c for c in word)

    def options(self, words, most=3, timed=(b"EX", b"PX", b"EXAT", b"PXAT")):
        out = []
        for _ in range(self.rng.randint(0, most)):
            w = self.pick(words)
            out.append(self.case(w))
            if w in timed and self.chance(0.92):
                out += self.timed(w)
        return out

    # ---- families ----

    def string(self):
        k, v, i = self.key, self.value, self.int
        name = self.pick([b"SET", b"SET", b"SET", b"GET", b"GET", b"GETSET", b"GETDEL", b"GETEX", b"SETNX", b"SETEX", b"PSETEX", b"MGET",
                          b"MSET", b"MSETNX", b"APPEND", b"STRLEN", b"INCR", b"DECR", b"INCRBY", b"DECRBY", b"INCRBYFLOAT", b"GETRANGE",
                          b"SUBSTR", b"SETRANGE"])
        if name == b"SET":
            words = [b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX", b"EXAT", b"PXAT", b"PERSIST", b"CH"]
            return [name, k(), v()] + (self.options(words) if self.chance(0.5) else [])
        if name == b"GETEX":
            return [name, k()] + self.options([b"PERSIST", b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL", b"NX"], 2)
        if name in (b"GET", b"GETDEL", b"STRLEN", b"INCR", b"DECR"):
            return [name, k()]
        if name in (b"GETSET", b"SETNX", b"APPEND"):
            return [name, k(), v()]
        if name in (b"SETEX", b"PSETEX"):
            return [name, k(), self.timed(b"EX" if name == b"SETEX" else b"PX")[0], v()]
        if name == b"MGET":
            return [name] + [k() for _ in range(self.rng.randint(0, 5))]
        if name in (b"MSET", b"MSETNX"):
            words = [w for _ in range(self.rng.randint(0, 4)) for w in (k(), v())]
            return [name] + words + ([k()] if self.chance(0.1) else [])
        if name in (b"INCRBY", b"DECRBY"):
            return [name, k(), i()]
        if name == b"INCRBYFLOAT":
            return [name, k(), self.float()]
        if name == b"SETRANGE":
            return [name, k(), self.offset(), v()]
        return [name, k(), self.small(), self.small()]

    def bits(self):
        k, i = self.key, self.small
        name = self.pick([b"SETBIT", b"SETBIT", b"GETBIT", b"BITCOUNT", b"BITCOUNT", b"BITPOS", b"BITPOS", b"BITOP", b"BITFIELD", b"BITFIELD",
                          b"BITFIELD_RO"])
        if name.startswith(b"BITFIELD"):
            return [name, k()] + [w for _ in range(self.rng.randint(0, 4)) for w in self.field()]
        if name == b"SETBIT":
            return [name, k(), self.offset(), self.pick([b"0", b"1", b"1", b"2", b"-1", b"x", b""])]
        if name == b"GETBIT":
            return [name, k(), self.offset()]
        if name == b"BITCOUNT":
            return [name, k()] + self.pick([[], [i(), i()], [i(), i()], [i(), i(), self.pick(UNITS)], [i()]])
        if name == b"BITPOS":
            tail = self.pick([[], [i()], [i(), i()], [i(), i(), self.pick(UNITS)]])
            return [name, k(), self.pick([b"0", b"1", b"0", b"1", b"2", b"x"])] + tail
        return [name, self.case(self.pick([b"AND", b"OR", b"XOR", b"NOT", b"NAND"])), k()] + [k() for _ in range(self.rng.randint(0, 4))]

    def field(self):
        kind = self.pick([b"i5", b"u8", b"i8", b"u1", b"i64", b"u63", b"i16", b"u4", b"i33"])
        kind = kind if self.chance(0.96) else self.pick([b"u64", b"i65", b"i0", b"x8", b"i", b"u-1", b"i08"])
        at = (b"#" if self.chance(0.3) else b"") + self.offset()
        verb = self.case(self.pick([b"GET", b"SET", b"INCRBY", b"OVERFLOW"]))
        if verb.upper() == b"OVERFLOW":
            return [verb, self.case(self.pick([b"WRAP", b"SAT", b"FAIL", b"FAIL", b"SAT", b"ROUND"]))]
        return [verb, kind, at] + ([] if verb.upper() == b"GET" else [self.int()])

    def hash(self):
        k, v, f = self.hash_key, self.value, self.field_name
        name = self.pick([b"HSET", b"HSET", b"HSET", b"HMSET", b"HSETNX", b"HGET", b"HMGET", b"HGETALL", b"HDEL", b"HDEL", b"HEXISTS", b"HLEN",
                          b"HKEYS", b"HVALS", b"HINCRBY", b"HINCRBYFLOAT", b"HSTRLEN", b"HRANDFIELD", b"HSCAN"])
        if name in (b"HSET", b"HMSET"):
            pairs = [w for _ in range(self.rng.randint(1, 4) if self.chance(0.97) else 140) for w in (f(), v())]
            return [name, k()] + pairs
        if name == b"HSETNX":
            return [name, k(), f(), v()]
        if name in (b"HGET", b"HEXISTS", b"HSTRLEN"):
            return [name, k(), f()]
        if name in (b"HMGET", b"HDEL"):
            return [name, k()] + [f() for _ in range(self.rng.randint(1, 4))]
        if name == b"HINCRBY":
            return [name, k(), f(), self.int()]
        if name == b"HINCRBYFLOAT":
            return [name, k(), f(), self.float()]
        if name == b"HRANDFIELD":
            return [name, k()] + self.pick([[], [self.small()], [self.pick(INTS[:12])], [b"1000"], [b"1000", b"WITHVALUES"], [self.small(), b"withvalues"],
                                            [b"3", b"VALUES"], [b"9223372036854775807", b"WITHVALUES"]])
        if name == b"HSCAN":
            tail = self.pick([[], [b"MATCH", self.pick(PATTERNS)], [b"TYPE", b"hash"], [b"COUNT", b"0"], [b"MATCH"]])
            return [name, k(), self.pick([b"0", b"0", b"0", b"x"]), b"COUNT", b"2000"] + tail
        return [name, k()]

    def set(self):
        k, m = self.set_key, self.member
        name = self.pick([b"SADD", b"SADD", b"SADD", b"SADD", b"SREM", b"SREM", b"SISMEMBER", b"SMISMEMBER", b"SCARD", b"SMEMBERS", b"SMOVE", b"SINTER",
                          b"SUNION", b"SDIFF", b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE", b"SINTERCARD", b"SRANDMEMBER", b"SPOP", b"SSCAN"])
        if name in (b"SADD", b"SREM", b"SMISMEMBER"):
            return [name, k()] + [m() for _ in range(self.rng.randint(1, 5) if self.chance(0.98) or name != b"SADD" else 300)]
        if name == b"SISMEMBER":
            return [name, k(), m()]
        if name == b"SMOVE":
            return [name, k(), k(), m()]
        if name in (b"SINTER", b"SUNION", b"SDIFF", b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"):
            return [name] + [k() for _ in range(self.rng.randint(1, 4))]
        if name == b"SINTERCARD":
            n = self.rng.randint(1, 3)
            tail = self.pick([[], [b"LIMIT", self.small()], [b"LIMIT"], [b"MAX", b"1"]])
            return [name, b"%d" % n if self.chance(0.9) else self.small()] + [k() for _ in range(n)] + tail
        if name == b"SRANDMEMBER":
            return [name, k()] + self.pick([[], [self.small()], [b"1000"], [b"x"], [b"-9223372036854775808"]])
        if name == b"SPOP":  # what it takes must not be chance here
            return [name, k()] + self.pick([[b"1000"], [b"0"], [b"-1"], [b"x"], [b"1000", b"1"]]) if self.chance(0.5) else [b"SCARD", k()]
        if name == b"SSCAN":
            tail = self.pick([[], [b"MATCH", self.pick(PATTERNS)], [b"TYPE", b"set"], [b"COUNT", b"0"], [b"MATCH"]])
            return [name, k(), self.pick([b"0", b"0", b"0", b"x"]), b"COUNT", b"2000"] + tail
        return [name, k()]

    def set_key(self):
        return b"s%d" % self.rng.randint(0, 6) if self.chance(0.94) else self.key()

    def member(self):
        r = self.rng.random()
        if r < 0.5:
            return b"%d" % self.rng.randint(-5, 30)
        if r < 0.7:
            return b"%d" % self.rng.randint(0, 2000)
        if r < 0.8:
            return self.int()
        return b"m%d" % self.rng.randint(0, 12) if r < 0.9 else self.value()

    def hash_key(self):
        return b"h%d" % self.rng.randint(0, 5) if self.chance(0.93) else self.key()

    def field_name(self):
        r = self.rng.random()
        if r < 0.8:
            return b"f%d" % self.rng.randint(0, 12)
        return b"%d" % self.rng.randint(-3, 900) if r < 0.95 else self.value()

    def list(self):
        k, v, i = self.list_key, self.element, self.small
        name = self.pick([b"LPUSH", b"LPUSH", b"RPUSH", b"RPUSH", b"RPUSH", b"LPUSHX", b"RPUSHX", b"LPOP", b"RPOP", b"LLEN", b"LINDEX", b"LSET", b"LINSERT",
                          b"LINSERT", b"LRANGE", b"LRANGE", b"LREM", b"LTRIM", b"LPOS", b"LPOS", b"LMOVE", b"LMOVE", b"RPOPLPUSH", b"LMPOP"])
        if name.endswith((b"PUSH", b"PUSHX")):
            r = self.rng.random()
            return [name, k()] + [v() for _ in range(self.rng.randint(1, 4) if r < 0.96 else 60 if r < 0.99 else 700)]
        if name in (b"LPOP", b"RPOP"):
            return [name, k()] + self.pick([[], [], [b"1"], [i()], [b"300"], [b"1", b"1"]])
        if name == b"LLEN":
            return [name, k()]
        if name == b"LINDEX":
            return [name, k(), i() if self.chance(0.7) else self.int()]
        if name == b"LSET":
            return [name, k(), i(), v()]
        if name == b"LINSERT":
            return [name, k(), self.case(self.pick([b"BEFORE", b"AFTER", b"BEFORE", b"AFTER", b"BESIDE"])), v(), v()]
        if name == b"LRANGE":
            return [name, k()] + self.pick([[b"0", b"-1"], [i(), i()], [self.int(), self.int()]])
        if name == b"LTRIM":
            return [name, k()] + self.pick([[b"0", b"-2"], [b"1", b"-1"], [i(), i()], [b"0", b"400"], [b"-400", b"-1"], [self.int(), self.int()]])
        if name == b"LREM":
            return [name, k(), self.pick([b"0", b"1", b"-1", b"2", b"-2"]) if self.chance(0.8) else self.int(), v()]
        if name == b"LPOS":
            words = [w for o in self.options([b"RANK", b"COUNT", b"MAXLEN", b"RANKS"], 3, ()) for w in (o, i() if self.chance(0.8) else self.int())]
            return [name, k(), v()] + words
        ends = [b"LEFT", b"RIGHT", b"LEFT", b"RIGHT", b"LEFT", b"RIGHT", b"UP"]
        if name == b"LMOVE":
            return [name, k(), k(), self.case(self.pick(ends)), self.case(self.pick(ends))]
        if name == b"RPOPLPUSH":
            return [name, k(), k()]
        n = self.rng.randint(1, 3)
        tail = self.pick([[], [], [b"COUNT", i()], [b"count", b"1000"], [b"COUNT"], [b"COUNT", b"1", b"COUNT", b"1"], [b"MAX", b"1"]])
        return [name, b"%d" % n if self.chance(0.9) else i()] + [k() for _ in range(n)] + [self.case(self.pick(ends))] + tail

    def list_key(self):
        return b"l%d" % self.rng.randint(0, 5) if self.chance(0.95) else self.key()

    def element(self):
        r = self.rng.random()
        if r < 0.6:
            return b"e%d" % self.rng.randint(0, 9)
        return b"%d" % self.rng.randint(-3, 9) if r < 0.8 else self.value() if r < 0.99 else self.pick([b"L" * 9000, b"M" * 70000])

    def lcs(self):
        tail = self.options([b"LEN", b"IDX", b"WITHMATCHLEN", b"MINMATCHLEN", b"MAX"], 3, ())
        return [b"LCS", self.key(), self.key()] + [w for o in tail for w in ([o, self.small()] if o.upper() == b"MINMATCHLEN" else [o])]

    def keys(self):
        k = self.key
        name = self.pick([b"DEL", b"DEL", b"UNLINK", b"EXISTS", b"TYPE", b"TOUCH", b"RENAME", b"RENAMENX", b"MOVE", b"COPY", b"OBJECT",
                          b"KEYS", b"SCAN", b"RANDOMKEY", b"DBSIZE", b"SELECT", b"SWAPDB", b"FLUSHDB", b"FLUSHALL"])
        if name in (b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"):
            return [name] + [k() for _ in range(self.rng.randint(0, 3))]
        if name == b"TYPE":
            return [name, k()]
        if name in (b"RENAME", b"RENAMENX"):
            return [name, k(), k()]
        if name in (b"MOVE", b"SELECT", b"SWAPDB"):
            db = lambda: self.pick([b"0", b"0", b"0", b"1", b"2", b"15", b"16", b"-1", b"x", b"99999999999", b"01"])  # noqa: E731
            return [name, k(), db()] if name == b"MOVE" else [name, db()] if name == b"SELECT" else [name, db(), db()]
        if name == b"COPY":
            tail = [w for _ in range(self.rng.randint(0, 2)) for w in self.pick([[b"REPLACE"], [b"DB", b"1"], [b"DB", b"99"], [b"db"], [b"X"],
                                                                                  [b"DB", b"0"], [b"DB", b"x"]])]
            return [name, k(), k()] + tail
        if name == b"OBJECT":
            return [name, self.case(self.pick([b"ENCODING", b"ENCODING", b"REFCOUNT", b"FREQ", b"HELP", b"NOSUCH"]))] + (
                [k()] if self.chance(0.9) else [])
        if name == b"KEYS":
            return [name, self.pick(PATTERNS)]
        if name == b"SCAN":
            tail = [w for _ in range(self.rng.randint(0, 3)) for w in self.pick([[b"MATCH", self.pick(PATTERNS)], [b"COUNT", b"1000"],
                                                                                  [b"TYPE", b"string"], [b"TYPE", b"hash"], [b"COUNT", b"0"],
                                                                                  [b"COUNT", b"x"], [b"FOO"], [b"MATCH"]])]
            return [name, self.pick([b"0", b"0", b"0", b"0", b"x", b"", b" 0", b"99999999999999999999999"]), b"COUNT", b"1000"] + tail
        if name.startswith(b"FLUSH"):
            if self.chance(0.8):
                return [b"DBSIZE"]
            return [name] + self.pick([[], [b"ASYNC"], [b"sync"], [b"x"], [b"ASYNC", b"SYNC"]])
        return [name]

    def expiry(self):
        k = self.key
        name = self.pick([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT", b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"PERSIST"])
        flags = self.options([b"NX", b"XX", b"GT", b"LT", b"ZZ"], 2, ()) if self.chance(0.5) else []
        if name in (b"EXPIRE", b"PEXPIRE"):
            return [name, k()] + self.timed(b"EX" if name == b"EXPIRE" else b"PX") + flags
        if name in (b"EXPIREAT", b"PEXPIREAT"):
            return [name, k(), self.date(1 if name == b"EXPIREAT" else 1000)] + flags
        return [name, k()]

    FAMILIES = [string] * 9 + [bits] * 3 + [keys] * 3 + [expiry] * 3 + [hash] * 4 + [set] * 4 + [list] * 6 + [lcs] + [ZsetWords.zset] * 5 + [GeoWords.sort, GeoWords.geo] * 2 + \
        [HllWords.hll] * 2 + [DumpWords.dump] + [StreamWords.stream] * 6 + [CommandWords.connection] * 2
    ONLY = [f for f in FAMILIES if f.__name__ in os.environ.get("DUET_WORDS", "").split(",")]  # DUET_WORDS=set,zset: no others
    # Their members and scores stay of one sort: see words_zset.py and words_geo.py.
    UNBENT = (b"zl", b"zn", b"ss", b"zs")

    def command(self):
        """The next one. redis-server's SORT takes an overflow of any earlier number for one of its own, so a number comes before it."""
        words, self.next = self.next or self.bent(), None
        if words[0].upper() not in (b"SORT", b"SORT_RO") or self.numbered:
            self.numbered = False
            return words
        self.next, self.numbered = words, True
        return [b"ZADD", b"nosuch", b"XX", b"0", b"m"]

    numbered = False

    @staticmethod
    def any_word_fits(words):
        """redis-server dies of LMPOP's number of keys when it overflows; what SORT, GEO and ranges of names are asked of is chosen."""
        said = [w.upper() for w in words]
        if said[0] in StreamWords.STREAM_TIMED:
            return False  # a wait without end, or a time that is neither past nor to come
        return said[0][:3] not in (b"LMP", b"GEO", b"SOR") and b"LEX" not in said[0] and b"BYLEX" not in said

    def bent(self):
        """One command, sometimes bent: a word too few or too many, or any word in place of another."""
        words = self.pick(self.ONLY or self.FAMILIES)(self)
        if words[0] in CommandWords.UNBENT_NAMES:
            return words  # bent, it could change who may do what, or list every command
        r = self.rng.random()
        if words[1:] and words[1].startswith(b"xf"):
            return words  # only ids of the far future keep the two clocks out of it
        odd = self.value()
        if odd.isdigit() and len(odd) < 9 and words[0] in TIMED:
            odd = b"123456789"  # no key shall end during the test: the two servers would notice at two moments
        if words[0] in (b"ZADD", b"ZINCRBY", b"SADD") and words[1][:2] in self.UNBENT:
            return words
        if words[0].startswith(b"RESTORE") and r < 0.06:
            return words  # a time that ends soon would end at two moments
        if words[0] in (b"SPOP", b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"):
            return words  # a count of minus two thousand million would be answered by as many members
        if words[0] == b"XADD" and b"*" in words:
            return words  # its key is chosen: see words_stream.py
        if r < 0.02 and len(words) > 1:
            words.pop()
        elif r < 0.04 and words[0][:3] != b"GEO":  # distances are stored nowhere but in gd
            words.append(odd)
        elif r < 0.06 and len(words) > 1 and self.any_word_fits(words):
            words[self.rng.randint(1, len(words) - 1)] = odd
        if words[0] not in (b"SWAPDB", b"SELECT") or self.chance(0.3):
            words[0] = self.case(words[0])
        return words
