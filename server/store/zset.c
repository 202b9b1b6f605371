/* See zset.h. A big sorted set is an index of members (table.h) and a tree of the same elements (tree.h); the small
 * form's own functions are in zset_packed.c. */
#include "server/store/zset.h"

#include "server/base/log.h"
#include "server/store/zset_inside.h"
#include "server/store/zset_packed.h"

static struct bytes elem_key_of(const void *elem) {
    return scored_member(elem);
}

static size_t elem_size(const void *elem) {
    return scored_size_of(scored_member(elem).len);
}

static const struct elem_type scored = {{elem_key_of, NULL}, elem_size, NULL};

static struct zset *big_of(const struct entry *e) {
    return entry_pointer(e);
}

static struct zset *big_new(struct store *s) {
    struct zset *z = mem_new(&s->memory, sizeof *z);
    z->members = table_new(s, &scored);
    tree_init(&z->order, &s->memory);
    z->walked = NULL;
    return z;
}

static void big_add(struct store *s, struct zset *z, struct bytes member, uint64_t hash,
                    double score) {
    unsigned char *elem = elem_new(s, scored_size_of(member.len));
    scored_set(elem, score);
    memcpy(elem_put_len(elem + sizeof score, member.len), member.p, member.len);
    table_add(z->members, elem, hash);
    tree_add(&z->order, elem);
    if (__builtin_expect(z->walked != NULL, 0))
        zset_walk_changed(s, z, elem, dict_place_of(&z->members->dict, elem, hash));
}

static bool is_packed(const struct entry *e) {
    return entry_form(e) == FORM_LISTPACK;
}

/* ---- Making ---------------------------------------------------------------------------------- */

struct entry *zset_new(struct store *s, int db, struct bytes key, int64_t expiry_ms) {
    struct entry *e = store_put(s, db, key, KIND_ZSET, FORM_LISTPACK, 0, expiry_ms);
    entry_set_pointer(e, packed_new(s));
    return e;
}

static void unpack(struct store *s, struct entry *e) {
    uint8_t *lp = entry_pointer(e);
    struct zset *z = big_new(s);
    struct digits d;
    for (const uint8_t *at = lp_first(lp); at; at = zp_next(lp, at)) {
        struct bytes member = lp_get(at, d.text);
        big_add(s, z, member, dict_hash(member), zp_score(lp, at));
    }
    packed_free(s, lp);
    e->kind_form = KIND_ZSET | FORM_TREE << 4;
    entry_set_pointer(e, z);
}

static bool stays_packed(const struct store *s, size_t count, struct bytes member) {
    return count <= packed_limit(s->settings.zset_max_packed) &&
           member.len <= s->settings.zset_max_packed_bytes;
}

bool zset_new_packed(struct store *s, int db, struct bytes key, struct bytes listpack,
                     int64_t expiry_ms) {
    const uint8_t *lp = (const uint8_t *)listpack.p;
    bool in_order;
    struct digits d;
    if (!zp_valid(lp, listpack.len, &in_order)) return false;
    struct entry *e = zset_new(s, db, key, expiry_ms);
    if (!in_order) {
        for (const uint8_t *at = lp_first(lp); at; at = zp_next(lp, at))
            zset_put(s, db, e, lp_get(at, d.text), zp_score(lp, at));
        return true;
    }
    packed_free(s, entry_pointer(e));
    entry_set_pointer(e, packed_copy(s, lp));
    /* As in Redis, how long its members are matters when the next one is added. */
    bool fits = zp_len(lp) <= packed_limit(s->settings.zset_max_packed);
    if (!fits || listpack.len > PACKED_MAX_BYTES) unpack(s, e);
    return true;
}

bool zset_reserve(struct store *s, int db, struct entry *e, size_t count) {
    must(entry_kind(e) == KIND_ZSET && !zset_len(e), "the value is an empty sorted set");
    if (count <= packed_limit(s->settings.zset_max_packed)) return true;
    store_before_change(s, db, e);
    if (is_packed(e)) unpack(s, e);
    return dict_reserve(&big_of(e)->members->dict, count, RESERVE_SEGMENTS);
}

