"""What the tests of replication share: servers of every make, a load in which every write command occurs, and a look at
whether two servers hold the same.

A load is seeded; it writes into several databases, singly, in transactions and by scripts, with waiting clients that are
served, with keys that expire during the test and long after it.
"""

import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.append(os.path.join(HERE, "..", "compat"))
import dataset
import servers
import tap
from words import Words
from words_script import WRITERS

CACHE = os.environ.get("DUET_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duet")
VALKEY = os.path.join(CACHE, "peers", "valkey-server")
LIMIT_S = 60
OPTIONS = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--enable-debug-command", "yes")


def duet(*options, **more):
    return servers.Server(*OPTIONS, *options, **more)


def redis(*options, **more):
    # It looks at payloads of RESTORE as Duet always does; else it takes what no one can load.
    return servers.Server("--appendonly", "no", "--save", "", "--sanitize-dump-payload", "yes", *OPTIONS, *options, command=[servers.REDIS_SERVER], **more)


def valkey(*options, **more):
    return servers.Server("--appendonly", "no", "--save", "", "--sanitize-dump-payload", "yes", *OPTIONS, *options, command=[VALKEY], **more)


def has_valkey():
    return os.access(VALKEY, os.X_OK)


def info(c, section="replication"):
    return dict(line.split(":", 1) for line in c.cmd("INFO", section).decode().splitlines() if ":" in line)


def pipe(c, commands):
    c.send_raw(b"".join(servers.encode(*w) for w in commands))
    replies = []
    for _ in commands:
        try:
            replies.append(c.read())
        except servers.Error as e:
            replies.append(e)
    return replies


# ---- the load -----------------------------------------------------------------------------------------------------

