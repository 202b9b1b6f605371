#!/usr/bin/python3
"""COMMAND, COMMAND DOCS, GETKEYS and ACL CAT field by field: what duet server says of each command that redis-server 7.0 has too
is the same, in RESP2 and RESP3. Texts for people (summary, complexity, history, notes, help) are Duet's own words; their place is compared."""

import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from words import Words  # noqa: E402

NEW = {"client|setinfo", "client|no-touch"}  # of Redis 7.2: today's clients send them when they connect
ABSENT = re.compile(r"f(unction|call)")  # functions are not part of Duet
TEXTS = {"summary", "complexity", "notes"}


class Reply:
    """A client that keeps apart what RESP3 keeps apart."""

    def __init__(self, server, resp):
        self.wire = server.wire()
        if resp == 3:
            self.ask("HELLO", "3")

    def ask(self, *words):
        self.wire.send([words])
        return self.read()

    def read(self):
        line = self.wire.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=":
            return None if rest == b"-1" else self.wire.file.read(int(rest) + 2)[:-2].decode("latin1")
        if kind in b"*~":
            return None if rest == b"-1" else (kind.decode(), [self.read() for _ in range(int(rest))])
        if kind == b"%":
            return ("%", [(self.read(), self.read()) for _ in range(int(rest))])
        if kind == b":":
            return int(rest)
        return line[:-2].decode()


def both(resp=2):
    return Reply(duet, resp), Reply(redis, resp)


def rows(reply):
    """Name -> row, of commands and subcommands."""
    found = {}

    def take(row):
        fields = row[1]
        found[fields[0]] = fields
        for sub in fields[9][1]:
            take(sub)

    for row in reply[1]:
        take(row)
    return found


def without_notes(spec):
    """Key specifications with the notes' texts taken out."""
    kind, items = spec
    pairs = items if kind == "%" else list(zip(items[::2], items[1::2]))
    return [(k, "a note" if k == "notes" else v) for k, v in pairs]


def comparable(fields):
    out = list(fields[:7])
    out[6] = sorted(fields[6][1])
    out.append((fields[7][0], fields[7][1]))
    out.append((fields[8][0], [without_notes(s) for s in fields[8][1]]))
    subs = sorted(s[1][0] for s in fields[9][1] if s[1][0] not in NEW)
    out.append((fields[9][0], subs))
    return out


def command_rows():
    """COMMAND: ten elements of every command"""
    names = ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications", "subcommands"]
    for resp in (2, 3):
        ours, theirs = (rows(r.ask("COMMAND")) for r in both(resp))
        same = [n for n in ours if n in theirs]
        for i, name in enumerate(names):
            wrong = [n for n in same if comparable(ours[n])[i] != comparable(theirs[n])[i]]
            tap.ok(not wrong, "RESP%d: the %s of %d commands are equal" % (resp, name, len(same)))
            for n in wrong:
                tap.say("%s: duet %s, redis %s" % (n, comparable(ours[n])[i], comparable(theirs[n])[i]))
    tap.equal(set(ours) - set(theirs) - NEW, set(), "no command is unknown to Redis 7.0 but what is named above")
    tap.equal({n for n in set(theirs) - set(ours) if not ABSENT.match(n)}, set(), "and none is missing but functions")


def docs(reply):
    found = {}

    def take(kind, items):
        pairs = items if kind == "%" else list(zip(items[::2], items[1::2]))
        for name, (k, fields) in pairs:
            fields = fields if k == "%" else list(zip(fields[::2], fields[1::2]))
            found[name] = dict(fields)
            assert len(found[name]) == len(fields), "a field stands once"
            if "subcommands" in found[name]:
                take(*found[name]["subcommands"])

    take(*reply)
    return found


