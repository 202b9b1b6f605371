"""SORT and geo commands for the generator in words.py.

SORT makes a big sorted set of a small one in redis-server, so what it is given here (zs) is big from the start; and its order of names
ends at a NUL, so sets and sorted sets (ss, zs) have none in them, as what is equal comes by chance there. Places (g) have
coordinates of their own, so that no two are as far from a third one."""

POINTS = [(b"0", b"0"), (b"180", b"85.05112878"), (b"-180", b"-85.05112878"), (b"179.9999", b"10"), (b"-179.9997", b"10.5"), (b"13.361389", b"38.115556"),
          (b"15.087269", b"37.502669"), (b"0", b"84.9"), (b"10", b"-84.8")]
BAD_POINTS = [(b"180.1", b"0"), (b"0", b"85.06"), (b"x", b"0"), (b"0", b""), (b"nan", b"0"), (b"1e400", b"0"), (b"inf", b"1"), (b"-181", b"-86")]
UNITS = [b"m", b"km", b"ft", b"mi", b"KM"]
RADII = [b"0", b"1", b"100", b"5000", b"20000", b"1000000", b"1e7", b"3.5", b"-1", b"x", b"", b"nan", b"inf", b"6000", b"12000"]
BY = [b"w_*", b"w_*", b"h_*->n", b"h_*->", b"nosort", b"k*", b"*", b"h_*->n->m", b"#", b"w_*\x00x", b"", b"*->n"]
GET = [b"#", b"w_*", b"h_*->n", b"nosuch_*", b"fixed", b"l*", b"#x", b"#\x00", b"h_*->s", b"*", b"w_*->n"]


