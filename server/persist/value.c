#include "server/persist/value.h"

#include "server/base/log.h"
#include "server/store/hash.h"
#include "server/store/set.h"

#include <stdio.h>

#define STANDS_TWICE "stands twice"

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

void value_save(struct buf *out, const struct entry *e, bool compress) {
    struct digits d;
    struct bytes key = entry_key(e);
    switch (entry_kind(e)) {
    case KIND_STRING:
        rdb_put_key(out, RDB_STRING, key, entry_expiry(e), compress);
        rdb_put_string(out, string_bytes(e, &d), compress);
        return;
    case KIND_HASH: save_hash(out, e, compress); return;
    case KIND_SET: save_set(out, e, compress); return;
    default: bug("values of kind %s cannot be saved yet", kind_name(entry_kind(e)));
    }
}

bool value_loads_type(int rdb_type) {
    return rdb_type == RDB_STRING || rdb_type == RDB_HASH || rdb_type == RDB_HASH_LISTPACK ||
           rdb_type == RDB_SET || rdb_type == RDB_SET_INTSET;
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
    return store_count(v->store, v->db) > before;
}

bool value_load_event(struct value_load *v, enum rdb_event ev, const struct rdb_reader *r,
                      char *err, size_t err_size) {
    switch (ev) {
    case RDB_KEY:
        buf_clear(&v->key);
        buf_add(&v->key, r->a.p, r->a.len);
        v->type = r->type;
        v->expire_ms = r->expire_ms;
        if (!value_loads_type(v->type))
            return refuse(v, "is of a kind that this version does not hold", err, err_size);
        /* Strings, of which there are most, are found out by put_string. */
        if (v->type != RDB_STRING && store_find(v->store, v->db, r->a))
            return refuse(v, STANDS_TWICE, err, err_size);
        return true;
    case RDB_VALUE:
        if (v->type == RDB_STRING) {
            if (!put_string(v, r->a)) return refuse(v, STANDS_TWICE, err, err_size);
        } else if (v->type == RDB_SET_INTSET) {
            if (!set_new_packed(v->store, v->db, key_of(v), r->a, expiry_of(v)))
                return refuse(v, "is no sound set of integers", err, err_size);
        } else if (!hash_new_packed(v->store, v->db, key_of(v), r->a, expiry_of(v))) {
            return refuse(v, "is no sound listpack of fields", err, err_size);
        }
        return true;
    case RDB_BEGIN:
        if (r->number == 0) return refuse(v, "is empty", err, err_size);
        v->e = v->type == RDB_SET ? set_new(v->store, v->db, key_of(v), expiry_of(v))
                                  : hash_new(v->store, v->db, key_of(v), expiry_of(v));
        return true;
    case RDB_ITEM:
        if (!(v->type == RDB_SET ? set_add(v->store, v->db, v->e, r->a)
                                 : hash_set(v->store, v->db, v->e, r->a, r->b)))
            return refuse(v, "holds a member twice", err, err_size);
        return true;
    default: return true;
    }
}
