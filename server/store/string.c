/* See string.h. A string is an integer (8 bytes in the entry), bytes in the entry up to EMBED_MAX, or a raw
 * allocation with room to grow. */
#include "server/store/string.h"

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/store/inside.h"
#include "server/store/raw.h"

enum {
    GROW_DOUBLE_BELOW = 1 << 20
}; /* an edited string's room doubles below this, then grows by it */

struct bytes string_bytes(const struct entry *e, struct digits *d) {
    if (__builtin_expect(entry_form(e) == FORM_EMBEDDED, 1))
        return (struct bytes){entry_value_at(e), entry_embedded_len(e)};
    switch (entry_form(e)) {
    case FORM_INT: return (struct bytes){d->text, num_format_i64(d->text, entry_int(e))};
    case FORM_RAW: {
        const struct raw *raw = entry_pointer(e);
        return (struct bytes){raw->data, raw->len};
    }
    default: bug("string_bytes is asked of strings only");
    }
}

size_t string_len(const struct entry *e) {
    struct digits d;
    return string_bytes(e, &d).len;
}

bool string_is_int(const struct entry *e, int64_t *v) {
    if (entry_form(e) != FORM_INT) return false;
    *v = entry_int(e);
    return true;
}

/* ---- Whole values --------------------------------------------------------------------------- */

struct entry *string_put_plain(struct store *s, int db, struct bytes key, struct bytes value,
                               int64_t expiry_ms, bool edited) {
    struct entry *e;
    if (value.len <= EMBED_MAX) {
        e = store_put_embedded(s, db, key, value, expiry_ms);
    } else {
        e = store_put(s, db, key, KIND_STRING, FORM_RAW, 0, expiry_ms);
        entry_set_pointer(e, raw_new(&s->memory, value.p, value.len, value.len));
    }
    if (edited) e->flags |= ENTRY_EDITED;
    return e;
}

struct entry *store_put_string(struct store *s, int db, struct bytes key, struct bytes value,
                               int64_t expiry_ms) {
    int64_t v;
    if (value.len > 20 || !num_parse_i64(value.p, value.len, &v))
        return string_put_plain(s, db, key, value, expiry_ms, false);
    struct entry *e = store_put(s, db, key, KIND_STRING, FORM_INT, 0, expiry_ms);
    entry_set_int(e, v);
    return e;
}

struct entry *string_set_int(struct store *s, int db, struct entry *e, int64_t v) {
    must(entry_kind(e) == KIND_STRING, "the value is a string");
    store_before_change(s, db, e);
    if (entry_form(e) != FORM_INT) {
        struct entry_shape shape = entry_shape_of(e);
        value_free(s, e);
        shape.form = FORM_INT;
        e = store_reshape(s, db, e, shape);
        e->flags &= (uint8_t)~ENTRY_EDITED;
    }
    entry_set_int(e, v);
    return e;
}

/* ---- Editing in place ----------------------------------------------------------------------- */

static size_t room_for_growth(size_t len) {
    return len < GROW_DOUBLE_BELOW ? 2 * len : len + GROW_DOUBLE_BELOW;
}

/* From bytes in the entry to bytes outside, with room to grow if there were any: a new value is made as long as it
 * is, and most stay so. */
static struct entry *move_out(struct store *s, int db, struct entry *e, size_t new_len) {
    size_t old_len = entry_embedded_len(e);
    size_t cap = old_len ? room_for_growth(new_len) : new_len;
    struct raw *raw = raw_new(&s->memory, entry_value_at(e), old_len, cap);
    struct entry_shape shape = entry_shape_of(e);
    shape.form = FORM_RAW;
    shape.value_len = 0;
    e = store_reshape(s, db, e, shape);
    entry_set_pointer(e, raw);
    return e;
}

static struct raw *raw_with_room(struct store *s, struct entry *e, size_t len) {
    struct raw *raw = entry_pointer(e);
    if (len <= raw->cap) return raw;
    size_t old_size = mem_class(raw_size(raw->cap)), cap = room_for_growth(len);
    raw = xrealloc(raw, mem_class(raw_size(cap)));
    s->memory += mem_class(raw_size(cap)) - old_size;
    raw->cap = cap;
    if (raw->walked) string_moved(raw);
    entry_set_pointer(e, raw);
    return raw;
}

static struct entry *int_to_bytes(struct store *s, int db, struct entry *e) {
    struct digits d;
    struct bytes text = string_bytes(e, &d);
    struct entry_shape shape = entry_shape_of(e);
    shape.form = FORM_EMBEDDED;
    shape.value_len = text.len;
    e = store_reshape(s, db, e, shape);
    memcpy(entry_value_at(e), text.p, text.len);
    return e;
}

char *string_edit(struct store *s, int db, struct entry **ep, size_t new_len) {
    return string_edit_part(s, db, ep, new_len, 0, SIZE_MAX);
}

char *string_edit_part(struct store *s, int db, struct entry **ep, size_t new_len, size_t from,
                       size_t n) {
    struct entry *e = *ep;
    must(entry_kind(e) == KIND_STRING, "the value is a string");
    store_before_change(s, db, e);
    if (entry_form(e) == FORM_INT) e = int_to_bytes(s, db, e);
    size_t old_len = string_len(e);
    if (entry_form(e) == FORM_EMBEDDED && new_len > EMBED_MAX) e = move_out(s, db, e, new_len);
    char *data;
    if (entry_form(e) == FORM_RAW) {
        struct raw *raw = raw_with_room(s, e, new_len);
        if (__builtin_expect(raw->walked != NULL, 0)) {
            string_keep(raw, from, n);
            if (new_len > old_len) string_keep(raw, old_len, new_len - old_len);
        }
        raw->len = new_len;
        data = raw->data;
    } else {
        struct entry_shape shape = entry_shape_of(e);
        shape.value_len = new_len;
        if (new_len != old_len) e = store_reshape(s, db, e, shape);
        data = entry_value_at(e);
    }
    if (new_len > old_len) memset(data + old_len, 0, new_len - old_len);
    e->flags |= ENTRY_EDITED;
    *ep = e;
    return data;
}

void string_edit_here(struct entry *e, size_t from, size_t n) {
    if (entry_form(e) == FORM_RAW) string_keep(entry_pointer(e), from, n);
}
