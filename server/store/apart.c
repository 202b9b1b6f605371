/* See apart.h. */
#include "server/store/apart.h"

#include "server/base/num.h"
#include "server/store/dict_inside.h"
#include "server/store/inside.h"
#include "server/store/raw.h"
#include "server/store/table.h"
#include "server/store/zset_inside.h"

static struct entry *made(size_t *bytes, struct entry_shape shape, struct bytes key,
                          int64_t expiry_ms) {
    shape.expires = expiry_ms >= 0;
    struct entry *e = entry_new(bytes, shape, key, NULL);
    if (shape.expires) entry_write_stamp(e, expiry_ms);
    return e;
}

struct apart apart_string(struct bytes key, struct bytes value, int64_t expiry_ms) {
    struct apart a = {NULL, 0};
    struct entry_shape shape = {KIND_STRING, FORM_EMBEDDED, key.len, 0, false};
    int64_t v;
    if (value.len <= 20 && num_parse_i64(value.p, value.len, &v)) {
        shape.form = FORM_INT;
        a.e = made(&a.bytes, shape, key, expiry_ms);
        entry_set_int(a.e, v);
    } else if (value.len <= EMBED_MAX) {
        shape.value_len = value.len;
        a.e = made(&a.bytes, shape, key, expiry_ms);
        bytes_copy(entry_value_at(a.e), value.p, value.len);
    } else {
        shape.form = FORM_RAW;
        a.e = made(&a.bytes, shape, key, expiry_ms);
        entry_set_pointer(a.e, raw_new(&a.bytes, value.p, value.len, value.len));
    }
    return a;
}

void apart_free(struct apart a) {
    if (!a.e) return;
    if (entry_form(a.e) == FORM_RAW) free(entry_pointer(a.e));
    free(a.e);
}

static bool same_key(const struct dict *d, const void *elem, struct bytes key) {
    (void)d;
    return entry_key_is(elem, key);
}

bool apart_join(struct store *s, int db, struct apart a, struct bytes key, uint64_t hash,
                bool expires) {
    struct space *sp = s->spaces[db];
    struct dict_place at;
    if (dict_find_by(&sp->dict, key, hash, &at, same_key)) return false;
    if (walk_skips_new(s, sp, hash)) a.e->flags |= ENTRY_WALKED;
    s->found.e = NULL;
    s->memory += a.bytes;
    dict_add(&sp->dict, a.e, hash, expires);
    return true;
}

enum { SEGMENTS_AT_ONCE = 16 };

bool store_reserve(struct store *s, int db, size_t keys) {
    return dict_reserve(store_dict(s, db), keys, SEGMENTS_AT_ONCE);
}

static struct dict *items_of(const struct entry *e) {
    if (entry_form(e) == FORM_TABLE) return &((struct table *)entry_pointer(e))->dict;
    if (entry_form(e) == FORM_TREE) return &((struct zset *)entry_pointer(e))->members->dict;
    return NULL;
}

void store_prefetch_item(const struct entry *e, uint64_t hash) {
    const struct dict *d = items_of(e);
    if (d) dict_prefetch_bucket(d, hash);
}
