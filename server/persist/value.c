#include "server/persist/value.h"

#include "server/base/log.h"
#include "server/proto/ziplist.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

#include <stdio.h>

enum { CONTAINER_PACKED = 2 }; /* of a quicklist's piece: a listpack; else one plain element */

#define STANDS_TWICE "stands twice"
#define LIST_REFUSAL "holds a piece that is no sound part of a list"
#define ZSET_REFUSAL "holds a member twice, or a score that is no number"

struct saving {
    struct buf *out;
    bool compress;
};

static void save_pair(void *arg, struct bytes field, struct bytes value) {
    const struct saving *s = arg;
    rdb_put_string(s->out, field, s->compress);
    rdb_put_string(s->out, value, s->compress);
}

static void save_hash(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    struct bytes packed = hash_packed(e);
    rdb_put_key(out, packed.p ? RDB_HASH_LISTPACK : RDB_HASH, entry_key(e), entry_expiry(e),
                compress);
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, hash_len(e));
    hash_each(e, save_pair, &s);
}

static bool save_member(void *arg, struct bytes member) {
    const struct saving *s = arg;
    rdb_put_string(s->out, member, s->compress);
    return true;
}

static void save_set(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    struct bytes packed = set_packed(e);
    rdb_put_key(out, packed.p ? RDB_SET_INTSET : RDB_SET, entry_key(e), entry_expiry(e), compress);
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, set_len(e));
    set_each(e, save_member, &s);
}

/* From the highest on, as Redis does it. */
static void save_zset(struct buf *out, const struct entry *e, bool compress) {
    struct bytes packed = zset_packed(e), member;
    struct zset_cursor c;
    double score;
    rdb_put_key(out, packed.p ? RDB_ZSET_LISTPACK : RDB_ZSET_2, entry_key(e), entry_expiry(e),
                compress);
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, zset_len(e));
    for (zset_seek(e, zset_len(e), &c); zset_prev(&c, &member, &score);) {
        rdb_put_string(out, member, compress);
        rdb_put_double(out, score);
    }
}

static void save_chunk(void *arg, struct bytes listpack) {
    const struct saving *s = arg;
    rdb_put_len(s->out, CONTAINER_PACKED);
    rdb_put_string(s->out, listpack, s->compress);
}

static void save_list(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    rdb_put_key(out, RDB_LIST_QUICKLIST_2, entry_key(e), entry_expiry(e), compress);
    rdb_put_len(out, list_chunks(e));
    list_each_chunk(e, save_chunk, &s);
}

void value_save(struct buf *out, const struct entry *e, bool compress) {
    struct digits d;
    struct bytes key = entry_key(e);
    switch (entry_kind(e)) {
    case KIND_STRING:
        rdb_put_key(out, RDB_STRING, key, entry_expiry(e), compress);
        rdb_put_string(out, string_bytes(e, &d), compress);
        return;
    case KIND_LIST: save_list(out, e, compress); return;
    case KIND_HASH: save_hash(out, e, compress); return;
    case KIND_SET: save_set(out, e, compress); return;
    case KIND_ZSET: save_zset(out, e, compress); return;
    default: bug("values of kind %s cannot be saved yet", kind_name(entry_kind(e)));
    }
}

/* Kinds by RDB's types; NULL: not held yet. */
static const struct kind_load *kind_load(int rdb_type);

bool value_loads_type(int rdb_type) {
    return rdb_type == RDB_STRING || kind_load(rdb_type);
}

void value_load_free(struct value_load *v) {
    buf_free(&v->key);
}

static bool refuse(struct value_load *v, const char *why, char *err, size_t err_size) {
    size_t n = buf_len(&v->key);
    snprintf(err, err_size, "the key \"%.*s\" (%s) %s", (int)(n < 64 ? n : 64),
             n ? buf_head(&v->key) : "", rdb_type_name(v->type), why);
    return false;
}

