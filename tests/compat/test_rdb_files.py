#!/usr/bin/python3
"""RDB files of others: redis-server's with several configurations, and back; files of every version from 1 to 11 made by hand;
Valkey 9's and Redis 8's where these are in the cache; damage is refused with file and byte."""

import os
import random
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import payloads
import servers
import tap

SEED = int(os.environ.get("DUET_SEED", "0")) or random.randrange(1 << 30)
KEYS = 2000 if tap.FULL else 300
DEBUG = ["--enable-debug-command", "yes", "--appendonly", "no", "--save", ""]
REDIS = [servers.REDIS_SERVER]
CACHE = os.path.join(os.environ.get("DUET_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duet"), "peers")
STAMP = 4000000000000
SMALL = [w for kind in ("hash", "zset") for w in ("--%s-max-listpack-entries" % kind, "3", "--%s-max-listpack-value" % kind, "8")]
LARGE = [w for kind in ("hash", "zset") for w in ("--%s-max-listpack-entries" % kind, "5000", "--%s-max-listpack-value" % kind, "3000")]
CONFIGS = {
    "as it comes": ["--rdbcompression", "yes"],
    "small limits, nothing compressed": SMALL + ["--set-max-intset-entries", "3", "--list-max-listpack-size", "3", "--rdbcompression", "no"],
    "large limits, no checksum": LARGE + ["--set-max-intset-entries", "5000", "--list-max-listpack-size", "-5", "--rdbchecksum", "no"],
    "compressed lists, LFU": ["--list-compress-depth", "1", "--list-max-listpack-size", "-1", "--maxmemory-policy", "allkeys-lfu"],
    "LRU": ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "1gb"],
}


def word(r):
    return r.choice([b"%d" % r.randrange(-200, 70000), b"%d" % r.randrange(-1 << 62, 1 << 62), b"w%d" % r.randrange(500), r.randbytes(r.randrange(1, 30)),
                     b"x" * r.choice((20, 63, 64, 65, 300, 5000)), b"ab" * r.randrange(1, 900)])


