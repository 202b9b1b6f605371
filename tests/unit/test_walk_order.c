/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/apart.c server/store/walk.c server/store/list_keep.c server/store/stream_walk_group.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* The order in which walks hand out, and how much at a time. What comes out of one table in its order and goes into
 * another one makes no chains there, when that knew how many would come. And a step's length is bounded also where
 * a table is at its worst: after its elements were deleted in the order of a scan, the last ones share one group. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/store/apart.h"
#include "server/store/hash.h"
#include "server/store/set.h"
#include "server/store/table.h"
#include "server/store/zset.h"

struct seen {
    struct buf names; /* each behind its length */
    size_t items, entries;
};

static void entry(void *arg, int db, const struct entry *e, bool before_change) {
    struct seen *seen = arg;
    struct bytes key = entry_key(e);
    (void)db, (void)before_change;
    buf_add(&seen->names, &key.len, sizeof key.len);
    buf_add(&seen->names, key.p, key.len);
    seen->entries++;
}

static void nothing(void *arg, struct walked *v) {
    (void)arg, (void)v;
}

static void item(void *arg, struct walked *v, const struct walk_item *i, bool early) {
    struct seen *seen = arg;
    (void)v, (void)early;
    buf_add(&seen->names, &i->name.len, sizeof i->name.len);
    buf_add(&seen->names, i->name.p, i->name.len);
    seen->items++;
}

static void start(struct store *s, struct seen *seen) {
    const struct store_walker walker = {seen, entry, nothing, nothing, item, nothing};
    must(store_walk_start(s, &walker), "no walk is running");
}

static struct bytes next(struct buf *names) {
    struct bytes name;
    memcpy(&name.len, buf_head(names), sizeof name.len);
    name.p = buf_head(names) + sizeof name.len;
    buf_eat(names, sizeof name.len + name.len);
    return name;
}

static const struct bytes key = {"key", 3};

static struct bytes numbered(size_t n) {
    static char text[32];
    return (struct bytes){text, (size_t)snprintf(text, sizeof text, "element:%zu", n)};
}

/* ---- The same order again -------------------------------------------------------------------- */

static struct entry *new_of(struct store *s, enum value_kind kind) {
    switch (kind) {
    case KIND_HASH: return hash_new(s, 0, key, NO_EXPIRY);
    case KIND_SET: return set_new(s, 0, key, NO_EXPIRY);
    case KIND_ZSET: return zset_new(s, 0, key, NO_EXPIRY);
    default: return NULL;
    }
}

static bool reserve(struct store *s, struct entry *e, enum value_kind kind, size_t count) {
    switch (kind) {
    case KIND_HASH: return hash_reserve(s, 0, e, count);
    case KIND_SET: return set_reserve(s, 0, e, count);
    case KIND_ZSET: return zset_reserve(s, 0, e, count);
    default: return store_reserve(s, 0, count);
    }
}

/* A sorted set's scores go with its index's order, which is the worst for that. */
static void put(struct store *s, struct entry *e, enum value_kind kind, struct bytes name) {
    switch (kind) {
    case KIND_HASH: hash_set(s, 0, e, name, name); break;
    case KIND_SET: set_add(s, 0, e, name); break;
    case KIND_ZSET: zset_put(s, 0, e, name, (double)dict_order(dict_hash(name))); break;
    default: store_put_string(s, 0, name, (struct bytes){"v", 1}, NO_EXPIRY);
    }
}

static const struct dict *dict_of(struct store *s, const struct entry *e, enum value_kind kind) {
    switch (kind) {
    case KIND_HASH:
    case KIND_SET: return &((const struct table *)entry_pointer(e))->dict;
    case KIND_ZSET:
        return &(*(struct table *const *)entry_pointer(e))->dict; /* stands first in it */
    default: return store_dict(s, 0);
    }
}

