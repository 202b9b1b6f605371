/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* Walks in pieces against a plain copy of the instant: seeded random changes of every kind of value in several databases,
 * with walks at random instants, steps of random length, walks given up, and a reclaimer whose turn comes at
 * random. Limits are so low that most values are walked in pieces. Whatever happens, a walk hands out each value of
 * its start once and as it was, the verifier finds every structure sound, no mark is left, and all memory comes
 * back. */
#include "tests/unit/walk_rig.h"

#include "server/base/log.h"

enum { DOOMED = 4096, FIELDS = 400 };

struct model {
    struct store *s;
    struct prng prng;
    struct witness w;
    bool walking, calm; /* calm: few changes between steps */
    struct {
        void *value;
        void (*free_fn)(void *value);
    } doomed[DOOMED];
    int doomed_count;
};

static unsigned pick(struct model *m, unsigned n) {
    return (unsigned)prng_below(&m->prng, n);
}

/* The reclaimer's thread, when its turn comes. */
static void doom(void *arg, void *value, void (*free_fn)(void *value)) {
    struct model *m = arg;
    must(m->doomed_count < DOOMED, "the test's reclaimer has room");
    m->doomed[m->doomed_count].value = value;
    m->doomed[m->doomed_count++].free_fn = free_fn;
}

