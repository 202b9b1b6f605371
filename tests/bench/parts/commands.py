"""The commands that are measured: patterns for the loader, what must be there before, how many requests."""

import hashlib

VALUE_64 = "x" * 64
KEYS = 1000000  # preloaded, so that reads hit and memory is no toy's
LISTS, SETS, HASHES = 1000, 1000, 100000


def split(words):
    """A pattern's words; a list stands for itself (scripts hold spaces)."""
    return words.split() if isinstance(words, str) else list(words)


class Command:
    """`words` is the pattern; `before(count)` gives bulk loads [(words, requests)] for `count` measured requests; `weight` is
    what a request costs beside a GET, in short: how many fewer of them are sent."""

    def __init__(self, name, words, before=None, weight=1.0, depths=(1, 16, 64), quick=True, limit=False):
        self.name, self.words, self.weight, self.depths, self.quick, self.limit = name, split(words), weight, depths, quick, limit
        self.slices = 5 if limit else 2  # more for what the design's figures rest on
        self.before = before or (lambda count: [])

    def count(self, depth, quick):
        """Requests that take a peer about half a second on a quiet core."""
        return int({1: 50000, 16: 250000, 64: 400000}[depth] / self.weight * (0.6 if quick and not self.limit else 1))


UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
LIMITER = ("local n = redis.call('incr', KEYS[1]) if n == 1 then redis.call('expire', KEYS[1], ARGV[1]) end "
           "if n > tonumber(ARGV[2]) then return 0 end return 1")


def sha(script):
    return hashlib.sha1(script.encode()).hexdigest()


def several(words, times):
    return " ".join([words] * times)


PRELOAD = [("SET key:{i:12} " + VALUE_64, KEYS)]
LIST_OF_100 = ("RPUSH list100 " + several("element:{i:8}", 10), 10)

COMMANDS = [
    Command("SET", "SET key:{r:12} " + VALUE_64, limit=True),
    Command("GET", "GET key:{r:12}", limit=True),
    Command("SET of 4 KB", "SET big:{r%10000:12} {i:20}" + "x" * 4076, weight=6, depths=(1, 16), quick=False),
    Command("GET of 4 KB", "GET big:{r%10000:12}", weight=5, depths=(1, 16), quick=False,
            before=lambda count: [("SET big:{i:12} {i:20}" + "x" * 4076, 10000)]),
    Command("SET with EX", "SET key:{r:12} %s EX {r%%1000+100000:6}" % VALUE_64, quick=False),
    Command("INCR", "INCR counter:{r:12}"),
    Command("MGET of 10", "MGET " + several("key:{r:12}", 10), weight=5, depths=(1, 16), quick=False),
    Command("MSET of 10", "MSET " + several("key:{r:12} " + VALUE_64, 10), weight=6, depths=(1, 16), quick=False),
    Command("HSET", "HSET hash:{r%%%d:12} field:{r%%10:2} %s" % (HASHES, VALUE_64), weight=1.5),
    Command("HGET", "HGET hash:{r%%%d:12} field:{r%%10:2}" % HASHES, quick=False),
    Command("LPUSH", "LPUSH list:{r%%%d:12} element:{i:10}" % LISTS),
    Command("LPOP", "LPOP list:{r%%%d:12}" % LISTS, quick=False,
            before=lambda count: [("RPUSH list:{i%%%d:12} " % LISTS + several("element:{i:10}", 50), count // 40)]),
    Command("LRANGE of 100", "LRANGE list100 0 99", weight=12, depths=(1, 16), before=lambda count: [("DEL list100", 1), LIST_OF_100]),
    Command("SADD", "SADD set:{r%%%d:12} member:{i:10}" % SETS),
    Command("SPOP", "SPOP set:{r%%%d:12}" % SETS, quick=False,
            before=lambda count: [("SADD set:{i%%%d:12} " % SETS + " ".join("member:{i*50+%d:10}" % j for j in range(50)), count // 40)]),
    Command("ZADD", "ZADD ranking {r} member:{r:10}", weight=2.5),
    Command("ZRANGE of 10", "ZRANGE ranking 1000 1009", weight=3, depths=(1, 16),
            before=lambda count: [("ZADD ranking " + " ".join("{i*%d} member:{i*20+%d:10}" % (7 + j, j) for j in range(20)), 5000)]),
    Command("EXPIRE", "EXPIRE key:{r:12} {r%1000+100000:6}", quick=False),
    Command("script: lock released", "EVALSHA %s 1 lock:{r:12} token" % sha(UNLOCK), weight=3, before=lambda count: [(["SCRIPT", "LOAD", UNLOCK], 1)]),
    Command("script: rate limiter", "EVALSHA %s 1 limit:{r%%10000:12} 60 100" % sha(LIMITER), weight=4, quick=False,
            before=lambda count: [(["SCRIPT", "LOAD", LIMITER], 1)]),
    Command("PING", "PING", depths=(1, 16), quick=False),
]
