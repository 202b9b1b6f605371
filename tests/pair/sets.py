"""Backup sets made by hand, for tests that need no server for them."""

import os
import time


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def table():
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        yield n


TABLE = list(table())


def folder(node, ident=None, instance=0):
    path = os.path.join(node.root, "data", "backup", "instance-%d" % instance)
    return os.path.join(path, ident) if ident else path


def stamp(seconds_ago):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - seconds_ago))


def make(node, seconds_ago=0, name="-", made_by="operator", data=b"no data at all", instance=0):
    """A set that is in order but for its data; its id."""
    ident = "%d-%s" % (instance, stamp(seconds_ago))
    begin = int((time.time() - seconds_ago) * 1e6)
    text = ("duet-set 1\nid %s\ninstance %d\nname %s\nnode %s\nmade-by %s\nbegin-us %d\nend-us %d\nreplid %s\noffset 1234\n"
            "database 0\nkeys 17\nraw-bytes 4711\nbytes %d\ncrc %08x\nredis-version 7.0.15\nduet-version test\n" %
            (ident, instance, name, node.name, made_by, begin, begin + 1000000, "ab" * 20, len(data), crc32c(data)))
    text += "sum %08x\n" % crc32c(text.encode())
    os.makedirs(folder(node, ident, instance))
    with open(os.path.join(folder(node, ident, instance), "data.rdb.zst"), "wb") as f:
        f.write(data)
    with open(os.path.join(folder(node, ident, instance), "set"), "w") as f:
        f.write(text)
    return ident
