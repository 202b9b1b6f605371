/* link: server/cmd/table.c server/cmd/lookup.c server/cmd/keyspec.c server/cmd/keyspec_rows.c server/base/edition.c server/cmd/list.c server/cmd/list_find.c server/cmd/list_move.c server/cmd/list_block.c server/cmd/blocking.c server/cmd/call.c server/cmd/string.c server/cmd/set.c server/cmd/bits.c
 * server/cmd/bitfield.c server/cmd/lcs.c server/cmd/key.c server/cmd/expire.c server/cmd/keyspace.c server/cmd/scan.c server/cmd/longdouble.c server/cmd/hash.c server/cmd/hash_count.c server/cmd/hash_pick.c server/cmd/sets.c server/cmd/sets_combine.c server/cmd/sets_pick.c
 * server/cmd/zset.c server/cmd/zset_bounds.c server/cmd/zset_combine.c server/cmd/zset_list.c server/cmd/zset_pick.c server/cmd/zset_pop.c server/cmd/zset_block.c server/cmd/stream.c server/cmd/stream_words.c server/cmd/stream_range.c server/cmd/stream_read.c server/cmd/stream_group.c server/cmd/stream_pending.c server/cmd/stream_claim.c server/cmd/stream_info.c server/cmd/zset_range.c
 * server/cmd/zset_remove.c server/cmd/order.c server/cmd/sort.c server/cmd/sort_pattern.c server/cmd/geo.c server/cmd/geo_search.c server/cmd/geohash.c
 * server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/proto/resp_write.c server/base/buf.c server/base/decimal.c server/base/glob.c server/base/hash.c
 * server/base/log.c server/base/num.c server/base/rand.c server/base/clock.c
 * server/cmd/hyperloglog.c server/cmd/dump.c server/proto/hll.c server/proto/hll_wide.c server/persist/payload.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c server/proto/crc64.c server/proto/lzf.c server/proto/ziplist.c server/proto/zipmap.c */
/* The command table: lookup, editions as EDITIONS.md has them, keys; and a call's effects as the log and the
 * slaves see them: what is propagated, in which words and which order, on a master and on a slave. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/rand.h"
#include "server/cmd/call.h"
#include "server/cmd/table.h"
#include "server/store/string.h"

#include <strings.h>

static struct bytes word(const char *s) {
    return (struct bytes){s, strlen(s)};
}

static void nothing(struct call *c) {
    (void)c;
}

/* ---- Lookup ---------------------------------------------------------------------------------- */

static bool has(const char *name, unsigned edition) {
    return command_find(word(name), edition) != NULL;
}

static void test_lookup(void) {
    const struct command *get = command_find(word("gEt"), 0);
    ok(get && strcmp(get->name, "get") == 0, "a command is found in any case");
    ok(!has("ge", 0) && !has("gett", 0) && !has("", 0), "parts of names are no names");
    ok(!has("object|encoding", 0), "a subcommand is not found by itself");
    ok(!has("client", 0), "a row without a function is not there");
    command_set_function("client|list", nothing);
    ok(has("client", 0), "a container is there as soon as one of its subcommands is");
    bool all = true;
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        all &= cmd->id == id && cmd->summary[0] && cmd->since[0];
        if (!cmd->parent && cmd->fn && command_find(word(cmd->name), 0) != cmd) all = false;
    }
    ok(all, "every row is found by its name and says what it does");

    struct bytes good[] = {word("OBJECT"), word("Encoding"), word("k")};
    struct bytes bad[] = {word("OBJECT"), word("nosuch")};
    bool unknown;
    is_str(command_resolve(3, good, 0, &unknown)->name, "object|encoding",
           "a subcommand is resolved");
    ok(!unknown, "and known");
    is_str(command_resolve(2, bad, 0, &unknown)->name, "object", "a wrong one gives its container");
    ok(unknown, "and is said to be unknown");
    ok(!command_resolve(1, (struct bytes[]){word("nosuch")}, 0, &unknown), "no row, no command");
}

/* What the lookup must agree with: row by row, letter by letter. */
static const struct command *plain_find(const char *name, size_t len) {
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (!cmd->parent && command_exists(cmd, 0) && strlen(cmd->name) == len &&
            strncasecmp(cmd->name, name, len) == 0)
            return cmd;
    }
    return NULL;
}

static bool finds_as_plain(const char *name, size_t len) {
    char *exact = malloc(len ? len : 1); /* to the byte, so that reading beyond it shows */
    memcpy(exact, name, len);
    bool same = command_find((struct bytes){exact, len}, 0) == plain_find(name, len);
    free(exact);
    return same;
}