def fill(c, r, streams=True):
    """Small and big values of every kind, in two databases."""
    for i in range(KEYS):
        if i % 50 == 0:
            c.cmd("SELECT", i // 50 % 2 * 7)
        key, n = b"key:%d" % i, r.choice((1, 1, 2, 5, 20, 200, 900))
        words, kind = [word(r) for _ in range(n)], r.randrange(6 if streams else 5)
        if kind == 0:
            c.cmd("SET", key, words[0])
        elif kind == 1:
            c.cmd("RPUSH", key, *words)
        elif kind == 2:
            c.cmd("SADD", key, *([b"%d" % r.randrange(1 << 40) for _ in words] if r.randrange(2) else words))
        elif kind == 3:
            c.cmd("HSET", key, *(x for w in words for x in (w, word(r))))
        elif kind == 4:
            c.cmd("ZADD", key, *(x for w in words for x in (r.choice((b"1", b"1.5", b"-inf", b"inf", b"0.1", b"1e300", b"%d" % r.randrange(1 << 50))), w)))
        else:
            stream(c, key, r, n)
        if r.randrange(5) == 0:
            c.cmd("PEXPIREAT", key, STAMP + i)


def stream(c, key, r, n):
    for k in range(n):
        c.cmd("XADD", key, "%d-%d" % (k // 3 + 1, k % 3), *(x for _ in range(r.randrange(1, 3)) for x in (b"f%d" % r.randrange(3), word(r))))
    for g in range(r.randrange(3)):
        c.cmd("XGROUP", "CREATE", key, "g%d" % g, "0")
        c.cmd("XREADGROUP", "GROUP", "g%d" % g, "alice", "COUNT", r.randrange(1, 9), "STREAMS", key, ">")
        c.cmd("XACK", key, "g%d" % g, "1-0")
    if n > 5:
        c.cmd("XDEL", key, "1-1", "2-0")


def home(path):
    """A directory with that file as dump.rdb."""
    d = tempfile.mkdtemp(prefix="duet-test-")
    shutil.copy(path, os.path.join(d, "dump.rdb"))
    return d


def loaded(path, command=None, options=(), ask=lambda c: c.cmd("DEBUG", "DIGEST"), save_as=None):
    """What a server says that begins with this file."""
    d = home(path)
    try:
        with servers.Server(*DEBUG, *options, command=command, directory=d) as s, s.connect(60) as c:
            tap.until(lambda: not str(c.error("DBSIZE")).startswith("LOADING"), 30, "the load")
            said = ask(c)
            if save_as:
                c.cmd("SAVE")
                shutil.copy(os.path.join(d, "dump.rdb"), save_as)
            return said
    except RuntimeError as e:
        return str(e)
    finally:
        shutil.rmtree(d, ignore_errors=True)


def refused(path):
    """Exit status and last words of a duet server that cannot begin with this file."""
    d = home(path)
    s = servers.Server(*DEBUG, directory=d, wait=False)
    try:
        return s.process.wait(20), s.log()
    except Exception:
        return 0, "it runs"
    finally:
        s.close()
        shutil.rmtree(d, ignore_errors=True)


def real_files(top):
    for name, options in CONFIGS.items():
        r = random.Random(SEED)
        path, back = os.path.join(top, "real.rdb"), os.path.join(top, "back.rdb")
        policy = [w for o in range(0, len(options), 2) if options[o] == "--maxmemory-policy" for w in options[o:o + 2]]
        access = "FREQ" if "allkeys-lfu" in options else "IDLETIME"
        with servers.Server(*DEBUG, *options, command=REDIS) as s, s.connect(60) as c:
            fill(c, r)
            c.cmd("SELECT", 0)
            for _ in range(3000 if access == "FREQ" else 0):
                c.cmd("GET", "hot")
            c.cmd("RESTORE", "told", 0, c.cmd("DUMP", "key:0"), *(["FREQ", 77] if access == "FREQ" else ["IDLETIME", 5000]))
            digest = c.cmd("DEBUG", "DIGEST")
            c.cmd("SAVE")
            shutil.copy(os.path.join(s.directory, "dump.rdb"), path)

        def ask(c):
            return c.cmd("DEBUG", "DIGEST"), c.cmd("OBJECT", access, "told") if policy else None

        said = loaded(path, options=policy, ask=ask, save_as=back)
        tap.equal(said[0], digest, "redis-server's file loads with an equal digest: %s" % name)
        if policy:
            want = 77 if access == "FREQ" else 5000
            tap.ok(said[1] is not None and want - 2 <= said[1] <= want + 60, "with its keys' %s" % access.lower()) or tap.say(said[1])
        tap.equal(loaded(back, command=REDIS), digest, "what Duet then saves, redis-server loads as the same")
        again = os.path.join(top, "again.rdb")
        loaded(back, command=REDIS, save_as=again)
        tap.equal(loaded(again, options=["--hash-max-listpack-entries", "1"]), digest, "and Duet once more")


def sealed(head, body, version):
    data = head + body + b"\xff"
    return data + struct.pack("<Q", payloads.crc64(data)) if version >= 5 else data


# The version of RDB that first had each type.
SINCE = {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 9: 2, 10: 2, 11: 2, 12: 2, 13: 4, 14: 7, 5: 8, 15: 9, 16: 10, 17: 10, 18: 10, 19: 10, 20: 11, 21: 11}


def made_by_hand(version):
    body = b"\xfe\0"
    if version >= 7:
        body = b"\xfa" + payloads.string(b"redis-ver") + payloads.string(b"x") + body + b"\xfb" + payloads.length(9) + payloads.length(2)
    for i, (name, value) in enumerate(payloads.SOUND.items()):
        if SINCE[value[0]] > version or name == "trailing bytes":
            continue
        if i % 4 == 1:
            body += b"\xfd" + struct.pack("<i", 2147480000 + i)
        elif i % 4 == 2 and version >= 3:
            body += b"\xfc" + struct.pack("<q", STAMP + i)
        if version >= 9 and i % 3 == 0:
            body += b"\xf8" + payloads.length(30) if i % 2 else b"\xf9\x20"
        body += value[:1] + payloads.string(name.encode()) + value[1:]
    body += b"\xfe\x03" + b"\0" + payloads.string(b"in db 3") + payloads.string(b"yes")
    if version >= 11:
        body += b"\x14" + payloads.string(b"set, listpack") + payloads.string(payloads.listpack(b"a", 5, b"b" * 100))
    return sealed(b"REDIS%04d" % version, body, version)


def old_files(top):
    path = os.path.join(top, "old.rdb")
    for version in range(1, 12):
        with open(path, "wb") as f:
            f.write(made_by_hand(version))
        if version <= 10:
            tap.equal(loaded(path), loaded(path, command=REDIS), "a file of RDB version %d: the same data as in redis-server" % version)
    said = loaded(path, ask=lambda c: (c.cmd("SELECT", 3), sorted(c.cmd("SMEMBERS", "set, listpack")), c.cmd("DBSIZE"))[1:])
    tap.equal(said, ([b"5", b"a", b"b" * 100], 2), "and of version 11, with a set as a listpack")


def streams_in(c, db):
    c.cmd("SELECT", db)
    return [c.cmd("XRANGE", b"stream:%d" % i, "-", "+") for i in range(20)]


def peer_files(top):
    found = False
    for name in ("valkey-server", "redis-server"):
        program = os.path.join(CACHE, name)
        if not os.access(program, os.X_OK):
            continue
        found = True
        path = os.path.join(top, name + ".rdb")
        with servers.Server(*DEBUG, command=REDIS) as s, s.connect(60) as c:
            fill(c, random.Random(SEED), streams=False)
            digest = c.cmd("DEBUG", "DIGEST")
        with servers.Server("--save", "", command=[program]) as s, s.connect(60) as c:
            version = [x for x in c.cmd("INFO", "server").decode().split("\r\n") if "_version:" in x][:2]
            fill(c, random.Random(SEED), streams=False)
            c.cmd("SAVE")
            shutil.copy(os.path.join(s.directory, "dump.rdb"), path)
            tap.equal(loaded(path), digest, "a file of %s: the same data as in redis-server 7.0" % " ".join(version))
            r = random.Random(SEED)
            for i in range(20):
                stream(c, b"stream:%d" % i, r, 30 * i + 1)
            db = 7 if (KEYS - 1) // 50 % 2 else 0
            want = streams_in(c, db)
            c.cmd("SAVE")
            shutil.copy(os.path.join(s.directory, "dump.rdb"), path)
            tap.equal(loaded(path, ask=lambda d: streams_in(d, db)), want, "and its streams")
            c.cmd("HSET", "expiring", "f", "v", "g", "w")
            c.cmd("HEXPIRE", "expiring", 1000, "FIELDS", 1, "f")
            c.cmd("SAVE")
            shutil.copy(os.path.join(s.directory, "dump.rdb"), path)
        status, text = refused(path)
        tap.ok(status != 0 and 'the key "expiring" is a hash whose fields expire' in text, "a hash whose fields expire is refused by key and type") or tap.say(status, text[-600:])
    if not found:
        tap.skip("files of Valkey 9 and Redis 8", "they are not in the cache")


def damage(top):
    path, bad = os.path.join(top, "back.rdb"), os.path.join(top, "bad.rdb")
    with open(path, "rb") as f:
        good = f.read()
    r, wrong = random.Random(SEED), []
    for i in range(60 if tap.FULL else 12):
        at = r.randrange(len(good))
        data = bytearray(good)
        if i % 3 == 0:
            del data[at:]
        elif i % 3 == 1:
            data[at] ^= 1 << r.randrange(8)
        else:
            data += b"x" * (at % 9 + 1)
        with open(bad, "wb") as f:
            f.write(data)
        status, text = refused(bad)
        if status == 0 or "dump.rdb: byte " not in text or "Nothing was loaded" not in text:
            wrong.append((i % 3, at, status, text[-300:]))
    tap.equal(wrong, [], "a server does not begin with a file that is cut, changed or longer than it says: it names file, byte and what to do")


def main():
    tap.say("DUET_SEED=%d" % SEED)
    top = tempfile.mkdtemp(prefix="duet-test-")
    try:
        old_files(top)
        real_files(top)
        damage(top)
        peer_files(top)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    tap.done()


if __name__ == "__main__":
    main()