struct bytes zset_packed(const struct entry *e) {
    return is_packed(e) ? packed_bytes(e) : (struct bytes){NULL, 0};
}

/* ---- Members --------------------------------------------------------------------------------- */

size_t zset_len(const struct entry *e) {
    return is_packed(e) ? zp_len(packed_of(e)) : big_of(e)->order.count;
}

static void *big_find(const struct zset *z, struct bytes member) {
    struct dict_place at;
    return table_find(z->members, member, dict_hash(member), &at);
}

bool zset_score(const struct entry *e, struct bytes member, double *score) {
    if (is_packed(e)) {
        const uint8_t *lp = packed_of(e), *at = zp_find(lp, member);
        if (at) *score = zp_score(lp, at);
        return at != NULL;
    }
    const void *elem = big_find(big_of(e), member);
    if (elem) *score = scored_score(elem);
    return elem != NULL;
}

static enum zset_change big_put(struct store *s, struct zset *z, struct bytes member,
                                double score) {
    struct dict_place at;
    uint64_t hash = dict_hash(member);
    void *elem = table_find(z->members, member, hash, &at);
    if (!elem) {
        big_add(s, z, member, hash, score);
        return ZSET_ADDED;
    }
    if (scored_score(elem) == score) return ZSET_SAME;
    bool walked = __builtin_expect(z->walked != NULL, 0);
    if (walked) zset_walk_before_change(s, z, elem, at);
    tree_move(&z->order, elem, score);
    if (walked) zset_walk_changed(s, z, elem, at);
    return ZSET_MOVED;
}

enum zset_change zset_put(struct store *s, int db, struct entry *e, struct bytes member,
                          double score) {
    must(entry_kind(e) == KIND_ZSET, "the value is a sorted set");
    must(score == score, "a score is a number");
    store_before_change(s, db, e);
    if (is_packed(e)) {
        const uint8_t *at = zp_find(packed_of(e), member);
        if (at || (stays_packed(s, zset_len(e) + 1, member) && !packed_overflows(e, member.len)))
            return zp_put(s, e, at, member, score);
        unpack(s, e);
    }
    return big_put(s, big_of(e), member, score);
}

bool zset_remove(struct store *s, int db, struct entry *e, struct bytes member) {
    must(entry_kind(e) == KIND_ZSET, "the value is a sorted set");
    store_before_change(s, db, e);
    if (is_packed(e)) {
        const uint8_t *at = zp_find(packed_of(e), member);
        if (at) packed_splice(s, e, at, 2, NULL, 0);
        return at != NULL;
    }
    struct zset *z = big_of(e);
    struct dict_place at;
    uint64_t hash = dict_hash(member);
    void *elem = table_find(z->members, member, hash, &at);
    if (!elem) return false;
    if (z->walked) zset_walk_before_change(s, z, elem, at);
    tree_remove(&z->order, elem);
    table_remove(s, z->members, hash, at, elem);
    return true;
}

static void big_remove_ranks(struct store *s, struct zset *z, size_t first, size_t count) {
    enum { SOME = 128 };
    void *elems[SOME];
    while (count) {
        size_t n = tree_take(&z->order, first, elems, count < SOME ? count : SOME);
        for (size_t i = 0; i < n; i++) {
            uint64_t hash = dict_hash(scored_member(elems[i]));
            struct dict_place at = dict_place_of(&z->members->dict, elems[i], hash);
            if (z->walked) zset_walk_before_change(s, z, elems[i], at);
            table_remove(s, z->members, hash, at, elems[i]);
        }
        count -= n;
    }
}