static void test_same_order(enum value_kind kind, const char *what, size_t count) {
    struct store *from = store_new(1, 1), *to = store_new(1, 1);
    struct seen seen = {.items = 0};
    struct entry *e = new_of(from, kind);
    for (size_t n = 0; n < count; n++) put(from, e, kind, numbered(n));
    size_t memory = store_memory(from), chained = dict_of(from, e, kind)->chained;
    start(from, &seen);
    while (store_walk_step(from, 1000)) {
    }
    is_int((int64_t)(seen.items + seen.entries), (int64_t)count, "a walk hands out all");
    e = new_of(to, kind);
    while (!reserve(to, e, kind, count)) {
    }
    size_t most = 0;
    while (buf_len(&seen.names)) {
        put(to, e, kind, next(&seen.names));
        size_t now = dict_of(to, e, kind)->chained;
        if (now > most) most = now;
    }
    printf("# %zu: at most %zu chains, %zu in the other table; %zu bytes and %zu\n", count, most,
           chained, store_memory(to), memory);
    ok(most <= 2 * chained + 10,
       "%s in the order of another table, with their count, make no chains", what);
    ok(store_memory(to) < memory + memory / 20, "and take no more memory than in any order");
    store_verify(to);
    buf_free(&seen.names);
    store_free(from);
    store_free(to);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

enum { MANY = 40000, LEFT = 2000, LIMIT = 32 };

static void note_name(void *arg, struct bytes name, struct bytes value) {
    (void)value;
    buf_add(arg, &name.len, sizeof name.len);
    buf_add(arg, name.p, name.len);
}

static void note_key(void *arg, struct entry *e) {
    note_name(arg, entry_key(e), (struct bytes){NULL, 0});
}

static size_t longest_step(struct store *s, size_t *all) {
    struct seen seen = {.items = 0};
    size_t longest = 0, before = 0;
    start(s, &seen);
    for (bool more = true; more;) {
        more = store_walk_step(s, LIMIT);
        size_t now = seen.items + seen.entries;
        if (now - before > longest) longest = now - before;
        before = now;
    }
    *all = before;
    buf_free(&seen.names);
    return longest;
}

static void test_worst_hash(void) {
    struct store *s = store_new(1, 1);
    struct entry *e = hash_new(s, 0, key, NO_EXPIRY);
    struct buf names = BUF_INIT;
    uint64_t cursor = 0;
    size_t all;
    for (size_t n = 0; n < MANY; n++) put(s, e, KIND_HASH, numbered(n));
    do cursor = hash_scan(e, cursor, note_name, &names);
    while (cursor);
    while (hash_len(e) > LEFT) hash_delete(s, 0, e, next(&names));
    ok(dict_of(s, e, KIND_HASH)->chained > 50, "a hash whose fields went in order is all chains");
    ok(longest_step(s, &all) <= LIMIT && all == LEFT, "a step inside it is no longer for that");
    buf_free(&names);
    store_free(s);
}

static void test_worst_keys(void) {
    struct store *s = store_new(1, 1);
    struct buf names = BUF_INIT;
    uint64_t cursor = 0;
    size_t all;
    for (size_t n = 0; n < MANY; n++) put(s, NULL, KIND_STRING, numbered(n));
    do cursor = store_scan(s, 0, cursor, note_key, &names);
    while (cursor);
    while (store_count(s, 0) > LEFT) store_delete(s, 0, store_find(s, 0, next(&names)));
    ok(longest_step(s, &all) <= LIMIT && all == LEFT, "nor a step among keys that went in order");
    buf_free(&names);
    store_free(s);
}

static void test_bytes(void) {
    struct store *s = store_new(1, 1);
    size_t all;
    static char value[60000];
    for (size_t n = 0; n < 500; n++)
        store_put_string(s, 0, numbered(n), (struct bytes){value, sizeof value}, NO_EXPIRY);
    ok(longest_step(s, &all) <= 1 + LIMIT * WALK_COST_BYTES / sizeof value && all == 500,
       "a step of long strings has few of them");
    store_free(s);
}

int main(void) {
    log_set_name("test");
    test_same_order(KIND_SET, "members of a set", 1000000);
    test_same_order(KIND_HASH, "fields of a hash", 100000);
    test_same_order(KIND_ZSET, "members of a sorted set", 100000);
    test_same_order(KIND_STRING, "keys", 100000);
    test_worst_hash();
    test_worst_keys();
    test_bytes();
    return done();
}
