"""Is a history of operations linearizable, and was anything lost? Pure: takes what clients saw, says what is wrong.

An Op says who asked for what on which key, when it was sent and when answered, and how it ended:
    OK       answered; result is what the answer said
    FAILED   refused: it was not executed
    UNKNOWN  no answer (completed is INF): it may have been executed at any time after it was sent, or never
Kinds by type of key; every written value is unique in the whole history:
    register  SET value -> None           GET -> value or None
    counter   INCR -> number              GET -> number or None
    list      RPUSH value -> length       LRANGE -> list of all
    set       SADD value -> 1             SMEMBERS -> set of all

check(ops) -> sentences about violations, [] when there is none. Each key is checked by itself (linearizability is local): it is
linearizable when one order of its operations explains all answers and contradicts no clock: what was answered before another was
sent stands before it. For counters, lists and sets the answers themselves give that order; for registers an order exists when no two
values' times overlap (unique values: each read names its write). brute_force() tries all orders; tests hold the two to the same.

The last read of each key, made when all is well again, belongs to the history: what was acknowledged and is not in it is lost."""

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
INF = float("inf")
READS = {"GET", "LRANGE", "SMEMBERS"}


class Op:
    __slots__ = ("client", "key", "kind", "value", "invoked", "completed", "outcome", "result")

    def __init__(self, client, key, kind, value, invoked, completed, outcome, result=None):
        self.client, self.key, self.kind, self.value = client, key, kind, value
        self.invoked, self.completed = invoked, completed if outcome != UNKNOWN else INF
        self.outcome, self.result = outcome, result

    @property
    def is_read(self):
        return self.kind in READS

    def __repr__(self):
        said = "" if self.outcome != OK else " -> %s" % shortened(self.result)
        return "%s %s %s%s [%.4f, %s] %s%s" % (self.client, self.kind, self.key, "" if self.value is None else " %s" % self.value, self.invoked,
                                               "-" if self.completed == INF else "%.4f" % self.completed, self.outcome, said)


def shortened(result):
    text = repr(sorted(result) if isinstance(result, (set, frozenset)) else result)
    return text if len(text) < 60 else text[:30] + "..." + text[-25:]


def check(ops, reads=True):
    """reads=False: only writes and the last read of each key."""
    by_key, wrong = {}, []
    for op in ops:
        by_key.setdefault(op.key, []).append(op)
    for key, mine in sorted(by_key.items()):
        mine = [op for op in mine if op.outcome != FAILED and not (op.is_read and op.outcome == UNKNOWN)]
        if not reads:
            last = max((op.invoked for op in mine if op.is_read), default=None)
            mine = [op for op in mine if not op.is_read or op.invoked == last]
        refused = {op.value for op in by_key[key] if op.outcome == FAILED and not op.is_read}
        wrong += ["%s: %s" % (key, w) for w in CHECKS[type_of(by_key[key])](mine, refused)]
    return wrong


def type_of(ops):
    kinds = {op.kind for op in ops}
    for kind, name in (("INCR", "counter"), ("RPUSH", "list"), ("LRANGE", "list"), ("SADD", "set"), ("SMEMBERS", "set")):
        if kind in kinds:
            return name
    return "register"


def against_the_clock(placed):
    """placed: (place, op). Ops of one place are free among themselves; sentences about pairs in the wrong order."""
    placed, wrong = sorted(placed, key=lambda p: p[0]), []
    later, at = None, len(placed)  # of the ops at later places the one that completed first
    while at > 0:
        first = at
        while first > 0 and placed[first - 1][0] == placed[at - 1][0]:
            first -= 1
        group = [op for _, op in placed[first:at]]
        for op in group:
            if later is not None and later.completed < op.invoked:
                wrong.append("the answers put this first: %r, but it was sent after that had been answered: %r" % (op, later))
        for op in group:
            if later is None or op.completed < later.completed:
                later = op
        at = first
    return wrong


# ---- registers ---------------------------------------------------------------------------------------------------------


def check_register(ops, refused):
    """Each value has a span: from the first answer that shows it, to the last question that still got it. While a value's span
    lasts no other value can have been there."""
    writes = {op.value: op for op in ops if not op.is_read}
    clusters, wrong = {v: [w] for v, w in writes.items()}, []
    clusters[None] = [Op("-", "", "SET", None, -INF, -INF, OK)]
    for op in ops:
        if not op.is_read:
            continue
        if op.result not in clusters:
            wrong.append("%s: %r" % ("a value of a write that was refused" if op.result in refused else "a value that nobody wrote", op))
            continue
        clusters[op.result].append(op)
        if op.result is not None and op.completed < writes[op.result].invoked:
            wrong.append("read before it was written: %r" % op)
    forward, backward = [], []
    for value, group in clusters.items():
        if len(group) == 1 and group[0].outcome == UNKNOWN:
            continue  # nobody saw it: it may never have been executed
        answered, asked = min(group, key=lambda o: o.completed), max(group, key=lambda o: o.invoked)
        zone = (answered.completed, asked.invoked, answered, asked)
        (forward if zone[0] < zone[1] else backward).append(zone)
    forward.sort(key=lambda z: z[:2])
    for a, b in zip(forward, forward[1:]):
        if b[0] < a[1]:
            wrong.append("%r and later %r, but in between %r and later %r" % (a[2], a[3], b[2], b[3]))
    for end, begin, answered, asked in backward:
        for a in forward:
            if a[0] < begin and end < a[1]:
                wrong.append("%r and later %r, but all of %r lies in between" % (a[2], a[3], asked))
    return wrong


