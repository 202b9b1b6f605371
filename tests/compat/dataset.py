"""A server's whole data as a value that can be compared."""


def pairs(flat):
    return sorted(zip(flat[::2], flat[1::2]))


READS = {b"+string": [b"GET"], b"+hash": [b"HGETALL"], b"+set": [b"SMEMBERS"], b"+list": [b"LRANGE", b"0", b"-1"],
         b"+zset": [b"ZRANGE", b"0", b"-1", b"WITHSCORES"]}


def read(key, kind):
    return [b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"] if kind == b"+stream" else [READS[kind][0], key] + READS[kind][1:]


def fields(flat):
    return dict(zip(flat[::2], flat[1::2]))


def stream(reply, whole):
    """A stream without its times. Not whole: what redis-server's slaves are told of groups, which is not all: reading the
    history counts deliveries, consumers come to be without a message, and entries-read stays behind on a slave."""
    found = fields(reply)
    groups = []
    for group in map(fields, found.pop(b"groups")):
        counts = (lambda row: row[-1]) if whole else (lambda row: None)
        pending = [(row[0], row[1], counts(row)) for row in group[b"pending"]]
        consumers = [(c[b"name"], [row[0] for row in c[b"pending"]]) for c in map(fields, group[b"consumers"]) if whole or c[b"pending"]]
        read = (group[b"entries-read"], group[b"lag"]) if whole else None
        groups.append((group[b"name"], group[b"last-delivered-id"], read, pending, consumers))
    if not whole:
        found.pop(b"radix-tree-nodes")
        found.pop(b"radix-tree-keys")
    return sorted(found.items()), groups


def value(key, kind, reply, whole):
    if kind == b"+stream":
        return stream(reply, whole)
    if key == b"gd" and kind == b"+zset":  # stored distances: see differences.py
        return [reply[::2], ["%.13g" % float(x) for x in reply[1::2]]]
    return pairs(reply) if kind == b"+hash" else sorted(reply) if kind == b"+set" else reply


def data(wire, encodings=True):
    """All keys of all databases: {(db, key): (type, encoding, value, has a stamp)}. A copy or a reload may keep a value in
    another form than the history of changes left it in, so there the encodings are not asked for."""
    found = {}
    for db in range(16):
        wire.call("SELECT", db)
        keys = wire.call("KEYS", "*")
        kinds = [v for _, v in wire.pipeline([(b"TYPE", k) for k in keys])]
        reads = [read(k, t) for k, t in zip(keys, kinds)]
        replies = [v for _, v in wire.pipeline([c for k, r in zip(keys, reads) for c in ((b"OBJECT", b"ENCODING", k), (b"PTTL", k), r)])]
        for i, (k, kind) in enumerate(zip(keys, kinds)):
            encoding, ttl, reply = replies[3 * i:3 * i + 3]
            found[db, k] = (kind, encoding if encodings else None, value(k, kind, reply, encodings), ttl >= 0)
    return found


def differing(ours, theirs):
    """A line for each key that is not the same in both."""
    return ["data differ at %r: %.200r / %.200r" % (k, ours.get(k), theirs.get(k)) for k in sorted(set(ours) | set(theirs))
            if ours.get(k) != theirs.get(k)]
