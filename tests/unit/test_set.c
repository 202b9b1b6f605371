/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c
 * server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c
 * server/proto/intset.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* Sets against a plain model: integers of all widths and other members, both forms, copies, and the verifier after
 * each batch. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/store/set.h"

enum { MEMBERS = 2500 };

struct model {
    struct store *store;
    struct entry *e;
    struct prng prng;
    bool there[MEMBERS];
    size_t count, wrong, met;
};

static char member_text[400];

/* Integers of 2, 4 and 8 bytes; every fifth round words among them. */
static struct bytes member_of(size_t n, bool words) {
    int64_t v = (int64_t)n - 1000;
    if (n % 5 == 1) v *= 100000;
    if (n % 5 == 2) v *= 10000000000;
    if (!words || n % 2) return (struct bytes){member_text, num_format_i64(member_text, v)};
    int len = snprintf(member_text, sizeof member_text, "word%zu", n);
    if (n % 90 == 0) {
        memset(member_text + len, 'x', 300);
        len += 300;
    }
    return (struct bytes){member_text, (size_t)len};
}

static bool meet(void *arg, struct bytes member) {
    struct model *m = arg;
    m->met++;
    if (!set_has(m->e, member)) m->wrong++;
    return true;
}

static bool equal(struct model *m, const struct entry *e, bool words) {
    if (set_len(e) != m->count) return false;
    for (size_t i = 0; i < MEMBERS; i++)
        if (set_has(e, member_of(i, words)) != m->there[i]) return false;
    m->met = 0;
    set_each(e, meet, m);
    return m->met == m->count;
}

static void step(struct model *m, size_t range, unsigned fill, bool words) {
    size_t n = prng_below(&m->prng, range);
    bool was = m->there[n];
    if (prng_below(&m->prng, 100) < fill) {
        if (set_add(m->store, 0, m->e, member_of(n, words)) == was) m->wrong++;
        m->count += !was;
        m->there[n] = true;
    } else if (m->count > 1 || !was) {
        if (set_remove(m->store, 0, m->e, member_of(n, words)) != was) m->wrong++;
        m->count -= was;
        m->there[n] = false;
    }
}

static void one_set(struct model *m, size_t round, size_t steps) {
    static const size_t ranges[] = {10, 200, 700, MEMBERS};
    static const unsigned fills[] = {70, 40, 90, 15};
    bool words = round % 5 == 4, same = true;
    m->e = set_new(m->store, 0, BYTES("s"), NO_EXPIRY);
    memset(m->there, 0, sizeof m->there);
    m->count = set_add(m->store, 0, m->e, member_of(0, words));
    m->there[0] = true;
    for (size_t phase = 0; phase < 4; phase++) {
        for (size_t i = 0; i < steps; i++)
            step(m, ranges[(round + phase) % 4], fills[prng_below(&m->prng, 4)], words);
        store_verify(m->store);
        struct entry *copy = store_copy(m->store, 0, m->e, 0, BYTES("copy"));
        same &= equal(m, m->e, words) && equal(m, copy, words);
        store_delete(m->store, 0, copy);
        struct bytes packed = set_packed(m->e);
        if (packed.p && !set_new_packed(m->store, 0, BYTES("copy"), packed, NO_EXPIRY))
            same = false;
    }
    m->wrong += !same;
    store_flush_all(m->store);
    while (store_work(m->store, 100)) {
    }
    store_verify(m->store);
}

/* Big values put their own tables among those that are taken apart, while theirs is. */
static void flushed_big_sets(struct model *m) {
    for (size_t k = 0; k < 5; k++) {
        char key[2] = {'b', (char)('0' + k)};
        struct entry *e = set_new(m->store, 0, (struct bytes){key, 2}, NO_EXPIRY);
        for (size_t i = 0; i < MEMBERS; i++) set_add(m->store, 0, e, member_of(i, true));
    }
    store_verify(m->store);
    store_flush_all(m->store);
    size_t turns = 0;
    while (store_work(m->store, 100)) {
        store_verify(m->store);
        turns++;
    }
    store_verify(m->store);
    ok(turns > 5 * MEMBERS / 200, "flushed big sets are taken apart in steps, to the last byte");
}

int main(void) {
    struct model *m = xcalloc(1, sizeof *m);
    uint64_t seed = tap_seed();
    size_t rounds = tap_full() ? 500 : 20;
    m->store = store_new(1, seed);
    prng_seed(&m->prng, seed);
    for (size_t r = 0; r < rounds; r++) one_set(m, r, tap_full() ? 10000 : 2000);
    is_int(m->wrong, 0, "sets are as the model says after every batch");
    flushed_big_sets(m);
    struct bytes unsorted = {"\x02\0\0\0\x02\0\0\0\x02\0\x01\0", 12};
    ok(!set_new_packed(m->store, 0, BYTES("k"), unsorted, NO_EXPIRY),
       "an unsorted intset is refused");
    ok(!set_new_packed(m->store, 0, BYTES("k"), (struct bytes){unsorted.p, 11}, NO_EXPIRY),
       "one cut short too");
    is_int(store_count(m->store, 0), 0, "and nothing was stored");
    store_free(m->store);
    free(m);
    return done();
}
