"""Requests about commands, users and the connection: COMMAND, ACL, CLUSTER, MODULE, ECHO, PING, AUTH. What changes who may do what
is left to test_floor4.py; what lists all commands to test_command_table.py."""

NAMES = [b"get", b"SET", b"mset", b"zunionstore", b"EVAL", b"evalsha_ro", b"xread", b"XREADGROUP", b"migrate", b"sort", b"sort_ro", b"georadius", b"georadius_ro",
         b"bitfield", b"lmpop", b"BLMPOP", b"bzmpop", b"sintercard", b"object", b"memory", b"config", b"xinfo", b"ping", b"ssubscribe", b"spublish", b"watch", b"del", b"pfcount",
         b"bitop", b"blpop", b"rename", b"copy", b"nosuch", b"config|get", b"client|list", b"object|encoding", b"get|x", b"", b"multi", b"auth", b"hello", b"zdiff", b"lcs"]
ARGUMENTS = [b"1", b"2", b"0", b"-1", b"3x", b"99", b"k1", b"k2", b"k3", b"STORE", b"storedist", b"STREAMS", b"streams", b"KEYS", b"GET", b"by", b"limit", b"COUNT", b"encoding",
             b"usage", b"get", b"stream", b"$", b">", b"GROUP", b"", b"AUTH", b"incrby", b"u8", b" 1", b"1 "]
PLAIN = [b"get", b"mset", b"zunionstore", b"evalsha", b"xread", b"migrate", b"georadius", b"lmpop", b"ping", b"ssubscribe", b"auth", b"nosuch", b"object|freq", b"zadd", b"exec",
         b"watch", b"blpop", b"config|get", b"memory|usage", b"keys", b"xgroup|create"]  # neither subcommands nor notes
USERS = [b"default", b"nobody", b"", b"a b", b"DEFAULT"]
RULES = [b"on", b"nopass", b"~*", b"&*", b"+@all", b"allkeys", b"allchannels", b"allcommands", b"", b"nosuch", b"~k*", b"&c*", b"<x", b"#12", b"!12", b"%RW~k"]
CATEGORIES = [b"nosuch", b"", b"@read", b"all"]


class CommandWords:
    UNBENT_NAMES = (b"ACL", b"COMMAND", b"AUTH", b"HELLO", b"SELECT", b"FAILOVER", b"LOLWUT")

    def words_of(self, most):
        return [self.pick(ARGUMENTS) for _ in range(self.rng.randint(0, most))]

    def about_command(self):
        sub = self.case(self.pick([b"GETKEYS", b"GETKEYS", b"GETKEYSANDFLAGS", b"INFO", b"LIST", b"DOCS", b"COUNT", b"HELP", b"nosuch"]))
        upper = sub.upper()
        if upper.startswith(b"GETKEYS"):
            return [b"COMMAND", sub, self.pick(NAMES)] + self.words_of(7)
        if upper == b"INFO":
            return [b"COMMAND", sub] + [self.pick(PLAIN) for _ in range(self.rng.randint(1, 3))]
        if upper == b"LIST":
            return [b"COMMAND", sub] + self.pick([[b"FILTERBY", b"PATTERN", self.pick([b"mset", b"", b"nosuch*", b"GEOPOS"])], [b"FILTERBY", b"ACLCAT", b"nosuch"], [b"filterby"],
                                                  [b"FILTERBY", b"MODULE", b"x"], [b"x"], [b"FILTERBY", b"x", b"y"], [b"FILTERBY", b"PATTERN", b"a", b"b"]])
        if upper == b"DOCS":
            return [b"COMMAND", sub, self.pick([b"nosuch", b"get|x", b""])]
        return [b"COMMAND", sub] + ([b"x"] if upper in (b"COUNT", b"HELP") else self.words_of(2))

    def about_users(self):
        sub = self.case(self.pick([b"WHOAMI", b"LIST", b"USERS", b"GETUSER", b"CAT", b"LOG", b"GENPASS", b"DRYRUN", b"DELUSER", b"SAVE", b"LOAD", b"SETUSER", b"nosuch"]))
        upper, user = sub.upper(), self.pick(USERS)
        if upper == b"CAT":
            return [b"ACL", sub] + self.pick([[], [self.pick(CATEGORIES)]])
        if upper == b"GENPASS":
            return [b"ACL", sub, self.pick([b"0", b"-1", b"4097", b"x", b"99999999999999999999"])]
        if upper == b"LOG":
            return [b"ACL", sub] + self.pick([[b"RESET"], [b"-1"], [b"x"]])  # what else it says has times
        if upper == b"DRYRUN":
            return [b"ACL", sub, user, self.pick(NAMES)] + self.words_of(4)
        if upper == b"SETUSER":  # what leaves the user as it is, or is wrong
            user = self.pick([b"default", b"default", b"a b"])
            wrong = [r for r in RULES if r not in (b"~k*", b"&c*", b"%RW~k")] + [b"~k*"]
            return [b"ACL", sub, user] + [self.pick(wrong) for _ in range(self.rng.randint(0, 4))]
        if upper in (b"GETUSER", b"DELUSER"):
            return [b"ACL", sub] + [self.pick(USERS) for _ in range(self.rng.randint(0, 2))]
        return [b"ACL", sub]

    def about_connection(self):
        return self.pick([[b"ECHO", self.value()], [b"ECHO"], [b"PING"], [b"PING", self.value()], [b"PING", b"a", b"b"], [b"READONLY"], [b"READWRITE"], [b"ASKING"],
                          [b"CLUSTER", self.pick([b"INFO", b"slots", b"MYID", b"nosuch", b"HELP"])], [b"CLUSTER", b"KEYSLOT", self.key()], [b"CLUSTER", b"KEYSLOT"], [b"CLUSTER"],
                          [b"MODULE", b"LIST"], [b"MODULE", b"LOAD", b"x"], [b"MODULE", b"UNLOAD", b"x"], [b"MODULE", b"x"], [b"AUTH", self.value()], [b"AUTH", b"nobody", b"x"],
                          [b"AUTH", b"default", b"x", b"y"], [b"AUTH"], [b"FAILOVER", b"ABORT"], [b"SELECT", self.pick([b"16", b"x", b"-1", b"0x0"])], [b"HELLO", b"4"], [b"HELLO", b"x"],
                          [b"LOLWUT", b"VERSION", b"9"], [b"LOLWUT", b"VERSION", b"x"], [b"RESTORE-ASKING", b"k1"], [b"EXEC"], [b"DISCARD"], [b"UNWATCH"]])

    def connection(self):
        return self.pick([self.about_command, self.about_command, self.about_users, self.about_connection])()
