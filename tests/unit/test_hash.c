/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/proto/intset.c
 * server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c server/base/buf.c server/base/decimal.c
 * server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c server/base/clock.c */
/* Hashes against a plain model: seeded random changes in both forms, copies, conversions, scans with their promise,
 * and the verifier after each batch. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/store/hash.h"

enum { FIELDS = 3000 };

struct model {
    struct store *store;
    struct entry *e;
    struct prng prng;
    char *values[FIELDS];
    size_t lens[FIELDS], count;
    bool owed[FIELDS]; /* by the scan under way */
    uint64_t cursor;
    bool scanning;
    size_t wrong, scans;
};

static char field_text[400];

static struct bytes field_of(size_t n) {
    if (n % 3 == 0) return (struct bytes){field_text, num_format_u64(field_text, n)};
    int len = snprintf(field_text, sizeof field_text, "f%zu", n);
    if (n % 97 == 0) {
        memset(field_text + len, 'x', 300);
        len += 300;
    }
    return (struct bytes){field_text, (size_t)len};
}

static size_t number_of(struct bytes field) {
    char text[16];
    size_t n = field.len < 15 ? field.len : 15;
    memcpy(text, field.p, n);
    text[n] = '\0';
    return strtoul(text[0] == 'f' ? text + 1 : text, NULL, 10);
}

static void seen(void *arg, struct bytes field, struct bytes value) {
    struct model *m = arg;
    size_t n = number_of(field);
    m->owed[n] = false;
    if (!m->values[n] || value.len != m->lens[n] || memcmp(value.p, m->values[n], value.len) != 0)
        m->wrong++;
}

static void scan_some(struct model *m) {
    if (!m->scanning) {
        for (size_t i = 0; i < FIELDS; i++) m->owed[i] = m->values[i] != NULL;
        m->scanning = true;
        m->cursor = 0;
    }
    m->cursor = hash_scan(m->e, m->cursor, seen, m);
    if (m->cursor) return;
    m->scanning = false;
    m->scans++;
    for (size_t i = 0; i < FIELDS; i++) m->wrong += m->owed[i];
}

static void forget(struct model *m, size_t n) {
    free(m->values[n]);
    m->values[n] = NULL;
    m->owed[n] = false;
}

static void set_one(struct model *m, size_t n) {
    static char text[2000];
    size_t len = prng_below(&m->prng, 30) ? prng_below(&m->prng, 60) : prng_below(&m->prng, 2000);
    struct bytes value = {text, len};
    memset(text, 'a' + (int)prng_below(&m->prng, 26), len);
    if (prng_below(&m->prng, 3) == 0)
        value.len = num_format_i64(text, (int64_t)prng_u64(&m->prng) >> prng_below(&m->prng, 64));
    bool added = hash_set(m->store, 0, m->e, field_of(n), value);
    if (added != !m->values[n]) m->wrong++;
    m->count += added;
    free(m->values[n]);
    m->values[n] = xmemdup(text, value.len + !value.len);
    m->lens[n] = value.len;
}

static bool equal(struct model *m, const struct entry *e) {
    struct digits d;
    struct bytes value;
    if (hash_len(e) != m->count) return false;
    for (size_t i = 0; i < FIELDS; i++) {
        bool there = hash_get(e, field_of(i), &value, &d);
        if (there != (m->values[i] != NULL)) return false;
        if (there && (value.len != m->lens[i] || memcmp(value.p, m->values[i], value.len) != 0))
            return false;
    }
    return true;
}

static void step(struct model *m, size_t range, unsigned fill) {
    size_t n = prng_below(&m->prng, range);
    if (prng_below(&m->prng, 100) < fill) {
        set_one(m, n);
    } else if (m->count > 1 || !m->values[n]) {
        bool was = hash_delete(m->store, 0, m->e, field_of(n));
        if (was != (m->values[n] != NULL)) m->wrong++;
        m->count -= was;
        forget(m, n);
    }
    if (prng_below(&m->prng, 20) == 0) scan_some(m);
}

static bool copies_are_equal(struct model *m) {
    struct entry *copy = store_copy(m->store, 0, m->e, 0, BYTES("copy"));
    bool same = equal(m, copy);
    struct bytes packed = hash_packed(m->e);
    store_delete(m->store, 0, copy);
    if (!packed.p) return same;
    struct bytes key = BYTES("loaded");
    same &= hash_new_packed(m->store, 0, key, packed, NO_EXPIRY);
    struct entry *loaded = store_find(m->store, 0, key);
    same &= equal(m, loaded);
    store_delete(m->store, 0, loaded);
    return same;
}

static void one_hash(struct model *m, size_t round, size_t steps) {
    static const size_t ranges[] = {10, 200, 700, FIELDS};
    static const unsigned fills[] = {70, 40, 90, 15};
    m->e = hash_new(m->store, 0, BYTES("h"), NO_EXPIRY);
    m->count = 0;
    set_one(m, prng_below(&m->prng, 10));
    bool same = true;
    for (int phase = 0; phase < 4; phase++) {
        size_t range = ranges[(round + (size_t)phase) % 4];
        for (size_t i = 0; i < steps; i++) step(m, range, fills[prng_below(&m->prng, 4)]);
        store_verify(m->store);
        same &= equal(m, m->e) && copies_are_equal(m);
    }
    if (!same) m->wrong++;
    store_delete(m->store, 0, m->e);
    while (store_work(m->store, 100)) {
    }
    store_verify(m->store);
    m->scanning = false;
    for (size_t i = 0; i < FIELDS; i++) forget(m, i);
}

static void test_model(uint64_t seed, size_t rounds, size_t steps) {
    struct model *m = xcalloc(1, sizeof *m);
    m->store = store_new(1, seed);
    prng_seed(&m->prng, seed);
    for (size_t r = 0; r < rounds; r++) {
        store_settings(m->store)->hash_max_packed = r % 3 ? 512 : 20;
        one_hash(m, r, steps);
    }
    is_int(m->wrong, 0, "hashes are as the model says after every batch");
    ok(m->scans > 10, "scans came to their end (%zu)", m->scans);
    store_free(m->store);
    free(m);
}

static void test_refused(void) {
    struct store *s = store_new(1, 1);
    struct bytes a = {"\x11\0\0\0\x04\0\x81"
                      "a\x02\x01\x01\x81"
                      "a\x02\x02\x01\xff",
                      17};
    struct bytes b = {"\x09\0\0\0\x01\0\x01\x01\xff", 9}, c = {"\x07\0\0\0\0\0\xff", 7};
    ok(!hash_new_packed(s, 0, BYTES("k"), a, NO_EXPIRY),
       "a listpack with a field twice is refused");
    ok(!hash_new_packed(s, 0, BYTES("k"), b, NO_EXPIRY), "one with half a pair too");
    ok(!hash_new_packed(s, 0, BYTES("k"), c, NO_EXPIRY), "and an empty one");
    is_int(store_count(s, 0), 0, "and nothing was stored");
    store_free(s);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_refused();
    test_model(tap_seed(), tap_full() ? 200 : 8, tap_full() ? 20000 : 4000);
    return done();
}
