"""Scripts: the sandbox listed name by name, a table of cases, commands called from scripts in both protocols, errors and what they
count, MULTI, the time limit. Everything is asked of Duet and of redis-server 7.0, and must be the same byte for byte."""
# timeout: 200

import hashlib
import os
import random
import sys

sys.setrecursionlimit(100_000)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402
from dataset import data, differing  # noqa: E402
from test_stream import Listener
from words_script import ScriptWords, WriterWords  # noqa: E402

LISTING = r"""
local out, seen = {}, {}
local function walk(t, name)
  if seen[t] then return end
  seen[t] = true
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do
    local v = t[k]
    local line = name .. '.' .. tostring(k) .. ' ' .. type(v)
    if type(v) == 'number' or type(v) == 'string' then line = line .. ' ' .. tostring(v) end
    out[#out + 1] = line .. ' ' .. tostring((pcall(rawset, t, k, v)))
    if type(v) == 'table' then walk(v, name .. '.' .. tostring(k)) end
  end
  if type(getmetatable(t)) == 'table' then walk(getmetatable(t), name .. '#') end
end
walk(_G, '_G')
walk(getmetatable(''), 'string')
for _, v in ipairs({1, true, print == nil, function() end, coroutine.create(function() end), cjson.null}) do
  out[#out + 1] = type(v) .. ' ' .. tostring(getmetatable(v))
end
return out
"""


def cases():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "script_cases.lua")) as f:
        blocks = f.read().split("\n----\n")[1:]
    for block in blocks:
        lines = block.strip("\n").split("\n") if not block.startswith("\n\n") else block[1:].split("\n")
        words = {"keys": [], "args": []}
        while lines and (lines[0].startswith("-- keys: ") or lines[0].startswith("-- args: ")):
            name, rest = lines.pop(0)[3:].split(": ")
            words[name] = rest.split()
        text = "\n".join(lines) + ("\n" if lines and lines[0].startswith("#!") else "")
        yield ["EVAL", text, len(words["keys"]), *words["keys"], *words["args"]]


def ask(server, protocol, commands):
    wire = server.wire()
    wire.pipeline([(b"FLUSHALL",), (b"SCRIPT", b"FLUSH"), (b"HELLO", protocol)])
    got = [raw for raw, _ in wire.pipeline(commands)]
    wire.close()
    return got


def there(duet, commands):
    """Those that name no command which Duet does not have (yet)."""
    missing = [name for name in ("publish", "subscribe", "monitor") if duet.wire().call("COMMAND", "INFO", name) == [None]]
    return [c for c in commands if not any(name in str(word) for word in c for name in missing)]


def compare(duet, redis, title, commands):
    commands = there(duet, commands)
    for protocol in (2, 3):
        ours, theirs = ask(duet, protocol, commands), ask(redis, protocol, commands)
        left = [i for i in range(len(commands)) if ours[i] != theirs[i]]
        tap.ok(not left, "%s, RESP%d: %d requests" % (title, protocol, len(commands)))
        for i in left[:12]:
            tap.say("%.300r\n  duet  %.300r\n  redis %.300r" % (commands[i], ours[i], theirs[i]))


def test_sandbox(duet, redis):
    """The names that a script sees, and what it may write to"""
    ours, theirs = duet.wire().call("EVAL", LISTING, 0), redis.wire().call("EVAL", LISTING, 0)
    for line in sorted(set(ours) ^ set(theirs))[:10]:
        tap.say("%s has %r" % ("duet" if line in ours else "redis-server", line))
    tap.ok(len(theirs) > 140 and ours == theirs, "the same %d names, types and values" % len(theirs))


def test_cases(duet, redis):
    """Each case by itself"""
    compare(duet, redis, "cases", list(cases()))


