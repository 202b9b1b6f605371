"""A server's whole data as a value that can be compared."""


def pairs(flat):
    return sorted(zip(flat[::2], flat[1::2]))


def data(wire, encodings=True):
    """All keys of all databases: {(db, key): (type, encoding, value, has a stamp)}. A copy or a reload may keep a value in
    another form than the history of changes left it in, so there the encodings are not asked for."""
    found = {}
    for db in range(16):
        wire.call("SELECT", db)
        keys = wire.call("KEYS", "*")
        ask = [c for k in keys for c in ((b"TYPE", k), (b"OBJECT", b"ENCODING", k), (b"GET", k), (b"HGETALL", k), (b"SMEMBERS", k), (b"LRANGE", k, 0, -1), (b"PTTL", k))]
        replies = [v for _, v in wire.pipeline(ask)]
        for i, k in enumerate(keys):
            kind, encoding, string, fields, members, elements, ttl = replies[7 * i:7 * i + 7]
            value = {b"+hash": lambda: pairs(fields), b"+set": lambda: sorted(members), b"+list": lambda: elements}.get(kind, lambda: string)()
            found[db, k] = (kind, encoding if encodings else None, value, ttl >= 0)
    return found


def differing(ours, theirs):
    """A line for each key that is not the same in both."""
    return ["data differ at %r: %.200r / %.200r" % (k, ours.get(k), theirs.get(k)) for k in sorted(set(ours) | set(theirs))
            if ours.get(k) != theirs.get(k)]
