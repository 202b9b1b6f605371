"""Generated scripts: templates around generated commands, values of every sort given back, errors raised and caught."""

from words import Words

# What a script cannot tell alike on two servers, or would end the test: order of tables, chance, time, whole keyspaces.
LEFT_OUT = {b"KEYS", b"HKEYS", b"HVALS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"SPOP", b"HGETALL", b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN",
            b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER", b"RANDOMKEY", b"DUMP", b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"OBJECT", b"DBSIZE",
            b"FLUSHALL", b"FLUSHDB", b"SORT", b"SORT_RO", b"RESTORE", b"DEBUG", b"LMPOP", b"BLMPOP", b"MIGRATE", b"PFDEBUG", b"LCS"}

BODIES = [
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"redis.setresp(3) return redis.call(unpack(ARGV))",
    b"redis.setresp(3) return redis.pcall(unpack(ARGV))",
    b"local r = redis.pcall(unpack(ARGV)) return {type(r), r}",
    b"redis.setresp(3) local r = redis.pcall(unpack(ARGV)) return {type(r), tostring(r == nil), r}",
    b"local ok, r = pcall(redis.call, unpack(ARGV)) return {tostring(ok), type(r), r}",
    b"local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return redis.error_reply(r.err) end return r",
    b"local r = redis.call(unpack(ARGV)) if type(r) == 'table' then return #r end return tostring(r)",
    b"redis.setresp(3) local r = redis.call(unpack(ARGV)) if type(r) == 'table' then return {#r, r.double, r.map, r.set, r.ok} end return r",
    b"local out = {} for i = 1, 3 do out[i] = redis.pcall(unpack(ARGV)) end return out",
    b"local r = redis.pcall(unpack(ARGV)) return cjson.encode({type(r), type(r) == 'string' and #r or 0})",
    b"local f = function(...) return redis.call(...) end return f(unpack(ARGV))",
    b"local co = coroutine.wrap(function() return redis.pcall(unpack(ARGV)) end) return co()",
    b"redis.pcall(unpack(ARGV)) error('after it')",
    b"redis.pcall(unpack(ARGV)) return redis.call('nosuch')",
    b"for i = 1, #ARGV do ARGV[i] = tonumber(ARGV[i]) or ARGV[i] end return redis.pcall(unpack(ARGV))",
    b"#!lua\nreturn redis.call(unpack(ARGV))",
    b"#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
    b"#!lua flags=allow-oom,allow-stale\nreturn redis.pcall(unpack(ARGV))",
    b"return redis.call(KEYS[1], unpack(ARGV))",
]


# What they do to the data is told to slaves: as one group, or singly, or not at all.
WRITERS = [
    b"return redis.call(unpack(ARGV))",
    b"redis.pcall(unpack(ARGV)) redis.pcall(unpack(ARGV))",
    b"for i = 1, 3 do redis.call('rpush', 'list' .. i, i) redis.pcall(unpack(ARGV)) end",
    b"redis.call('incr', 'n') redis.pcall(unpack(ARGV)) return redis.call('get', 'n')",
    b"redis.call('set', 'a', 1) redis.call('nosuch')",
    b"redis.call('select', 3) redis.call('incr', 'three') redis.call('select', 0) redis.pcall(unpack(ARGV))",
    b"redis.call('select', 5) redis.pcall(unpack(ARGV))",
    b"redis.set_repl(redis.REPL_NONE) redis.call('incr', 'untold') redis.set_repl(redis.REPL_ALL) redis.pcall(unpack(ARGV))",
    b"redis.pcall(unpack(ARGV)) redis.set_repl(redis.REPL_NONE) redis.call('hincrby', 'untold2', 'f', 1)",
    b"redis.set_repl(redis.REPL_NONE) redis.call('lpush', 'untold3', 1) redis.call('set', 'gone', 1, 'pxat', 1) redis.call('get', 'gone')",
    b"redis.call('publish', 'channel', 'message') redis.pcall(unpack(ARGV))",
    b"redis.call('set', 'e', 1, 'pxat', 4102444800000) redis.call('del', 'e')",
    b"return redis.call('get', 'a')",
    b"redis.call('mset', 'a', 1, 'b', 2) redis.call('PEXPIREAT', 'a', 4102444800000) return redis.call('expireat', 'b', 5)",
    b"#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))",
]


