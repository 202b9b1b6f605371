/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/hash.c
 * server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c
 * server/store/set.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c
 * server/proto/intset.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* Lists against a plain array: both forms, chunks of all limits, open and closed ones, every operation, cursors both
 * ways, copies, and the verifier after each batch. */
#include "server/store/list.h"
#include "server/store/list_forms.h"

#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/num.h"
#include "server/base/rand.h"

enum { MOST = 30000, KINDS_OF_VALUES = 400 };

struct model {
    struct store *store;
    struct entry *e;
    struct prng prng;
    uint16_t value[MOST]; /* each names a text */
    size_t len, wrong;
    size_t closed; /* chunks that were met closed */
    unsigned few;  /* values in use */
};

/* Short words, integers of all widths, and now and then something longer than a chunk. */
static struct bytes text_of(unsigned value) {
    static char text[70000];
    size_t len = num_format_u64(text, value);
    if (value % 3 == 0) {
        int64_t v = (int64_t)value - 200;
        if (value % 9 == 3) v *= 100003;
        if (value % 9 == 6) v *= 10000000019;
        return (struct bytes){text, num_format_i64(text, v)};
    }
    text[len++] = 'w';
    size_t more = value % 97 == 5 ? 9000 : value == 398 ? 66000 : value % 20 == 4 ? 300 : 0;
    memset(text + len, 'x', more);
    return (struct bytes){text, len + more};
}

static unsigned any_value(struct model *m) {
    return (unsigned)prng_below(&m->prng, m->few);
}

/* ---- The same change to both ----------------------------------------------------------------- */

static void model_open(struct model *m, size_t at, size_t old, size_t new) {
    memmove(m->value + at + new, m->value + at + old, (m->len - at - old) * sizeof *m->value);
    m->len += new - old;
}

static void push(struct model *m, enum list_end end) {
    unsigned v = any_value(m);
    list_push(m->store, 0, m->e, end, text_of(v));
    size_t at = end == LIST_HEAD ? 0 : m->len;
    model_open(m, at, 0, 1);
    m->value[at] = (uint16_t)v;
}

static void insert(struct model *m) {
    size_t at = prng_below(&m->prng, m->len + 1);
    size_t n = prng_below(&m->prng, 10) ? 1 : 20; /* now and then many at the same place */
    for (size_t i = 0; i < n; i++) {
        unsigned v = any_value(m);
        list_insert(m->store, 0, m->e, at, text_of(v));
        model_open(m, at, 0, 1);
        m->value[at] = (uint16_t)v;
    }
}

static void set(struct model *m) {
    if (!m->len) return;
    size_t at = prng_below(&m->prng, m->len);
    unsigned v = any_value(m);
    list_set(m->store, 0, m->e, at, text_of(v));
    m->value[at] = (uint16_t)v;
}

static void remove_some(struct model *m, size_t at, size_t n) {
    list_remove(m->store, 0, m->e, at, n);
    model_open(m, at, n, 0);
}

static void remove_any(struct model *m) {
    size_t most = prng_below(&m->prng, 50) ? 3 : m->len;
    size_t at = prng_below(&m->prng, m->len + 1), n = prng_below(&m->prng, most + 1);
    remove_some(m, at, n < m->len - at ? n : m->len - at);
}

static void pop(struct model *m, enum list_end end) {
    if (m->len) remove_some(m, end == LIST_HEAD ? 0 : m->len - 1, 1);
}

static void remove_equal(struct model *m) {
    unsigned v = any_value(m);
    size_t most = prng_below(&m->prng, 4) ? 1 + prng_below(&m->prng, 5) : SIZE_MAX, want = 0;
    enum list_end from = prng_below(&m->prng, 2) ? LIST_HEAD : LIST_TAIL;
    size_t got = list_remove_equal(m->store, 0, m->e, text_of(v), most, from);
    for (size_t i = 0, at = from == LIST_HEAD ? 0 : m->len; want < most;) {
        if (from == LIST_HEAD ? at == m->len : at == 0) break;
        i = from == LIST_HEAD ? at : --at;
        if (m->value[i] == v) {
            model_open(m, i, 1, 0);
            want++;
        } else if (from == LIST_HEAD) {
            at++;
        }
    }
    m->wrong += got != want;
}

static void any_ends(struct model *m) {
    static const size_t ends[] = {0, 1, 1, 2, 3, 9, 1000000};
    store_settings(m->store)->list_open_ends = ends[prng_below(&m->prng, 7)];
}

