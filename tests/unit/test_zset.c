/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c
 * server/store/set.c server/store/packed.c server/store/compact.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c
 * server/proto/intset.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* Sorted sets against a plain sorted array: seeded random changes with scores of many kinds, in both forms; ranks,
 * ranges in both directions, scans, copies; and the verifier after each batch. */
#include "tests/unit/tap.h"

#include <math.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/store/hash.h"
#include "server/store/set.h"
#include "server/store/zset.h"

enum { MEMBERS = 6000 };

struct one {
    size_t n; /* the member's number */
    double score;
};

struct model {
    struct store *store;
    struct entry *e;
    struct prng prng;
    struct one order[MEMBERS]; /* as the sorted set is */
    bool there[MEMBERS];
    bool owed[MEMBERS]; /* by the scan under way */
    uint64_t cursor;
    bool scanning;
    size_t count, wrong, scans, ops;
    unsigned scores; /* which kind this round uses */
    double last;
};

static char member_text[2][400];

static struct bytes member_in(size_t n, char *text) {
    if (n % 4 == 0) return (struct bytes){text, num_format_u64(text, n * n)};
    int len = snprintf(text, 400, n % 3 ? "m%zu" : "member:%05zu", n);
    if (n % 301 == 0) {
        memset(text + len, 'x', 300);
        len += 300;
    }
    return (struct bytes){text, (size_t)len};
}

static struct bytes member_of(size_t n) {
    return member_in(n, member_text[0]);
}

/* Digits are the number's square where it divides by 4. */
static size_t number_of(struct bytes member) {
    char text[32];
    size_t skip = 0, len = member.len < 31 ? member.len : 31;
    memcpy(text, member.p, len);
    text[len] = '\0';
    while (text[skip] && !(text[skip] >= '0' && text[skip] <= '9')) skip++;
    size_t n = strtoul(text + skip, NULL, 10);
    if (skip == 0) n = (size_t)llround(sqrt((double)n));
    return n < MEMBERS && bytes_equal(member_of(n), member) ? n : MEMBERS;
}

static int compare_members(size_t a, size_t b) {
    struct bytes x = member_in(a, member_text[0]), y = member_in(b, member_text[1]);
    int c = memcmp(x.p, y.p, x.len < y.len ? x.len : y.len);
    return c ? c : (int)x.len - (int)y.len;
}

static bool less(struct one a, struct one b) {
    return a.score != b.score ? a.score < b.score : compare_members(a.n, b.n) < 0;
}

static double score_of_kind(struct model *m, unsigned kind) {
    static const double odd[] = {
        0.0, -0.0,   1e300,   -1e300,  5e-324, -5e-324, 1e17, -1e18, 1.0, 0.1, 4503599627370497.5,
        2.5, 9.2e18, -9.3e18, 1.0 / 3, 1e-7};
    double unit = prng_unit(&m->prng);
    switch (kind) {
    case 0: return (double)prng_below(&m->prng, 50);
    case 1: return (double)prng_below(&m->prng, 1000003);
    case 2: return unit - 0.5;
    case 3: return m->last += unit;
    case 4: return m->last -= 1;
    case 5: return 7;
    case 6: return odd[prng_below(&m->prng, sizeof odd / sizeof *odd)];
    case 7:
        return prng_below(&m->prng, 20) ? ldexp(unit, (int)prng_below(&m->prng, 2000) - 1000)
                                        : -INFINITY;
    case 8:
        return prng_below(&m->prng, 20) ? 1.7e12 + (double)prng_below(&m->prng, 1000000) : INFINITY;
    default: return score_of_kind(m, (unsigned)prng_below(&m->prng, 9));
    }
}

/* ---- The model ------------------------------------------------------------------------------- */

static size_t place_of(const struct model *m, struct one x) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (less(m->order[mid], x))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t rank_of(const struct model *m, size_t n) {
    size_t i = 0;
    while (m->order[i].n != n) i++;
    return i;
}

static void take_out(struct model *m, size_t rank, size_t count) {
    for (size_t i = rank; i < rank + count; i++)
        m->there[m->order[i].n] = m->owed[m->order[i].n] = false;
    memmove(m->order + rank, m->order + rank + count, (m->count - rank - count) * sizeof *m->order);
    m->count -= count;
}

