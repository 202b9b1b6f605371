/* See list.h. What changes a list is in list_edit.c; here: its two forms, reading, and what the store asks of a kind. */
#include "server/store/list.h"

#include "server/base/log.h"
#include "server/store/list_inside.h"
#include "server/store/list_forms.h"
#include "server/store/packed.h"

void list_limits(int64_t setting, size_t *chunk_bytes, size_t *chunk_count) {
    *chunk_bytes = 8192; /* also where entries are counted */
    *chunk_count = setting > 0 ? (size_t)setting : setting ? LIST_CHUNK_COUNT_MAX : 1;
    if (*chunk_count > LIST_CHUNK_COUNT_MAX) *chunk_count = LIST_CHUNK_COUNT_MAX;
    if (setting < 0) *chunk_bytes = (size_t)4096 << (setting < -5 ? 4 : -setting - 1);
}

struct entry *list_new(struct store *s, int db, struct bytes key, int64_t expiry_ms) {
    struct entry *e = store_put(s, db, key, KIND_LIST, FORM_LISTPACK, 0, expiry_ms);
    entry_set_pointer(e, packed_new(s));
    return e;
}

/* ---- Two forms ------------------------------------------------------------------------------- */

struct chunk list_small(const struct entry *e) {
    uint8_t *lp = entry_pointer(e);
    return (struct chunk){lp, (uint32_t)mem_class(lp_total(lp)), 0, (uint32_t)lp_count(lp), 0};
}

struct list *list_unpack(struct store *s, struct entry *e) {
    struct list *l = dir_new();
    struct chunk ch = list_small(e);
    s->memory += l->bytes;
    if (ch.count) {
        l->bytes += ch.cap;
        dir_insert(l, (struct place){NULL, 0}, ch, true);
    } else {
        chunk_free(&s->memory, &ch);
    }
    e->kind_form = KIND_LIST | FORM_CHUNKS << 4;
    entry_set_pointer(e, l);
    return l;
}

/* One chunk that is at most half full is small again; the other half keeps it from coming and going. */
void list_pack_if_small(struct store *s, struct entry *e) {
    struct list *l = list_big(e);
    struct chunk ch;
    size_t before = l->bytes;
    if (l->chunks > 1 || l->walked) return;
    if (l->chunks) {
        ch = *place_chunk(dir_first(l));
        if (chunk_total(&ch) > s->settings.list_chunk_bytes / 2 ||
            ch.count > s->settings.list_chunk_count)
            return;
        dir_remove(l, dir_first(l));
        if (chunk_is_closed(&ch)) chunk_unclose(&l->bytes, &ch);
        chunk_tighten(&l->bytes, &ch);
    } else {
        ch = chunk_new(&l->bytes, LP_EMPTY_BYTES);
    }
    s->memory -= before - ch.cap; /* the chunk is the entry's now */
    dir_free(l);
    e->kind_form = KIND_LIST | FORM_LISTPACK << 4;
    entry_set_pointer(e, ch.room);
}

/* ---- Reading --------------------------------------------------------------------------------- */

size_t list_len(const struct entry *e) {
    return list_is_small(e) ? lp_count(packed_of(e)) : list_big(e)->len;
}

static void stand_in(struct list_cursor *c, struct place p) {
    c->leaf = p.leaf;
    c->slot = p.slot;
    c->pack = chunk_look(place_chunk(p), EYE_CURSOR);
}

bool list_seek(const struct entry *e, size_t index, struct list_cursor *c) {
    c->e = e;
    c->leaf = NULL;
    c->slot = 0;
    c->at = NULL;
    if (index >= list_len(e)) return false;
    if (list_is_small(e)) {
        struct chunk ch = list_small(e);
        c->pack = ch.room;
        c->at = chunk_seek(&ch, index);
        return true;
    }
    struct place p = dir_locate(list_big(e), index, &index);
    stand_in(c, p);
    c->at = chunk_seek_in(c->pack, place_chunk(p)->count, index);
    return true;
}

struct bytes list_here(struct list_cursor *c) {
    return lp_get(c->at, c->digits.text);
}

bool list_here_is(const struct list_cursor *c, const struct lp_value *value) {
    return lp_equals(c->at, value);
}

