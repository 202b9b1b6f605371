/* Values on their way in: whatever form RDB has them in, as the store holds them. value_save.c is the way out. */
#include "server/persist/value.h"

#include "server/persist/value_stream.h"
#include "server/proto/ziplist.h"
#include "server/proto/zipmap.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/stream.h"
#include "server/store/zset.h"

#include <stdio.h>

#define STANDS_TWICE "stands twice"
#define LIST_REFUSAL "holds a piece that is no sound part of a list"
#define ZSET_REFUSAL "holds a member twice, or a score that is no number"

/* Kinds by RDB's types; NULL: not held yet. */
static const struct kind_load *kind_load(int rdb_type);

bool value_loads_type(int rdb_type) {
    return rdb_type == RDB_STRING || kind_load(rdb_type);
}

bool value_load_reserve(struct value_load *v, size_t items) {
    switch (v->type) {
    case RDB_HASH: return hash_reserve(v->store, v->db, v->e, items);
    case RDB_SET: return set_reserve(v->store, v->db, v->e, items);
    case RDB_ZSET:
    case RDB_ZSET_2: return zset_reserve(v->store, v->db, v->e, items);
    default: return true;
    }
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

/* When the key was used last, or how often. */
static void set_access(const struct value_load *v, struct entry *e, int32_t idle_s, int32_t freq) {
    if (!v->now_ms) return;
    if (store_settings(v->store)->lfu)
        entry_set_freq(e, (uint8_t)(freq < 0 ? LFU_AT_FIRST : freq), v->now_ms);
    else if (idle_s > 0)
        entry_set_idle(e, (uint32_t)idle_s, v->now_ms);
    else
        store_touch(v->store, e, v->now_ms);
}

/* A key that was there already is found out by the count: one search less than asking before. */
bool value_load_string(struct value_load *v, const struct value_string *s, char *err,
                       size_t err_size) {
    size_t before = store_count(v->store, v->db);
    int64_t expiry_ms = s->expire_ms < 0 ? NO_EXPIRY : s->expire_ms;
    struct entry *e = store_put_string(v->store, v->db, s->key, s->value, expiry_ms);
    set_access(v, e, s->idle_s, s->freq);
    if (store_count(v->store, v->db) > before || v->merge) return true;
    v->type = RDB_STRING;
    if (s->key.p != key_of(v).p) {
        buf_clear(&v->key);
        buf_add(&v->key, s->key.p, s->key.len);
    }
    return refuse(v, STANDS_TWICE, err, err_size);
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

/* The same elements as a listpack. False: the ziplist is not sound. */
static bool listpack_of(struct buf *out, struct bytes ziplist) {
    struct ziplist z;
    struct bytes element;
    size_t count = 0;
    buf_add(out, "......", LP_EMPTY_BYTES - 1); /* the header's place */
    for (zl_open(&z, ziplist); zl_next(&z, &element); count++) {
        struct lp_value v = lp_value_of(element);
        lp_write((uint8_t *)buf_room(out, v.size), &v);
        buf_added(out, v.size);
    }
    buf_add(out, "\xff", 1);
    lp_write_header((uint8_t *)(uintptr_t)buf_head(out), buf_len(out), count);
    return !z.bad;
}

typedef bool new_packed_fn(struct store *s, int db, struct bytes key, struct bytes listpack,
                           int64_t expiry_ms);

static bool new_from_ziplist(new_packed_fn *fn, struct store *s, int db, struct bytes key,
                             struct bytes blob, int64_t expiry_ms) {
    struct buf listpack = BUF_INIT;
    bool well = listpack_of(&listpack, blob) &&
                fn(s, db, key, (struct bytes){buf_head(&listpack), buf_len(&listpack)}, expiry_ms);
    buf_free(&listpack);
    return well;
}

static bool hash_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    return new_from_ziplist(hash_new_packed, s, db, key, blob, expiry_ms);
}

static bool zset_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    return new_from_ziplist(zset_new_packed, s, db, key, blob, expiry_ms);
}

static bool hash_new_zipmap(struct store *s, int db, struct bytes key, struct bytes blob,
                            int64_t expiry_ms) {
    struct zipmap z;
    struct bytes field, value;
    bool well = true;
    struct entry *e = hash_new(s, db, key, expiry_ms);
    for (zipmap_open(&z, blob); well && zipmap_next(&z, &field, &value);)
        well = hash_set(s, db, e, field, value);
    well &= !z.bad && hash_len(e) > 0;
    if (!hash_len(e)) store_delete(s, db, e);
    return well;
}

/* Redis 7.2's small sets; here they are integers or a table. */
static bool set_new_listpack(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    const uint8_t *lp = (const uint8_t *)blob.p;
    char digits[LP_DIGITS];
    bool well = true;
    if (!lp_valid(lp, blob.len) || !lp_count(lp)) return false;
    struct entry *e = set_new(s, db, key, expiry_ms);
    for (const uint8_t *at = lp_first(lp); at && well; at = lp_next(lp, at))
        well = set_add(s, db, e, lp_get(at, digits));
    return well;
}

