"""The known differences between Duet and redis-server 7.0, each with its reason. The comparison asks `allowed`
only for replies that differ. A row: a name, a test of (words, duet's raw reply, redis's raw reply), the reason."""


# Not seen by the generator, which leaves them alone, because what follows would differ too:
# - SORT of a small sorted set: redis-server turns it into a skiplist for good, Duet leaves it a listpack (less memory; OBJECT ENCODING tells).
# - SORT with numbers: redis-server's says "One or more scores can't be converted into double" when an earlier command's number was too big;
#   Duet looks at SORT's own numbers only.
# - What is equally far, or weighs the same, when COUNT or LIMIT leaves some out: any order is right, and each server has its own.
# - redis.set_repl(redis.REPL_AOF) and REPL_REPLICA: the log and the stream are one here, so either tells both.
# - SCRIPT DEBUG YES and SYNC: there is no debugger; it says so.
# - An error raised in a script whose table has no `err`: redis-server 7.0 ends itself, Duet says "ERR unknown error" as Redis 7.2 does.
# - Ranges of names over a big sorted set whose scores differ: undefined, and drawn by chance in redis-server.
# - RESTORE looks at every byte of a payload, as redis-server does with sanitize-dump-payload yes only; it refuses a score that is no
#   number, which is zero to redis-server; and it takes payloads of Redis 7.2, which redis-server 7.0 refuses by their version.
# - MIGRATE lets other clients go on. A key that one of them changes on its way stays, and the reply is an IOERR; redis-server stands still
#   instead, for as long as the target takes. Inside EXEC and scripts nothing comes between, for 10 s at most.
# - PFSELFTEST tries fewer elements: nobody is to wait for seconds.
# - FUNCTION, FCALL: not there. ACL SETUSER of anybody but `default`, and of what one password cannot hold: refused by a sentence.
# - A client that subscribed to events of its own commands in RESP3: redis-server puts those of ZPOPMIN, ZPOPMAX, ZMPOP, SPOP with a count and XAUTOCLAIM
#   into the middle of the reply's array, where no client looks for them; Duet tells them behind the reply.
# - CLIENT TRACKING with prefixes that overlap: redis-server answers twice, which leaves every later reply one behind; Duet once.
# - maxmemory: eviction follows writes and time; redis-server evicts before reads as well.
# - list-compress-depth: the present setting holds for a list as it is changed; redis-server keeps the one of the list's making. Replies are the same.
# - A password with a NUL byte in it is refused: configuration values are text.
# - CLIENT PAUSE WRITE on a slave holds all that its master sends; redis-server counts the master's PINGs on.
# Directives that differ stand in test_config.py's REASONS.
def _name(words):
    return words[0].upper()


def _sub(words):
    return words[1].upper() if len(words) > 1 else b""


def _near(ours, theirs):
    """Whether two replies differ only in the last digits of numbers."""
    a, b = ours.split(b"\r\n"), theirs.split(b"\r\n")
    return len(a) == len(b) and all(x == y or x[:1] == y[:1] == b"$" or _close(x, y) for x, y in zip(a, b))


def _close(x, y):
    try:
        x, y = float(x.lstrip(b",")), float(y.lstrip(b","))
    except ValueError:
        return False
    return abs(x - y) <= 1e-13 * abs(x)


DIFFERENCES = [
    (
        "help texts",
        lambda words, ours, theirs: _sub(words) == b"HELP" and ours[:1] == theirs[:1] == b"*",
        "what HELP prints is for people; Duet says it in its own words",
    ),
    (
        "REFCOUNT of small integers",
        lambda words, ours, theirs: _name(words) == b"OBJECT" and _sub(words) == b"REFCOUNT" and {ours, theirs} == {b":1\r\n", b":2147483647\r\n"},
        "Duet shares no objects; it says of every small integer what redis-server says of most, but there COPY unshares",
    ),
    (
        "the last digit of stored distances",
        lambda words, ours, theirs: _name(words) == b"ZRANGE" and words[1:2] == [b"gd"] and _near(ours, theirs),
        "what STOREDIST keeps has 17 digits, and about one in 400 differs in the last: no two C libraries have the same sine; what is replied has "
        "four digits behind the point and is the same",
    ),
    (
        "expired keys in DBSIZE",
        lambda words, ours, theirs: _name(words) == b"DBSIZE" and ours[:1] == theirs[:1] == b":" and abs(int(ours[1:]) - int(theirs[1:])) <= 4,
        "a key that has expired (SET ... PXAT 1) counts until somebody finds it, and each server looks for them in its own time",
    ),
]


def allowed(words, ours, theirs):
    """The name of the known difference that this is, or None."""
    for name, is_it, _reason in DIFFERENCES:
        if is_it(words, ours, theirs):
            return name
    return None