SHA = hashlib.sha1(b"return 1").hexdigest()
REQUESTS = r"""
EVAL ;; EVAL x ;; EVAL {return 1} ;; EVAL {return 1} x ;; EVAL {return 1} -1 ;; EVAL {return 1} 1 ;; EVAL {return 1} 99999999999999999999 ;; EVAL {return 1} 1.0 ;; EVAL {} 0 ;; EVAL { } 0
EVAL {return KEYS} 2 a b c ;; EVAL {return ARGV} 2 a b c ;; EVALSHA x 0 ;; EVALSHA SHA 0 ;; EVAL {return 1} 0 ;; EVALSHA SHA 0 ;; EVALSHA UPPER 0 ;; EVALSHA SHA x ;; EVALSHA SHA -1 ;; EVALSHA SHA 2 a
EVALSHA 0000000000000000000000000000000000000000 0 ;; EVALSHA 0000000000000000000000000000000000000000 x ;; EVALSHA 000000000000000000000000000000000000000 x ;; EVALSHA ;; EVALSHA SHA ;; EVALSHA_RO SHA 0
EVAL_RO {return redis.call('get','a')} 0 ;; EVAL_RO {return redis.call('set','a',1)} 0 ;; EVAL_RO {return redis.pcall('set','a',1)} 0 ;; EVAL_RO {return redis.call('publish','a',1)} 0 ;; EVAL_RO {#!lua
return 1} 0 ;; EVAL_RO {#!lua flags=no-writes
return 1} 0 ;; EVALSHA_RO x 0 ;; EVAL_RO {return 1} x ;; EVAL_RO ;; EVALSHA_RO SHA 0
SCRIPT ;; SCRIPT NOSUCH ;; SCRIPT LOAD ;; SCRIPT LOAD {return 7} ;; SCRIPT LOAD {return 7} x ;; SCRIPT LOAD {syntax error} ;; SCRIPT LOAD {#!nosuch
x} ;; SCRIPT LOAD {} ;; SCRIPT EXISTS ;; SCRIPT EXISTS SHA x UPPER ;; SCRIPT EXISTS 0000000000000000000000000000000000000000 ;; SCRIPT FLUSH x ;; SCRIPT FLUSH SYNC x ;; SCRIPT FLUSH SYNC ;; SCRIPT EXISTS SHA
SCRIPT LOAD {return 1} ;; SCRIPT EXISTS SHA ;; SCRIPT FLUSH ASYNC ;; SCRIPT EXISTS SHA ;; SCRIPT FLUSH ;; SCRIPT KILL ;; SCRIPT KILL x ;; SCRIPT DEBUG ;; SCRIPT DEBUG NO x ;; script load {return 2}
FCALL x 0 ;; MULTI ;; EVAL {return redis.call('incr','n')} 0 ;; EVALSHA x 0 ;; SCRIPT LOAD {return 3} ;; EVAL {return redis.call('nosuch')} 0 ;; EXEC ;; MULTI ;; EVAL ;; EXEC ;; MULTI ;; EVAL_RO {return redis.call('set','a',1)} 0 ;; SET x 1 ;; EXEC
WATCH w ;; EVAL {return redis.call('set','w',1)} 0 ;; MULTI ;; PING ;; EXEC ;; WATCH w ;; EVAL {return redis.call('get','w')} 0 ;; MULTI ;; PING ;; EXEC ;; SELECT 3 ;; EVAL {return redis.call('set','three',1)} 0
EVAL {redis.call('select',4) return redis.call('set','four',1)} 0 ;; DBSIZE ;; SELECT 4 ;; DBSIZE ;; SELECT 0 ;; COMMAND GETKEYS EVAL {return 1} 2 a b c ;; COMMAND GETKEYS EVALSHA x 0 ;; COMMAND GETKEYS EVAL {return 1} 9 a
"""


def requests():
    out = []
    for line in REQUESTS.replace("{#!lua\nreturn 1}", "{#!lua\x01return 1}").replace("no-writes\nreturn", "no-writes\x01return").replace("nosuch\nx", "nosuch\x01x").split("\n"):
        for request in filter(None, (r.strip() for r in line.split(";;"))):
            words, rest = [], request
            while rest:
                if rest[0] == "{":
                    end = rest.index("}")
                    words.append(rest[1:end].replace("\x01", "\n"))
                    rest = rest[end + 1:].lstrip()
                else:
                    word, _, rest = rest.partition(" ")
                    words.append({"SHA": SHA, "UPPER": SHA.upper()}.get(word, word))
                    rest = rest.lstrip()
            out.append(words)
    return [w for w in out if w[0] != "FCALL"]


def test_requests(duet, redis):
    """The commands themselves, right and wrong"""
    compare(duet, redis, "requests", requests())


COMMANDS = 40_000 if tap.FULL else 4000


def test_generated(duet, redis):
    """Generated scripts that call generated commands"""
    seed = tap.seed()
    for protocol in (2, 3):
        words = ScriptWords(random.Random(seed + protocol))
        wires = [s.wire() for s in (duet, redis)]
        for w in wires:
            w.pipeline([(b"FLUSHALL",), (b"HELLO", protocol)])
        different, sent = 0, 0
        while sent < COMMANDS and different < 10:
            batch = [words.command() for _ in range(100)]
            ours, theirs = [w.pipeline(batch) for w in wires]
            for request, a, b in zip(batch, ours, theirs):
                sent += 1
                if a[0] == b[0]:
                    continue
                different += 1
                tap.say("%.600r\n  duet  %.300r\n  redis %.300r" % (request, a[0], b[0]))
        tap.equal(different, 0, "seed %d, RESP%d: %d generated scripts are answered the same" % (seed, protocol, sent))
        left = differing(data(duet.wire()), data(redis.wire()))
        for line in left[:10]:
            tap.say(line)
        tap.ok(not left, "seed %d, RESP%d: and leave the same data" % (seed, protocol))


