/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/compact.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/hash.c
 * server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c
 * server/store/set.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c
 * server/proto/intset.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* Streams against plain arrays: entries of all shapes added, deleted, trimmed and read both ways under all limits of
 * nodes; groups, consumers and what is pending; copies, moves, and the verifier after each batch. */
#include "server/store/stream_group.h"

#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/num.h"
#include "server/base/rand.h"

enum { MOST = 6000, GROUPS = 3, CONSUMERS = 5, WORDS_MOST = 12 };

struct row {
    struct xid id;
    bool there;
    unsigned shape;
    struct {
        int consumer; /* 0: not pending */
        int64_t time_ms;
        uint64_t count;
    } pending[GROUPS];
};

struct model {
    struct store *store;
    struct entry *e;
    struct prng prng;
    struct row rows[MOST];
    size_t n, len, wrong;
    struct xid last, max_deleted;
    struct xid group_last[GROUPS];
    bool group[GROUPS], consumer[GROUPS][CONSUMERS + 1];
};

static void expect(struct model *m, bool well, int line) {
    if (well) return;
    if (!m->wrong) fprintf(stderr, "# first wrong at line %d\n", line);
    m->wrong++;
}
#define EXPECT(m, well) expect(m, well, __LINE__)

/* ---- Entries --------------------------------------------------------------------------------- */

/* The words of an entry follow from its shape: most have the same fields. */
static size_t words_of(unsigned shape, struct bytes *words) {
    static char text[WORDS_MOST][400];
    static const unsigned counts[] = {2, 2, 2, 2, 2, 1, 3, 6};
    size_t fields = counts[shape % 8];
    for (size_t i = 0; i < 2 * fields; i++) {
        char *t = text[i];
        size_t len;
        if (i % 2 == 0) {
            len = num_format_u64(t, shape % 16 < 12 ? i : i + shape);
            if (shape % 3) t[len++] = 'f';
        } else {
            len = num_format_u64(t, (uint64_t)shape * (i + 1) * (shape % 5 ? 1 : 100000000007));
            size_t more = shape % 11 == 3 ? 290 : shape % 7;
            if (shape % 2) memset(t + len, 'v', more), len += more;
        }
        words[i] = (struct bytes){t, len};
    }
    return fields;
}

static struct xid next_id(struct model *m) {
    struct xid id = m->last;
    switch (prng_below(&m->prng, 6)) {
    case 0: id.ms += prng_below(&m->prng, 1000), id.seq++; break;
    case 1: id = (struct xid){id.ms + 1 + prng_below(&m->prng, 3), 0}; break;
    case 2: id = (struct xid){id.ms + 1, prng_u64(&m->prng) >> 2}; break;
    case 3: id.seq += 1 + prng_below(&m->prng, 300); break;
    default: xid_next(&id); break;
    }
    return id;
}

static void add(struct model *m) {
    struct bytes words[WORDS_MOST];
    if (m->n == MOST) return;
    struct row r = {.id = next_id(m), .there = true, .shape = (unsigned)prng_below(&m->prng, 500)};
    size_t fields = words_of(r.shape, words);
    EXPECT(m, xstream_add(m->store, 0, m->e, r.id, words, fields));
    m->last = r.id;
    m->rows[m->n++] = r;
    m->len++;
}

static struct row *any_row(struct model *m) {
    return m->n ? &m->rows[prng_below(&m->prng, m->n)] : NULL;
}

static void delete_one(struct model *m) {
    struct row *r = any_row(m);
    if (!r) return;
    EXPECT(m, xstream_has(m->e, r->id) == r->there);
    EXPECT(m, xstream_delete(m->store, 0, m->e, r->id) == r->there);
    if (!r->there) return;
    r->there = false;
    m->len--;
    if (xid_cmp(r->id, m->max_deleted) > 0) m->max_deleted = r->id;
}

static void trim(struct model *m) {
    struct row *r = any_row(m);
    if (!r) return;
    struct xstream_trim how = {.by_id = prng_below(&m->prng, 2),
                               .approx = prng_below(&m->prng, 2),
                               .max_len = m->len - prng_below(&m->prng, m->len / 4 + 1),
                               .min_id = m->rows[(size_t)(r - m->rows) / 6].id};
    if (how.approx && prng_below(&m->prng, 2)) how.limit = 1 + prng_below(&m->prng, 30);
    size_t done = xstream_trim(m->store, 0, m->e, &how), gone = 0, i = 0;
    EXPECT(m, !how.limit || done <= how.limit);
    for (; i < m->n && gone < done; i++) {
        gone += m->rows[i].there;
        m->rows[i].there = false;
        EXPECT(m, !how.by_id || xid_cmp(m->rows[i].id, how.min_id) < 0);
    }
    m->len -= gone;
    EXPECT(m, how.by_id || m->len >= how.max_len);
    for (; !how.approx && i < m->n && how.by_id; i++)
        EXPECT(m, !m->rows[i].there || xid_cmp(m->rows[i].id, how.min_id) >= 0);
    EXPECT(m, how.approx || how.by_id || m->len == how.max_len);
}

