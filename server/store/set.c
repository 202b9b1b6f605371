/* See set.h. An element of a big set: its length (a byte, or 255 and four bytes), then its bytes. */
#include "server/store/set.h"

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/proto/intset.h"
#include "server/store/table.h"

/* ---- Elements of the table ------------------------------------------------------------------- */

static struct bytes elem_member(const void *elem) {
    size_t len;
    const unsigned char *p = elem_get_len(elem, &len);
    return (struct bytes){(const char *)p, len};
}

static size_t elem_size(const void *elem) {
    size_t len = elem_member(elem).len;
    return elem_len_width(len) + len;
}

static void *member_new(struct store *s, struct bytes member) {
    void *elem = elem_new(s, elem_len_width(member.len) + member.len);
    memcpy(elem_put_len(elem, member.len), member.p, member.len);
    return elem;
}

static void elem_item(const void *elem, struct walk_item *i) {
    i->name = elem_member(elem);
}

static const struct elem_type members = {{elem_member, NULL}, elem_size, elem_item};

static struct table *table_of(const struct entry *e) {
    return entry_pointer(e);
}

static void add_to_table(struct store *s, struct table *t, struct bytes member) {
    table_add(t, member_new(s, member), dict_hash(member));
}

/* ---- Intsets --------------------------------------------------------------------------------- */

static bool is_packed(const struct entry *e) {
    return entry_form(e) == FORM_INTSET;
}

static const uint8_t *ints_of(const struct entry *e) {
    return entry_pointer(e);
}

static bool as_int(struct bytes member, int64_t *v) {
    return member.len <= 20 && num_parse_i64(member.p, member.len, v);
}

static void ints_resize(struct store *s, struct entry *e, size_t from, size_t to) {
    if (mem_class(from) == mem_class(to)) return;
    s->memory += mem_class(to) - mem_class(from);
    entry_set_pointer(e, xrealloc(entry_pointer(e), mem_class(to)));
}

static bool ints_add(struct store *s, struct entry *e, int64_t v) {
    size_t at, total = intset_total(ints_of(e));
    if (intset_find(ints_of(e), v, &at)) return false;
    ints_resize(s, e, total, intset_total_with(ints_of(e), v));
    intset_insert(entry_pointer(e), at, v);
    return true;
}

static bool ints_remove(struct store *s, struct entry *e, int64_t v) {
    size_t at, total = intset_total(ints_of(e));
    if (!intset_find(ints_of(e), v, &at)) return false;
    intset_remove(entry_pointer(e), at);
    ints_resize(s, e, total, intset_total(ints_of(e)));
    return true;
}

static void unpack(struct store *s, struct entry *e) {
    uint8_t *is = entry_pointer(e);
    struct table *t = table_new(s, &members);
    struct digits text;
    for (size_t i = 0; i < intset_count(is); i++)
        add_to_table(s, t, (struct bytes){text.text, num_format_i64(text.text, intset_at(is, i))});
    mem_free(&s->memory, is, intset_total(is));
    e->kind_form = KIND_SET | FORM_TABLE << 4;
    entry_set_pointer(e, t);
}

/* ---- Making ---------------------------------------------------------------------------------- */

struct entry *set_new(struct store *s, int db, struct bytes key, int64_t expiry_ms) {
    struct entry *e = store_put(s, db, key, KIND_SET, FORM_INTSET, 0, expiry_ms);
    uint8_t *is = mem_new(&s->memory, INTSET_EMPTY_BYTES);
    intset_init(is);
    entry_set_pointer(e, is);
    return e;
}

bool set_new_packed(struct store *s, int db, struct bytes key, struct bytes intset,
                    int64_t expiry_ms) {
    const uint8_t *is = (const uint8_t *)intset.p;
    if (!intset_valid(is, intset.len) || intset_count(is) == 0) return false;
    struct entry *e = store_put(s, db, key, KIND_SET, FORM_INTSET, 0, expiry_ms);
    entry_set_pointer(e, memcpy(mem_new(&s->memory, intset.len), is, intset.len));
    if (intset_count(is) > packed_limit(s->settings.set_max_packed)) unpack(s, e);
    return true;
}

bool set_reserve(struct store *s, int db, struct entry *e, size_t count) {
    must(entry_kind(e) == KIND_SET && !set_len(e), "the value is an empty set");
    if (count <= packed_limit(s->settings.set_max_packed)) return true;
    store_before_change(s, db, e);
    if (is_packed(e)) unpack(s, e);
    return dict_reserve(&table_of(e)->dict, count, RESERVE_SEGMENTS);
}

struct bytes set_packed(const struct entry *e) {
    if (!is_packed(e)) return (struct bytes){NULL, 0};
    return (struct bytes){(const char *)ints_of(e), intset_total(ints_of(e))};
}