def test_stream(duet, redis):
    """What slaves are told of scripts: their effects, in one group when there are several"""
    seed = tap.seed()
    words = WriterWords(random.Random(seed))
    wires, listeners = [s.wire() for s in (duet, redis)], [Listener(s) for s in (duet, redis)]
    told = different = 0
    for step in range(COMMANDS // 100):
        batch = [words.command() for _ in range(100)] + [[b"DISCARD"]]
        mark = b"mark%d" % step
        for w in wires:
            w.pipeline(batch + [(b"SET", mark, b"x")])
        ours, theirs = [each.until(mark) for each in listeners]
        told += len(theirs)
        if ours == theirs:
            continue
        different += 1
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        tap.say("duet  %.400r\nredis %.400r" % (ours[max(at - 1, 0):at + 3], theirs[max(at - 1, 0):at + 3]))
        if different == 3:
            break
    tap.equal(different, 0, "seed %d: %d commands in the stream are the same" % (seed, told))


NO_WRITES = "#!lua flags=no-writes\nreturn 1\n"
PAUSED = [[["EVAL", "return 1", 0]], [["EVAL", NO_WRITES, 0]], [["EVAL", "#!lua\nreturn 1\n", 0]], [["EVAL_RO", "return 1", 0]], [["EVALSHA", "0" * 40, 0]],
          [["SCRIPT", "LOAD", "return 7"]], [["MULTI"], ["EVAL", "return 1", 0], ["EXEC"]], [["MULTI"], ["EVAL", NO_WRITES, 0], ["EXEC"]]]


def answers(server, requests):
    """What comes while writes are paused."""
    control, wire, got = server.wire(), server.wire(), []
    control.call("CLIENT", "PAUSE", 100000, "WRITE")
    wire.socket.settimeout(0.2)
    wire.send(requests)
    try:
        for _ in requests:
            got.append(wire.read()[0])
    except TimeoutError:
        got.append("nothing more")
    control.call("CLIENT", "UNPAUSE")
    control.close()
    wire.close()
    return got


def test_pause(duet, redis):
    """CLIENT PAUSE WRITE holds scripts back that may write"""
    for requests_ in PAUSED:
        tap.equal(answers(duet, requests_), answers(redis, requests_), "while writes are paused: %s" % requests_)


COUNTED = [
    "return redis.call('nosuch')", "return redis.pcall('nosuch')", "redis.pcall('nosuch') return 1", "return redis.error_reply('MY err')",
    "return {err = 'MY err'}", "error('x')", "error({err = 'OWN x'})", "return redis.call('get')", "return redis.call('lpush', 'str', 1)",
    "return redis.pcall('lpush', 'str', 1)", "redis.pcall('lpush', 'str', 1) return 1", "local e = redis.pcall('lpush', 'str', 1) return {err = e.err}",
    "local ok, e = pcall(redis.call, 'lpush', 'str', 1) error(e)", "return redis.call('multi')", "syntax error", "return {1, {err = 'x y'}, redis.pcall('get')}",
    "return {redis.pcall('get'), {err = 'x y'}}", "redis.call('set', 'a', 1) redis.call('get', 'a') redis.call('get', 'nosuch')",
]


def figures(wire):
    text = wire.call("INFO", "commandstats", "stats", "errorstats").decode()
    out = {}
    for line in text.split("\r\n"):
        name, _, rest = line.partition(":")
        if name.startswith("cmdstat_") and not name.startswith(("cmdstat_info", "cmdstat_config")):
            out[name] = {k: v for k, v in (p.split("=") for p in rest.split(",")) if k in ("calls", "rejected_calls", "failed_calls")}
        elif name in ("total_error_replies", "keyspace_hits", "keyspace_misses", "total_commands_processed"):
            out[name] = rest
    return out


def test_counts(duet, redis):
    """What errors count, and where: in the command that a script called, or in EVAL"""
    for text in COUNTED:
        got = []
        for server in (duet, redis):
            w = server.wire()
            w.pipeline([(b"FLUSHALL",), (b"SET", b"str", b"x"), (b"CONFIG", b"RESETSTAT")])
            w.call("EVAL", text, 0)
            got.append(figures(w))
            w.close()
        tap.equal(got[0], got[1], "the counts of %s" % text)


def main(test):
    def run():
        duet, redis = servers.pair()
        test(duet, redis)
        tap.ok(duet.alive(), "Duet is alive")
    run.__doc__ = test.__doc__
    return run


tap.main(*[main(t) for t in (test_sandbox, test_cases, test_requests, test_generated, test_stream, test_pause, test_counts)])
