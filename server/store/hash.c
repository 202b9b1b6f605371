/* See hash.h. An element of a big hash: field length, value length (a byte each, or 255 and four bytes), field,
 * value. */
#include "server/store/hash.h"

#include "server/base/log.h"
#include "server/store/packed.h"
#include "server/store/table.h"

/* ---- Elements of the table ------------------------------------------------------------------- */

static struct bytes elem_field(const void *elem) {
    size_t field_len, value_len;
    const unsigned char *p = elem_get_len(elem_get_len(elem, &field_len), &value_len);
    return (struct bytes){(const char *)p, field_len};
}

static struct bytes elem_value(const void *elem) {
    size_t field_len, value_len;
    const unsigned char *p = elem_get_len(elem_get_len(elem, &field_len), &value_len);
    return (struct bytes){(const char *)p + field_len, value_len};
}

static size_t size_of(struct bytes field, struct bytes value) {
    return elem_len_width(field.len) + elem_len_width(value.len) + field.len + value.len;
}

static size_t elem_size(const void *elem) {
    return size_of(elem_field(elem), elem_value(elem));
}

static void *pair_new(struct store *s, struct bytes field, struct bytes value) {
    void *elem = elem_new(s, size_of(field, value));
    unsigned char *p = elem_put_len(elem_put_len(elem, field.len), value.len);
    memcpy(p, field.p, field.len);
    memcpy(p + field.len, value.p, value.len);
    return elem;
}

static void elem_item(const void *elem, struct walk_item *i) {
    i->name = elem_field(elem);
    i->value = elem_value(elem);
}

static const struct elem_type fields = {{elem_field, NULL}, elem_size, elem_item};

static struct table *table_of(const struct entry *e) {
    return entry_pointer(e);
}

static bool is_packed(const struct entry *e) {
    return entry_form(e) == FORM_LISTPACK;
}

/* ---- Making ---------------------------------------------------------------------------------- */

struct entry *hash_new(struct store *s, int db, struct bytes key, int64_t expiry_ms) {
    struct entry *e = store_put(s, db, key, KIND_HASH, FORM_LISTPACK, 0, expiry_ms);
    entry_set_pointer(e, packed_new(s));
    return e;
}

/* Whether a pair fits the limits of small hashes. */
static bool stays_packed(const struct store *s, struct bytes field, struct bytes value) {
    return field.len <= s->settings.hash_max_packed_bytes &&
           value.len <= s->settings.hash_max_packed_bytes;
}

static void add_to_table(struct store *s, struct table *t, struct bytes field, struct bytes value) {
    table_add(t, pair_new(s, field, value), dict_hash(field));
}

static void unpack(struct store *s, struct entry *e) {
    uint8_t *lp = entry_pointer(e);
    struct table *t = table_new(s, &fields);
    char field[LP_DIGITS], value[LP_DIGITS];
    for (const uint8_t *f = lp_first(lp), *v; f; f = lp_next(lp, v)) {
        v = lp_next(lp, f);
        add_to_table(s, t, lp_get(f, field), lp_get(v, value));
    }
    packed_free(s, lp);
    e->kind_form = KIND_HASH | FORM_TABLE << 4;
    entry_set_pointer(e, t);
}

bool hash_new_packed(struct store *s, int db, struct bytes key, struct bytes listpack,
                     int64_t expiry_ms) {
    const uint8_t *lp = (const uint8_t *)listpack.p;
    if (!lp_valid(lp, listpack.len) || lp_count(lp) == 0 || lp_count(lp) % 2) return false;
    if (packed_has_twins(lp)) return false;
    /* As in Redis, how long its values are matters when the next one is added. */
    bool fits = lp_count(lp) / 2 <= packed_limit(s->settings.hash_max_packed);
    struct entry *e = store_put(s, db, key, KIND_HASH, FORM_LISTPACK, 0, expiry_ms);
    entry_set_pointer(e, packed_copy(s, lp));
    if (!fits || listpack.len > PACKED_MAX_BYTES) unpack(s, e);
    return true;
}

bool hash_reserve(struct store *s, int db, struct entry *e, size_t count) {
    must(entry_kind(e) == KIND_HASH && !hash_len(e), "the value is an empty hash");
    if (count <= packed_limit(s->settings.hash_max_packed)) return true;
    store_before_change(s, db, e);
    if (is_packed(e)) unpack(s, e);
    return dict_reserve(&table_of(e)->dict, count, RESERVE_SEGMENTS);
}

struct bytes hash_packed(const struct entry *e) {
    return is_packed(e) ? packed_bytes(e) : (struct bytes){NULL, 0};
}

/* ---- Fields ---------------------------------------------------------------------------------- */

size_t hash_len(const struct entry *e) {
    return is_packed(e) ? lp_count(packed_of(e)) / 2 : table_len(table_of(e));
}

bool hash_get(const struct entry *e, struct bytes field, struct bytes *value, struct digits *d) {
    if (is_packed(e)) {
        const uint8_t *lp = packed_of(e), *at = lp_find(lp, lp_first(lp), field, 2);
        if (at) *value = lp_get(lp_next(lp, at), d->text);
        return at != NULL;
    }
    struct dict_place at;
    const void *elem = table_find(table_of(e), field, dict_hash(field), &at);
    if (elem) *value = elem_value(elem);
    return elem != NULL;
}