# A line for every write command, which has an effect as it stands here: ';' parts commands, K is a key of its own, J another.
EVERY = """
append K abc ; set J 5 ; decr J ; decrby J 3 ; getdel J ; set J 5 ; getex J ex 5000 ; getex J persist ; getset J 7 ; incr J ; incrby J 40 ; incrbyfloat J 1.25
mset K 1 J 2 ; del K J ; msetnx K 1 J 2 ; psetex K 7000000 v ; set J v px 20 ; set J w xx keepttl ; setex K 7000 v ; del K ; setnx K v ; setrange K 7 x
bitfield K set u8 0 200 incrby i5 100 1 get u4 0 ; setbit K 70 1 ; bitop not J K ; bitop xor J K J
set K v ; copy K J ; copy K J db 1 replace ; expire K 5000 ; persist K ; expireat K 4102444800 ; pexpire K 7000000 ; pexpireat K 4102444800123 ; rename K J ; renamenx J K ; unlink K
set K v ; expire K 0 ; set K v ; pexpire K 15 ; set J v exat 1 ; set J x ; pexpire J 1 nx
set K v ; move K 2 ; sadd K 3 1 2 ; sort K store J ; sort K by nosort get # limit 0 2 store J ; del K J ; restore K 0 DUMPED ; restore-asking J 5000000 DUMPED ; restore J 4102444800000 DUMPED replace absttl
lpush K a b c d ; rpush K e f ; lpushx K g ; rpushx K h ; linsert K before c x ; lset K 1 y ; lrem K 1 a ; lpop K ; rpop K 1 ; lmove K J left right ; rpoplpush K J ; lmpop 2 none K right count 2 ; ltrim J 0 0
rpush K a b c d e f g h ; blpop none K 0 ; brpop K 0 ; blmove K J right left 0 ; brpoplpush K J 0 ; blmpop 0 1 K left count 2
sadd K a b c 1 2 3 ; sadd J 2 3 4 c ; smove K J a ; srem K b ; sdiffstore JJ K J ; sinterstore JJ K J ; sunionstore JJ K J ; spop K ; spop J 2 ; spop JJ 100
zadd K 1 a 2 b 3 c 4 d 5 e ; zadd J nx 1.5 b 2 z ; zadd K gt ch 9 a ; zadd K incr 1.1 b ; zincrby K 0.1 a ; zdiffstore JJ 2 K J ; zinterstore JJ 2 K J weights 2 0.1 ; zunionstore JJ 2 K J aggregate max ; zrangestore JJ K 0 2
zadd K 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i ; zpopmin K ; zpopmax K 1 ; zmpop 1 K min count 1 ; bzpopmin K 0 ; bzpopmax none K 0 ; bzmpop 0 1 K max ; zrem K d ; zremrangebyrank K 0 0
zadd K 0 a 0 b 0 c 0 d ; zremrangebylex K [a (b ; zremrangebyscore K -inf +inf
hset K f v g 1 h 1.5 ; hmset K i v ; hsetnx K n v ; hincrby K g 5 ; hincrbyfloat K h 0.1 ; hdel K f i
xadd K 5-1 f v ; xadd K * f v g w ; xadd K maxlen ~ 100 nomkstream * f v ; xgroup create K grp 0 ; xgroup createconsumer K grp c1 ; xreadgroup group grp c1 count 2 streams K > ; xack K grp 5-1 ; xautoclaim K grp c2 0 0
xadd K 5-1 f v ; xadd K 6-1 f v ; xadd K 7-* f v ; xgroup create K grp 0 entriesread 1 ; xreadgroup group grp c1 streams K > ; xclaim K grp c2 0 6-1 ; xdel K 5-1 ; xtrim K maxlen 1 ; xsetid K 9-9 ; xgroup setid K grp 6-1 ; xgroup delconsumer K grp c1
xgroup create K grp $ mkstream ; xreadgroup group grp c noack block 1 streams K > ; xgroup destroy K grp ; xadd K 1-1 a b
geoadd K 13.361389 38.115556 p 15.087269 37.502669 c 2.35 48.85 paris ; georadius K 15 37 200 km store J ; georadiusbymember K p 200 km store J ; geosearchstore J K frommember p byradius 300 km ; georadius K 15 37 200 km storedist J
pfadd K a b c ; pfadd J c d ; pfmerge J K ; pfcount J ; pfdebug todense J ; pfadd K x y z
select 5 ; set K v ; set J v ; flushdb ; set K w ; swapdb 5 6 ; select 6 ; get K
multi ; set K 1 ; lpush J a b ; incr K ; expire K 5000 ; exec ; multi ; set K 9 ; discard ; multi ; get K ; exec
eval SCRIPT1 2 K J ; eval SCRIPT2 2 K J ; evalsha SHA1 2 K J ; publish channel message ; spublish channel message
"""
SCRIPTS = {
    b"SCRIPT1": b"redis.call('set', KEYS[1], redis.call('time')[1]) redis.call('sadd', KEYS[2], math.random(1000), 'x', ARGV[1] or 'y')",
    b"SCRIPT2": b"redis.call('select', 3) for i = 1, 5 do redis.call('rpush', KEYS[1], i) end redis.call('select', 0) return redis.call('spop', KEYS[2])",
}
ONCE = {"flushall", "migrate"}  # these are done by Load.rare


class ReplWords(Words):
    """Words without those that redis-server does not tell its own slaves right: a BITFIELD that fails for overflow leaves the
    string longer there, a PFADD that meets a broken value has changed a part of it, and the slaves are not told."""

    FAMILIES = [f for f in Words.FAMILIES if f.__name__ not in ("connection", "hll")]

    def command(self):
        while True:
            words = super().command()
            name = words[0].upper()
            upper = [w.upper() for w in words]
            if b"FAIL" in upper or b"BLOCK" in upper or name.startswith((b"BL", b"BR", b"BZ")) or name in (b"DEBUG", b"WAIT", b"MULTI", b"EXEC", b"DISCARD"):
                continue  # what waits is in EVERY, and in waiting()
            # What is a number is not the same to all: a SORT may be refused by some for one that an earlier command has seen
            # (differences.py), and Valkey reads no hexadecimal ones. A plain SORT is in EVERY.
            if b"0X1P3" in upper or name == b"SORT":
                continue
            if name.startswith(b"RESTORE") and words[3:] and words[3][-10:-8] == b"\0\0":
                continue  # a payload of version 0, which Valkey refuses
            if name == b"FLUSHALL" and self.chance(0.9):
                continue
            return words