class GeoWords:
    def sort(self):
        r = self.rng.random()
        member = self.sort_member()
        if r < 0.12:
            return [b"SET", b"w_" + member, self.pick([self.float(), self.small(), b"%d" % self.rng.randint(0, 9999), b"w%d" % self.rng.randint(0, 99999)])]
        if r < 0.2:
            return [b"HSET", b"h_" + member, self.pick([b"n", b"s", b"n->m"]), b"%d" % self.rng.randint(0, 9999)]
        if r < 0.3:
            return [b"RPUSH", b"ls%d" % self.rng.randint(0, 2)] + [self.sort_member() if self.chance(0.99) else self.pick([b"a", b"a\x00b"]) for _ in range(self.rng.randint(1, 5))]
        if r < 0.36:
            return [b"SADD", b"ss%d" % self.rng.randint(0, 2)] + [self.sort_member() for _ in range(self.rng.randint(1, 5))]
        if r < 0.44:
            pairs = [w for _ in range(self.rng.randint(1, 4)) for w in (b"%d" % self.rng.randint(0, 99), self.sort_member())]
            return [b"ZADD", b"zs%d" % self.rng.randint(0, 2), b"50", b"5" * 70] + pairs
        if r < 0.47:
            return [b"DEL", self.pick([b"ls", b"ss"]) + b"%d" % self.rng.randint(0, 2)]
        if r < 0.5:
            return [b"LRANGE", b"dst", b"0", b"-1"]
        return self.sort_words()

    def sort_member(self):
        r = self.rng.random()
        return b"%d" % self.rng.randint(-20, 60) if r < 0.93 else self.pick([b"1.5", b"-0.25", b"1e3", b"x", b"007", b"", b" 4", b"5e-324"])

    def sort_words(self):
        name = self.pick([b"SORT", b"SORT", b"SORT", b"SORT_RO"])
        key = self.pick([b"ls%d", b"ss%d", b"zs%d"]) % self.rng.randint(0, 2) if self.chance(0.96) else self.pick([b"h_1", b"nosuch"])
        tail = [w for _ in range(self.rng.randint(0, 4)) for w in self.sort_option()]
        said = [w.upper() for w in tail]
        by_chance = b"BY" in said and (not key.startswith(b"ls") or b"LIMIT" in said)
        if b"STORE" in said and by_chance:  # equal weights come in any order: it must not be kept
            return [b"SCAN", b"0", b"MATCH", b"nosuch", b"COUNT", b"1000"]
        return [name, key] + tail

    def sort_option(self):
        word = self.case(self.pick([b"ASC", b"DESC", b"DESC", b"ALPHA", b"ALPHA", b"LIMIT", b"STORE", b"BY", b"GET", b"GET"]))
        if self.chance(0.03):
            return [self.pick([word, b"NOSORT"])]
        return [word] + {b"LIMIT": [self.small(), self.small()], b"STORE": [self.pick([b"dst", b"dst", b"ls0", b"k3"])], b"BY": [self.pick(BY)],
                         b"GET": [self.pick(GET)]}.get(word.upper(), [])

    def geo(self):
        r = self.rng.random()
        key, member = b"g%d" % self.rng.randint(0, 3) if self.chance(0.97) else b"s%d" % self.rng.randint(0, 3), self.geo_member
        if r < 0.35:
            options = self.options([b"NX", b"XX", b"CH", b"GT", b"INCR"], 2, ()) if self.chance(0.2) else []
            many = self.rng.randint(1, 4) if self.chance(0.95) else 100
            return [b"GEOADD", key] + options + [w for _ in range(many) for w in self.place()]
        if self.chance(0.1):
            key = b"go"  # any scores
        if r < 0.42:
            return [b"GEODIST", key, member(), member()] + self.pick([[], [self.unit()], [self.unit(), b"x"]])
        if r < 0.55:
            return [self.pick([b"GEOPOS", b"GEOHASH"]), key] + [member() for _ in range(self.rng.randint(0, 4))]
        if r < 0.58:
            return [b"ZREM", key, member(), member()]
        if r < 0.61:
            return [b"ZRANGE", b"gd", b"0", b"-1", b"WITHSCORES"]
        if r < 0.63:
            return [b"ZADD", b"go", self.score(), member()]
        key = b"g0" if key == b"go" else key
        return self.geo_radius(key) if r < 0.8 else self.geo_search(key)

    def geo_member(self):
        return b"p%d" % self.rng.randint(0, 60) if self.chance(0.97) else self.zset_member(b"z")

    def place(self):
        if self.chance(0.03):
            i = self.rng.randrange(len(POINTS))
            return [*POINTS[i], b"e%d" % i]
        return [*(self.pick(BAD_POINTS) if self.chance(0.01) else self.somewhere()), self.geo_member()]

    def point(self):
        r = self.rng.random()
        if r < 0.05:
            return self.pick(BAD_POINTS if self.chance(0.3) else POINTS)
        return self.somewhere()

    def somewhere(self):
        width = self.pick([180, 180, 20, 1, 0.01])
        return b"%.9f" % self.rng.uniform(-width, width), b"%.9f" % self.rng.uniform(-min(width, 85), min(width, 85))

    def unit(self):
        return self.pick(UNITS) if self.chance(0.97) else self.pick([b"cm", b"", b"mm"])

    def radius(self):
        return b"%.3f" % (10 ** self.rng.uniform(0, 7)) if self.chance(0.85) else self.pick(RADII)

    def geo_options(self, words):
        tail = []
        for word in self.options(words, 3, ()):
            tail.append(word)
            if word.upper() == b"COUNT" and self.chance(0.97):
                tail.append(b"%d" % self.rng.randint(1, 30) if self.chance(0.9) else self.small())
            if word.upper() == b"STOREDIST" or word.upper() == b"STORE" and self.chance(0.97):
                tail.append(b"gd")
        return tail

    def geo_radius(self, key):
        options = self.geo_options([b"WITHDIST", b"WITHHASH", b"WITHCOORD", b"COUNT", b"ANY", b"ASC", b"DESC", b"STORE", b"STOREDIST", b"FROMMEMBER"])
        name = self.pick([b"GEORADIUS", b"GEORADIUS_RO", b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO"])
        return [name, key] + ([self.geo_member()] if b"MEMBER" in name else [*self.point()]) + [self.radius(), self.unit()] + options

    def geo_search(self, key):
        store = self.chance(0.3)
        words = [b"WITHDIST", b"WITHHASH", b"WITHCOORD", b"COUNT", b"ANY", b"ASC", b"DESC", b"STOREDIST" if store else b"ASC", b"STORE"]
        where = self.pick([[b"FROMMEMBER", self.geo_member()], [b"FROMLONLAT", *self.point()]]) if self.chance(0.97) else []
        shape = self.pick([[b"BYRADIUS", self.radius(), self.unit()], [b"BYBOX", self.radius(), self.radius(), self.unit()]]) if self.chance(0.97) else []
        parts = [where, shape, self.geo_options(words[:-1] if self.chance(0.95) else words)]
        self.rng.shuffle(parts)
        return ([b"GEOSEARCHSTORE", b"gd"] if store else [b"GEOSEARCH"]) + [key] + [w for part in parts for w in part]
