/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* The store against a plain model: seeded random changes in several databases, with walks, scans and expiry
 * going on between them. After each batch the verifier looks at everything and the model at every key.
 *  - a walk hands out exactly the data of its start, each key once;
 *  - a scan hands out every key that was there from its first to its last call. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/store/dict.h"
#include "server/store/store.h"
#include "server/store/string.h"

enum { DBS = 3, KEYS = 4000 };

struct fact {
    bool there;
    char *value;
    size_t len;
    int64_t expiry;
};

struct model {
    struct store *store;
    struct prng prng;
    struct fact now[DBS][KEYS];
    struct fact then[DBS][KEYS]; /* at the walk's start; taken out as they are handed out */
    bool walking;
    size_t handed_twice_or_wrong, walks, scans, missed;
    uint64_t cursor;
    bool scanning;
    bool owed[KEYS]; /* there since the scan of database 0 began, not handed out yet */
    int64_t time;
    int keys; /* of KEYS, how many this round uses */
};

static char key_text[512];

/* Key lengths go over the widths of their length field. */
static struct bytes key_of(int n) {
    int len = snprintf(key_text, sizeof key_text, "%d:", n);
    size_t want = (size_t)len + (size_t)(n % 7 == 0 ? n % 300 : n % 20);
    memset(key_text + len, 'x', sizeof key_text - (size_t)len);
    return (struct bytes){key_text, want};
}

static int number_of(struct bytes key) {
    return atoi(key.p);
}

static void forget(struct fact *f) {
    free(f->value);
    *f = (struct fact){false, NULL, 0, NO_EXPIRY};
}

static void remember(struct fact *f, struct bytes value, int64_t expiry) {
    char *copy = xmemdup(value.p, value.len + !value.len);
    forget(f);
    *f = (struct fact){true, copy, value.len, expiry};
}

static bool same(const struct fact *f, const struct entry *e) {
    struct digits d;
    struct bytes v = string_bytes(e, &d);
    return f->there && v.len == f->len && memcmp(v.p, f->value, v.len) == 0 &&
           entry_expiry(e) == f->expiry;
}

/* ---- Walk and scan --------------------------------------------------------------------------- */

static void handed(void *arg, int db, const struct entry *e, bool before_change) {
    struct model *m = arg;
    (void)before_change;
    struct fact *f = &m->then[db][number_of(entry_key(e))];
    if (!same(f, e)) m->handed_twice_or_wrong++;
    forget(f);
}

static void walk_begin(struct model *m) {
    const struct store_walker walker = {.arg = m, .entry = handed};
    if (!store_walk_start(m->store, &walker)) return;
    for (int db = 0; db < DBS; db++) {
        size_t in_db = 0;
        for (int i = 0; i < KEYS; i++) {
            const struct fact *f = &m->now[db][i];
            forget(&m->then[db][i]);
            if (!f->there) continue;
            remember(&m->then[db][i], (struct bytes){f->value, f->len}, f->expiry);
            in_db++;
        }
        if (store_walk_count(m->store, db) != in_db) m->handed_twice_or_wrong++;
    }
    m->walking = true;
}

static void walk_some(struct model *m) {
    if (store_walk_step(m->store, 1 + prng_below(&m->prng, 40))) return;
    m->walking = false;
    m->walks++;
    for (int db = 0; db < DBS; db++)
        for (int i = 0; i < KEYS; i++)
            if (m->then[db][i].there) m->missed++;
}

static void scan_seen(void *arg, struct entry *e) {
    struct model *m = arg;
    m->owed[number_of(entry_key(e))] = false;
}

static void scan_some(struct model *m) {
    if (!m->scanning) {
        for (int i = 0; i < KEYS; i++) m->owed[i] = m->now[0][i].there;
        m->scanning = true;
        m->cursor = 0;
    }
    m->cursor = store_scan(m->store, 0, m->cursor, scan_seen, m);
    if (m->cursor) return;
    m->scanning = false;
    m->scans++;
    for (int i = 0; i < KEYS; i++)
        if (m->owed[i]) m->missed++;
}

