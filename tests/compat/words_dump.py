"""RESTORE of every form of value, right and wrong, for the generator; and DUMP, of which only the kind of reply is compared there."""

from payloads import BAD, SOUND, sealed

PAYLOADS = [sealed(body) for body in SOUND.values()] * 2 + [sealed(body) for body in BAD.values()]
PAYLOADS += [sealed(b"\0\5hello", v) for v in (0, 1, 6, 9, 12, 300)] + [sealed(b"\0\5hello")[:-1] + b"x", b"", b"short", b"\0" * 10, b"x" * 40]


class DumpWords:
    def dump_key(self):
        return b"d%d" % self.rng.randint(0, 5) if self.chance(0.9) else self.key()

    def dump(self):
        k = self.dump_key
        if self.chance(0.2):
            return [b"DUMP", k()]
        tail = []
        for _ in range(self.rng.randint(0, 3)):
            tail += self.pick([[b"REPLACE"], [b"REPLACE"], [b"REPLACE"], [b"ABSTTL"], [b"IDLETIME", self.small()], [b"FREQ", self.small()], [b"FREQ", b"256"],
                               [b"IDLETIME"], [b"KEEPTTL"]])
        tail = [self.case(w) if w.isalpha() else w for w in tail]
        absolute = b"ABSTTL" in [w.upper() for w in tail]
        ttl = self.pick([b"0", b"0", b"0", b"-1", b"x", b"", b"9223372036854775807",
                         self.pick([b"1", b"1000", b"4102444800000"]) if absolute else b"%d000" % (1000 + self.rng.randint(0, 99999))])
        return [self.pick([b"RESTORE"] * 9 + [b"RESTORE-ASKING"]), k(), ttl, self.pick(PAYLOADS)] + tail
