/* A witness of walks for tests of server/store: it takes a plain copy of all data (digests of values) at the start of a walk,
 * and compares what the walk hands out with that, and the calls with what store.h promises of their order.
 * Keys are named by number ("k17"), a number for each database below RIG_KEYS. */
#ifndef TESTS_UNIT_WALK_RIG_H
#define TESTS_UNIT_WALK_RIG_H

#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/rand.h"
#include "server/proto/listpack.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

enum { RIG_DBS = 4, RIG_KEYS = 64 };

/* A value in a few words. Of hashes, sets and sorted sets the sum over the items, of others one over all bytes in order. */
struct digest {
    bool there;
    enum value_kind kind;
    int64_t expiry_ms;
    uint64_t sum;
    size_t length;
};

struct walk_value {
    struct walked *v; /* noted or begun; NULL: not */
    bool begun, ended;
    struct digest d;
    struct buf last; /* of a sorted set: the member before */
    double last_score;
    bool any;
};

struct witness {
    struct store *s;
    struct digest then[RIG_DBS][RIG_KEYS];
    struct walk_value values[RIG_DBS][RIG_KEYS];
    struct walk_value *now; /* between begin and end */
    size_t wrong, walks, aborted, whole, noted, early, pieces, left_out;
    char what[120]; /* the first thing that was wrong */
};

/* ---- Digests --------------------------------------------------------------------------------- */

static inline uint64_t rig_bytes(uint64_t sum, const void *p, size_t n) {
    for (const unsigned char *b = p; n; n--) sum = (sum ^ *b++) * 0x100000001b3;
    return sum;
}

static inline uint64_t rig_word(uint64_t sum, struct bytes word) {
    return rig_bytes(rig_bytes(sum, &word.len, sizeof word.len), word.p, word.len);
}

/* Strong enough to be added up. */
static inline uint64_t rig_item(struct bytes name, struct bytes value, double score) {
    uint64_t h = rig_bytes(rig_word(rig_word(14695981039346656037u, name), value), &score, 8);
    h = (h ^ h >> 31) * 0x9e3779b97f4a7c15;
    return h ^ h >> 29;
}

static inline void rig_pair(void *arg, struct bytes field, struct bytes value) {
    *(uint64_t *)arg += rig_item(field, value, 0);
}

static inline bool rig_member(void *arg, struct bytes member) {
    *(uint64_t *)arg += rig_item(member, (struct bytes){NULL, 0}, 0);
    return true;
}

static inline void rig_chunk(void *arg, struct bytes listpack) {
    const uint8_t *lp = (const uint8_t *)listpack.p;
    char digits[LP_DIGITS];
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at))
        *(uint64_t *)arg = rig_word(*(uint64_t *)arg, lp_get(at, digits));
}

static inline void rig_zset(struct digest *d, const struct entry *e) {
    struct zset_cursor c;
    struct bytes member;
    double score;
    for (zset_seek(e, 0, &c); zset_next(&c, &member, &score);)
        d->sum += rig_item(member, (struct bytes){NULL, 0}, score);
    d->length = zset_len(e);
}

static inline struct digest rig_digest(const struct entry *e) {
    struct digest d = {.there = true, .kind = entry_kind(e), .expiry_ms = entry_expiry(e)};
    struct digits digits;
    struct bytes text;
    switch (d.kind) {
    case KIND_HASH:
        hash_each(e, rig_pair, &d.sum);
        d.length = hash_len(e);
        break;
    case KIND_SET:
        set_each(e, rig_member, &d.sum);
        d.length = set_len(e);
        break;
    case KIND_ZSET: rig_zset(&d, e); break;
    case KIND_LIST:
        list_each_chunk(e, rig_chunk, &d.sum);
        d.length = list_len(e);
        break;
    case KIND_STRING:
        text = string_bytes(e, &digits);
        d.sum = rig_bytes(0, text.p, text.len);
        d.length = text.len;
        break;
    default: break;
    }
    return d;
}

static inline bool rig_same(const struct digest *a, const struct digest *b) {
    return a->there == b->there && a->kind == b->kind && a->expiry_ms == b->expiry_ms &&
           a->sum == b->sum && a->length == b->length;
}

/* ---- What a walk hands out ------------------------------------------------------------------- */

static inline struct bytes rig_key(int n) {
    static char text[16];
    return (struct bytes){text, (size_t)snprintf(text, sizeof text, "k%d", n)};
}

static inline int rig_number(struct bytes key) {
    int n = 0;
    for (size_t i = 1; i < key.len; i++) n = 10 * n + key.p[i] - '0';
    return n;
}

__attribute__((format(printf, 2, 3))) static inline void rig_wrong(struct witness *w,
                                                                   const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!w->wrong++) vsnprintf(w->what, sizeof w->what, format, args);
    va_end(args);
}

static inline void rig_entry(void *arg, int db, const struct entry *e, bool before_change) {
    struct witness *w = arg;
    struct digest *then = &w->then[db][rig_number(entry_key(e))], d = rig_digest(e);
    if (!rig_same(then, &d)) rig_wrong(w, "%.*s is other than it was", 16, entry_key(e).p);
    if (w->now && !before_change) rig_wrong(w, "an entry of its own accord inside a value");
    then->there = false;
    w->whole++;
}