static struct bytes key_of(const struct value_load *v) {
    size_t n = buf_len(&v->key);
    return (struct bytes){n ? buf_head(&v->key) : "", n};
}

static int64_t expiry_of(const struct value_load *v) {
    return v->expire_ms < 0 ? NO_EXPIRY : v->expire_ms;
}

/* False when the key was there already: one search less than asking before. */
static bool put_string(struct value_load *v, struct bytes value) {
    size_t before = store_count(v->store, v->db);
    store_put_string(v->store, v->db, key_of(v), value, expiry_of(v));
    return store_count(v->store, v->db) > before || v->merge;
}

/* ---- Kinds that are more than bytes ---------------------------------------------------------- */

/* How a value of one RDB type is made: from a blob, or empty and then item by item (false: it is there already, or
 * cannot be). */
struct kind_load {
    bool (*whole)(struct store *s, int db, struct bytes key, struct bytes blob, int64_t expiry_ms);
    struct entry *(*begin)(struct store *s, int db, struct bytes key, int64_t expiry_ms);
    bool (*item)(struct value_load *v, const struct rdb_reader *r);
    const char *refusal;
};

static bool hash_item(struct value_load *v, const struct rdb_reader *r) {
    return hash_set(v->store, v->db, v->e, r->a, r->b);
}

static bool set_item(struct value_load *v, const struct rdb_reader *r) {
    return set_add(v->store, v->db, v->e, r->a);
}

static bool zset_item(struct value_load *v, const struct rdb_reader *r) {
    bool well = r->score == r->score;
    if (!well && !zset_len(v->e)) store_delete(v->store, v->db, v->e); /* nothing empty is left */
    return well && zset_put(v->store, v->db, v->e, r->a, r->score) == ZSET_ADDED;
}

static bool hash_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    struct ziplist f, v; /* one for fields, one for values: each backs an integer of its own */
    struct bytes field, value;
    bool well = true;
    struct entry *e = hash_new(s, db, key, expiry_ms);
    zl_open(&f, blob);
    for (v = f; well && zl_next(&f, &field); f.p = v.p) {
        v.p = f.p;
        well = zl_next(&v, &value) && hash_set(s, db, e, field, value);
    }
    well &= !f.bad && !v.bad && hash_len(e) > 0;
    if (!hash_len(e)) store_delete(s, db, e);
    return well;
}

static bool zset_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    struct ziplist m, v;
    struct bytes member, text;
    double score;
    bool well = true;
    struct entry *e = zset_new(s, db, key, expiry_ms);
    zl_open(&m, blob);
    for (v = m; well && zl_next(&m, &member); m.p = v.p) {
        v.p = m.p;
        well = zl_next(&v, &text) && zset_score_of(text, &score) &&
               zset_put(s, db, e, member, score) == ZSET_ADDED;
    }
    well &= !m.bad && !v.bad && zset_len(e) > 0;
    if (!zset_len(e)) store_delete(s, db, e);
    return well;
}

/* An element, or a piece in one of Redis's forms. An empty piece is refused. */
static bool push_ziplist(struct store *s, int db, struct entry *e, struct bytes blob) {
    struct ziplist z;
    struct bytes element;
    size_t before = list_len(e);
    for (zl_open(&z, blob); zl_next(&z, &element);) list_push(s, db, e, LIST_TAIL, element);
    return !z.bad && list_len(e) > before;
}

static bool push_plain(struct store *s, int db, struct entry *e, struct bytes element) {
    if (element.len > LIST_ELEMENT_MAX) return false;
    list_push(s, db, e, LIST_TAIL, element);
    return true;
}

/* True when it went well; if not, nothing empty is left behind. */
static bool not_empty(struct store *s, int db, struct entry *e, bool well) {
    if (!well && !list_len(e)) store_delete(s, db, e);
    return well;
}