def shape(field, value):
    if field in TEXTS:
        return bool(value)
    if field == "history":
        return (value[0], [(v[0], v[1][0], bool(v[1][1])) for v in value[1]])
    if field == "replaced_by":
        return re.findall("`[^`]*`", value)
    if field == "subcommands":
        items = [k for k, _ in value[1]] if value[0] == "%" else value[1][::2]
        return sorted(n for n in items if n not in NEW)
    return value


def command_docs():
    """COMMAND DOCS: every field, arguments as deep as they are nested"""
    for resp in (2, 3):
        ours, theirs = (docs(r.ask("COMMAND", "DOCS")) for r in both(resp))
        same = [n for n in ours if n in theirs]
        fields = sorted({f for n in same for f in theirs[n]})
        for f in fields:
            wrong = [n for n in same if (f in ours[n]) != (f in theirs[n]) or (f in ours[n] and shape(f, ours[n][f]) != shape(f, theirs[n][f]))]
            tap.ok(not wrong, "RESP%d: %s of %d commands" % (resp, f, len([n for n in same if f in theirs[n]])))
            for n in wrong:
                tap.say("%s: duet %s, redis %s" % (n, ours[n].get(f), theirs[n].get(f)))
        wrong = [n for n in same if list(ours[n]) != list(theirs[n])]
        tap.ok(not wrong, "RESP%d: fields stand in the same order" % resp)
        tap.ok(all(ours[n].get("summary") for n in ours), "RESP%d: each has a summary" % resp)
    copied = [n for n in same if ours[n]["summary"] == theirs[n]["summary"] and len(ours[n]["summary"]) > 25]
    tap.ok(not copied, "no summary is Redis's own" + (": " + " ".join(copied) if copied else ""))


def categories():
    """ACL CAT: the same categories with the same commands"""
    ours, theirs = both()
    a, b = ours.ask("ACL", "CAT"), theirs.ask("ACL", "CAT")
    tap.equal(a, b, "ACL CAT")
    have = rows(ours.ask("COMMAND"))
    for name in b[1]:
        got, want = set(ours.ask("ACL", "CAT", name)[1]), set(theirs.ask("ACL", "CAT", name)[1])
        # A container that redis-server has is named by the subcommands that Duet has of it.
        tap.equal(got - NEW, {n for n in want if n in have}, "ACL CAT %s" % name)


def listings():
    """COMMAND LIST, COUNT and their filters"""
    ours, theirs = both()
    have = set(rows(ours.ask("COMMAND")))
    for words in ([], ["FILTERBY", "ACLCAT", "hash"], ["FILTERBY", "aclcat", "Fast"], ["FILTERBY", "PATTERN", "xr*"], ["filterby", "pattern", "*|get*"],
                  ["FILTERBY", "PATTERN", ""], ["FILTERBY", "MODULE", "x"], ["FILTERBY", "ACLCAT", "nosuch"]):
        got, want = (set(r.ask("COMMAND", "LIST", *words)[1]) for r in (ours, theirs))
        tap.equal(got - NEW, {n for n in want if n in have}, "COMMAND LIST " + " ".join(words))
    tap.equal(ours.ask("COMMAND", "COUNT"), len([n for n in have if "|" not in n]), "COMMAND COUNT counts them")
    for words in (["INFO", "get", "nosuch", "config|get", "CONFIG|SET", "get|x", "config|x", "config|get|x", "|", ""],
                  ["DOCS", "nosuch"], ["DOCS", "nosuch", "ping", "PING"], ["LIST", "x"], ["LIST", "FILTERBY"], ["LIST", "FILTERBY", "x", "y"], ["COUNT", "x"],
                  ["GETKEYS"], ["GETKEYS", "x"], ["GETKEYSANDFLAGS"], ["nosuch"]):
        got, want = ours.ask("COMMAND", *words), theirs.ask("COMMAND", *words)
        if isinstance(want, tuple) and words[0] in ("INFO", "DOCS"):
            # texts are ours: what is known and what is not is the same
            got, want = [[None if x is None else 1 for x in r[1]] for r in (got, want)]
        tap.equal(got, want, "COMMAND " + " ".join(words))