static void test_every_spelling(void) {
    enum { MIXES = 40 };
    struct prng prng;
    const char *text = getenv("DUET_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    printf("# DUET_SEED=%" PRIu64 "\n", seed);
    prng_seed(&prng, seed);
    bool mixed = true, near = true;
    for (int id = 0; id < command_count(); id++) {
        const char *name = command_by_id(id)->name;
        size_t n = strlen(name);
        for (int mix = 0; mix < MIXES; mix++) {
            char sent[64];
            memcpy(sent, name, n);
            for (size_t i = 0; i < n; i++)
                if (sent[i] >= 'a' && sent[i] <= 'z' && prng_u64(&prng) & 1) sent[i] ^= 0x20;
            mixed &= finds_as_plain(sent, n);
            sent[prng_u64(&prng) % n] ^= (char)(1 << prng_u64(&prng) % 8);
            near &= finds_as_plain(sent, n) && finds_as_plain(sent, n - 1);
        }
    }
    ok(mixed, "every name is found in every mix of cases");
    ok(near,
       "and one bit or one letter less makes it another word, as comparing letters would say");
}

static void test_editions(void) {
    unsigned open = edition_named("open")->bit, ckv = edition_named("ckv")->bit,
             ms = edition_named("master-slave")->bit, cluster = edition_named("cluster")->bit;
    ok(!edition_named("opn") && !edition_at(4) && edition_at(3), "the editions have names");
    ok(has("swapdb", open) && !has("swapdb", ms) && !has("swapdb", ckv) && !has("swapdb", cluster),
       "SWAPDB is in open only");
    ok(has("keys", ms) && has("keys", ckv) && !has("keys", cluster), "KEYS is not in cluster");
    ok(!has("unlink", ms) && !has("object", ckv) && has("bitpos", ms) && !has("bitpos", cluster),
       "UNLINK, OBJECT and BITPOS are where they belong");
    is_str(edition_named("ckv")->redis_version, "3.2.12", "an edition reports its own version");
}

static void test_renaming(void) {
    unsigned open = edition_named("open")->bit;
    const struct command *get = command_find(word("get"), open), *config;
    command_set_function("config|get", nothing);
    config = command_find(word("config"), open);
    ok(command_rename("GET", "a_Name_of_its_own") == RENAME_DONE, "a command is renamed");
    ok(command_find(word("A_name_of_its_own"), open) == get, "and found by that name in any case");
    ok(!has("get", open), "by the old one no more");
    ok(has("get", 0) && command_find(word("get"), 0)->id == get->id,
       "but where no edition binds: the log may hold it");
    is_str(get->name, "get", "its own name stays");
    ok(command_rename("a_name_of_its_own", "get") == RENAME_DONE,
       "a new name can be given up again");
    ok(command_find(word("get"), open) == get && !has("a_name_of_its_own", open), "and is");
    ok(command_rename("get", "set") == RENAME_EXISTS, "a name that is taken is refused");
    ok(command_rename("nosuch", "x") == RENAME_NO_SUCH, "and so is a command that is not there");
    ok(command_rename("append", "") == RENAME_DONE && !has("append", open) && has("append", 0),
       "a command is taken away");
    ok(command_rename("config", "c") == RENAME_DONE && command_find(word("c"), open) == config,
       "a container is renamed");
    bool unknown;
    struct bytes words[] = {word("c"), word("GET"), word("x")};
    is_str(command_resolve(3, words, open, &unknown)->name, "config|get", "with its subcommands");
    words[0] = word("config");
    ok(!command_resolve(3, words, open, &unknown), "which the old name does not have");
    is_str(command_resolve(3, words, 0, &unknown)->name, "config|get", "but for the log");
}

static void test_keys(void) {
    int at[8];
    struct bytes mset[] = {word("mset"), word("a"), word("1"), word("b"), word("2")};
    is_int(command_keys(command_find(mset[0], 0), 5, mset, at, 8), 2,
           "MSET has a key in two words");
    ok(at[0] == 1 && at[1] == 3, "at their places");
    command_set_function("zunionstore", nothing);
    struct bytes zu[] = {word("zunionstore"), word("to"), word("2"), word("a"), word("b")};
    is_int(command_keys(command_find(zu[0], 0), 5, zu, at, 8), 3, "ZUNIONSTORE counts its keys");
    ok(at[0] == 1 && at[1] == 3 && at[2] == 4, "and the destination");
    zu[2] = word("9");
    is_int(command_keys(command_find(zu[0], 0), 5, zu, at, 8), 0,
           "more keys than words make no sense");
}

/* ---- Effects --------------------------------------------------------------------------------- */

static struct buf
    effects; /* "SET a 1; " for each command propagated, "~key" changed, "!event" notified */

static void on_propagate(struct call *c, int db, int argc, const struct bytes *argv) {
    (void)c;
    buf_printf(&effects, "%d>", db);
    for (int i = 0; i < argc; i++) buf_printf(&effects, " %.*s", (int)argv[i].len, argv[i].p);
    buf_add_str(&effects, "; ");
}

static void on_changed(struct call *c, int db, struct bytes key) {
    (void)c;
    (void)db;
    buf_printf(&effects, "~%.*s ", (int)key.len, key.p);
}

static void on_notify(struct call *c, int notify_class, const char *event, int db,
                      struct bytes key) {
    (void)c;
    (void)db;
    (void)key;
    if (notify_class != NOTIFY_NEW && notify_class != NOTIFY_MISS)
        buf_printf(&effects, "!%s ", event);
}

static const struct call_ops ops = {
    .propagate = on_propagate, .changed = on_changed, .notify = on_notify};

static struct store *store;
static struct buf out;
static int64_t now_ms = 1000;

/* Runs a line of words as a client's command and leaves reply and effects. */
static struct call run(unsigned flags, const char *line) {
    static char text[256];
    struct bytes argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) argv[argc++] = word(w);
    bool unknown;
    const struct command *cmd = command_resolve(argc, argv, 0, &unknown);
    struct call c = {.argc = argc,
                     .argv = argv,
                     .command = cmd,
                     .store = store,
                     .resp = 2,
                     .flags = flags,
                     .now_ms = now_ms,
                     .out = &out,
                     .ops = &ops};
    buf_clear(&out);
    buf_clear(&effects);
    cmd->fn(&c);
    if (c.dirty && !c.propagated) buf_add_str(&effects, "as sent");
    c.argv = NULL;
    return c;
}