static bool list_item(struct value_load *v, const struct rdb_reader *r) {
    bool packed = v->type == RDB_LIST_QUICKLIST_2 && r->number == CONTAINER_PACKED;
    bool well = packed                          ? list_push_packed(v->store, v->db, v->e, r->a)
                : v->type == RDB_LIST_QUICKLIST ? push_ziplist(v->store, v->db, v->e, r->a)
                                                : push_plain(v->store, v->db, v->e, r->a);
    return not_empty(v->store, v->db, v->e, well);
}

static bool list_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    struct entry *e = list_new(s, db, key, expiry_ms);
    return not_empty(s, db, e, push_ziplist(s, db, e, blob));
}

static const struct kind_load *kind_load(int rdb_type) {
    static const struct kind_load loads[] = {
        [RDB_HASH] = {NULL, hash_new, hash_item, "holds a field twice"},
        [RDB_HASH_LISTPACK] = {hash_new_packed, NULL, NULL, "is no sound listpack of fields"},
        [RDB_HASH_ZIPLIST] = {hash_new_ziplist, NULL, NULL, "is no sound ziplist of fields"},
        [RDB_LIST] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_LIST_ZIPLIST] = {list_new_ziplist, NULL, NULL, LIST_REFUSAL},
        [RDB_LIST_QUICKLIST] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_LIST_QUICKLIST_2] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_SET] = {NULL, set_new, set_item, "holds a member twice"},
        [RDB_SET_INTSET] = {set_new_packed, NULL, NULL, "is no sound set of integers"},
        [RDB_ZSET] = {NULL, zset_new, zset_item, ZSET_REFUSAL},
        [RDB_ZSET_2] = {NULL, zset_new, zset_item, ZSET_REFUSAL},
        [RDB_ZSET_ZIPLIST] = {zset_new_ziplist, NULL, NULL, "is no sound ziplist of scores"},
        [RDB_ZSET_LISTPACK] = {zset_new_packed, NULL, NULL, "is no sound listpack of scores"},
    };
    if (rdb_type < 0 || rdb_type >= (int)(sizeof loads / sizeof *loads)) return NULL;
    const struct kind_load *k = &loads[rdb_type];
    return k->whole || k->begin ? k : NULL;
}

static bool take_key(struct value_load *v, const struct rdb_reader *r, char *err, size_t err_size) {
    buf_clear(&v->key);
    buf_add(&v->key, r->a.p, r->a.len);
    v->type = r->type;
    v->expire_ms = r->expire_ms;
    if (!value_loads_type(v->type))
        return refuse(v, "is of a kind that this version does not hold", err, err_size);
    /* Strings, of which there are most, are found out by put_string. */
    struct entry *old = v->type != RDB_STRING ? store_find(v->store, v->db, r->a) : NULL;
    if (old && !v->merge) return refuse(v, STANDS_TWICE, err, err_size);
    if (old) store_delete(v->store, v->db, old);
    return true;
}

bool value_load_event(struct value_load *v, enum rdb_event ev, const struct rdb_reader *r,
                      char *err, size_t err_size) {
    const struct kind_load *k = kind_load(v->type);
    switch (ev) {
    case RDB_KEY: return take_key(v, r, err, err_size);
    case RDB_VALUE:
        if (v->type == RDB_STRING) {
            if (!put_string(v, r->a)) return refuse(v, STANDS_TWICE, err, err_size);
        } else if (!k->whole(v->store, v->db, key_of(v), r->a, expiry_of(v))) {
            return refuse(v, k->refusal, err, err_size);
        }
        return true;
    case RDB_BEGIN:
        if (r->number == 0) return refuse(v, "is empty", err, err_size);
        v->e = k->begin(v->store, v->db, key_of(v), expiry_of(v));
        return true;
    case RDB_ITEM:
        if (!k->item(v, r)) return refuse(v, k->refusal, err, err_size);
        return true;
    default: return true;
    }
}
