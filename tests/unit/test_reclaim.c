/* link: server/reclaim.c server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* Big values and flushed databases are freed on another thread: counters come back to the byte, whatever kind they
 * are, in whatever order, and while the store goes on with other things. */
#include "tests/unit/tap.h"

#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/reclaim.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

enum { MANY = 20000, PATIENCE_MS = 20000, SLACK = 1000 /* a small table's buckets */ };

static struct bytes numbered(const char *what, int i) {
    static char text[32];
    return (struct bytes){text, (size_t)snprintf(text, sizeof text, "%s%08d", what, i)};
}

static struct bytes key_of(int i) {
    static char text[32];
    return (struct bytes){text, (size_t)snprintf(text, sizeof text, "key%d", i)};
}

static void fill(struct store *s, int db, int i) {
    struct bytes key = key_of(i);
    struct entry *e;
    switch (i % 5) {
    case 0:
        e = hash_new(s, db, key, NO_EXPIRY);
        for (int n = 0; n < MANY; n++)
            hash_set(s, db, e, numbered("f", n), (struct bytes){"value", 5});
        break;
    case 1:
        e = set_new(s, db, key, NO_EXPIRY);
        for (int n = 0; n < MANY; n++) set_add(s, db, e, numbered("m", n));
        break;
    case 2:
        e = zset_new(s, db, key, NO_EXPIRY);
        for (int n = 0; n < MANY; n++) zset_put(s, db, e, numbered("z", n), n % 77);
        break;
    case 3:
        e = list_new(s, db, key, NO_EXPIRY);
        for (int n = 0; n < MANY; n++) list_push(s, db, e, true, numbered("v", n));
        break;
    case 4: {
        static char big[1 << 20];
        store_put_string(s, db, key, (struct bytes){big, sizeof big}, NO_EXPIRY);
    }
    }
}

/* Turns of the loop until all that was deleted is gone. */
static bool settles(struct store *s, size_t memory) {
    uint64_t until = clock_boot_ns() + PATIENCE_MS * NS_PER_MS;
    while (clock_boot_ns() < until) {
        store_work(s, 64);
        if (!store_doomed(s) && !store_doomed_memory(s) && store_memory(s) <= memory + SLACK)
            return true;
        usleep(1000);
    }
    fprintf(stderr, "# %zu doomed, %zu bytes of them, %zu bytes instead of %zu\n", store_doomed(s),
            store_doomed_memory(s), store_memory(s), memory);
    return false;
}

static void test_delete(struct store *s) {
    size_t empty = store_memory(s);
    for (int i = 0; i < 10; i++) fill(s, 0, i);
    size_t full = store_memory(s);
    for (int i = 0; i < 10; i++) store_delete(s, 0, store_find(s, 0, key_of(i)));
    ok(store_doomed_memory(s) > full / 3, "what is to be freed is known at once");
    ok(settles(s, empty), "deleted values of every kind are freed to the byte");
    ok(store_buried(s) >= 6, "they are counted");
    store_verify(s);
}

static void test_flush(struct store *s) {
    size_t empty = store_memory(s);
    for (int db = 0; db < 2; db++)
        for (int i = 0; i < 10; i++) fill(s, db, i);
    store_flush_all(s);
    fill(s, 0, 1);
    store_delete(s, 0, store_find(s, 0, key_of(1)));
    for (int n = 0; n < 50000; n++)
        store_put_string(s, 1, numbered("new", n), (struct bytes){"v", 1}, NO_EXPIRY);
    store_work(s, 64);
    store_flush(s, 1);
    ok(settles(s, empty), "flushed databases and what was in them are freed to the byte");
    store_verify(s);
}

static void ignore(void *arg, int db, const struct entry *e, bool before_change) {
    (void)db, (void)e, (void)before_change;
    ++*(int *)arg;
}

static void test_walk(struct store *s) {
    size_t empty = store_memory(s);
    int seen = 0;
    for (int n = 0; n < 50000; n++)
        store_put_string(s, 0, numbered("new", n), (struct bytes){"v", 1}, NO_EXPIRY);
    store_walk_start(s, &(struct store_walker){.arg = &seen, .entry = ignore});
    store_walk_step(s, 1000);
    store_flush_all(s);
    for (int i = 0; i < 100; i++) store_work(s, 64);
    while (store_walk_step(s, 1000)) store_work(s, 64);
    is_int(seen, 50000, "a walk sees all of a flushed database before it is freed");
    ok(settles(s, empty), "and then it is freed");
}

static void test_beside(struct store *s) {
    size_t empty = store_memory(s);
    for (int i = 0; i < 10; i++) fill(s, 0, i);
    for (int i = 10; i < 20; i++) fill(s, store_beside(s), i);
    for (int i = 10; i < 20; i++) fill(s, store_beside(s) + 1, i);
    store_verify(s);
    ok(store_count(s, 0) == 10 && !store_find(s, 0, key_of(15)),
       "what is beside the data is no part of it");
    store_beside_take(s);
    ok(store_count(s, 0) == 10 && store_find(s, 0, key_of(15)) && !store_find(s, 0, key_of(5)) &&
           store_count(s, 1) == 10 && !store_count(s, store_beside(s)),
       "it becomes the data");
    store_verify(s);
    for (int i = 0; i < 10; i++) fill(s, store_beside(s), i);
    store_beside_drop(s);
    ok(store_count(s, 0) == 10 && !store_count(s, store_beside(s)), "or is dropped");
    store_flush_all(s);
    ok(settles(s, empty), "all of it is freed to the byte");
    store_verify(s);
}

int main(void) {
    uint64_t key[2] = {1, 2};
    hash_set_key(key);
    struct store *s = store_new(2, 3);
    reclaim_start();
    store_settings(s)->reclaim = reclaim_later;
    test_delete(s);
    test_flush(s);
    test_walk(s);
    test_beside(s);
    store_settings(s)->reclaim = NULL;
    store_free(s);
    return done();
}