class WriterWords(Words):
    FAMILIES = [Words.hash, Words.set, Words.list, Words.zset]

    def command(self):
        while True:
            words = super().command()
            if words[0].upper() not in (b"SPOP", b"LMPOP", b"BLMPOP"):
                break
        r = self.rng.random()
        if r < 0.1:
            return words
        if r < 0.2:
            return self.pick([[b"MULTI"], [b"EXEC"], [b"DISCARD"]])
        return [b"EVAL", self.pick(WRITERS), b"0"] + words


class ScriptWords(Words):
    # Those whose replies have an order: others are asked without scripts.
    FAMILIES = [Words.string, Words.string, Words.bits, Words.keys, Words.expiry, Words.hash, Words.set, Words.list, Words.zset, Words.hll]

    def called(self):
        while True:
            words = super().command()
            if words[0].upper() not in LEFT_OUT and not words[0].upper().startswith((b"BZ", b"BL", b"BR", b"GEO", b"X", b"RESTORE")):
                return words

    def literal(self, depth=0):
        """A Lua value's text."""
        r = self.rng.random()
        if depth < 4 and r < 0.35:
            return b"{" + b", ".join(self.field_text(depth) for _ in range(self.rng.randint(0, 4))) + b"}"
        plain = [b"nil", b"true", b"false", b"0", b"-1", b"3.99", b"-3.99", b"1e15", b"1e17", b"'text'", b"''", b"'a\\0b\\r\\n'", b"1/0", b"2^53",
                 b"redis.call", b"redis.error_reply('CODE it is')", b"redis.status_reply('FINE')", b"redis.pcall('nosuch')", b"KEYS", b"#ARGV",
                 b"cjson.null", b"'%d'" % self.rng.randint(-5, 5000)]
        return self.pick(plain)

    def field_text(self, depth):
        r = self.rng.random()
        if r < 0.6:
            return self.literal(depth + 1)
        if r < 0.7:
            return b"[%d] = " % self.rng.randint(1, 6) + self.literal(depth + 1)
        inner = {b"ok": b"'status'", b"err": b"'ERR of its own'", b"double": b"%.3f" % (self.rng.random() * 100), b"big_number": b"'12345678901234567890'",
                 b"verbatim_string": b"{format = 'txt', string = 'text'}", b"map": b"{k = %s}" % (self.literal(depth + 1)),
                 b"set": b"{m = true}", b"other": b"1"}
        name = self.pick(sorted(inner))
        return name + b" = " + (inner[name] if self.chance(0.85) else self.literal(depth + 1))

    def command(self):
        r = self.rng.random()
        name = self.pick([b"EVAL", b"EVAL", b"EVAL", b"EVAL_RO", b"eval"])
        if r < 0.3:
            start = self.pick([b"", b"", b"redis.setresp(3) ", b"redis.setresp(2) "])
            return [name, start + b"return " + self.literal(), b"2", b"key", b"kez", b"arg"]
        if r < 0.34:
            what = self.pick([b"'text'", b"5", b"true", b"nil", b"{err = 'OWN text', other = %s}" % self.literal(1), b"redis.pcall('nosuch')"])
            return [name, b"error(" + what + b")", b"1", b"key"]
        body = self.pick(BODIES)
        words = self.called()
        if b"KEYS[1]" in body:
            return [name, body, b"1"] + words
        return [name, body, self.pick([b"0", b"0", b"0", b"0", b"-1", b"x"]) if self.chance(0.05) else b"0"] + words