static struct place place_of(const struct list_cursor *c) {
    return (struct place){(struct list_leaf *)(uintptr_t)c->leaf, c->slot};
}

bool list_next(struct list_cursor *c) {
    c->at = lp_next(c->pack, c->at);
    if (c->at) return true;
    struct place p = c->leaf ? dir_next(place_of(c)) : (struct place){NULL, 0};
    if (!p.leaf) return false;
    stand_in(c, p);
    c->at = lp_first(c->pack);
    return true;
}

bool list_prev(struct list_cursor *c) {
    c->at = lp_prev(c->pack, c->at);
    if (c->at) return true;
    struct place p = c->leaf ? dir_prev(place_of(c)) : (struct place){NULL, 0};
    if (!p.leaf) return false;
    stand_in(c, p);
    c->at = lp_last(c->pack);
    return true;
}

size_t list_chunks(const struct entry *e) {
    return list_is_small(e) ? 1 : list_big(e)->chunks;
}

void list_each_chunk(const struct entry *e, list_chunk_fn *fn, void *arg) {
    if (list_is_small(e)) {
        fn(arg, (struct bytes){(const char *)packed_of(e), lp_total(packed_of(e))});
        return;
    }
    for (struct place p = dir_first(list_big(e)); p.leaf; p = dir_next(p)) {
        const struct chunk *ch = place_chunk(p);
        fn(arg, (struct bytes){(const char *)chunk_look(ch, EYE_WALK), chunk_total(ch)});
    }
}

/* ---- What the store asks of a kind ----------------------------------------------------------- */

/* Frees a chunk; false when that was the last, and the list is gone. */
static bool dismantle(struct store *s, void *value) {
    struct list *l = value;
    struct place p = dir_last(l);
    size_t before = l->bytes;
    if (p.leaf) {
        struct chunk ch = *place_chunk(p);
        dir_remove(l, p);
        chunk_free(&l->bytes, &ch);
    }
    s->memory -= before - l->bytes;
    if (l->chunks) return true;
    s->memory -= l->bytes;
    dir_free(l);
    return false;
}

static size_t bytes_of(const void *value) {
    const struct list *l = value;
    return l->bytes;
}

void list_bury(struct store *s, struct list *l) {
    if (l->chunks > LIST_AT_ONCE)
        store_ruin_later(s, l, dismantle, bytes_of);
    else
        while (dismantle(s, l)) {
        }
}

void list_free(struct store *s, struct entry *e) {
    if (list_is_small(e))
        packed_free(s, entry_pointer(e));
    else
        list_bury(s, list_big(e));
}

void list_copy(struct store *s, const struct entry *e, struct entry *to) {
    if (list_is_small(e)) {
        entry_set_pointer(to, packed_copy(s, packed_of(e)));
        return;
    }
    struct list *l = dir_new();
    for (struct place p = dir_first(list_big(e)); p.leaf; p = dir_next(p)) {
        struct chunk ch = chunk_copy(&l->bytes, place_chunk(p));
        dir_insert(l, dir_last(l), ch, true);
    }
    s->memory += l->bytes;
    entry_set_pointer(to, l);
}

size_t list_memory(const struct entry *e) {
    return list_is_small(e) ? packed_memory(e) : list_big(e)->bytes;
}

void list_verify(const struct entry *e) {
    if (list_is_small(e))
        must(lp_valid(packed_of(e), lp_total(packed_of(e))), "a small list is a sound listpack");
    else
        dir_verify(list_big(e));
    must(list_len(e) > 0, "an empty list has no key");
}

uint64_t list_compact(struct entry *e, uint64_t from, struct store_mover *m) {
    enum { CHUNKS = 16 };
    if (list_is_small(e)) return 0;
    struct list *l = list_big(e);
    size_t within, next = (size_t)from;
    if (next >= l->len) return 0;
    struct place p = dir_locate(l, next, &within);
    next -= within;
    for (int i = 0; i < CHUNKS && p.leaf; i++, p = dir_next(p)) {
        struct chunk *ch = place_chunk(p);
        ch->room = compact_move(m, ch->room, ch->cap);
        next += ch->count;
    }
    return p.leaf ? next : 0;
}