/* ---- Members --------------------------------------------------------------------------------- */

size_t set_len(const struct entry *e) {
    return is_packed(e) ? intset_count(ints_of(e)) : table_len(table_of(e));
}

bool set_has(const struct entry *e, struct bytes member) {
    struct dict_place place;
    size_t at;
    int64_t v;
    if (is_packed(e)) return as_int(member, &v) && intset_find(ints_of(e), v, &at);
    return table_find(table_of(e), member, dict_hash(member), &place) != NULL;
}

bool set_add(struct store *s, int db, struct entry *e, struct bytes member) {
    int64_t v;
    must(entry_kind(e) == KIND_SET, "the value is a set");
    store_before_change(s, db, e);
    if (is_packed(e) && as_int(member, &v)) {
        bool added = ints_add(s, e, v);
        if (set_len(e) > packed_limit(s->settings.set_max_packed)) unpack(s, e);
        return added;
    }
    if (is_packed(e)) unpack(s, e);
    struct dict_place at;
    uint64_t hash = dict_hash(member);
    if (table_find(table_of(e), member, hash, &at)) return false;
    table_add(table_of(e), member_new(s, member), hash);
    return true;
}

bool set_remove(struct store *s, int db, struct entry *e, struct bytes member) {
    int64_t v;
    must(entry_kind(e) == KIND_SET, "the value is a set");
    store_before_change(s, db, e);
    if (is_packed(e)) return as_int(member, &v) && ints_remove(s, e, v);
    struct dict_place at;
    uint64_t hash = dict_hash(member);
    void *elem = table_find(table_of(e), member, hash, &at);
    if (!elem) return false;
    table_remove(s, table_of(e), hash, at, elem);
    return true;
}

/* ---- All members ----------------------------------------------------------------------------- */

struct each {
    set_each_fn *fn;
    void *arg;
    bool stopped;
};

static void each_elem(void *arg, void *elem) {
    struct each *each = arg;
    if (!each->stopped && !each->fn(each->arg, elem_member(elem))) each->stopped = true;
}

static void each_int(const uint8_t *is, set_each_fn *fn, void *arg) {
    struct digits d;
    for (size_t i = 0; i < intset_count(is); i++)
        if (!fn(arg, (struct bytes){d.text, num_format_i64(d.text, intset_at(is, i))})) return;
}

void set_each(const struct entry *e, set_each_fn *fn, void *arg) {
    struct each each = {fn, arg, false};
    uint64_t at = 0;
    if (is_packed(e)) {
        each_int(ints_of(e), fn, arg);
        return;
    }
    do {
        at = dict_each_in_group(&table_of(e)->dict, at, each_elem, &each);
    } while (at && !each.stopped);
}

uint64_t set_scan(const struct entry *e, uint64_t cursor, set_each_fn *fn, void *arg) {
    struct each each = {fn, arg, false};
    if (!is_packed(e)) return table_scan(table_of(e), cursor, each_elem, &each);
    each_int(ints_of(e), fn, arg);
    return 0;
}

struct bytes set_random(struct store *s, const struct entry *e, struct digits *d) {
    if (!is_packed(e)) return elem_member(table_random(s, table_of(e)));
    int64_t v = intset_at(ints_of(e), prng_below(&s->prng, set_len(e)));
    return (struct bytes){d->text, num_format_i64(d->text, v)};
}

/* ---- What the store asks of a kind ----------------------------------------------------------- */

void set_free(struct store *s, struct entry *e) {
    if (is_packed(e))
        mem_free(&s->memory, entry_pointer(e), intset_total(ints_of(e)));
    else
        table_free(s, table_of(e));
}

void set_copy(struct store *s, const struct entry *e, struct entry *to) {
    if (is_packed(e)) {
        size_t n = intset_total(ints_of(e));
        entry_set_pointer(to, memcpy(mem_new(&s->memory, n), ints_of(e), n));
    } else {
        entry_set_pointer(to, table_copy(s, table_of(e)));
    }
}

size_t set_memory(const struct entry *e) {
    return is_packed(e) ? mem_class(intset_total(ints_of(e))) : table_memory(table_of(e));
}

void set_verify(const struct entry *e) {
    if (is_packed(e)) {
        must(intset_valid(ints_of(e), intset_total(ints_of(e))), "a set's integers are sound");
    } else {
        const struct table *t = table_of(e);
        table_verify(t);
        must(t->walked || !t->dict.flagged, "no mark outlives its walk");
    }
    must(set_len(e) > 0, "an empty set has no key");
}

uint64_t set_compact(struct entry *e, uint64_t from, struct store_mover *m) {
    return is_packed(e) ? 0 : table_compact(table_of(e), from, m, NULL, NULL);
}
