#!/usr/bin/python3
"""CONFIG GET and SET beside redis-server's: every directive is there with the same value, but for those in PRESETS; values made for each
directive (right ones, ranges' ends, wrong units, names in any case, garbage) get the same reply and leave the same value, one by one and
several at once. What differs for a reason stands in REASONS."""

import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

SEED = int(os.environ.get("DUET_SEED", "11"))
ROUNDS = 400 if tap.FULL else 60

OWN = {"control", "durability", "edition", "instance-id", "log-keep-bytes", "pair-key", "pair-key-also", "pair-lease", "pair-node", "rdb-version", "slave-copy-memory", "slave-reads"}  # Duet's own directives
PRESETS = {
    "appendonly": "Duet is durable when nothing is said: the log is on",
    "activedefrag": "memory comes back by itself: Duet's costs nothing while there is nothing to move",
    "save": "the log keeps the data, so no RDB file is due (both are started with save \"\" here)",
    "port": "each has its own", "dir": "each has its own", "logfile": "each has its own",
}
# Set by nobody here: they would end or cut off the servers, or take effect on the machine.
LEFT = {"dir", "port", "bind", "tls-port", "requirepass", "oom-score-adj", "oom-score-adj-values", "maxclients", "unixsocket", "proto-max-bulk-len",
        "client-query-buffer-limit", "min-replicas-to-write", "min-slaves-to-write", "appendonly", "maxmemory", "maxmemory-clients", "timeout", "io-threads",
        "enable-debug-command", "enable-protected-configs", "enable-module-command", "save", "watchdog-period"}
REASONS = {
    "tls-": "TLS is BearSSL's here: other files, protocols and names are possible, and sentences say which",
    "bind-source-addr": "refused by a sentence: links begin where the route says",
    "activedefrag": "redis-server of Debian cannot: its jemalloc is the system's",
}


def directives(wire, *patterns):
    flat = wire.call("CONFIG", "GET", *(patterns or ("*",)))
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def presets(duet, redis):
    ours, theirs = directives(duet), directives(redis)
    missing, more = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs) - OWN)
    tap.equal(missing, [], "every directive of redis-server is there")
    tap.equal(more, [], "and no other, but Duet's own")
    differ = {k: (ours[k], theirs[k]) for k in theirs if k in ours and ours[k] != theirs[k] and k not in PRESETS}
    tap.equal(differ, {}, "%d directives have redis-server's value when nothing is said" % len(theirs))
    return sorted(set(theirs) & set(ours))


WORDS = ["", "yes", "no", "YES", "maybe", "0", "1", "-1", "2", "10", "99", "100", "101", "1000", "65535", "65536", "2147483647", "2147483648", "4294967295",
         "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "1k", "1kb", "1Kb", "1m", "1mb",
         "1g", "1gb", "1t", "1b", "5x", "1.5", "1e3", " 1", "1 ", "+1", "0x10", "010", "777", "778", "9", "50%", "0%", "101%", "-5%", "%", "a b", "a  b", "local", "on", "off",
         "everysec", "always", "volatile-lru", "noeviction", "allkeys-lfu", "debug", "warning", "notice", "systemd", "relative", "absolute", "clients", "swapdb", "disabled",
         "on-empty-db", "ip", "hostname", "unknown-endpoint", "panic", "ignore", "panic-on-replicas", "allchannels", "resetchannels", "optional", "save", "nosave", "save now",
         "nosave force now", "save nosave", "default", "default now", "50 99 99.9", "100", "0.1 0.01", "101 3", "x", "1 2 3", "0 200 800", "0 3000 1", "{title}", "{x}", "{{a",
         "{", "{port} x", "a.b-c", "a_b", "../x", "a/b", "a\\b", "dump2.rdb", "\x01\xff", "normal 0 0 0", "slave 1mb 2mb 60", "replica 1 1 1", "pubsub 1gb 5x 3",
         "normal 0 0", "foo 1 1 1", "normal 1 1 1 pubsub 2 2 2", "900 1", "900 1 300 10", "0 1", "-1 1", "900 -1", "900", "1 99999999999"]


def reason(name):
    return any(name.startswith(r) for r in REASONS)


def one_by_one(wires, names):
    pairs = [(n, w) for n in names for w in WORDS]
    wrong = {}
    for n, w in pairs:
        ours, theirs = (x.pipeline([[b"CONFIG", b"SET", n.encode(), w.encode("latin1")], [b"CONFIG", b"GET", n.encode()]]) for x in wires)
        if [r for r, _ in ours] != [r for r, _ in theirs]:
            wrong.setdefault(n, []).append((w, [r for r, _ in ours], [r for r, _ in theirs]))
    for n in names:
        if not tap.ok(n not in wrong, "CONFIG SET %s: %d values" % (n, len(WORDS))):
            for w, ours, theirs in wrong[n][:3]:
                tap.say("%r\n duet  %r\n redis %r" % (w, ours, theirs))


def several(wires, names, r):
    """Several at once: all or none, and the same complaint."""
    bad = []
    for _ in range(ROUNDS * 10):
        words = [b"CONFIG", b"SET"]
        used = [r.choice(names) for _ in range(r.randrange(1, 5))]
        for n in used:
            n = n.upper() if r.randrange(4) == 0 else n
            n = "nosuch" if r.randrange(40) == 0 else n
            words += [n.encode(), r.choice(WORDS).encode("latin1")]
        if r.randrange(30) == 0:
            words.pop()
        ours, theirs = (x.pipeline([words])[0][0] for x in wires)
        values = [directives(x, *used) for x in wires]
        if ours != theirs or values[0] != values[1]:
            bad.append((words, ours, theirs, {k: (values[0][k], values[1].get(k)) for k in values[0] if values[0][k] != values[1].get(k)}))
    tap.ok(not bad, "%d times several at once: the same reply, and all or none" % (ROUNDS * 10))
    for b in bad[:4]:
        tap.say("%r\n duet  %r\n redis %r\n values %r" % b)