static bool same_words(struct xstream_cursor *c, size_t fields, unsigned shape, bool all) {
    struct bytes words[WORDS_MOST], field, value;
    if (words_of(shape, words) != fields) return false;
    for (size_t i = 0; i < fields && (all || i < 1); i++) {
        xstream_field(c, &field, &value);
        if (!bytes_equal(field, words[2 * i]) || !bytes_equal(value, words[2 * i + 1]))
            return false;
    }
    return true;
}

static void read_some(struct model *m, size_t from, size_t to, bool backwards) {
    struct xstream_cursor c;
    struct xid id;
    size_t fields, at = backwards ? to : from, end = backwards ? from : to;
    xstream_seek(m->e, m->rows[from].id, m->rows[to].id, backwards, &c);
    for (;; at += backwards ? (size_t)-1 : 1) {
        if (m->rows[at].there) {
            if (!xstream_next(&c, &id, &fields)) {
                EXPECT(m, false);
                return;
            }
            EXPECT(m, xid_cmp(id, m->rows[at].id) == 0);
            EXPECT(m, same_words(&c, fields, m->rows[at].shape, at % 3));
        }
        if (at == end) break;
    }
    EXPECT(m, !xstream_next(&c, &id, &fields) && !xstream_next(&c, &id, &fields));
}

static void read_any(struct model *m) {
    if (!m->n) return;
    size_t a = prng_below(&m->prng, m->n), b = a + prng_below(&m->prng, 250);
    read_some(m, a, b < m->n ? b : m->n - 1, prng_below(&m->prng, 2));
}