void zset_remove_ranks(struct store *s, int db, struct entry *e, size_t first, size_t count) {
    must(entry_kind(e) == KIND_ZSET, "the value is a sorted set");
    must(first + count <= zset_len(e), "the ranks exist");
    if (!count) return;
    store_before_change(s, db, e);
    if (is_packed(e))
        packed_splice(s, e, lp_seek(packed_of(e), 2 * (int64_t)first), 2 * count, NULL, 0);
    else
        big_remove_ranks(s, big_of(e), first, count);
}

/* ---- Ranks ----------------------------------------------------------------------------------- */

int64_t zset_rank(const struct entry *e, struct bytes member) {
    if (is_packed(e)) return zp_rank(packed_of(e), member);
    const void *elem = big_find(big_of(e), member);
    return elem ? (int64_t)tree_rank(&big_of(e)->order, elem) : -1;
}

static size_t before(const struct entry *e, const struct mark *m) {
    if (!is_packed(e)) return tree_before(&big_of(e)->order, m);
    const uint8_t *at;
    return zp_before(packed_of(e), m, &at);
}

size_t zset_count_below(const struct entry *e, double score, bool or_equal) {
    struct mark m = {score_key(score), {NULL, 0}, or_equal};
    return before(e, &m);
}

size_t zset_count_before(const struct entry *e, struct bytes member, bool or_equal) {
    struct mark m = {0, member, or_equal};
    struct zset_cursor c;
    struct bytes lowest;
    double score;
    zset_seek(e, 0, &c);
    if (!zset_next(&c, &lowest, &score)) return 0;
    m.key = score_key(score);
    return before(e, &m);
}

/* ---- Cursors --------------------------------------------------------------------------------- */

void zset_seek(const struct entry *e, size_t rank, struct zset_cursor *c) {
    *c = (struct zset_cursor){.e = e, .rank = rank};
    if (is_packed(e)) c->node = zp_seek(packed_of(e), rank);
}

static bool cursor_elem(void *elem, const struct tree_cursor *from, struct zset_cursor *c,
                        struct bytes *member, double *score) {
    if (!elem) return false;
    c->node = from->leaf;
    c->at = from->at;
    c->rank = from->rank;
    *member = scored_member(elem);
    *score = scored_score(elem);
    return true;
}

static void cursor_pair(struct zset_cursor *c, const uint8_t *at, struct bytes *member,
                        double *score) {
    *member = lp_get(at, c->digits.text);
    *score = zp_score(packed_of(c->e), at);
}

bool zset_next(struct zset_cursor *c, struct bytes *member, double *score) {
    if (!is_packed(c->e)) {
        const struct tree *t = &big_of(c->e)->order;
        struct tree_cursor tc = {c->node, (unsigned)c->at, c->rank};
        void *elem = tree_next(t, &tc);
        return cursor_elem(elem, &tc, c, member, score);
    }
    if (!c->node) return false;
    cursor_pair(c, c->node, member, score);
    c->node = zp_next(packed_of(c->e), c->node);
    c->rank++;
    return true;
}

bool zset_prev(struct zset_cursor *c, struct bytes *member, double *score) {
    if (!is_packed(c->e)) {
        const struct tree *t = &big_of(c->e)->order;
        struct tree_cursor tc = {c->node, (unsigned)c->at, c->rank};
        void *elem = tree_prev(t, &tc);
        return cursor_elem(elem, &tc, c, member, score);
    }
    if (c->rank == 0) return false;
    c->node = zp_prev(packed_of(c->e), c->node);
    c->rank--;
    cursor_pair(c, c->node, member, score);
    return true;
}

struct each {
    zset_each_fn *fn;
    void *arg;
};

static void each_elem(void *arg, void *elem) {
    const struct each *each = arg;
    each->fn(each->arg, scored_member(elem), scored_score(elem));
}