static enum zset_change model_put(struct model *m, size_t n, double score) {
    enum zset_change change = ZSET_ADDED;
    if (m->there[n]) {
        size_t rank = rank_of(m, n);
        bool owed = m->owed[n];
        if (m->order[rank].score == score) return ZSET_SAME;
        take_out(m, rank, 1);
        m->owed[n] = owed;
        change = ZSET_MOVED;
    }
    struct one x = {n, score};
    size_t at = place_of(m, x);
    memmove(m->order + at + 1, m->order + at, (m->count - at) * sizeof *m->order);
    m->order[at] = x;
    m->there[n] = true;
    m->count++;
    return change;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static void expect(struct model *m, bool as_expected) {
    m->wrong += !as_expected;
    m->ops++;
}

static bool same(struct one x, struct bytes member, double score) {
    return x.score == score && bytes_equal(member_of(x.n), member);
}

static void walk(struct model *m, const struct entry *e, size_t rank, size_t steps, bool back) {
    struct zset_cursor c;
    struct bytes member;
    double score;
    zset_seek(e, rank, &c);
    for (; steps; steps--) {
        bool more = back ? zset_prev(&c, &member, &score) : zset_next(&c, &member, &score);
        if (more != (back ? rank > 0 : rank < m->count)) m->wrong++;
        if (!more) return;
        if (back) rank--;
        if (!same(m->order[rank], member, score)) m->wrong++;
        if (!back) rank++;
        if (prng_below(&m->prng, 50) == 0) back = !back;
    }
}

static void equal(struct model *m, const struct entry *e) {
    double score;
    expect(m, zset_len(e) == m->count);
    walk(m, e, 0, m->count + 1, false);
    walk(m, e, m->count, m->count + 1, true);
    for (size_t i = 0; i < m->count; i += 1 + m->count / 100) {
        expect(m, zset_score(e, member_of(m->order[i].n), &score) && score == m->order[i].score);
        expect(m, zset_rank(e, member_of(m->order[i].n)) == (int64_t)i);
    }
}

static size_t model_below(const struct model *m, double score, bool or_equal) {
    size_t n = 0;
    while (n < m->count && (m->order[n].score < score || (or_equal && m->order[n].score == score)))
        n++;
    return n;
}

static size_t model_before(const struct model *m, size_t n, bool or_equal) {
    size_t i = 0;
    while (i < m->count) {
        int c = compare_members(m->order[i].n, n);
        if (c > 0 || (c == 0 && !or_equal)) break;
        i++;
    }
    return i;
}

static void seen(void *arg, struct bytes member, double score) {
    struct model *m = arg;
    double now;
    size_t n = number_of(member);
    m->owed[n] = false;
    if (n == MEMBERS || !m->there[n] || !zset_score(m->e, member, &now) || now != score) m->wrong++;
}

static void scan_some(struct model *m) {
    if (!m->scanning) {
        memcpy(m->owed, m->there, sizeof m->owed);
        m->scanning = true;
        m->cursor = 0;
    }
    m->cursor = zset_scan(m->e, m->cursor, seen, m);
    if (m->cursor) return;
    m->scanning = false;
    m->scans++;
    for (size_t i = 0; i < MEMBERS; i++) m->wrong += m->owed[i];
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void put(struct model *m, size_t n) {
    double score = score_of_kind(m, m->scores), now;
    if (m->there[n] && m->scores != 5 && prng_below(&m->prng, 2)) { /* a small move */
        score = m->order[rank_of(m, n)].score + (double)prng_below(&m->prng, 5) - 2;
        if (score != score) score = 1;
    }
    enum zset_change should = model_put(m, n, score);
    expect(m, zset_put(m->store, 0, m->e, member_of(n), score) == should);
    expect(m, zset_score(m->e, member_of(n), &now) && now == score);
}

static void remove_some(struct model *m, size_t n) {
    bool was = m->there[n];
    if (m->count < 2) return;
    if (prng_below(&m->prng, 400) == 0) {
        size_t first = prng_below(&m->prng, m->count);
        size_t most = m->count - first - (first == 0);
        size_t count = prng_below(&m->prng, (most < 300 ? most : 300) + 1);
        zset_remove_ranks(m->store, 0, m->e, first, count);
        take_out(m, first, count);
        expect(m, zset_len(m->e) == m->count);
        return;
    }
    if (was) take_out(m, rank_of(m, n), 1);
    expect(m, zset_remove(m->store, 0, m->e, member_of(n)) == was);
}

static void look(struct model *m, size_t n) {
    double score, around = score_of_kind(m, m->scores);
    bool or_equal = prng_below(&m->prng, 2);
    expect(m, zset_score(m->e, member_of(n), &score) == m->there[n]);
    expect(m, zset_rank(m->e, member_of(n)) == (m->there[n] ? (int64_t)rank_of(m, n) : -1));
    expect(m, zset_count_below(m->e, around, or_equal) == model_below(m, around, or_equal));
    if (m->scores == 5)
        expect(m, zset_count_before(m->e, member_of(n), or_equal) == model_before(m, n, or_equal));
    walk(m, m->e, prng_below(&m->prng, m->count + 1), 5, or_equal);
}

static void step(struct model *m, size_t range, unsigned fill) {
    size_t n = prng_below(&m->prng, range);
    if (prng_below(&m->prng, 8) == 0) look(m, n);
    if (prng_below(&m->prng, 40) == 0) scan_some(m);
    if (prng_below(&m->prng, 100) < fill)
        put(m, n);
    else
        remove_some(m, n);
}

static void one_zset(struct model *m, size_t round, size_t steps) {
    static const size_t ranges[] = {20, 140, 1000, MEMBERS};
    static const unsigned fills[] = {70, 45, 95, 15};
    m->e = zset_new(m->store, 0, BYTES("z"), NO_EXPIRY);
    memset(m->there, 0, sizeof m->there);
    m->count = 0;
    m->scanning = false;
    m->scores = (unsigned)(round % 10);
    m->last = 0;
    put(m, 0);
    for (size_t phase = 0; phase < 4; phase++) {
        unsigned fill = fills[prng_below(&m->prng, 4)];
        for (size_t i = 0; i < steps; i++) step(m, ranges[(round + phase) % 4], fill);
        store_verify(m->store);
        equal(m, m->e);
        struct entry *copy = store_copy(m->store, 0, m->e, 0, BYTES("copy"));
        equal(m, copy);
        store_verify(m->store);
        store_delete(m->store, 0, copy);
        struct bytes packed = zset_packed(m->e);
        if (!packed.p) continue;
        expect(m, zset_new_packed(m->store, 0, BYTES("copy"), packed, NO_EXPIRY));
        equal(m, store_find(m->store, 0, BYTES("copy")));
        store_delete(m->store, 0, store_find(m->store, 0, BYTES("copy")));
    }
    store_flush_all(m->store);
    while (store_work(m->store, 100)) {
    }
    store_verify(m->store);
}

/* ---- Other claims ---------------------------------------------------------------------------- */

static void big_ones_go_in_steps(struct store *s) {
    char text[32];
    for (int k = 0; k < 3; k++) {
        struct entry *e = zset_new(s, 0, k ? BYTES("a") : BYTES("b"), NO_EXPIRY);
        for (size_t i = 0; i < 20000; i++) {
            int len = snprintf(text, sizeof text, "m:%08zu", i);
            zset_put(s, 0, e, (struct bytes){text, (size_t)len}, (double)(i * 7919 % 20011));
        }
        if (k == 1) store_delete(s, 0, e);
    }
    size_t turns = 0;
    store_verify(s);
    store_flush_all(s);
    for (; store_work(s, 100); turns++)
        if (turns % 16 == 0) store_verify(s);
    store_verify(s);
    ok(turns > 300 && turns < 2000, "big sorted sets are taken apart in %zu steps", turns);
}

static void fullness(struct store *s, const char *how, size_t (*nth)(size_t i)) {
    enum { N = 30000 };
    char text[32];
    struct entry *e = zset_new(s, 0, BYTES("full"), NO_EXPIRY);
    for (size_t i = 0; i < N; i++) {
        int len = snprintf(text, sizeof text, "m:%08zu", i);
        zset_put(s, 0, e, (struct bytes){text, (size_t)len}, (double)nth(i));
    }
    double overhead = (double)entry_memory(e) / N - 18;
    ok(overhead < 28, "%s: %.1f bytes a member over its 18 bytes", how, overhead);
    store_verify(s);
    store_delete(s, 0, e);
}

static size_t scattered(size_t i) {
    return i * 7919 % 1000003;
}
static size_t ascending(size_t i) {
    return i;
}
static size_t descending(size_t i) {
    return 1000000 - i;
}

/* ---- Walks ----------------------------------------------------------------------------------- */

struct handed {
    size_t entries, before_change, members;
    double sum; /* of the scores */
};

static void handed_out(void *arg, int db, const struct entry *e, bool before_change) {
    struct handed *h = arg;
    struct zset_cursor c;
    struct bytes member;
    double score;
    (void)db;
    h->entries++;
    h->before_change += before_change;
    for (zset_seek(e, 0, &c); zset_next(&c, &member, &score); h->members++) h->sum += score;
}

static void change(struct store *s, struct entry *e, int how) {
    switch (how) {
    case 0: zset_put(s, 0, e, BYTES("new"), 1e9); return;
    case 1: zset_put(s, 0, e, BYTES("5"), 1e9); return;
    case 2: zset_remove(s, 0, e, BYTES("7")); return;
    default: zset_remove_ranks(s, 0, e, 2, 9); return;
    }
}

/* Whatever changes a sorted set while a walk runs, the walk hands out what was there at its start. */
static void walks_see_one_instant(struct store *s) {
    size_t wrong = 0;
    for (int n = 50; n <= 500; n *= 10)
        for (int how = 0; how < 4; how++) {
            struct entry *e = zset_new(s, 0, BYTES("z"), NO_EXPIRY);
            struct handed h = {0};
            char text[32];
            for (int i = 0; i < n; i++)
                zset_put(s, 0, e, (struct bytes){text, num_format_i64(text, i)}, i);
            store_walk_start(s, &(struct store_walker){.arg = &h, .entry = handed_out});
            change(s, e, how);
            while (store_walk_step(s, 10)) {
            }
            wrong += h.entries != 1 || h.before_change != 1 || h.members != (size_t)n ||
                     h.sum != n * (n - 1) / 2.0;
            store_verify(s);
            store_delete(s, 0, e);
        }
    is_int((long long)wrong, 0, "every change hands a walk the sorted set of before");
}

/* ---- Compaction ------------------------------------------------------------------------------ */

static void *move_all(void *p, size_t n) {
    return memcpy(malloc(n), p, n);
}

/* Every element and every node moves once in a pass, also when the sorted set changes between its steps. */
static void compaction_moves_all(struct store *s) {
    enum { N = 5000, ENTRY = 1 };
    struct entry *e = zset_new(s, 0, BYTES("z"), NO_EXPIRY);
    struct store_mover m = {move_all, free, 0, 0};
    char text[32];
    for (size_t i = 0; i < N; i++)
        zset_put(s, 0, e, (struct bytes){text, num_format_u64(text, i)}, (double)scattered(i));
    while (store_compact(s, &m, 1)) store_verify(s);
    e = store_find(s, 0, BYTES("z"));
    ok(m.moved > N + ENTRY + N / 62 && m.moved < N + ENTRY + N / 30,
       "a pass moves elements and nodes: %zu", m.moved);
    for (size_t i = 0; store_compact(s, &m, 1); i++) {
        zset_remove(s, 0, store_find(s, 0, BYTES("z")),
                    (struct bytes){text, num_format_u64(text, i)});
        store_verify(s);
    }
    store_flush_all(s);
    while (store_work(s, 1000)) {
    }
}

/* What would become big in one step must not be long when it does. */
static void small_forms_end(struct store *s) {
    const struct store_settings before = *store_settings(s);
    struct entry *h = hash_new(s, 0, BYTES("h"), NO_EXPIRY),
                 *i = set_new(s, 0, BYTES("i"), NO_EXPIRY);
    struct entry *z = zset_new(s, 0, BYTES("z"), NO_EXPIRY),
                 *wide = hash_new(s, 0, BYTES("w"), NO_EXPIRY);
    struct store_settings *set = store_settings(s);
    char text[32], *value = xcalloc(1, 100000);
    size_t ends[3] = {0, 0, 0}, n;
    set->hash_max_packed = set->set_max_packed = set->zset_max_packed = SIZE_MAX;
    set->hash_max_packed_bytes = set->zset_max_packed_bytes = SIZE_MAX;
    for (n = 0; n < 9000 && !(ends[0] && ends[1] && ends[2]); n++) {
        struct bytes b = {text, num_format_u64(text, n)};
        hash_set(s, 0, h, b, b);
        set_add(s, 0, i, b);
        zset_put(s, 0, z, b, (double)n);
        if (!ends[0] && !hash_packed(h).p) ends[0] = hash_len(h);
        if (!ends[1] && !set_packed(i).p) ends[1] = set_len(i);
        if (!ends[2] && !zset_packed(z).p) ends[2] = zset_len(z);
    }
    ok(ends[0] == 8193 && ends[1] == 8193 && ends[2] == 8193,
       "small forms end at 8192 elements whatever the limits say: %zu, %zu, %zu", ends[0], ends[1],
       ends[2]);
    for (n = 0; hash_packed(wide).p; n++)
        hash_set(s, 0, wide, (struct bytes){text, num_format_u64(text, n)},
                 (struct bytes){value, 100000});
    is_int((long long)n, 11, "and at a MiB");
    store_verify(s);
    free(value);
    *set = before;
    store_flush_all(s);
}

static void refuses(struct store *s, const char *what, const void *p, size_t len) {
    ok(!zset_new_packed(s, 0, BYTES("k"), (struct bytes){p, len}, NO_EXPIRY), "refused: %s", what);
}

static void bytes_from_outside(struct store *s) {
    refuses(s, "an empty listpack", "\x07\0\0\0\0\0\xff", 7);
    refuses(s, "a member without a score",
            "\x0a\0\0\0\x01\0\x81"
            "a\x02\xff",
            10);
    refuses(s, "a score that is no number",
            "\x0d\0\0\0\x02\0\x81"
            "a\x02\x81"
            "b\x02\xff",
            13);
    refuses(s, "a score that is not a number",
            "\x0f\0\0\0\x02\0\x81"
            "a\x02\x83"
            "nan\x04\xff",
            15);
    refuses(s, "a member twice",
            "\x11\0\0\0\x04\0\x81"
            "a\x02\x01\x01\x81"
            "a\x02\x02\x01\xff",
            17);
    is_int((long long)store_count(s, 0), 0, "and nothing was stored");
    struct bytes disorder = {"\x11\0\0\0\x04\0\x81"
                             "b\x02\x02\x01\x81"
                             "a\x02\x01\x01\xff",
                             17};
    ok(zset_new_packed(s, 0, BYTES("k"), disorder, NO_EXPIRY), "one out of order is taken");
    store_verify(s);
    is_int(zset_rank(store_find(s, 0, BYTES("k")), BYTES("b")), 1, "and put in order");
    store_flush_all(s);
}

int main(void) {
    struct model *m = xcalloc(1, sizeof *m);
    uint64_t seed = tap_seed();
    size_t rounds = tap_full() ? 60 : 20; /* of 80,000 changes in full, and some looks each */
    m->store = store_new(1, seed);
    prng_seed(&m->prng, seed);
    for (size_t r = 0; r < rounds; r++) {
        one_zset(m, r, tap_full() ? 20000 : 1500);
        if (m->wrong) {
            printf("# wrong first in round %zu\n", r);
            break;
        }
    }
    is_int((long long)m->wrong, 0, "sorted sets are as the model says in every operation");
    ok(m->ops > rounds * 1000 && m->scans > rounds, "%zu operations and %zu whole scans", m->ops,
       m->scans);
    big_ones_go_in_steps(m->store);
    fullness(m->store, "scattered scores", scattered);
    fullness(m->store, "ascending scores", ascending);
    fullness(m->store, "descending scores", descending);
    bytes_from_outside(m->store);
    walks_see_one_instant(m->store);
    compaction_moves_all(m->store);
    small_forms_end(m->store);
    store_free(m->store);
    free(m);
    return done();
}