/* As somebody who follows: a few entries at a time, each time from where the last one ended. */
static void read_on(struct model *m) {
    size_t at = m->n ? prng_below(&m->prng, m->n) : 0, fields;
    struct xstream_cursor c;
    struct xid id;
    for (size_t turns = prng_below(&m->prng, 20); turns-- > 0 && at < m->n;) {
        size_t most = 1 + prng_below(&m->prng, 4);
        xstream_seek(m->e, m->rows[at].id, XID_MAX, false, &c);
        for (; most > 0 && at < m->n; at++) {
            if (!m->rows[at].there) continue;
            EXPECT(m, xstream_next(&c, &id, &fields) && xid_cmp(id, m->rows[at].id) == 0);
            EXPECT(m, same_words(&c, fields, m->rows[at].shape, at % 2));
            most--;
        }
        if (prng_below(&m->prng, 4) == 0) add(m);
    }
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static struct bytes name_of(int i) {
    static const char *const names[] = {"b", "", "aaaa", "a", "bb", "\xff"};
    return (struct bytes){names[i], strlen(names[i])};
}

static struct xgroup *group_of(struct model *m, int g) {
    struct xgroup *group = xgroup_find(m->e, name_of(g));
    EXPECT(m, (group != NULL) == m->group[g]);
    return group;
}

static void forget_pending(struct model *m, int g, int consumer) {
    for (size_t i = 0; i < m->n; i++)
        if (!consumer || m->rows[i].pending[g].consumer == consumer)
            m->rows[i].pending[g].consumer = 0;
}

static struct xgroup *need_group(struct model *m, int g) {
    if (!m->group[g]) {
        m->group[g] = true;
        m->group_last[g] = m->last;
        EXPECT(m, xgroup_add(m->store, 0, m->e, name_of(g), m->last, 7) != NULL);
    }
    return group_of(m, g);
}

static void drop_group(struct model *m, int g) {
    if (!m->group[g]) return;
    xgroup_remove(m->store, 0, m->e, group_of(m, g));
    m->group[g] = false;
    memset(m->consumer[g], 0, sizeof m->consumer[g]);
    forget_pending(m, g, 0);
}

static struct xconsumer *need_consumer(struct model *m, int g, int c) {
    struct xgroup *group = need_group(m, g);
    if (!m->consumer[g][c]) EXPECT(m, xconsumer_add(m->store, 0, m->e, group, name_of(c), 5));
    m->consumer[g][c] = true;
    EXPECT(m, !xconsumer_add(m->store, 0, m->e, group, name_of(c), 5));
    return xconsumer_find(group, name_of(c));
}

static void drop_consumer(struct model *m, int g, int c) {
    if (!m->group[g] || !m->consumer[g][c]) return;
    struct xgroup *group = group_of(m, g);
    xconsumer_remove(m->store, 0, m->e, group, xconsumer_find(group, name_of(c)));
    m->consumer[g][c] = false;
    forget_pending(m, g, c);
}

static void put_pending(struct model *m, int g, struct row *r) {
    int c = 1 + (int)prng_below(&m->prng, CONSUMERS);
    struct xconsumer *consumer = need_consumer(m, g, c);
    struct xpending p = {r->id, consumer, (int64_t)prng_below(&m->prng, 1000), prng_u64(&m->prng)};
    xpending_put(m->store, 0, m->e, group_of(m, g), &p);
    r->pending[g].consumer = c;
    r->pending[g].time_ms = p.time_ms;
    r->pending[g].count = p.count;
}

/* As XREADGROUP: a run of entries in order. */
static void deliver(struct model *m, int g) {
    if (!m->n) return;
    size_t at = prng_below(&m->prng, m->n), end = at + prng_below(&m->prng, 200);
    for (; at < end && at < m->n; at++) {
        struct xgroup *group = need_group(m, g);
        bool ahead = xid_cmp(m->rows[at].id, m->group_last[g]) > 0;
        EXPECT(m, xgroup_deliver(m->store, 0, m->e, group, m->rows[at].id) == ahead);
        if (ahead) m->group_last[g] = m->rows[at].id;
        put_pending(m, g, &m->rows[at]);
    }
}

static void acknowledge(struct model *m, int g) {
    struct row *r = any_row(m);
    if (!r || !m->group[g]) return;
    struct xgroup *group = group_of(m, g);
    for (size_t n = prng_below(&m->prng, 200); n-- > 0 && r < m->rows + m->n; r++) {
        EXPECT(m, xpending_remove(m->store, 0, m->e, group, r->id) == (r->pending[g].consumer > 0));
        r->pending[g].consumer = 0;
    }
}

static bool is_pending(const struct row *r, int g, const struct xpending *p) {
    return xid_cmp(r->id, p->id) == 0 && p->time_ms == r->pending[g].time_ms &&
           p->count == r->pending[g].count &&
           bytes_equal(xconsumer_name(p->consumer), name_of(r->pending[g].consumer));
}

/* A walk that also takes away some of what it meets, from it and ahead of it. */
static void walk_pending(struct model *m, int g, int c, bool removing) {
    struct xpending_cursor k;
    struct xpending p;
    struct xgroup *group = m->group[g] ? group_of(m, g) : NULL;
    size_t from = m->n ? prng_below(&m->prng, m->n) : 0;
    if (!group || !m->n || (c && !m->consumer[g][c])) return;
    xpending_seek(group, c ? xconsumer_find(group, name_of(c)) : NULL, m->rows[from].id, &k);
    for (size_t i = from; i < m->n; i++) {
        struct row *r = &m->rows[i];
        if (!r->pending[g].consumer || (c && r->pending[g].consumer != c)) continue;
        EXPECT(m, xpending_next(&k, &p) && is_pending(r, g, &p));
        if (!removing || prng_below(&m->prng, 3)) continue;
        struct row *victim = prng_below(&m->prng, 2) || i + 1 == m->n ? r : r + 1;
        xpending_remove(m->store, 0, m->e, group, victim->id);
        victim->pending[g].consumer = 0;
    }
    EXPECT(m, !xpending_next(&k, &p) && !xpending_next(&k, &p));
}

static void compare_groups(struct model *m) {
    size_t groups = 0;
    for (int g = 0; g < GROUPS; g++) {
        groups += m->group[g];
        if (!m->group[g]) continue;
        struct xgroup *group = group_of(m, g);
        size_t pending = 0, consumers = 0;
        for (size_t i = 0; i < m->n; i++) pending += m->rows[i].pending[g].consumer > 0;
        for (int c = 1; c <= CONSUMERS; c++) consumers += m->consumer[g][c];
        EXPECT(m, xgroup_pending(group) == pending && xgroup_consumers(group) == consumers);
        EXPECT(m, xid_cmp(xgroup_last_id(group), m->group_last[g]) == 0);
        for (int c = 0; c <= CONSUMERS; c++) walk_pending(m, g, c, false);
    }
    EXPECT(m, xstream_groups(m->e) == groups);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void compare(struct model *m) {
    struct xid first = XID_MIN, last = XID_MIN, id;
    for (size_t i = 0; i < m->n; i++) {
        if (!m->rows[i].there) continue;
        if (xid_zero(first)) first = m->rows[i].id;
        last = m->rows[i].id;
    }
    struct xstream_facts f = xstream_facts(m->e);
    store_verify(m->store);
    EXPECT(m, xstream_len(m->e) == m->len);
    EXPECT(m, xid_cmp(f.first_id, first) == 0 && xid_cmp(f.last_id, m->last) == 0);
    EXPECT(m, xid_cmp(f.max_deleted_id, m->max_deleted) == 0 && f.entries_added == m->n);
    EXPECT(m, xstream_last_entry(m->e, &id) == (m->len > 0));
    EXPECT(m, !m->len || xid_cmp(id, last) == 0);
    if (m->n) read_some(m, 0, m->n - 1, false);
    if (m->n) read_some(m, 0, m->n - 1, true);
    compare_groups(m);
}

static void *move_all(void *p, size_t n) {
    return memcpy(xmalloc(n), p, n);
}

/* The copy is the stream from now on; the other one goes. */
static void change_places(struct model *m) {
    struct store_mover mover = {move_all, free, 0, 0};
    store_copy(m->store, 0, m->e, 0, BYTES("copy"));
    store_delete(m->store, 0, store_find(m->store, 0, BYTES("s")));
    m->e = store_find(m->store, 0, BYTES("copy"));
    m->e = store_move(m->store, 0, m->e, 0, BYTES("s"));
    while (store_compact(m->store, &mover, 10)) {
    }
    m->e = store_find(m->store, 0, BYTES("s"));
    while (store_work(m->store, 3)) {
    }
}

static void step(struct model *m, unsigned fill) {
    int g = (int)prng_below(&m->prng, GROUPS), c = 1 + (int)prng_below(&m->prng, CONSUMERS);
    unsigned dice = (unsigned)prng_below(&m->prng, 1000);
    if (dice < fill * 9)
        add(m);
    else if (dice < 940)
        delete_one(m);
    else if (dice < 948)
        read_any(m);
    else if (dice < 955)
        read_on(m);
    else if (dice < 970)
        deliver(m, g);
    else if (dice < 984)
        acknowledge(m, g);
    else if (dice < 988)
        walk_pending(m, g, dice % 2 ? c : 0, true);
    else if (dice < 990)
        drop_consumer(m, g, c);
    else if (dice < 991)
        drop_group(m, g);
    else if (dice < 994)
        trim(m);
    else if (dice < 995)
        change_places(m);
}

static void one_stream(struct model *m, size_t round, size_t steps) {
    static const size_t bytes[] = {4096, 0, 200, 1000}, entries[] = {100, 1, 7, 0, 1000};
    static const unsigned fills[] = {90, 60, 98, 30};
    struct store_settings *set = store_settings(m->store);
    set->stream_node_bytes = bytes[round % 4];
    set->stream_node_entries = entries[round % 5];
    m->e = xstream_new(m->store, 0, BYTES("s"), NO_EXPIRY);
    m->n = m->len = 0;
    m->last = m->max_deleted = XID_MIN;
    memset(m->group, 0, sizeof m->group);
    memset(m->consumer, 0, sizeof m->consumer);
    compare(m);
    for (size_t phase = 0; phase < 4; phase++) {
        for (size_t i = 0; i < steps; i++) step(m, fills[(round + phase) % 4]);
        compare(m);
    }
    store_flush_all(m->store);
    while (store_work(m->store, 100)) {
    }
    store_verify(m->store);
}

/* ---- Big ones -------------------------------------------------------------------------------- */

enum { BIG = 100000 };

static struct entry *big_stream(struct store *s, struct xgroup **g) {
    struct bytes words[2] = {BYTES("field"), BYTES("some value")};
    struct entry *e = xstream_new(s, 0, BYTES("big"), NO_EXPIRY);
    *g = xgroup_add(s, 0, e, BYTES("g"), XID_MIN, 0);
    struct xconsumer *c = xconsumer_add(s, 0, e, *g, BYTES("c"), 1);
    for (uint64_t i = 1; i <= BIG; i++) {
        struct xpending p = {{1000 + i / 3, i % 3}, c, 1, 1};
        xstream_add(s, 0, e, p.id, words, 1);
        xpending_put(s, 0, e, *g, &p);
    }
    return e;
}

static size_t turns_until_done(struct store *s) {
    size_t turns = 0;
    while (store_work(s, 1)) turns++;
    store_verify(s);
    return turns;
}

static void big(struct store *s) {
    struct xgroup *g;
    struct entry *e = big_stream(s, &g);
    store_verify(s);
    ok(xstream_nodes(e) == BIG / 100, "nodes hold 100 entries each");
    ok(entry_memory(e) < (size_t)BIG * 90, "an entry and its pending one are small (%zu)",
       entry_memory(e) / BIG);
    xgroup_remove(s, 0, e, g);
    store_verify(s);
    ok(turns_until_done(s) > 10, "a big group is freed in steps, to the last byte");
    struct xstream_trim how = {.max_len = 55555};
    is_int((int64_t)xstream_trim(s, 0, e, &how), BIG - 55555, "a trim takes what is too many");
    how.approx = true;
    how.max_len = 50050;
    is_int((int64_t)xstream_trim(s, 0, e, &how), 5455, "an approximate one whole nodes only");
    store_verify(s);
    store_delete(s, 0, e);
    ok(turns_until_done(s) > 5, "a big stream is freed in steps, to the last byte");
    is_int((int64_t)store_count(s, 0), 0, "and gone");
}

/* Numbers that redis-server 7.0 gives for the same entries. */
static void radix(struct store *s) {
    static const struct xid ids[] = {{1, 0}, {1, 1}, {2, 0}, {300, 5}, {70000, 1}, {70000, 256}};
    static const size_t nodes[] = {2, 4, 8, 11, 14, 18};
    struct bytes words[2] = {BYTES("f"), BYTES("v")};
    size_t wrong = 0;
    store_settings(s)->stream_node_entries = 1;
    struct entry *e = xstream_new(s, 0, BYTES("r"), NO_EXPIRY);
    is_int((int64_t)xstream_radix_nodes(e), 1, "the radix tree of no nodes is its root");
    for (size_t i = 0; i < 6; i++) {
        xstream_add(s, 0, e, ids[i], words, 1);
        if (xstream_radix_nodes(e) != nodes[i])
            fprintf(stderr, "# %zu ids: %zu\n", i + 1, xstream_radix_nodes(e)), wrong++;
    }
    is_int((int64_t)wrong, 0, "its nodes are reckoned as they would be");
    store_delete(s, 0, e);
}

/* XSETID may take last_id below what is only marked; then ids come that are lower than marked ones. */
static void taken_back(struct store *s) {
    struct bytes words[2] = {BYTES("f"), BYTES("v")};
    struct xstream_cursor c;
    struct xid id;
    size_t n = 0, fields;
    store_settings(s)->stream_node_entries = 3;
    struct entry *e = xstream_new(s, 0, BYTES("t"), NO_EXPIRY);
    for (uint64_t i = 1; i <= 3; i++) xstream_add(s, 0, e, (struct xid){i, 0}, words, 1);
    xstream_delete(s, 0, e, (struct xid){3, 0});
    struct xstream_trim how = {.by_id = true, .min_id = {3, 0}};
    is_int((int64_t)xstream_trim(s, 0, e, &how), 2, "a trim can leave a node of marked entries");
    is_int((int64_t)xstream_nodes(e), 1, "which stays");
    struct xstream_facts f = {.last_id = {0, 1}};
    xstream_set_facts(s, 0, e, &f);
    for (uint64_t i = 2; i <= 5; i++) xstream_add(s, 0, e, (struct xid){0, i}, words, 1);
    store_verify(s);
    ok(xstream_has(e, (struct xid){0, 5}) && !xstream_has(e, (struct xid){3, 0}),
       "what is added then is found");
    xstream_seek(e, XID_MIN, XID_MAX, true, &c);
    while (xstream_next(&c, &id, &fields)) n++;
    is_int((int64_t)n, 4, "and read");
    store_delete(s, 0, e);
}

int main(void) {
    struct model *m = xcalloc(1, sizeof *m);
    uint64_t seed = tap_seed();
    size_t rounds = tap_full() ? 200 : 20;
    m->store = store_new(1, seed);
    prng_seed(&m->prng, seed);
    for (size_t r = 0; r < rounds; r++) one_stream(m, r, tap_full() ? 1400 : 1000);
    is_int((int64_t)m->wrong, 0, "streams are as the model says after every batch");
    *store_settings(m->store) =
        (struct store_settings){.stream_node_bytes = 4096, .stream_node_entries = 100};
    big(m->store);
    radix(m->store);
    taken_back(m->store);
    store_verify(m->store);
    store_free(m->store);
    free(m);
    return done();
}