static void effect(const char *line, const char *expected) {
    run(0, line);
    is_str(buf_cstr(&effects), expected, line);
}

static void test_effects(void) {
    effect("set a 1", "~a !set as sent");
    effect("set a 2 ex 10", "~a !set !expire 0> SET a 2 PXAT 11000; ");
    effect("set a 3 keepttl get", "~a !set 0> SET a 3 KEEPTTL; ");
    effect("set a 4 nx", "");
    effect("setex b 5 x", "~b !set !expire 0> SET b x PXAT 6000; ");
    effect("getset b y", "~b !set 0> SET b y; ");
    effect("incrbyfloat f 1.5", "~f !incrbyfloat 0> SET f 1.5 KEEPTTL; ");
    effect("incr a", "~a !incrby as sent");
    effect("expire a 7", "~a !expire 0> PEXPIREAT a 8000; ");
    effect("expire a -1", "~a !del 0> DEL a; ");
    effect("getex b exat 9", "~b !expire 0> PEXPIREAT b 9000; ");
    effect("getex b persist", "~b !persist 0> PERSIST b; ");
    effect("getdel b", "~b !del 0> DEL b; ");
    effect("getdel b", "");
    effect("setbit c 3 0", "~c !setbit as sent");
    effect("setbit c 3 0", "");
    effect("rename c d", "~c ~d !rename_from !rename_to as sent");
    effect("move d 2", "~d ~d !move_from !move_to as sent");
    effect("append nokey x", "~nokey !append as sent");
    effect("del nokey other", "~nokey !del as sent");
    effect("flushall", "as sent");
}

static const char *reply(unsigned flags, const char *line) {
    run(flags, line);
    return buf_cstr(&out);
}

static void test_lazy_expiry(void) {
    run(0, "set k v px 100");
    now_ms += 101;
    is_str(reply(CALL_ON_SLAVE, "get k"), "$-1\r\n", "a slave hides an expired key");
    is_str(buf_cstr(&effects), "", "and leaves it alone");
    is_str(reply(CALL_ON_SLAVE | CALL_FROM_MASTER, "get k"), "$1\r\nv\r\n",
           "its master's link sees it");
    is_str(reply(CALL_HOLD_EXPIRY, "exists k"), ":0\r\n", "a doubtful clock hides it");
    is_int(store_count(store, 0), 2, "and deletes nothing");
    is_str(reply(0, "get k"), "$-1\r\n", "on a master it is gone");
    is_str(buf_cstr(&effects), "0> DEL k; ~k !expired ",
           "its deletion is propagated before all else");
    run(0, "set k v px 100");
    now_ms += 101;
    is_str(reply(0, "set k w keepttl"), "+OK\r\n", "a write over an expired key");
    is_str(buf_cstr(&effects), "0> DEL k; ~k !expired ~k !set as sent", "deletes it first");
    is_str(reply(0, "ttl k"), ":-1\r\n", "and does not inherit its stamp");
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    command_table_init();
    store = store_new(16, 1);
    test_lookup();
    test_every_spelling();
    test_editions();
    test_keys();
    test_effects();
    run(0, "set other v");
    test_lazy_expiry();
    test_renaming(); /* last: names are not as before */
    store_free(store);
    buf_free(&out);
    buf_free(&effects);
    return done();
}