/* An element, or a piece in one of Redis's forms. */
static bool push_ziplist(struct store *s, int db, struct entry *e, struct bytes blob) {
    struct ziplist z;
    struct bytes element;
    for (zl_open(&z, blob); zl_next(&z, &element);) list_push(s, db, e, LIST_TAIL, element);
    return !z.bad;
}

/* An empty piece holds nothing. */
static bool push_packed(struct store *s, int db, struct entry *e, struct bytes blob) {
    const uint8_t *lp = (const uint8_t *)blob.p;
    if (blob.len == LP_EMPTY_BYTES && lp_valid(lp, blob.len)) return true;
    return list_push_packed(s, db, e, blob);
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
    uint64_t form = v->type == RDB_LIST_QUICKLIST_2 ? r->number : CONTAINER_PLAIN;
    bool well = false;
    if (v->type == RDB_LIST_QUICKLIST)
        well = push_ziplist(v->store, v->db, v->e, r->a);
    else if (form == CONTAINER_PACKED)
        well = push_packed(v->store, v->db, v->e, r->a);
    else if (form == CONTAINER_PLAIN && (r->a.len || v->type == RDB_LIST))
        well = push_plain(v->store, v->db, v->e, r->a);
    return not_empty(v->store, v->db, v->e, well && (list_len(v->e) || r->left));
}

static bool list_new_ziplist(struct store *s, int db, struct bytes key, struct bytes blob,
                             int64_t expiry_ms) {
    struct entry *e = list_new(s, db, key, expiry_ms);
    return not_empty(s, db, e, push_ziplist(s, db, e, blob) && list_len(e));
}

static const struct kind_load *kind_load(int rdb_type) {
    static const struct kind_load loads[] = {
        [RDB_HASH] = {NULL, hash_new, hash_item, "holds a field twice"},
        [RDB_HASH_LISTPACK] = {hash_new_packed, NULL, NULL, "is no sound listpack of fields"},
        [RDB_HASH_ZIPMAP] = {hash_new_zipmap, NULL, NULL, "is no sound zipmap of fields"},
        [RDB_HASH_ZIPLIST] = {hash_new_ziplist, NULL, NULL, "is no sound ziplist of fields"},
        [RDB_LIST] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_LIST_ZIPLIST] = {list_new_ziplist, NULL, NULL, LIST_REFUSAL},
        [RDB_LIST_QUICKLIST] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_LIST_QUICKLIST_2] = {NULL, list_new, list_item, LIST_REFUSAL},
        [RDB_SET] = {NULL, set_new, set_item, "holds a member twice"},
        [RDB_SET_INTSET] = {set_new_packed, NULL, NULL, "is no sound set of integers"},
        [RDB_SET_LISTPACK] = {set_new_listpack, NULL, NULL, "is no sound listpack of members"},
        [RDB_ZSET] = {NULL, zset_new, zset_item, ZSET_REFUSAL},
        [RDB_ZSET_2] = {NULL, zset_new, zset_item, ZSET_REFUSAL},
        [RDB_ZSET_ZIPLIST] = {zset_new_ziplist, NULL, NULL, "is no sound ziplist of scores"},
        [RDB_STREAM_LISTPACKS] = {NULL, xstream_new, value_stream_item, NULL},
        [RDB_STREAM_LISTPACKS_2] = {NULL, xstream_new, value_stream_item, NULL},
        [RDB_STREAM_LISTPACKS_3] = {NULL, xstream_new, value_stream_item, NULL},
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
    v->idle_s = r->idle_s;
    v->freq = r->freq;
    if (!value_loads_type(v->type))
        return refuse(v, "is of a kind that this version does not hold", err, err_size);
    /* Strings, of which there are most, are found out by value_load_string. */
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
            struct value_string whole = {key_of(v), r->a, v->expire_ms, v->idle_s, v->freq};
            return value_load_string(v, &whole, err, err_size);
        } else if (!k->whole(v->store, v->db, key_of(v), r->a, expiry_of(v))) {
            return refuse(v, k->refusal, err, err_size);
        }
        return true;
    case RDB_BEGIN:
        if (r->number == 0 && k->item != value_stream_item)
            return refuse(v, "is empty", err, err_size);
        v->e = k->begin(v->store, v->db, key_of(v), expiry_of(v));
        v->items = r->number;
        v->roomy = false;
        return true;
    case RDB_ITEM:
        if (!k->item(v, r)) return refuse(v, k->refusal ? k->refusal : v->why, err, err_size);
        return true;
    case RDB_KEY_END: {
        struct entry *e = v->type != RDB_STRING ? store_find(v->store, v->db, key_of(v)) : NULL;
        if (e) set_access(v, e, v->idle_s, v->freq);
        return true;
    }
    default: return true;
    }
}
