"""HyperLogLogs for the generator: few elements so that counts stay sparse, many so that they become dense, and strings that are none."""


class HllWords:
    def hll_key(self):
        return b"hll%d" % self.rng.randint(0, 5) if self.chance(0.95) else self.key()

    def hll(self):
        k = self.hll_key
        name = self.pick([b"PFADD"] * 5 + [b"PFCOUNT"] * 3 + [b"PFMERGE"] * 2 + [b"PFDEBUG", b"GET", b"STRLEN", b"SETRANGE", b"DEL"])
        if name == b"PFADD":
            r = self.rng.random()
            if r < 0.7:
                return [name, k()] + [self.value() for _ in range(self.rng.randint(0, 4))]
            at = self.rng.randint(0, 1 << 30)
            return [name, k()] + [b"%d" % (at + i) for i in range(60 if r < 0.98 else 900)]
        if name == b"PFCOUNT":
            return [name] + [k() for _ in range(self.pick([1, 1, 1, 2, 3, 0]))]
        if name == b"PFMERGE":
            return [name] + [k() for _ in range(self.rng.randint(1, 3))]
        if name == b"PFDEBUG":
            return [name, self.case(self.pick([b"DECODE", b"ENCODING", b"ENCODING", b"TODENSE", b"GETREG", b"NOSUCH"])), k()]
        if name == b"SETRANGE":  # damaged in the header, in the cached estimate, in the runs
            if self.chance(0.5):
                return [b"STRLEN", k()]
            return [name, k(), b"%d" % self.pick([0, 3, 4, 8, 15, 16, 17, 18, 40, 200]), self.pick([b"\0", b"\1", b"\xff", b"\x7f", b"x", b"\x84"])]
        return [name, k()]
