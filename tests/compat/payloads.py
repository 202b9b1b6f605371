"""DUMP payloads made by hand: every type and form that Redis has written since 2.2, small and right; and what can be wrong."""

import struct


def _table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x95ac9329ac4bc9b5 if i & 1 else 0)
        table.append(i)
    return table


TABLE = _table()


def crc64(data):
    crc = 0
    for b in data:
        crc = TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc


def sealed(body, version=10):
    """Type and value, with version and checksum behind them."""
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def length(n):
    if n < 64:
        return bytes([n])
    return struct.pack(">H", 0x4000 | n) if n < 16384 else b"\x80" + struct.pack(">I", n)


def string(s):
    return length(len(s)) + s


def listpack(*values):
    out = b""
    for v in values:
        if isinstance(v, int):
            one = bytes([v]) if 0 <= v < 128 else struct.pack(">H", 0xc000 | v & 0x1fff) if -4096 <= v < 4096 else b"\xf4" + struct.pack("<q", v)
        else:
            one = bytes([0x80 | len(v)]) + v if len(v) < 64 else struct.pack(">H", 0xe000 | len(v)) + v
        back = len(one)
        out += one + (bytes([back]) if back < 128 else bytes([back >> 7, back & 127 | 128]))
    return struct.pack("<IH", len(out) + 7, len(values)) + out + b"\xff"


def ziplist(*values):
    out, before, last = b"", 0, 0
    for v in values:
        if isinstance(v, int):
            one = bytes([0xf1 + v]) if 0 <= v < 13 else b"\xe0" + struct.pack("<q", v)
        else:
            one = bytes([len(v)]) + v if len(v) < 64 else struct.pack(">H", 0x4000 | len(v)) + v
        one = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + one
        before, last = len(one), len(out)
        out += one
    return struct.pack("<IIH", len(out) + 11, 10 + last, len(values)) + out + b"\xff"


def intset(*values):
    return struct.pack("<II", 8, len(values)) + b"".join(struct.pack("<q", v) for v in values)


def zipmap(*pairs):
    return bytes([len(pairs)]) + b"".join(bytes([len(f)]) + f + bytes([len(v), 1]) + v + b"\0" for f, v in pairs) + b"\xff"


def lzf(s, packed):
    return b"\xc3" + length(len(packed)) + length(s) + packed