class Load:
    """Commands for the head of a chain. `spare` is a server that MIGRATE may move keys to, `dumper` one whose payloads
    all of the chain can take."""

    def __init__(self, head, seed, spare, dumper):
        self.head, self.spare, self.rng = head, spare, random.Random(seed)
        self.words = ReplWords(self.rng)
        self.c, self.waiter = head.connect(60), head.connect(60)
        self.serial = 0
        self.sha = self.c.cmd("SCRIPT", "LOAD", SCRIPTS[b"SCRIPT1"])
        with dumper.connect() as c:
            c.cmd("HSET", "dumped", "a", "1", "b", "x" * 100)
            self.dumped = c.cmd("DUMP", "dumped")
            c.cmd("DEL", "dumped")
        self.lines = [[part.split() for part in line.split(";")] for line in EVERY.strip().split("\n")]

    def word(self, w, n):
        names = {"K": b"w:%d" % n, "J": b"v:%d" % n, "JJ": b"u:%d" % n, "DUMPED": self.dumped, "SHA1": self.sha}
        return names.get(w) or SCRIPTS.get(w.encode()) or w.encode()

    def every(self):
        """Each line once, in a chance order and over several databases."""
        self.rng.shuffle(self.lines)
        for line in self.lines:
            self.serial += 1
            n = self.serial if self.rng.random() < 0.7 else self.rng.randrange(1, self.serial + 1)
            commands = [[b"SELECT", b"%d" % self.rng.randrange(4)]]
            commands += [[b"DEL", b"w:%d" % n, b"v:%d" % n, b"u:%d" % n]]
            pipe(self.c, commands + [[self.word(w, n) for w in words] for words in line])

    def some(self, count):
        """Generated commands, a part of them in transactions and in scripts."""
        todo = [[b"SELECT", b"%d" % self.rng.randrange(4)]]
        while len(todo) < count:
            r = self.rng.random()
            if r < 0.05:
                todo += [[b"MULTI"]] + [self.in_group() for _ in range(self.rng.randrange(5))] + [[b"EXEC"]]
            elif r < 0.09:
                todo.append([b"EVAL", self.rng.choice(WRITERS_ALIKE), b"0"] + self.in_group())
            elif r < 0.13:
                todo.append([b"SET", b"short:%d" % self.rng.randrange(50), b"v", b"PX", b"%d" % self.rng.randrange(1, 60)])
            elif r < 0.14:
                todo.append([b"SELECT", b"%d" % self.rng.randrange(4)])
            else:
                todo.append(self.words.command())
        for at in range(0, len(todo), 200):
            pipe(self.c, todo[at:at + 200])
        pipe(self.c, [[b"EXEC"], [b"SELECT", b"0"]])

    def in_group(self):
        while True:
            words = self.words.command()
            if not words[0].upper().startswith((b"BL", b"BR", b"BZ", b"X", b"SPOP", b"SELECT", b"SWAP", b"FLUSH", b"KEYS", b"SCAN", b"RANDOM")):
                return words

    def waiting(self):
        """A client that waits is served by a push of another one."""
        self.serial += 1
        key = b"wait:%d" % self.serial
        pipe(self.c, [[b"SELECT", b"0"]])
        for wait, push in ((b"BLPOP %s 20", b"RPUSH %s a b"), (b"BRPOPLPUSH %s moved 20", b"LPUSH %s c"), (b"BLMPOP 20 1 %s LEFT COUNT 2", b"RPUSH %s d e"),
                           (b"BZPOPMAX %s 20", b"ZADD %s 1 m 2 n"), (b"BLMOVE %s moved LEFT LEFT 20", b"RPUSH %s f")):
            before = int(info(self.c, "clients")["blocked_clients"])
            self.waiter.send(*((wait % key).split()))
            tap.until(lambda: int(info(self.c, "clients")["blocked_clients"]) > before, LIMIT_S, "a client waits", 0.001)
            pipe(self.c, [[b"MULTI"], (push % key).split(), [b"INCR", b"served"], [b"EXEC"], [b"DEL", key]] if self.rng.random() < 0.5 else [(push % key).split(), [b"DEL", key]])
            self.waiter.read()

    def rare(self):
        """What empties everything, and what needs another server."""
        pipe(self.c, [[b"SELECT", b"0"], [b"SET", b"away", b"v"]])
        reply = self.c.cmd("MIGRATE", "127.0.0.1", self.spare.port, "away", 0, 5000, "REPLACE")
        if reply != b"OK":
            raise RuntimeError("MIGRATE: %r" % reply)
        pipe(self.c, [[b"MIGRATE", b"127.0.0.1", b"%d" % self.spare.port, b"", b"0", b"5000", b"REPLACE", b"KEYS", b"dumped", b"k1", b"k2"], [b"FLUSHALL"]])

    def run(self, count):
        """One share of the load."""
        self.every()
        self.waiting()
        self.some(count)

    def missing(self, any_duet):
        """Write commands of Duet's table that never succeeded at the head."""
        with any_duet.connect() as c:
            names = [row for row in c.cmd("COMMAND", "INFO", *c.cmd("COMMAND", "LIST"))]
        wanted = set()
        for row in names:
            rows = [row] + (row[9] if len(row) > 9 else [])
            wanted |= {r[0].decode().lower() for r in rows if b"write" in r[2]}
        done = set()
        for name, fields in info(self.c, "commandstats").items():
            got = dict(f.split("=") for f in fields.split(","))
            if int(got["calls"]) > int(got["failed_calls"]):
                done.add(name[len("cmdstat_"):])
        return sorted(w for w in wanted if w not in done)