static void step(struct model *m, unsigned fill) {
    if (!prng_below(&m->prng, 400)) any_ends(m);
    bool grow = prng_below(&m->prng, 100) < fill && m->len + 20 < MOST;
    switch (prng_below(&m->prng, 8)) {
    case 0:
    case 1:
    case 2:
        if (grow)
            push(m, LIST_TAIL);
        else
            pop(m, LIST_HEAD);
        return;
    case 3:
    case 4:
        if (grow)
            push(m, LIST_HEAD);
        else
            pop(m, LIST_TAIL);
        return;
    case 5:
        if (grow)
            insert(m);
        else
            remove_any(m);
        return;
    case 6: set(m); return;
    default:
        if (!prng_below(&m->prng, 5)) remove_equal(m);
    }
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static bool equal(struct model *m, const struct entry *e) {
    struct list_cursor c;
    size_t i = 0;
    if (list_len(e) != m->len) return false;
    for (bool more = list_seek(e, 0, &c); more; more = list_next(&c), i++)
        if (i >= m->len || !bytes_equal(list_here(&c), text_of(m->value[i]))) return false;
    if (i != m->len) return false;
    for (bool more = m->len && list_seek(e, m->len - 1, &c); more; more = list_prev(&c))
        if (!i-- || !bytes_equal(list_here(&c), text_of(m->value[i]))) return false;
    return i == 0;
}

static bool places_are_right(struct model *m) {
    struct list_cursor c;
    for (int i = 0; i < 50 && m->len; i++) {
        size_t at = prng_below(&m->prng, m->len);
        struct lp_value v = lp_value_of(text_of(m->value[at]));
        if (!list_seek(m->e, at, &c) || !list_here_is(&c, &v)) return false;
        if (at + 1 < m->len &&
            (!list_next(&c) || !bytes_equal(list_here(&c), text_of(m->value[at + 1]))))
            return false;
    }
    return !list_seek(m->e, m->len, &c);
}

struct packing {
    struct model *m;
    struct entry *to;
};

static void pack_over(void *arg, struct bytes listpack) {
    const struct packing *p = arg;
    p->m->wrong += !list_push_packed(p->m->store, 0, p->to, listpack);
}

/* A copy, and what is made of the chunks as a file brings them, under other limits than they were made with. */
static void compare(struct model *m) {
    if (!m->len) push(m, LIST_TAIL);
    store_verify(m->store);
    if (!list_is_small(m->e)) m->closed += list_big(m->e)->closed;
    m->wrong += !equal(m, m->e) + !places_are_right(m);
    struct entry *copy = store_copy(m->store, 0, m->e, 0, BYTES("copy"));
    m->wrong += !equal(m, copy);
    store_delete(m->store, 0, copy);
    struct store_settings *set = store_settings(m->store), kept = *set;
    if (prng_below(&m->prng, 2))
        list_limits((int64_t)prng_below(&m->prng, 9) - 5, &set->list_chunk_bytes,
                    &set->list_chunk_count);
    struct packing p = {m, list_new(m->store, 0, BYTES("packed"), NO_EXPIRY)};
    list_each_chunk(m->e, pack_over, &p);
    m->wrong += !equal(m, p.to);
    store_verify(m->store);
    store_delete(m->store, 0, p.to);
    *set = kept;
}

static void empty_the_store(struct model *m) {
    store_flush_all(m->store);
    while (store_work(m->store, 100)) {
    }
    store_verify(m->store);
}

static void one_list(struct model *m, size_t round, size_t steps) {
    static const size_t bytes[] = {8192, 64, 300, 65536, 128}, counts[] = {32767, 3, 32767, 10, 1};
    static const unsigned fills[] = {75, 50, 95, 20}, fews[] = {KINDS_OF_VALUES, 4, 60};
    struct store_settings *settings = store_settings(m->store);
    settings->list_chunk_bytes = bytes[round % 5];
    settings->list_chunk_count = counts[prng_below(&m->prng, 5)];
    any_ends(m);
    m->few = fews[round % 3];
    m->e = list_new(m->store, 0, BYTES("l"), NO_EXPIRY);
    m->len = 0;
    for (size_t phase = 0; phase < 4; phase++) {
        unsigned fill = fills[(round + phase) % 4];
        for (size_t i = 0; i < steps; i++) step(m, fill);
        compare(m);
    }
    empty_the_store(m);
}

/* ---- Big ones -------------------------------------------------------------------------------- */

static struct entry *numbers(struct store *s, const char *key, size_t n, enum list_end end) {
    struct entry *e = list_new(s, 0, (struct bytes){key, strlen(key)}, NO_EXPIRY);
    char text[24];
    for (size_t i = 0; i < n; i++) {
        size_t v = end == LIST_TAIL ? i : n - 1 - i;
        list_push(s, 0, e, end, (struct bytes){text, num_format_u64(text, 1000000 + v)});
    }
    return e;
}

static bool holds_numbers(const struct entry *e, size_t first, size_t n) {
    struct list_cursor c;
    char text[24];
    if (list_len(e) != n) return false;
    for (bool more = list_seek(e, 0, &c); more; more = list_next(&c), first++)
        if (!bytes_equal(list_here(&c),
                         (struct bytes){text, num_format_u64(text, 1000000 + first)}))
            return false;
    return true;
}

/* How many chunks are closed that should not be, or the other way round though they would shrink. */
static size_t out_of_place(const struct entry *e, size_t ends) {
    const struct list *l = list_big(e);
    size_t i = 0, wrong = 0;
    for (struct place p = dir_first(l); p.leaf; p = dir_next(p), i++)
        if (i < ends || i + ends >= l->chunks)
            wrong += chunk_is_closed(place_chunk(p));
        else
            wrong += place_chunk(p)->lzf == CHUNK_OPEN;
    return wrong;
}

static void closed(struct store *s, size_t ends) {
    enum { N = 20000 };
    store_settings(s)->list_chunk_bytes = 512;
    store_settings(s)->list_chunk_count = 32767;
    store_settings(s)->list_open_ends = 0;
    struct entry *e = numbers(s, "open", N, LIST_TAIL);
    size_t open_bytes = entry_memory(e);
    is_int(list_big(e)->closed, 0, "no chunk is closed when none is to be");
    store_delete(s, 0, e);
    store_settings(s)->list_open_ends = ends;
    e = numbers(s, "closed", N, ends % 2 ? LIST_TAIL : LIST_HEAD);
    ok(list_big(e)->closed == list_big(e)->chunks - 2 * ends && out_of_place(e, ends) == 0 &&
           holds_numbers(e, 0, N),
       "%zu chunks at either end are open, all others closed", ends);
    ok(entry_memory(e) < open_bytes, "which takes less memory");
    for (size_t i = 500; i < N; i += 500) {
        list_set(s, 0, e, i, BYTES("1000000"));
        list_insert(s, 0, e, i, BYTES("12345678"));
        list_remove(s, 0, e, i - 1, 1);
    }
    is_int(out_of_place(e, ends), 0, "so it is after changes inside");
    list_remove_equal(s, 0, e, BYTES("1000000"), SIZE_MAX, LIST_TAIL);
    list_remove_equal(s, 0, e, BYTES("12345678"), SIZE_MAX, LIST_HEAD);
    is_int(out_of_place(e, ends), 0, "after values were removed");
    list_remove(s, 0, e, 0, 5000);
    list_remove(s, 0, e, 5000, list_len(e) - 5000);
    is_int(out_of_place(e, ends), 0, "and after a trim");
    struct entry *copy = store_copy(s, 0, e, 0, BYTES("copy"));
    is_int(out_of_place(copy, ends), 0, "a copy is closed where the list was");
    store_verify(s);
    while (list_len(e) > 1) list_remove(s, 0, e, list_len(e) % 2 ? 0 : list_len(e) - 1, 1);
    ok(list_is_small(e), "popping leaves a small list");
    store_delete(s, 0, e);
    store_delete(s, 0, copy);
    while (store_work(s, 100)) {
    }
    store_settings(s)->list_open_ends = 0;
    store_verify(s);
}

static void big(struct store *s, enum list_end end, size_t chunk_bytes, const char *how) {
    enum { N = 200000 };
    store_settings(s)->list_chunk_bytes = chunk_bytes;
    store_settings(s)->list_chunk_count = 32767;
    struct entry *e = numbers(s, "big", N, end);
    ok(holds_numbers(e, 0, N), "%d elements pushed at the %s stand in order", N, how);
    list_remove(s, 0, e, 150000, 50000);
    list_remove(s, 0, e, 0, 1234);
    store_verify(s);
    ok(holds_numbers(e, 1234, 150000 - 1234), "what a trim leaves is the middle");
    store_delete(s, 0, e);
    size_t turns = 0;
    while (store_work(s, 100)) {
        store_verify(s);
        turns++;
    }
    store_verify(s);
    ok(turns > 2, "what was removed is freed in steps, to the last byte");
}

int main(void) {
    struct model *m = xcalloc(1, sizeof *m);
    uint64_t seed = tap_seed();
    size_t rounds = tap_full() ? 300 : 30;
    m->store = store_new(1, seed);
    prng_seed(&m->prng, seed);
    for (size_t r = 0; r < rounds; r++) one_list(m, r, tap_full() ? 8000 : 1500);
    is_int(m->wrong, 0, "lists are as the model says after every batch");
    ok(m->closed > 0, "closed chunks were among them");
    for (size_t ends = 1; ends < 4; ends++) closed(m->store, ends);
    big(m->store, LIST_TAIL, 64, "tail");
    big(m->store, LIST_HEAD, 64, "head");
    big(m->store, LIST_TAIL, 512, "tail of wider chunks");
    struct entry *e = list_new(m->store, 0, BYTES("k"), NO_EXPIRY);
    ok(!list_push_packed(m->store, 0, e, (struct bytes){"\7\0\0\0\0\0\xff", 7}),
       "an empty listpack is refused");
    ok(!list_push_packed(m->store, 0, e, (struct bytes){"\x09\0\0\0\1\0\1\2\xff", 9}),
       "an unsound one too");
    is_int(list_len(e), 0, "and nothing was stored");
    store_delete(m->store, 0, e);
    size_t bytes, count;
    list_limits(-2, &bytes, &count);
    ok(bytes == 8192 && count > 8192, "-2 is 8 KB");
    list_limits(5, &bytes, &count);
    ok(bytes == 8192 && count == 5, "5 is five entries");
    store_verify(m->store);
    store_free(m->store);
    free(m);
    return done();
}