SHORT, LONG = b"hello", b"0123456789" * 30
# Type and value; redis-server's OBJECT ENCODING tells what became of it.
SOUND = {
    "string": b"\0" + string(SHORT),
    "string, long": b"\0" + string(LONG),
    "string, empty": b"\0" + string(b""),
    "string of digits": b"\0" + string(b"12345"),
    "int8": b"\0\xc0\x85",
    "int16": b"\0\xc1\x85\x86",
    "int32": b"\0\xc2\x85\x86\x87\x88",
    "lzf": b"\0" + lzf(20, b"\x00a\xe0\x0a\x00"),
    "list": b"\1" + length(3) + string(b"a") + string(b"b") + b"\xc0\x07",
    "set": b"\2" + length(3) + string(b"a") + string(b"b") + b"\xc0\x07",
    "set of integers": b"\2" + length(3) + string(b"1") + string(b"2") + b"\xc0\x07",
    "zset, text": b"\3" + length(4) + string(b"a") + b"\x031.5" + string(b"b") + b"\xfe" + string(b"c") + b"\xff" + string(b"d") + b"\x03-10",
    "hash": b"\4" + length(2) + string(b"a") + string(b"b") + string(b"c") + string(LONG),
    "zset": b"\5" + length(2) + string(b"a") + struct.pack("<d", 1.5) + string(b"b") + struct.pack("<d", -2),
    "hash, zipmap": b"\x09" + string(zipmap((b"a", b"1"), (b"b", b"hello"))),
    "list, ziplist": b"\x0a" + string(ziplist(b"a", 5, 700, b"b" * 100, -70000)),
    "set, intset": b"\x0b" + string(intset(-5, 1, 1 << 40)),
    "zset, ziplist": b"\x0c" + string(ziplist(b"a", 1, b"b", b"2.5", b"c", 3)),
    "hash, ziplist": b"\x0d" + string(ziplist(b"a", 1, b"b", b"x" * 100, b"c", 3)),
    "list, quicklist": b"\x0e" + length(2) + string(ziplist(b"a", 1)) + string(ziplist(b"x" * 300)),
    "hash, listpack": b"\x10" + string(listpack(b"a", 1, b"b", b"x" * 60, b"c", -3000)),
    "hash, listpack, long value": b"\x10" + string(listpack(b"a", 1, b"b", b"x" * 100)),
    "zset, listpack": b"\x11" + string(listpack(b"a", 1, b"b", b"2.5", b"c", 3)),
    "list, quicklist 2": b"\x12" + length(2) + b"\2" + string(listpack(b"a", 1)) + b"\1" + string(b"plain"),
    "list, an empty piece": b"\x12" + length(2) + b"\2" + string(listpack()) + b"\2" + string(listpack(b"a")),
    "trailing bytes": b"\0" + string(SHORT) + b"more",
}
# What redis-server refuses with sanitize-dump-payload yes.
BAD = {
    "nothing": b"",
    "no value": b"\0",
    "unknown type": b"\x63" + string(SHORT),
    "type of an opcode": b"\xff" + string(SHORT),
    "a string cut off": b"\0" + length(40) + SHORT,
    "a huge string": b"\0\x81" + struct.pack(">Q", 1 << 62) + SHORT,
    "an unknown encoding": b"\0\xc7abc",
    "lzf damaged": b"\0" + lzf(5, b"\x07ab"),
    "lzf that is too long": b"\0" + lzf(6, b"\x04hello"),
    "a list of none": b"\1" + length(0),
    "a list too short": b"\1" + length(5) + string(b"a"),
    "a set of none": b"\2" + length(0),
    "a member twice": b"\2" + length(2) + string(b"a") + string(b"a"),
    "an integer twice": b"\2" + length(2) + string(b"1") + string(b"1"),
    "a field twice": b"\4" + length(2) + (string(b"a") + string(b"b")) * 2,
    "zset: a member twice": b"\5" + length(2) + (string(b"a") + struct.pack("<d", 1.5)) * 2,
    "zset: no number": b"\5" + length(1) + string(b"a") + struct.pack("<d", float("nan")),
    "zset: no number, text": b"\3" + length(1) + string(b"a") + b"\xfd",
    "zset: huge count": b"\5\x81" + struct.pack(">Q", 1 << 60) + string(b"a"),
    "zipmap: a field twice": b"\x09" + string(zipmap((b"a", b"1"), (b"a", b"2"))),
    "zipmap: cut off": b"\x09" + string(zipmap((b"a", b"1"))[:-2]),
    "intset: not in order": b"\x0b" + string(intset(3, 1, 2)),
    "intset: twice": b"\x0b" + string(intset(1, 1, 2)),
    "intset: empty": b"\x0b" + string(intset()),
    "intset: a count too many": b"\x0b" + string(struct.pack("<II", 8, 3) + b"\1" * 8),
    "intset: width": b"\x0b" + string(struct.pack("<II", 3, 1) + b"\1" * 3),
    "ziplist: total": b"\x0a" + string(b"\x55" + ziplist(b"a", 5)[1:]),
    "ziplist: end": b"\x0a" + string(ziplist(b"a", 5)[:-1] + b"\0"),
    "ziplist: empty": b"\x0a" + string(ziplist()),
    "hash, ziplist: odd": b"\x0d" + string(ziplist(b"a", 1, b"b")),
    "hash, ziplist: twice": b"\x0d" + string(ziplist(b"a", 1, b"a", 2)),
    "hash, listpack: odd": b"\x10" + string(listpack(b"a")),
    "hash, listpack: twice": b"\x10" + string(listpack(b"a", 1, b"a", 2)),
    "hash, listpack: empty": b"\x10" + string(listpack()),
    "hash, listpack: total": b"\x10" + string(b"\x55" + listpack(b"a", 1)[1:]),
    "hash, listpack: count": b"\x10" + string(listpack(b"a", 1)[:4] + b"\4\0" + listpack(b"a", 1)[6:]),
    "hash, listpack: back length": b"\x10" + string(listpack(b"a", 1)[:8] + b"\7" + listpack(b"a", 1)[9:]),
    "zset, listpack: twice": b"\x11" + string(listpack(b"a", 1, b"a", 2)),
    "quicklist of none": b"\x12" + length(0),
    "quicklist of empty ones": b"\x12" + length(1) + b"\2" + string(listpack()),
    "quicklist: unknown container": b"\x12" + length(1) + b"\3" + string(listpack(b"a")),
    "module": b"\x07" + length(5),
}
# What redis-server takes although it makes no sense (a score that is no number is zero to it), and Duet refuses.
REFUSED = {
    "zset, ziplist: score": b"\x0c" + string(ziplist(b"a", b"x")),
    "zset, listpack: score": b"\x11" + string(listpack(b"a", b"x")),
}