# ---- what only grows: the answers give the order -----------------------------------------------------------------------


def check_counter(ops, refused):
    last = max((op.result or 0 for op in ops if op.is_read), default=None)
    told = [op for op in ops if not op.is_read and op.outcome == OK]
    unknown = sorted((op for op in ops if op.outcome == UNKNOWN), key=lambda o: o.invoked)
    placed, wrong, seen = [(2 * (op.result or 0) + 1, op) for op in ops if op.is_read], [], {}
    for op in told:
        if op.result in seen:
            wrong.append("counted to %d twice: %r and %r" % (op.result, seen[op.result], op))
        if last is not None and op.result > last:
            wrong.append("an acknowledged write is lost: the last value is %d: %r" % (last, op))
        seen[op.result] = op
        placed.append((2 * op.result, op))
    top = max([last or 0] + [op.result for op in told])
    missing = [n for n in range(1, top + 1) if n not in seen]
    if len(missing) > len(unknown):
        wrong.append("counted to %d, but only %d operations can have counted" % (top, len(told) + len(unknown)))
    # The earliest of the unknown ones explain the lowest numbers: any other choice is harder.
    placed += [(2 * n, op) for n, op in zip(missing, unknown)]
    return wrong + against_the_clock(placed)


def check_list(ops, refused):
    reads = [op for op in ops if op.is_read]
    final = max((op.result for op in reads), key=len, default=[])
    last = max(reads, key=lambda o: o.invoked).result if reads else None
    at, wrong = {v: n + 1 for n, v in enumerate(final)}, []
    pushes = {op.value: op for op in ops if not op.is_read}
    if len(at) != len(final):
        wrong.append("executed twice: a value stands twice in %s" % shortened(final))
    for op in reads:
        if op.result != final[:len(op.result)]:
            wrong.append("a list that is no beginning of the longest one: %r" % op)
    for v in final:
        if v not in pushes:
            wrong.append("%s: %s" % ("a value of a write that was refused" if v in refused else "a value that nobody pushed", v))
    placed = [(2 * len(op.result) + 1, op) for op in reads]
    for v, op in pushes.items():
        if op.outcome == OK and last is not None and v not in set(last):
            wrong.append("an acknowledged write is lost: %r" % op)
        if op.outcome == OK and at.get(v, op.result) != op.result:
            wrong.append("it was told position %d and stands at %d: %r" % (op.result, at[v], op))
        if v in at or op.outcome == OK:
            placed.append((2 * at.get(v, op.result), op))
    return wrong + against_the_clock(placed)


def check_set(ops, refused):
    reads = sorted((op for op in ops if op.is_read), key=lambda o: len(o.result))
    last = max(reads, key=lambda o: o.invoked).result if reads else None
    adds, wrong, first_in, place, before = {op.value: op for op in ops if not op.is_read}, [], {}, 0, None
    placed = []
    for op in reads:
        if before is not None and not before.result <= op.result:
            wrong.append("neither holds the other one: %r and %r" % (before, op))
        if before is None or before.result != op.result:
            place += 1
        for v in op.result:
            first_in.setdefault(v, place)
        placed.append((2 * place + 1, op))
        before = op
    for v in first_in:
        if v not in adds:
            wrong.append("%s: %s" % ("a value of a write that was refused" if v in refused else "a value that nobody added", v))
    for v, op in adds.items():
        if op.outcome == OK and last is not None and v not in last:
            wrong.append("an acknowledged write is lost: %r" % op)
        if op.outcome == OK and op.result != 1:
            wrong.append("executed twice: it was there already: %r" % op)
        if v in first_in or op.outcome == OK:
            placed.append((2 * first_in.get(v, place + 1), op))
    return wrong + against_the_clock(placed)


CHECKS = {"register": check_register, "counter": check_counter, "list": check_list, "set": check_set}


# ---- all orders, for tests ---------------------------------------------------------------------------------------------

EMPTY = {"register": None, "counter": 0, "list": (), "set": frozenset()}


def applied(kind, value, state):
    """(the state after it, what it answers)."""
    if kind == "SET":
        return value, None
    if kind == "INCR":
        return state + 1, state + 1
    if kind == "RPUSH":
        return state + (value,), len(state) + 1
    if kind == "SADD":
        return state | {value}, int(value not in state)
    return state, state


def same(kind, got, said, state):
    if kind == "LRANGE":
        return list(got) == said
    if kind == "GET" and state == 0:
        return said in (None, 0)
    return got == said


def brute_force(ops):
    """Is the history of one key linearizable? By trying, with memory of what was tried (Wing and Gong's search)."""
    ops = [op for op in ops if op.outcome != FAILED and not (op.is_read and op.outcome == UNKNOWN)]
    tried = set()

    def search(left, state):
        if all(ops[i].outcome == UNKNOWN for i in left):
            return True
        if (left, state) in tried:
            return False
        tried.add((left, state))
        soonest = min(ops[i].completed for i in left)
        for i in left:
            if ops[i].invoked > soonest:
                continue
            after, answer = applied(ops[i].kind, ops[i].value, state)
            if ops[i].outcome == UNKNOWN or same(ops[i].kind, answer, ops[i].result, state):
                if search(left - {i}, after):
                    return True
        return False

    return search(frozenset(range(len(ops))), EMPTY[type_of(ops)])
