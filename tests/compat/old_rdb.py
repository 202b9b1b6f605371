"""RDB files as Redis 2.8 (version 6) and 3.2 (version 7) read them: a reader that knows nothing newer, and refuses it.

    read(data, 6) -> {(db, key): (kind, value, stamp in ms or None)}
"""

import struct

from payloads import crc64


def lzf(data, size):
    out, at = bytearray(), 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at:at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        start = len(out) - ((control & 31) << 8 | data[at]) - 1
        at += 1
        for i in range(length + 2):
            out.append(out[start + i])
    if len(out) != size:
        raise ValueError("LZF gives %d bytes where %d are said" % (len(out), size))
    return bytes(out)


class Bad(Exception):
    pass


class Reader:
    def __init__(self, data, version):
        self.data, self.at, self.version = data, 0, version

    def take(self, n):
        if self.at + n > len(self.data):
            raise Bad("the file ends within something")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def length(self):
        """(length, False), or (number of an encoding, True)"""
        first = self.byte()
        form = first >> 6
        if form == 0:
            return first & 63, False
        if form == 1:
            return (first & 63) << 8 | self.byte(), False
        if form == 2:
            if first != 0x80:
                raise Bad("a length of a form that is newer: 0x%02x" % first)
            return struct.unpack(">I", self.take(4))[0], False
        return first & 63, True

    def count(self):
        n, encoded = self.length()
        if encoded:
            raise Bad("an encoding where a count stands")
        return n

    def string(self):
        n, encoded = self.length()
        if not encoded:
            return self.take(n)
        if n < 3:
            return b"%d" % struct.unpack(("<b", "<h", "<i")[n], self.take(1 << n))[0]
        if n != 3:
            raise Bad("a string's encoding %d" % n)
        packed, size = self.count(), self.count()
        return lzf(self.take(packed), size)

    def score(self):
        n = self.byte()
        if n == 253:
            raise Bad("a score that is no number")
        return float("inf") if n == 254 else float("-inf") if n == 255 else float(self.take(n))

    def intset(self):
        data = self.string()
        width, n = struct.unpack("<II", data[:8])
        if width not in (2, 4, 8) or len(data) != 8 + width * n:
            raise Bad("an integer set of a wrong size")
        return [b"%d" % v for v in struct.unpack("<%d%s" % (n, {2: "h", 4: "i", 8: "q"}[width]), data[8:])]

    def value(self, kind):
        if kind == 0:
            return "string", self.string()
        if kind == 1:
            return "list", [self.string() for _ in range(self.count())]
        if kind in (2, 11):
            return "set", self.unique([self.string() for _ in range(self.count())] if kind == 2 else self.intset())
        if kind == 3:
            pairs = [(self.string(), self.score()) for _ in range(self.count())]
            self.unique([m for m, _ in pairs])
            return "zset", dict(pairs)
        if kind == 4:
            pairs = [(self.string(), self.string()) for _ in range(self.count())]
            self.unique([f for f, _ in pairs])
            return "hash", dict(pairs)
        raise Bad("type %d, which version %d has not (or this reader does not expect)" % (kind, self.version))

    @staticmethod
    def unique(members):
        if len(set(members)) != len(members) or not members:
            raise Bad("a member twice, or none")
        return set(members)


def read(data, version):
    r, found, db, stamp = Reader(data, version), {}, None, None
    if r.take(9) != b"REDIS%04d" % version:
        raise Bad("it begins with %r" % data[:9])
    while True:
        op = r.byte()
        if op == 255:
            break
        if op == 254:
            db = r.count()
        elif op in (253, 252):
            stamp = struct.unpack("<q", r.take(8))[0] if op == 252 else 1000 * struct.unpack("<i", r.take(4))[0]
        elif op == 251 and version >= 7:
            r.count(), r.count()
        elif op == 250 and version >= 7:
            r.string(), r.string()
        else:
            key = r.string()
            if db is None or (db, key) in found:
                raise Bad("%r stands twice, or in no database" % key)
            found[db, key] = r.value(op) + (stamp,)
            stamp = None
    if struct.unpack("<Q", r.take(8))[0] != crc64(data[:r.at - 8]):
        raise Bad("the checksum is another one")
    if r.at != len(data):
        raise Bad("there are bytes behind the end")
    return found