def patterns(wires):
    for words in (["PORT"], ["port", "Port"], ["max*"], ["maxmemory", "max*"], ["slave-*"], ["nosuch"], ["*-*-*-*"], ["hz", "nosuch", "h?"], ["[hp]*z"], ["watchdog-period"], ["watch*"]):
        ours, theirs = (directives(x, *words) for x in wires)
        if "port" in words or "PORT" in words:
            ours, theirs = sorted(ours), sorted(theirs)
        else:
            ours, theirs = ({k: v for k, v in d.items() if k not in OWN} for d in (ours, theirs))
        tap.equal(ours, theirs, "CONFIG GET %s" % " ".join(words))


FILE = """# the head
  # and a second line


port %(port)d
bind 127.0.0.1
dir %(dir)s
slave-priority 7
maxmemory 1GB
timeout    30
timeout 40
save 900 1
save 300 10
save 60 10000

# appended by hand
rename-command FLUSHALL ""
client-output-buffer-limit pubsub 1mb 512kb 30
lua-time-limit 4000
masterauth 'it''s "quoted"'
appendonly no
dbfilename other.rdb
no-such-directive-line-is-tested-apart 1
hash-max-ziplist-entries 77
notify-keyspace-events ""
"""
SETS = [["timeout", "0"], ["save", "100 5"], ["maxmemory-policy", "allkeys-lru"], ["repl-backlog-size", "3mb"], ["hll-sparse-max-bytes", "3001"], ["masterauth", ""],
        ["requirepass", "a \"b\\ \x07\xff"], ["latency-tracking-info-percentiles", "50 99.99"], ["shutdown-on-sigterm", "nosave now"], ["maxmemory-clients", "10%"],
        ["client-output-buffer-limit", "slave 5mb 4mb 3"], ["loglevel", "warning"], ["proc-title-template", "x {port}"], ["slowlog-log-slower-than", "-1"],
        ["tracking-table-max-keys", "5"], ["unixsocketperm", "7"], ["oom-score-adj-values", "1 2 3"], ["cluster-link-sendbuf-limit", "1gb"]]


def rewritten(name, command):
    """The file after CONFIG REWRITE, twice, and after a start from it."""
    directory = tempfile.mkdtemp(prefix="duet-rewrite-")
    path, port = os.path.join(directory, "x.conf"), servers.free_port()
    text = FILE.replace("''", "\\'") % {"port": port, "dir": directory}
    with open(path, "w") as f:
        f.write("\n".join(line for line in text.split("\n") if "no-such" not in line))
    states = []
    for turn in range(2):
        process = subprocess.Popen(command + [path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wire = tap.until(lambda: servers.Wire(port), 20, name)
            tap.until(lambda: servers.Wire(port).call("PING") is not None, 20, name)
            if turn:
                wire.call("AUTH", b'a "b\\ \x07\xff')
            else:
                with open(path, "a") as f:
                    f.write("no-such-directive-line-is-tested-apart 1\n")
                for words in SETS:
                    wire.call("CONFIG", "SET", *(w.encode("latin1") for w in words))
                wire.call("AUTH", b'a "b\\ \x07\xff')
                for _ in range(2):
                    wire.call("CONFIG", "REWRITE")
                with open(path, "rb") as f:
                    content = f.read().replace(b"%d" % port, b"PORT").replace(directory.encode(), b"DIR")
            states.append({k: v for k, v in directives(wire).items() if k not in ("port", "dir")})
        finally:
            process.kill()
            process.wait()
    shutil.rmtree(directory)
    return content.decode("latin1").split("\n"), states


def rewrite():
    ours, our_states = rewritten("duet", [tap.DUET, "server"])
    theirs, their_states = rewritten("redis-server", [os.path.join(tap.REDIS_BIN, "redis-server")])
    mark = "# Generated by CONFIG REWRITE"
    theirs = [line for line in theirs if not line.startswith("user default")]  # there is one user here
    tap.equal(ours[: ours.index(mark)], theirs[: theirs.index(mark)], "CONFIG REWRITE keeps comments, order and lines as redis-server does")
    tap.equal(sorted(ours[ours.index(mark) :]), sorted(theirs[theirs.index(mark) :]), "and appends the same lines")
    tap.equal({k: v for k, v in our_states[1].items() if our_states[0][k] != v}, {}, "a start from the file gives the same values")


def main():
    tap.say("seed %d" % SEED)
    rewrite()
    options = ["--logfile", "", "--appendonly", "no"]
    duet, redis = servers.pair(options)
    wires = [duet.wire(), redis.wire()]
    names = [n for n in presets(*wires) if n not in LEFT and not reason(n)]
    patterns(wires)
    one_by_one(wires, names)
    several(wires, names, random.Random(SEED))
    tap.equal(wires[0].call("CONFIG", "SET", "masterauth", b"a\0b"),
              b"-ERR CONFIG SET failed (possibly related to argument 'masterauth') - a value cannot hold a NUL byte",
              "a NUL byte in a value is refused by a sentence: a file could not hold it (redis-server keeps it)")
    for x in wires:
        x.close()


tap.main(main)
