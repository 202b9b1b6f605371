"""The known differences between Duet and redis-server 7.0, each with its reason. The comparison asks `allowed`
only for replies that differ. A row: a name, a test of (words, duet's raw reply, redis's raw reply), the reason."""


def _name(words):
    return words[0].upper()


def _sub(words):
    return words[1].upper() if len(words) > 1 else b""


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