# Those that tell slaves what they did; set_repl is for another test.
WRITERS_ALIKE = [w for w in WRITERS if b"set_repl" not in w]


# ---- the same? ----------------------------------------------------------------------------------------------------

def everything(server):
    """{(db, key): (type, value, absolute expiry in ms)} of all databases; what has expired is not there."""
    found = {}
    with server.connect(60) as c:
        for db in range(16):
            c.cmd("SELECT", db)
            keys = c.cmd("KEYS", "*")
            kinds = [b"+" + k for k in pipe(c, [(b"TYPE", k) for k in keys])]
            live = [(k, t) for k, t in zip(keys, kinds) if t != b"+none"]
            for at in range(0, len(live), 500):
                part = live[at:at + 500]
                replies = pipe(c, [w for k, t in part for w in ((b"PEXPIRETIME", k), dataset.read(k, t))])
                for i, (k, t) in enumerate(part):
                    stamp, reply = replies[2 * i:2 * i + 2]
                    if stamp != -2 and not isinstance(reply, Exception):
                        # Valkey writes a score in as few digits as tell it from others; the last digit of a stored distance is no one's (differences.py).
                        same = list(zip(reply[::2], ["%.13g" % float(x) for x in reply[1::2]])) if t == b"+zset" else dataset.value(k, t, reply, False)
                        found[db, k] = (t, same, stamp)
    return found


def up(server):
    with server.connect() as c:
        return info(c)["master_link_status"] == "up"


def place(server):
    """(id, offset) of a server's end of the stream."""
    with server.connect() as c:
        found = info(c)
        return found["master_replid"], found["master_repl_offset"]


def same(head, slaves, what, limit_s=LIMIT_S):
    """Every slave is at the head's place in the stream, and holds what it holds."""
    named = ["%s on port %d" % (os.path.basename(s.command[0]), s.port) for s in slaves]

    def level():
        end = place(head)
        return [n for s, n in zip(slaves, named) if place(s) != end]

    try:
        tap.until(lambda: not level(), limit_s, "%s: the same place" % what)
    except TimeoutError as e:
        tap.say(e)
        for s, n in zip(slaves, named):
            with s.connect() as c:
                tap.say(n, ) or tap.say(sorted(info(c).items()))
    left = {}

    def different():
        want = everything(head)
        left.clear()
        for s, n in zip(slaves, named):
            lines = dataset.differing(want, everything(s))
            if lines:
                left[n] = lines
        return left

    try:  # what expires is taken away by the head's DEL, which may come between two looks
        tap.until(lambda: not different(), 15, "the same data", 0.2)
    except TimeoutError:
        pass
    for n, lines in left.items():
        tap.say("%s: %d keys differ" % (n, len(lines)))
        for line in lines[:6]:
            tap.say(line)
    try:
        tap.until(lambda: not level(), 5, "the same place again")
    except TimeoutError:
        left["a place"] = level()
    return tap.ok(not left, what)