static inline struct walk_value *rig_value(struct witness *w, struct walked *v) {
    return &w->values[v->db][rig_number(v->key)];
}

static inline void rig_open(struct witness *w, struct walked *v) {
    struct walk_value *mine = rig_value(w, v);
    if (mine->v || mine->ended) rig_wrong(w, "%s comes twice", kind_name(v->kind));
    mine->v = v;
    mine->d = (struct digest){true, v->kind, v->expiry_ms, 0, v->length};
    v->mine = mine;
}

static inline void rig_noted(void *arg, struct walked *v) {
    struct witness *w = arg;
    w->noted++;
    rig_open(w, v);
}

static inline void rig_begin(void *arg, struct walked *v) {
    struct witness *w = arg;
    if (!v->mine) rig_open(w, v);
    if (w->now) rig_wrong(w, "a value begins inside another");
    w->now = v->mine;
    w->now->begun = true;
}

static inline void rig_in_order(struct witness *w, struct walk_value *mine,
                                const struct walk_item *i) {
    struct bytes last = {buf_head(&mine->last), buf_len(&mine->last)};
    size_t n = last.len < i->name.len ? last.len : i->name.len;
    int order = mine->any && n ? memcmp(i->name.p, last.p, n) : 0;
    if (!order) order = (i->name.len > last.len) - (i->name.len < last.len);
    if (mine->any && (i->score > mine->last_score || (i->score == mine->last_score && order >= 0)))
        rig_wrong(w, "a sorted set does not come from the highest down");
    mine->any = true;
    mine->last_score = i->score;
    buf_clear(&mine->last);
    buf_add(&mine->last, i->name.p, i->name.len);
}

static inline void rig_walk_item(void *arg, struct walked *v, const struct walk_item *i,
                                 bool early) {
    struct witness *w = arg;
    struct walk_value *mine = v->mine;
    if (!mine || mine->v != v) {
        rig_wrong(w, "an item of a value that is not known");
        return;
    }
    if (!early && w->now != mine) rig_wrong(w, "an item without its turn");
    w->pieces++;
    w->early += early;
    switch (v->kind) {
    case KIND_ZSET:
        if (!early) rig_in_order(w, mine, i); /* falls through */
    case KIND_HASH:
    case KIND_SET: mine->d.sum += rig_item(i->name, i->value, i->score); break;
    case KIND_LIST: rig_chunk(&mine->d.sum, i->name); break;
    case KIND_STRING: mine->d.sum = rig_bytes(mine->d.sum, i->name.p, i->name.len); break;
    default: break;
    }
}

static inline void rig_end(void *arg, struct walked *v) {
    struct witness *w = arg;
    struct walk_value *mine = v->mine;
    struct digest *then = &w->then[v->db][rig_number(v->key)];
    if (w->now != mine || !mine->begun) rig_wrong(w, "a value ends that did not begin");
    if (!rig_same(then, &mine->d))
        rig_wrong(w, "the %s k%d of database %d, in pieces, is other than it was",
                  kind_name(v->kind), rig_number(v->key), v->db);
    then->there = false;
    mine->ended = true;
    mine->v = NULL;
    w->now = NULL;
}

/* ---- Walks ----------------------------------------------------------------------------------- */

static inline void rig_forget(struct witness *w) {
    for (int db = 0; db < RIG_DBS; db++)
        for (int i = 0; i < RIG_KEYS; i++) buf_free(&w->values[db][i].last);
    memset(w->values, 0, sizeof w->values);
    w->now = NULL;
}

/* False when the store is not ready for a walk. */
static inline bool rig_start(struct witness *w, struct store *s) {
    const struct store_walker walker = {w, rig_entry, rig_noted, rig_begin, rig_walk_item, rig_end};
    if (!store_walk_start(s, &walker)) return false;
    w->s = s;
    rig_forget(w);
    for (int db = 0; db < store_databases(s); db++)
        for (int i = 0; i < RIG_KEYS; i++) {
            const struct entry *e = store_find(s, db, rig_key(i));
            w->then[db][i] = e ? rig_digest(e) : (struct digest){.there = false};
        }
    return true;
}

/* False when the walk is at its end: then all is counted that it left out. */
static inline bool rig_step(struct witness *w, size_t limit) {
    if (store_walk_step(w->s, limit)) return true;
    for (int db = 0; db < store_databases(w->s); db++)
        for (int i = 0; i < RIG_KEYS; i++) {
            w->left_out += w->then[db][i].there;
            if (w->values[db][i].v) rig_wrong(w, "a value did not end");
        }
    if (w->left_out) rig_wrong(w, "%zu keys were left out", w->left_out);
    w->walks++;
    return false;
}

static inline void rig_abort(struct witness *w) {
    store_walk_abort(w->s);
    rig_forget(w);
    w->aborted++;
}

#endif