uint64_t zset_scan(const struct entry *e, uint64_t cursor, zset_each_fn *fn, void *arg) {
    struct each each = {fn, arg};
    if (!is_packed(e)) return table_scan(big_of(e)->members, cursor, each_elem, &each);
    struct zset_cursor c;
    struct bytes member;
    double score;
    for (zset_seek(e, 0, &c); zset_next(&c, &member, &score);) fn(arg, member, score);
    return 0;
}

/* ---- What the store asks of a kind ----------------------------------------------------------- */

static bool step_order(struct store *s, void *value) {
    struct tree *t = value;
    t->memory = &s->memory;     /* it may be the reclaimer's */
    for (int i = 0; i < 8; i++) /* nodes are few beside elements, and quick to free */
        if (!tree_dismantle(t)) {
            mem_free(&s->memory, t, sizeof *t);
            return false;
        }
    return true;
}

static size_t order_memory(const void *value) {
    return mem_class(sizeof(struct tree)) + tree_memory(value);
}

void zset_big_free(struct store *s, struct zset *z) {
    enum { AT_ONCE = 100 };
    must(!z->walked, "a sorted set that is walked stays");
    table_free(s, z->members);
    struct tree *t = mem_new(&s->memory, sizeof *t);
    *t = z->order;
    bool many = t->leaves > AT_ONCE;
    while (!many && step_order(s, t)) {
    }
    if (many) store_ruin_later(s, t, step_order, order_memory);
    mem_free(&s->memory, z, sizeof *z);
}

void zset_free(struct store *s, struct entry *e) {
    if (is_packed(e))
        packed_free(s, entry_pointer(e));
    else
        zset_big_free(s, big_of(e));
}

void zset_copy(struct store *s, const struct entry *e, struct entry *to) {
    if (is_packed(e)) {
        entry_set_pointer(to, packed_copy(s, packed_of(e)));
        return;
    }
    struct zset *z = big_new(s);
    struct tree_cursor c = tree_cursor(0);
    for (const void *elem; (elem = tree_next(&big_of(e)->order, &c));) {
        struct bytes member = scored_member(elem);
        big_add(s, z, member, dict_hash(member), scored_score(elem));
    }
    entry_set_pointer(to, z);
}

size_t zset_big_memory(const struct zset *z) {
    return mem_class(sizeof *z) + table_memory(z->members) + tree_memory(&z->order);
}

size_t zset_memory(const struct entry *e) {
    return is_packed(e) ? packed_memory(e) : zset_big_memory(big_of(e));
}

void zset_verify(const struct entry *e) {
    bool in_order;
    must(zset_len(e) > 0, "an empty sorted set has no key");
    if (is_packed(e)) {
        const uint8_t *lp = packed_of(e);
        must(zp_valid(lp, lp_total(lp), &in_order), "a sorted set's listpack is sound");
        must(in_order, "a sorted set's listpack is in order");
        return;
    }
    const struct zset *z = big_of(e);
    struct tree_cursor c = tree_cursor(0);
    table_verify(z->members);
    tree_verify(&z->order);
    must(z->walked || !z->members->dict.flagged, "no mark outlives its walk");
    must(z->order.count == table_len(z->members), "index and tree have the same elements");
    for (const void *elem; (elem = tree_next(&z->order, &c));)
        must(big_find(z, scored_member(elem)) == elem, "an element of the tree is in the index");
}

static void moved_in_order(void *arg, void *old, void *elem) {
    tree_replace(arg, old, elem);
}

/* place / 2^64 of n. */
static size_t part_of(uint64_t place, size_t n) {
    return (size_t)((unsigned __int128)place * n >> 64);
}

uint64_t zset_compact(struct entry *e, uint64_t from, struct store_mover *m) {
    if (is_packed(e)) return 0;
    struct tree *t = &big_of(e)->order;
    uint64_t next = table_compact(big_of(e)->members, from, m, moved_in_order, t);
    /* The tree keeps pace with the index: the same part of its ranks. */
    size_t end = next ? part_of(next, t->count) : t->count;
    tree_compact(t, part_of(from, t->count), end, m);
    return next;
}