static bool set_packed(struct store *s, struct entry *e, struct bytes field, struct bytes value) {
    const uint8_t *lp = packed_of(e), *at = lp_find(lp, lp_first(lp), field, 2);
    struct bytes pair[] = {field, value};
    if (at)
        packed_splice(s, e, lp_next(lp, at), 1, &value, 1);
    else
        packed_splice(s, e, NULL, 0, pair, 2);
    return !at;
}

static bool set_in_table(struct store *s, struct table *t, struct bytes field, struct bytes value) {
    struct dict_place at;
    uint64_t hash = dict_hash(field);
    void *elem = table_find(t, field, hash, &at);
    if (!elem) {
        table_add(t, pair_new(s, field, value), hash);
        return true;
    }
    struct bytes old = elem_value(elem);
    table_before_change(s, t, hash, at, elem);
    if (old.len == value.len)
        memcpy((char *)(uintptr_t)old.p, value.p, value.len);
    else
        table_replace(s, t, hash, at, elem, pair_new(s, field, value));
    return false;
}

bool hash_set(struct store *s, int db, struct entry *e, struct bytes field, struct bytes value) {
    must(entry_kind(e) == KIND_HASH, "the value is a hash");
    store_before_change(s, db, e);
    if (is_packed(e)) {
        if (!stays_packed(s, field, value) || packed_overflows(e, field.len + value.len))
            unpack(s, e);
    }
    if (!is_packed(e)) return set_in_table(s, table_of(e), field, value);
    bool added = set_packed(s, e, field, value);
    if (hash_len(e) > packed_limit(s->settings.hash_max_packed)) unpack(s, e);
    return added;
}

bool hash_delete(struct store *s, int db, struct entry *e, struct bytes field) {
    must(entry_kind(e) == KIND_HASH, "the value is a hash");
    store_before_change(s, db, e);
    if (is_packed(e)) {
        const uint8_t *lp = packed_of(e), *at = lp_find(lp, lp_first(lp), field, 2);
        if (at) packed_splice(s, e, at, 2, NULL, 0);
        return at != NULL;
    }
    struct dict_place at;
    uint64_t hash = dict_hash(field);
    void *elem = table_find(table_of(e), field, hash, &at);
    if (!elem) return false;
    table_remove(s, table_of(e), hash, at, elem);
    return true;
}

/* ---- All fields ------------------------------------------------------------------------------ */

struct each {
    hash_each_fn *fn;
    void *arg;
};

static void each_elem(void *arg, void *elem) {
    const struct each *each = arg;
    each->fn(each->arg, elem_field(elem), elem_value(elem));
}

static void each_packed(const uint8_t *lp, hash_each_fn *fn, void *arg) {
    char field[LP_DIGITS], value[LP_DIGITS];
    for (const uint8_t *f = lp_first(lp), *v; f; f = lp_next(lp, v)) {
        v = lp_next(lp, f);
        fn(arg, lp_get(f, field), lp_get(v, value));
    }
}

void hash_each(const struct entry *e, hash_each_fn *fn, void *arg) {
    struct each each = {fn, arg};
    if (is_packed(e))
        each_packed(packed_of(e), fn, arg);
    else
        dict_each(&table_of(e)->dict, each_elem, &each);
}

uint64_t hash_scan(const struct entry *e, uint64_t cursor, hash_each_fn *fn, void *arg) {
    struct each each = {fn, arg};
    if (!is_packed(e)) return table_scan(table_of(e), cursor, each_elem, &each);
    each_packed(packed_of(e), fn, arg);
    return 0;
}

void hash_random(struct store *s, const struct entry *e, struct bytes *field, struct bytes *value,
                 struct digits *df, struct digits *dv) {
    if (!is_packed(e)) {
        const void *elem = table_random(s, table_of(e));
        *field = elem_field(elem);
        *value = elem_value(elem);
        return;
    }
    const uint8_t *lp = packed_of(e);
    const uint8_t *at = lp_seek(lp, 2 * (int64_t)prng_below(&s->prng, hash_len(e)));
    *field = lp_get(at, df->text);
    *value = lp_get(lp_next(lp, at), dv->text);
}

/* ---- What the store asks of a kind ----------------------------------------------------------- */

void hash_free(struct store *s, struct entry *e) {
    if (is_packed(e))
        packed_free(s, entry_pointer(e));
    else
        table_free(s, table_of(e));
}

void hash_copy(struct store *s, const struct entry *e, struct entry *to) {
    if (is_packed(e))
        entry_set_pointer(to, packed_copy(s, packed_of(e)));
    else
        entry_set_pointer(to, table_copy(s, table_of(e)));
}

size_t hash_memory(const struct entry *e) {
    return is_packed(e) ? packed_memory(e) : table_memory(table_of(e));
}

void hash_verify(const struct entry *e) {
    if (is_packed(e)) {
        const uint8_t *lp = packed_of(e);
        must(lp_valid(lp, lp_total(lp)), "a hash's listpack is sound");
        must(lp_count(lp) % 2 == 0, "a hash has pairs");
    } else {
        const struct table *t = table_of(e);
        table_verify(t);
        must(t->walked || !t->dict.flagged, "no mark outlives its walk");
    }
    must(hash_len(e) > 0, "an empty hash has no key");
}

uint64_t hash_compact(struct entry *e, uint64_t from, struct store_mover *m) {
    return is_packed(e) ? 0 : table_compact(table_of(e), from, m, NULL, NULL);
}
