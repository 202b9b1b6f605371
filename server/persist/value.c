#include "server/persist/value.h"

#include "server/base/log.h"
#include "server/store/string.h"

#include <stdio.h>

void value_save(struct buf *out, const struct entry *e, bool compress) {
    struct digits d;
    struct bytes key = entry_key(e);
    switch (entry_kind(e)) {
    case KIND_STRING:
        rdb_put_key(out, RDB_STRING, key, entry_expiry(e), compress);
        rdb_put_string(out, string_bytes(e, &d), compress);
        return;
    default: bug("values of kind %s cannot be saved yet", kind_name(entry_kind(e)));
    }
}

bool value_loads_type(int rdb_type) {
    return rdb_type == RDB_STRING;
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
        if (store_find(v->store, v->db, r->a)) return refuse(v, "stands twice", err, err_size);
        return true;
    case RDB_VALUE:
        store_put_string(v->store, v->db, (struct bytes){buf_head(&v->key), buf_len(&v->key)}, r->a,
                         v->expire_ms < 0 ? NO_EXPIRY : v->expire_ms);
        return true;
    default: return true;
    }
}