static void reclaim(struct model *m) {
    for (int i = 0; i < m->doomed_count; i++) m->doomed[i].free_fn(m->doomed[i].value);
    m->doomed_count = 0;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static struct bytes name(struct model *m, unsigned of) {
    static char text[2][400];
    static unsigned turn;
    char *p = text[++turn % 2];
    unsigned n = pick(m, of);
    int len = snprintf(p, sizeof text[0], n % 3 ? "%u" : "name-%u", n);
    if (n % 31 == 0) { /* some are long */
        memset(p + len, 'x', 300);
        len += 300;
    }
    return (struct bytes){p, (size_t)len};
}

static struct bytes text(struct model *m) {
    static char some[3000];
    size_t len = pick(m, 16) ? pick(m, 30) : pick(m, sizeof some);
    for (size_t i = 0; i < len; i++) some[i] = (char)('a' + (i + len) % 26);
    if (len > 8) memcpy(some, &(uint64_t){prng_u64(&m->prng)}, 8);
    return (struct bytes){some, len};
}

static struct entry *of_kind(struct model *m, int db, struct bytes key, enum value_kind kind) {
    struct entry *e = store_find(m->s, db, key);
    if (e && entry_kind(e) == kind) return e;
    if (e && pick(m, 20)) return NULL; /* mostly another kind's value is left alone */
    int64_t stamp = pick(m, 3) ? NO_EXPIRY : (int64_t)pick(m, 100000);
    if (e) store_delete(m->s, db, e);
    switch (kind) {
    case KIND_HASH: return hash_new(m->s, db, key, stamp);
    case KIND_SET: return set_new(m->s, db, key, stamp);
    case KIND_ZSET: return zset_new(m->s, db, key, stamp);
    case KIND_LIST: return list_new(m->s, db, key, stamp);
    default: return NULL;
    }
}

static size_t length(const struct entry *e) {
    return rig_digest(e).length;
}

static void drop_empty(struct model *m, int db, struct entry *e) {
    bool string = entry_kind(e) == KIND_STRING;
    if (!string && length(e) == 0) store_delete(m->s, db, e);
}

static void change_hash(struct model *m, int db, struct entry *e) {
    for (unsigned n = pick(m, 8) ? 1 + pick(m, 4) : 1 + pick(m, 300); n > 0; n--) {
        bool removing = pick(m, 10) < 4;
        if (removing)
            hash_delete(m->s, db, e, name(m, FIELDS));
        else
            hash_set(m->s, db, e, name(m, FIELDS), text(m));
        if (!hash_len(e)) break;
    }
}

static void change_set(struct model *m, int db, struct entry *e) {
    for (unsigned n = pick(m, 8) ? 1 + pick(m, 4) : 1 + pick(m, 300); n > 0; n--) {
        if (pick(m, 10) < 4)
            set_remove(m->s, db, e, name(m, FIELDS));
        else
            set_add(m->s, db, e, name(m, FIELDS));
        if (!set_len(e)) break;
    }
}

static double score(struct model *m) {
    switch (pick(m, 4)) {
    case 0: return pick(m, 5); /* many are equal */
    case 1: return -1.0 * pick(m, 100000) - 1;
    case 2: return __builtin_inf();
    default: return pick(m, 100000) * 0.25;
    }
}

static void change_zset(struct model *m, int db, struct entry *e) {
    for (unsigned n = pick(m, 8) ? 1 + pick(m, 4) : 1 + pick(m, 300); n > 0; n--) {
        switch (pick(m, 10)) {
        case 0:
        case 1: zset_remove(m->s, db, e, name(m, FIELDS)); break;
        case 2: {
            size_t len = zset_len(e), first = len ? pick(m, (unsigned)len) : 0;
            size_t most = len - first < 40 ? len - first : 40;
            if (most) zset_remove_ranks(m->s, db, e, first, pick(m, (unsigned)most + 1));
            break;
        }
        default: zset_put(m->s, db, e, name(m, FIELDS), score(m));
        }
        if (!zset_len(e)) break;
    }
}

static void change_list(struct model *m, int db, struct entry *e) {
    for (unsigned n = pick(m, 8) ? 1 + pick(m, 4) : 1 + pick(m, 300); n > 0; n--) {
        unsigned len = (unsigned)list_len(e);
        switch (pick(m, 8)) {
        case 0: list_insert(m->s, db, e, pick(m, len + 1), text(m)); break;
        case 1:
            if (len) list_set(m->s, db, e, pick(m, len), text(m));
            break;
        case 2:
        case 3: {
            unsigned first = len ? pick(m, len) : 0, most = len - first < 20 ? len - first : 20;
            if (most) list_remove(m->s, db, e, first, 1 + pick(m, most));
            break;
        }
        case 4:
            if (len)
                list_remove_equal(m->s, db, e, (struct bytes){"a", 1}, 3,
                                  pick(m, 2) ? LIST_HEAD : LIST_TAIL);
            break;
        default: list_push(m->s, db, e, pick(m, 2) ? LIST_HEAD : LIST_TAIL, name(m, FIELDS));
        }
        if (!list_len(e)) break;
    }
}

static void change_string(struct model *m, int db, struct bytes key) {
    struct entry *e = store_find(m->s, db, key);
    bool string = e && entry_kind(e) == KIND_STRING;
    if (!string || pick(m, 3) == 0) {
        if (e && !string && pick(m, 20)) return;
        static char big[40000];
        size_t len = pick(m, 3) ? pick(m, 50) : pick(m, sizeof big);
        memset(big, 'a' + (int)pick(m, 26), len);
        store_put_string(m->s, db, key, (struct bytes){big, len},
                         pick(m, 2) ? KEEP_EXPIRY : NO_EXPIRY);
        return;
    }
    if (pick(m, 30) == 0) {
        string_set_int(m->s, db, e, pick(m, 1000));
        return;
    }
    size_t old = string_len(e), len = pick(m, 4) ? old + pick(m, 200) : pick(m, 40000);
    if (pick(m, 2)) len = old;
    char *p = string_edit(m->s, db, &e, len);
    for (unsigned n = pick(m, 8); len && n > 0; n--) p[pick(m, (unsigned)len)] = 'Z';
}

static void change_value(struct model *m, int db, struct bytes key) {
    static const enum value_kind kinds[] = {KIND_HASH, KIND_SET, KIND_ZSET, KIND_LIST};
    unsigned kind = pick(m, 5);
    struct entry *e;
    if (kind == 4) {
        change_string(m, db, key);
        return;
    }
    if (!(e = of_kind(m, db, key, kinds[kind]))) return;
    switch (kinds[kind]) {
    case KIND_HASH: change_hash(m, db, e); break;
    case KIND_SET: change_set(m, db, e); break;
    case KIND_ZSET: change_zset(m, db, e); break;
    default: change_list(m, db, e); break;
    }
    drop_empty(m, db, e);
}

/* Changes of a key as a whole. */
static void change_key(struct model *m, int db, struct entry *e) {
    int to_db = (int)pick(m, RIG_DBS);
    struct bytes key = rig_key((int)pick(m, RIG_KEYS));
    struct entry *there = store_find(m->s, to_db, key);
    switch (pick(m, 6)) {
    case 0: store_delete(m->s, db, e); break;
    case 1: store_set_expiry(m->s, db, e, pick(m, 3) ? (int64_t)pick(m, 100000) : NO_EXPIRY); break;
    case 2:
    case 3: /* RENAME, MOVE */
        if (there == e) break;
        if (there) store_delete(m->s, to_db, there);
        store_move(m->s, db, e, to_db, key);
        break;
    case 4: /* COPY */
        if (!there) store_copy(m->s, db, e, to_db, key);
        break;
    default: /* SET over whatever it is */
        store_put_string(m->s, db, rig_key(rig_number(entry_key(e))), (struct bytes){"over", 4},
                         NO_EXPIRY);
    }
}

static void expired(void *arg, int db, struct entry *e) {
    struct model *m = arg;
    store_delete(m->s, db, e);
}

/* Some of a copy that is loaded beside the data. */
static void fill_beside(struct model *m) {
    int db = store_beside(m->s) + (int)pick(m, RIG_DBS);
    for (int n = 0; n < 40; n++)
        store_put_string(m->s, db, rig_key((int)pick(m, RIG_KEYS)), name(m, 1000), NO_EXPIRY);
}

static void change_much(struct model *m) {
    switch (pick(m, 12)) {
    case 8:
    case 9: fill_beside(m); break;
    case 10: store_beside_take(m->s); break;
    case 11: store_beside_drop(m->s); break;
    case 0: store_flush(m->s, (int)pick(m, RIG_DBS)); break;
    case 1:
        if (pick(m, 4) == 0) store_flush_all(m->s);
        break;
    case 2: store_expire_cycle(m->s, pick(m, 100000), 10, expired, m); break;
    default: store_swap(m->s, (int)pick(m, RIG_DBS), (int)pick(m, RIG_DBS));
    }
}

static void change(struct model *m) {
    int db = (int)pick(m, RIG_DBS);
    int n = (int)pick(m, RIG_KEYS);
    struct entry *e = store_find(m->s, db, rig_key(n));
    unsigned what = pick(m, 1000);
    if (what < 6)
        change_much(m);
    else if (what < 100 && e)
        change_key(m, db, e);
    else
        change_value(m, db, rig_key(n));
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void walk_some(struct model *m) {
    if (!m->walking) {
        m->walking = pick(m, 4) == 0 && rig_start(&m->w, m->s);
        m->calm = pick(m, 2);
        return;
    }
    if (pick(m, 400) == 0) {
        rig_abort(&m->w);
        m->walking = false;
        return;
    }
    m->walking = rig_step(&m->w, 1 + pick(m, pick(m, 4) ? 8 : 400));
}

static void settle(struct model *m) {
    if (m->walking) {
        while (rig_step(&m->w, 100)) {
        }
        m->walking = false;
    }
    store_flush_all(m->s);
    store_beside_drop(m->s);
    for (int i = 0; i < 3; i++) {
        while (store_work(m->s, 1000)) {
        }
        reclaim(m);
    }
}

static void limits(struct store_settings *set, struct model *m, bool reclaims) {
    set->walk_whole_count = pick(m, 2) ? 3 : 50;
    set->walk_whole_bytes = pick(m, 2) ? 300 : 5000;
    set->hash_max_packed = set->set_max_packed = set->zset_max_packed = 4;
    set->hash_max_packed_bytes = set->zset_max_packed_bytes = 20;
    set->list_chunk_bytes = 200;
    set->list_open_ends = pick(m, 3);
    set->reclaim = reclaims ? doom : NULL;
    set->reclaim_arg = m;
}

static void round_of(uint64_t seed, int changes, struct witness *all) {
    struct model *m = xcalloc(1, sizeof *m);
    prng_seed(&m->prng, seed);
    m->s = store_new(RIG_DBS, seed);
    size_t empty = store_memory(m->s);
    limits(store_settings(m->s), m, seed % 2);
    for (int i = 0; i < changes && !m->w.wrong; i++) {
        for (unsigned n = m->walking && m->calm ? pick(m, 2) : pick(m, 40); n > 0; n--) change(m);
        walk_some(m);
        if (pick(m, 3) == 0) store_work(m->s, 1 + pick(m, 100));
        if (pick(m, 40) == 0) reclaim(m);
        if (pick(m, 60) == 0) store_verify(m->s);
    }
    settle(m);
    store_verify(m->s);
    if (store_memory(m->s) != empty)
        rig_wrong(&m->w, "%zd bytes did not come back", (ssize_t)(store_memory(m->s) - empty));
    if (m->w.wrong && !all->wrong) {
        memcpy(all->what, m->w.what, sizeof all->what);
        fprintf(stderr, "# seed %" PRIu64 ": %s\n", seed, m->w.what);
    }
    all->wrong += m->w.wrong;
    all->walks += m->w.walks;
    all->aborted += m->w.aborted;
    all->whole += m->w.whole;
    all->noted += m->w.noted;
    all->early += m->w.early;
    all->pieces += m->w.pieces;
    rig_forget(&m->w);
    store_free(m->s);
    reclaim(m);
    free(m);
}

int main(void) {
    log_set_name("test");
    uint64_t seed = tap_seed();
    static struct witness all;
    for (int i = 0; i < (tap_full() ? 400 : 12); i++) round_of(seed + (uint64_t)i, 2000, &all);
    printf("# %zu walks, %zu given up; %zu values whole, %zu items of which %zu early, %zu values "
           "noted\n",
           all.walks, all.aborted, all.whole, all.pieces, all.early, all.noted);
    ok(!all.wrong, "walks hand out the data of their instant%s%s", all.wrong ? ": " : "", all.what);
    ok(all.walks > 100 && all.aborted > 5, "walks came to their ends, or were given up");
    ok(all.early > 1000 && all.noted > 1000 && all.pieces > 2 * all.early,
       "values were walked in pieces while they changed");
    return done();
}