static void gone(struct model *m, int db, int n) {
    forget(&m->now[db][n]);
    if (db == 0) m->owed[n] = false;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static char value_text[20000];

static struct bytes any_value(struct model *m) {
    size_t len = 0;
    switch (prng_below(&m->prng, 8)) {
    case 0:
        return (struct bytes){value_text, num_format_i64(value_text, (int64_t)prng_u64(&m->prng) >>
                                                                         prng_below(&m->prng, 64))};
    case 1: len = prng_below(&m->prng, 300); break;
    case 2: len = 4000 + prng_below(&m->prng, 200); break;
    case 3: len = prng_below(&m->prng, 9000); break;
    default: len = prng_below(&m->prng, 70);
    }
    memset(value_text, 'a' + (int)prng_below(&m->prng, 26), len);
    return (struct bytes){value_text, len};
}

static int64_t any_expiry(struct model *m) {
    return m->time + (int64_t)prng_below(&m->prng, 5000);
}

static void put_one(struct model *m, int db, int n) {
    struct fact *f = &m->now[db][n];
    struct bytes value = any_value(m);
    int64_t expiry = NO_EXPIRY, after;
    if (prng_below(&m->prng, 3) == 0) expiry = any_expiry(m);
    if (prng_below(&m->prng, 5) == 0) expiry = KEEP_EXPIRY;
    after = expiry == KEEP_EXPIRY ? (f->there ? f->expiry : NO_EXPIRY) : expiry;
    if (prng_below(&m->prng, 10) == 0)
        string_put_plain(m->store, db, key_of(n), value, expiry, true);
    else
        store_put_string(m->store, db, key_of(n), value, expiry);
    remember(f, value, after);
}

static void edit_one(struct model *m, int db, int n, struct entry *e) {
    struct fact *f = &m->now[db][n];
    size_t len =
        prng_below(&m->prng, 6) ? f->len + prng_below(&m->prng, 40) : prng_below(&m->prng, 12000);
    char *data = string_edit(m->store, db, &e, len);
    char *copy = xcalloc(1, len + 1);
    memcpy(copy, f->value, len < f->len ? len : f->len);
    if (len) copy[prng_below(&m->prng, len)] = '!';
    memcpy(data, copy, len);
    remember(f, (struct bytes){copy, len}, f->expiry);
    free(copy);
}

static void change_one(struct model *m, int db, int n, struct entry *e) {
    struct fact *f = &m->now[db][n];
    int to_db = (int)prng_below(&m->prng, DBS), to = (int)prng_below(&m->prng, (uint64_t)m->keys);
    int64_t expiry = prng_below(&m->prng, 2) ? any_expiry(m) : NO_EXPIRY;
    int64_t v = (int64_t)prng_u64(&m->prng);
    char digits[NUM_I64_CHARS];
    switch (prng_below(&m->prng, 5)) {
    case 0: edit_one(m, db, n, e); return;
    case 1:
        store_set_expiry(m->store, db, e, expiry);
        f->expiry = expiry;
        return;
    case 2:
        string_set_int(m->store, db, e, v);
        remember(f, (struct bytes){digits, num_format_i64(digits, v)}, f->expiry);
        return;
    case 3:
        if (m->now[to_db][to].there) return;
        store_move(m->store, db, e, to_db, key_of(to));
        remember(&m->now[to_db][to], (struct bytes){f->value, f->len}, f->expiry);
        gone(m, db, n);
        return;
    default:
        if (m->now[to_db][to].there) return;
        store_copy(m->store, db, e, to_db, key_of(to));
        remember(&m->now[to_db][to], (struct bytes){f->value, f->len}, f->expiry);
    }
}

static void expired(void *arg, int db, struct entry *e) {
    struct model *m = arg;
    int n = number_of(entry_key(e));
    if (!expiry_is_past(entry_expiry(e), m->time)) m->missed++;
    store_delete(m->store, db, e);
    gone(m, db, n);
}

static void rare_one(struct model *m) {
    int a = (int)prng_below(&m->prng, DBS), b = (int)prng_below(&m->prng, DBS);
    switch (prng_below(&m->prng, 4)) {
    case 0:
        store_flush(m->store, a);
        for (int i = 0; i < KEYS; i++) gone(m, a, i);
        break;
    case 1: {
        static struct fact kept[KEYS];
        store_swap(m->store, a, b);
        memcpy(kept, m->now[a], sizeof kept);
        memcpy(m->now[a], m->now[b], sizeof kept);
        memcpy(m->now[b], kept, sizeof kept);
        m->scanning = false;
        break;
    }
    case 2:
        m->time += 1000;
        while (store_expire_cycle(m->store, m->time, 30, expired, m)) {
        }
        break;
    default:
        if (m->walking && prng_below(&m->prng, 4) == 0) {
            store_walk_abort(m->store);
            m->walking = false;
        }
    }
}

/* fill: how many of 100 operations on a key that is there replace it rather than delete it. */
static void step(struct model *m, unsigned fill) {
    int db = (int)prng_below(&m->prng, DBS), n = (int)prng_below(&m->prng, (uint64_t)m->keys);
    struct entry *e = store_find(m->store, db, key_of(n));
    if ((e != NULL) != m->now[db][n].there) m->missed++;
    uint64_t what = prng_below(&m->prng, 100);
    if (!e) {
        if (what < fill) put_one(m, db, n);
    } else if (what < 40) {
        change_one(m, db, n, e);
    } else if (what < 60) {
        put_one(m, db, n);
    } else if (what >= fill) {
        store_delete(m->store, db, e);
        gone(m, db, n);
    }
    if (prng_below(&m->prng, 8) == 0) scan_some(m);
    if (m->walking ? prng_below(&m->prng, 10) == 0 : false) walk_some(m);
    if (!m->walking && prng_below(&m->prng, 500) == 0) walk_begin(m);
    if (prng_below(&m->prng, 50) == 0) store_work(m->store, 10);
    if (prng_below(&m->prng, 3000) == 0) rare_one(m);
}

/* ---- Comparing all --------------------------------------------------------------------------- */

static bool equal_to_model(struct model *m) {
    for (int db = 0; db < DBS; db++) {
        size_t count = 0, expiring = 0;
        for (int i = 0; i < KEYS; i++) {
            const struct fact *f = &m->now[db][i];
            const struct entry *e = store_find(m->store, db, key_of(i));
            if (!f->there && !e) continue;
            if (!e || !same(f, e)) return false;
            count++;
            expiring += f->expiry != NO_EXPIRY;
        }
        if (store_count(m->store, db) != count || store_expiring_count(m->store, db) != expiring)
            return false;
    }
    return true;
}

static void test_model(uint64_t seed, size_t rounds, size_t steps) {
    struct model *m = xcalloc(1, sizeof *m);
    bool equal = true;
    prng_seed(&m->prng, seed);
    m->store = store_new(DBS, seed);
    m->time = 1000000;
    for (size_t r = 0; r < rounds && equal; r++) {
        static const int sizes[] = {5, 60, 500, KEYS};
        static const unsigned fills[] = {97, 50, 80, 62};
        m->keys = r % 4 == 3 ? KEYS : sizes[prng_below(&m->prng, 4)];
        for (size_t i = 0; i < steps; i++) step(m, fills[r % 4]);
        store_verify(m->store);
        equal = equal_to_model(m);
    }
    ok(equal, "after %zu random operations the store is as the model says", rounds * steps);
    is_int(m->handed_twice_or_wrong, 0,
           "no walk handed out a key twice, or as it was not at its start");
    is_int(m->missed, 0, "no walk, scan or expiry left a key out");
    ok(m->walks > 3 && m->scans > 3, "walks (%zu) and scans (%zu) came to their ends", m->walks,
       m->scans);
    for (int db = 0; db < DBS; db++)
        for (int i = 0; i < KEYS; i++) {
            forget(&m->now[db][i]);
            forget(&m->then[db][i]);
        }
    store_free(m->store);
    free(m);
}

/* ---- The table alone, big -------------------------------------------------------------------- */

static struct bytes number_key(const void *elem) {
    return (struct bytes){elem, 8};
}
static const struct dict_type numbers = {number_key, NULL};

static void test_growth(size_t count) {
    size_t memory = 0;
    struct dict d;
    uint64_t *elems = xcalloc(count, sizeof *elems);
    double worst = 0, fullest = 0;
    dict_init(&d, &numbers, &memory);
    for (size_t i = 0; i < count; i++) {
        elems[i] = i;
        dict_add(&d, &elems[i], dict_hash(number_key(&elems[i])), false);
        double bytes = (double)memory / (double)(i + 1),
               full = (double)(i + 1) / (double)d.buckets / 9;
        if (i > count / 2 && bytes > worst) worst = bytes;
        if (full > fullest) fullest = full;
        if ((i & (i - 1)) == 0) dict_verify(&d);
    }
    dict_verify(&d);
    printf("# %zu elements: at most %.2f bytes each in the table, fullest %.3f, %zu chains\n",
           count, worst, fullest, d.chained);
    ok(worst < 9.6, "a growing table costs less than 9.6 bytes an element");
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = dict_hash(number_key(&elems[i]));
        dict_remove(&d, hash, dict_place_of(&d, &elems[i], hash));
        if (i % (count / 16) == 0) dict_verify(&d);
    }
    dict_verify(&d);
    ok(d.count == 0 && d.buckets == 4, "an emptied table is small again");
    dict_release(&d);
    is_int(memory, 0, "and gives everything back");
    free(elems);
}

int main(void) {
    log_set_name("test");
    uint64_t seed = tap_seed();
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_growth(tap_full() ? 3000000 : 400000);
    test_model(seed, tap_full() ? 400 : 24, 15000);
    return done();
}