def log_of_refusals():
    """ACL LOG tells of logins that failed"""
    for resp in (2, 3):
        ours, theirs = both(resp)
        said = []
        for r in (ours, theirs):
            r.ask("ACL", "LOG", "RESET")
            for words in (["AUTH", "nobody", "x"], ["AUTH", "nobody", "y"], ["auth", "nobody", "y"], ["AUTH", "b", "x"], ["AUTH", "nobody", "z"],
                          ["HELLO", "2", "AUTH", "c", "x"], ["MULTI"], ["EXEC"]):
                r.ask(*words)
            entries = []
            for kind, fields in r.ask("ACL", "LOG", "3")[1]:
                pairs = fields if kind == "%" else list(zip(fields[::2], fields[1::2]))
                entries.append((kind, [(k, "a line" if k == "client-info" and "cmd=" in v else "a time" if k == "age-seconds" else v) for k, v in pairs]))
            said.append((entries, len(r.ask("ACL", "LOG")[1]), r.ask("ACL", "LOG", "RESET"), r.ask("ACL", "LOG")))
        tap.equal(said[0], said[1], "RESP%d: ACL LOG" % resp)


MOVABLE = """eval evalsha eval_ro evalsha_ro zunionstore zinterstore zdiffstore zunion zinter zdiff zintercard sintercard lmpop blmpop zmpop bzmpop sort sort_ro migrate
georadius georadiusbymember xread xreadgroup set bitfield mset msetnx bitop pfcount pfmerge blpop lcs object memory xinfo xgroup ssubscribe spublish getex copy rename
watch touch smove mget del ping config restore-asking cluster geosearchstore acl""".split()
PARTS = """1 2 3 0 -1 2x 99 1000000 abc STORE storedist STREAMS streams KEYS keys COUNT count 5 BLOCK 0 GROUP g c NOACK > $ LIMIT BY GET by AUTH p AUTH2 u REPLACE COPY INCRBY
u8 OVERFLOW SAT get set k1 k2 k3 dst src usage encoding stream create""".split() + ["", " 2", "+2", "2 "]


def getkeys():
    """COMMAND GETKEYS and GETKEYSANDFLAGS of movable keys, over generated words"""
    seed = int(os.environ.get("DUET_SEED", "1"))
    count = 60000 if os.environ.get("DUET_FULL") else 6000
    print("# DUET_SEED=%d, %d words" % (seed, count))
    rng = random.Random(seed)
    generator = Words(random.Random(seed))
    for resp in (2, 3):
        ours, theirs = both(resp)
        have = rows(ours.ask("COMMAND"))
        wrong = errors = 0
        for start in range(0, count, 500):
            asked = []
            for _ in range(500):
                sub = rng.choice(["GETKEYS", "GETKEYSANDFLAGS"])
                if rng.random() < 0.3:
                    words = generator.command()
                else:
                    words = [rng.choice(MOVABLE)] + [rng.choice(PARTS) for _ in range(rng.randint(0, 9))]
                name = words[0] if isinstance(words[0], str) else words[0].decode("latin1")
                if name.lower() not in have:
                    words = ["get"] + words[1:]
                asked.append(["COMMAND", sub] + words)
            ours.wire.send(asked)
            theirs.wire.send(asked)
            for words in asked:
                got, want = ours.read(), theirs.read()
                errors += isinstance(want, str)
                if got != want:
                    wrong += 1
                    if wrong < 10:
                        tap.say("%s: duet %s, redis %s" % (words, got, want))
        tap.ok(not wrong and errors < count * 0.8, "RESP%d: the keys of %d requests are the same (%d of them make no sense)" % (resp, count, errors))


duet, redis = servers.pair()
tap.main(command_rows, command_docs, categories, listings, log_of_refusals, getkeys)
