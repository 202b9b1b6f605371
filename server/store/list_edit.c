/* See list.h: whatever changes a list. */
#include "server/base/log.h"
#include "server/store/list.h"
#include "server/store/list_forms.h"
#include "server/store/packed.h"

static size_t limit_of(const struct store *s) {
    return s->settings.list_chunk_bytes;
}

static bool has_room(const struct store *s, const struct chunk *ch, size_t bytes, size_t count) {
    return ch->count + count <= s->settings.list_chunk_count &&
           chunk_total(ch) + bytes <= limit_of(s);
}

/* A small list is one allocation, and handed out by walks at once: one that is longer than this is a big one, though
 * it has one chunk. */
static bool fits_small(size_t bytes) {
    enum { SMALL_BYTES = 64 << 10 };
    return bytes <= SMALL_BYTES;
}

static bool has_room_small(const struct store *s, const struct chunk *ch, size_t bytes) {
    return ch->count ? has_room(s, ch, bytes, 1) : fits_small(LP_EMPTY_BYTES + bytes);
}

/* What every change begins and ends with; the list's bytes are part of the store's. */
struct edit {
    struct store *s;
    struct entry *e;
    struct list *l; /* NULL: small */
    size_t bytes_before, chunks_before;
};

static struct edit edit_begin(struct store *s, int db, struct entry *e) {
    must(entry_kind(e) == KIND_LIST, "the value is a list");
    store_before_change(s, db, e);
    struct edit ed = {s, e, list_is_small(e) ? NULL : list_big(e), 0, 0};
    if (ed.l) {
        ed.bytes_before = ed.l->bytes;
        ed.chunks_before = ed.l->chunks;
    }
    return ed;
}

static void edit_unpack(struct edit *ed) {
    ed->l = list_unpack(ed->s, ed->e);
    ed->bytes_before = ed->l->bytes;
    ed->chunks_before = ed->l->chunks;
}

static void edit_end(struct edit *ed) {
    if (ed->l) ed->s->memory += ed->l->bytes - ed->bytes_before;
}

/* Replaces a part of a small list. */
static uint8_t *small_open(struct edit *ed, struct chunk *ch, struct chunk_gap gap) {
    uint8_t *at = chunk_open(&ed->s->memory, ch, gap, ROOM_TIGHT, 0);
    entry_set_pointer(ed->e, ch->room);
    return at;
}

/* What is closed, or belongs to a walk too. */
static __attribute__((noinline)) void make_ready(struct edit *ed, struct place p) {
    dir_open(ed->l, p);
    if (!ed->l->walked) return;
    list_keep(ed->l, p.leaf);
    list_unshare(ed->l, place_chunk(p));
}

/* The chunk at p, to be looked into and changed. */
static inline struct chunk *open_at(struct edit *ed, struct place p) {
    if (__builtin_expect(chunk_is_closed(place_chunk(p)) || ed->l->walked, 0)) make_ready(ed, p);
    return place_chunk(p);
}

/* The same for one that big_open will change. */
static inline struct chunk *look_at(struct edit *ed, struct place p) {
    if (__builtin_expect(chunk_is_closed(place_chunk(p)), 0)) dir_open(ed->l, p);
    return place_chunk(p);
}

/* chunk_open of a chunk that a walk may need as it is. */
static __attribute__((noinline)) uint8_t *open_noted(struct edit *ed, struct place p,
                                                     struct chunk_gap gap, enum chunk_room room) {
    struct chunk *ch = place_chunk(p);
    list_keep(ed->l, p.leaf);
    struct kept_chunk *noted = list_notes(ed->l, ch, &gap);
    if (!noted) list_unshare(ed->l, ch);
    uint8_t *at = chunk_open(&ed->l->bytes, ch, gap, room, limit_of(ed->s));
    if (noted) list_follow(ed->l, noted, ch);
    return at;
}

/* Replaces a part of a big list's chunk. */
static inline uint8_t *big_open(struct edit *ed, struct place p, struct chunk_gap gap,
                                enum chunk_room room) {
    struct chunk *ch = look_at(ed, p);
    uint8_t *at = ed->l->walked ? open_noted(ed, p, gap, room)
                                : chunk_open(&ed->l->bytes, ch, gap, room, limit_of(ed->s));
    dir_count(ed->l, p, (int64_t)gap.new_count - (int64_t)gap.old_count);
    return at;
}

static struct chunk_gap gap_before(const struct chunk *ch, const uint8_t *at, size_t bytes) {
    return (struct chunk_gap){(size_t)(at - chunk_pack(ch)), 0, 0, bytes, 1};
}

static struct chunk_gap gap_at_end(const struct chunk *ch, enum list_end end, size_t bytes) {
    size_t offset = end == LIST_HEAD ? LP_EMPTY_BYTES - 1 : chunk_total(ch) - 1;
    return (struct chunk_gap){offset, 0, 0, bytes, 1};
}

/* ---- Closed chunks --------------------------------------------------------------------------- */

static size_t open_ends(const struct edit *ed) {
    enum { MOST = 1024 }; /* so that looking for the ends takes no time to speak of */
    size_t ends = ed->s->settings.list_open_ends;
    return ends < MOST ? ends : MOST;
}

static bool is_near_end(const struct edit *ed, struct place p) {
    struct place before = p, behind = p;
    if (ed->l->chunks <= 2 * open_ends(ed)) return true;
    for (size_t i = 0; i < open_ends(ed); i++) {
        before = dir_prev(before);
        behind = dir_next(behind);
        if (!before.leaf || !behind.leaf) return true;
    }
    return false;
}

static void close_again(struct edit *ed, struct place p) {
    if (open_ends(ed) && place_chunk(p)->lzf == CHUNK_OPEN && !is_near_end(ed, p))
        dir_close(ed->l, p);
}

/* Chunks came or went: those that are near an end now are opened, and the first ones that are not are closed. */
static void settle_ends(struct edit *ed) {
    enum { AT_ONCE = 16 }; /* another setting is met in steps */
    struct list *l = ed->l;
    bool far = l->chunks > 2 * open_ends(ed);
    if (!open_ends(ed) || (!far && !l->closed)) return;
    struct place head = dir_first(l), tail = dir_last(l);
    size_t opened = 0;
    for (size_t i = 0; i < open_ends(ed) && head.leaf && tail.leaf; i++) {
        opened += (size_t)dir_open(l, head) + (size_t)dir_open(l, tail);
        if (opened >= AT_ONCE) return;
        head = dir_next(head);
        tail = dir_prev(tail);
    }
    if (!far) return;
    dir_close(l, head);
    dir_close(l, tail);
}

/* A change about the element of that index touched its chunk and the ones beside it. */
static void settle(struct edit *ed, size_t index) {
    enum { BESIDE = 2 };
    size_t within;
    if (!open_ends(ed)) return;
    if (ed->l->len) {
        struct place p = dir_locate(ed->l, index < ed->l->len ? index : ed->l->len - 1, &within);
        struct place prev = dir_prev(p);
        int n = BESIDE + 1;
        for (; prev.leaf && n <= 2 * BESIDE; prev = dir_prev(p), n++) p = prev;
        for (; p.leaf && n; p = dir_next(p), n--) close_again(ed, p);
    }
    if (ed->l->chunks != ed->chunks_before) settle_ends(ed);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* A chunk of one element beside p, with room for more where the list grows. */
static struct place chunk_beside(struct edit *ed, struct place p, bool after,
                                 const struct lp_value *v, enum chunk_room room) {
    enum { FIRST_ROOM = 1024 };
    size_t bytes = LP_EMPTY_BYTES + v->size;
    if (room != ROOM_FIT && ed->s->settings.list_chunk_count > 1 && bytes < FIRST_ROOM &&
        limit_of(ed->s) > FIRST_ROOM)
        bytes = FIRST_ROOM;
    struct chunk ch = chunk_new(&ed->l->bytes, bytes);
    struct chunk_gap gap = gap_at_end(&ch, LIST_TAIL, v->size);
    lp_write(chunk_open(&ed->l->bytes, &ch, gap, room, limit_of(ed->s)), v);
    return dir_insert(ed->l, p, ch, after);
}

static void big_push(struct edit *ed, enum list_end end, const struct lp_value *v) {
    enum chunk_room room = end == LIST_HEAD ? ROOM_HEAD : ROOM_TAIL;
    struct place p = end == LIST_HEAD ? dir_first(ed->l) : dir_last(ed->l);
    if (p.leaf && has_room(ed->s, place_chunk(p), v->size, 1)) {
        lp_write(big_open(ed, p, gap_at_end(place_chunk(p), end, v->size), room), v);
        return;
    }
    if (p.leaf) dir_trim(ed->l, p);
    chunk_beside(ed, p, end == LIST_TAIL, v, room);
    settle_ends(ed);
}

void list_push(struct store *s, int db, struct entry *e, enum list_end end, struct bytes value) {
    struct lp_value v = lp_value_of(value);
    struct edit ed = edit_begin(s, db, e);
    must(value.len <= LIST_ELEMENT_MAX, "an element is not too long");
    if (!ed.l) {
        struct chunk ch = list_small(e);
        if (has_room_small(s, &ch, v.size)) {
            lp_write(small_open(&ed, &ch, gap_at_end(&ch, end, v.size)), &v);
            return;
        }
        edit_unpack(&ed);
    }
    big_push(&ed, end, &v);
    edit_end(&ed);
}

static void push_each(struct edit *ed, const uint8_t *lp) {
    char digits[LP_DIGITS];
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at)) {
        struct lp_value v = lp_value_of(lp_get(at, digits));
        big_push(ed, LIST_TAIL, &v);
    }
}

bool list_push_packed(struct store *s, int db, struct entry *e, struct bytes listpack) {
    const uint8_t *lp = (const uint8_t *)listpack.p;
    if (listpack.len > (size_t)1 << 30 || !lp_valid(lp, listpack.len)) return false;
    size_t count = lp_count(lp);
    if (!count) return false;
    bool fits =
        count == 1 || (listpack.len <= limit_of(s) && count <= s->settings.list_chunk_count);
    struct edit ed = edit_begin(s, db, e);
    if (fits && fits_small(listpack.len) && !list_len(e)) {
        packed_free(s, entry_pointer(e)); /* an empty list is a small one */
        entry_set_pointer(e, packed_copy(s, lp));
        return true;
    }
    if (!ed.l) edit_unpack(&ed);
    if (fits) {
        dir_insert(ed.l, dir_last(ed.l), chunk_of(&ed.l->bytes, listpack, count), true);
        settle_ends(&ed);
    } else {
        push_each(&ed, lp);
    }
    edit_end(&ed);
    list_pack_if_small(s, e);
    return true;
}

/* ---- The middle ------------------------------------------------------------------------------ */

/* The chunk has no room before the element at `at`: finds some beside it, else makes some. */
static void insert_crowded(struct edit *ed, struct place p, size_t within,
                           const struct lp_value *v) {
    struct chunk *ch = place_chunk(p);
    struct place prev = dir_prev(p);
    if (within == 0 && prev.leaf && has_room(ed->s, place_chunk(prev), v->size, 1)) {
        lp_write(big_open(ed, prev, gap_at_end(place_chunk(prev), LIST_TAIL, v->size), ROOM_FIT),
                 v);
    } else if (within == 0) {
        chunk_beside(ed, p, false, v, ROOM_FIT);
    } else {
        open_at(ed, p);
        size_t offset = (size_t)(chunk_seek(ch, within) - chunk_pack(ch));
        size_t moved = ch->count - within;
        struct chunk right = chunk_split(&ed->l->bytes, ch, offset, within);
        dir_count(ed->l, p, -(int64_t)moved);
        struct place r = dir_insert(ed->l, p, right, true);
        struct place left = dir_prev(r);
        if (has_room(ed->s, place_chunk(left), v->size, 1))
            lp_write(
                big_open(ed, left, gap_at_end(place_chunk(left), LIST_TAIL, v->size), ROOM_FIT), v);
        else if (has_room(ed->s, place_chunk(r), v->size, 1))
            lp_write(big_open(ed, r, gap_at_end(place_chunk(r), LIST_HEAD, v->size), ROOM_FIT), v);
        else
            chunk_beside(ed, left, true, v, ROOM_FIT);
    }
}

static void big_insert(struct edit *ed, size_t index, const struct lp_value *v) {
    if (index == 0 || index == ed->l->len) {
        big_push(ed, index ? LIST_TAIL : LIST_HEAD, v);
        return;
    }
    size_t within;
    struct place p = dir_locate(ed->l, index, &within);
    struct chunk *ch = place_chunk(p);
    bool room = has_room(ed->s, ch, v->size, 1);
    if (room || within) look_at(ed, p);
    if (room)
        lp_write(big_open(ed, p, gap_before(ch, chunk_seek(ch, within), v->size), ROOM_FIT), v);
    else
        insert_crowded(ed, p, within, v);
}

void list_insert(struct store *s, int db, struct entry *e, size_t index, struct bytes value) {
    struct lp_value v = lp_value_of(value);
    struct edit ed = edit_begin(s, db, e);
    must(value.len <= LIST_ELEMENT_MAX && index <= list_len(e), "an element and its place fit");
    if (!ed.l) {
        struct chunk ch = list_small(e);
        if (has_room_small(s, &ch, v.size)) {
            lp_write(small_open(&ed, &ch, gap_before(&ch, chunk_seek(&ch, index), v.size)), &v);
            return;
        }
        edit_unpack(&ed);
    }
    big_insert(&ed, index, &v);
    settle(&ed, index);
    edit_end(&ed);
}

/* ---- Removing -------------------------------------------------------------------------------- */

static struct chunk_gap gap_of(const struct chunk *ch, size_t within, size_t count) {
    const uint8_t *from = chunk_seek(ch, within), *to = from;
    if (within + count == ch->count)
        to = chunk_seek(ch, ch->count);
    else
        for (size_t i = 0; i < count; i++) to += lp_size(to);
    return (struct chunk_gap){(size_t)(from - chunk_pack(ch)), (size_t)(to - from), count, 0, 0};
}

/* Makes one chunk of the one at p and the one behind it when they have room in it. */
static bool join(struct edit *ed, struct place p) {
    struct place next = dir_next(p);
    if (!next.leaf) return false;
    struct chunk *a = place_chunk(p), b = *place_chunk(next);
    if (!has_room(ed->s, a, chunk_total(&b) - LP_EMPTY_BYTES, b.count)) return false;
    open_at(ed, p);
    b = *open_at(ed, next);
    dir_remove(ed->l, next); /* p stays good */
    chunk_join(&ed->l->bytes, a, &b);
    dir_count(ed->l, p, b.count);
    return true;
}

/* Chunks that go as a whole: freed at once when they are few, else handed to store_work as a list of their own. */
struct leavings {
    struct list *l;
    size_t freed;
};

static struct place take_chunk(struct edit *ed, struct place p, struct leavings *gone) {
    struct chunk ch = *place_chunk(p);
    p = dir_remove(ed->l, p);
    if (ed->l->walked && list_gives(ed->l, &ch)) {
        ed->l->bytes -= ch.cap;
        return p;
    }
    if (gone->freed++ < LIST_AT_ONCE) {
        chunk_free(&ed->l->bytes, &ch);
        return p;
    }
    if (!gone->l) gone->l = dir_new();
    ed->l->bytes -= ch.cap;
    gone->l->bytes += ch.cap;
    dir_insert(gone->l, dir_last(gone->l), ch, true);
    return p;
}

static void bury_leavings(struct edit *ed, struct leavings *gone) {
    if (!gone->l) return;
    ed->s->memory += gone->l->bytes;
    list_bury(ed->s, gone->l);
}

static void big_remove(struct edit *ed, size_t index, size_t count) {
    struct leavings gone = {NULL, 0};
    size_t within;
    struct place p = dir_locate(ed->l, index, &within);
    while (count) {
        struct chunk *ch = place_chunk(p);
        size_t n = ch->count - within < count ? ch->count - within : count;
        if (n == ch->count) {
            p = take_chunk(ed, p, &gone);
        } else {
            big_open(ed, p, gap_of(look_at(ed, p), within, n), ROOM_FIT);
            p = dir_next(p);
        }
        count -= n;
        within = 0;
    }
    bury_leavings(ed, &gone);
    /* where something was taken from the middle, what is left at either side may fit together */
    if (index && index < ed->l->len) join(ed, dir_locate(ed->l, index - 1, &within));
}

void list_remove(struct store *s, int db, struct entry *e, size_t index, size_t count) {
    struct edit ed = edit_begin(s, db, e);
    must(count <= list_len(e) && index <= list_len(e) - count, "what is removed is there");
    if (!count) return;
    if (!ed.l) {
        struct chunk ch = list_small(e);
        small_open(&ed, &ch, gap_of(&ch, index, count));
        return;
    }
    big_remove(&ed, index, count);
    settle(&ed, index);
    edit_end(&ed);
    list_pack_if_small(s, e);
}

/* How many of a chunk's equal ones are passed over when at most so many are taken from an end. */
static size_t skipped(const struct chunk *ch, const struct lp_value *v, size_t most,
                      enum list_end from) {
    if (from == LIST_HEAD || most >= ch->count) return 0;
    size_t n = chunk_count_equal(ch, v);
    return n > most ? n - most : 0;
}

/* A closed chunk is opened for what is in it only, and one that a walk needs is copied for that only. */
static bool lacks(const struct list *l, const struct chunk *ch, const struct lp_value *v) {
    return (chunk_is_closed(ch) || l->walked) &&
           !lp_find_value(chunk_look(ch, EYE_WALK) + LP_EMPTY_BYTES - 1, v);
}

static size_t big_remove_equal(struct edit *ed, const struct lp_value *v, size_t most,
                               enum list_end from) {
    struct leavings gone = {NULL, 0};
    size_t removed = 0;
    struct place p = from == LIST_HEAD ? dir_first(ed->l) : dir_last(ed->l), next;
    for (; p.leaf && removed < most; p = next) {
        struct place prev = dir_prev(p);
        next = from == LIST_HEAD ? dir_next(p) : prev;
        if (lacks(ed->l, place_chunk(p), v)) continue;
        if (ed->l->walked && place_chunk(p)->count == 1) { /* it may be huge: not to be copied */
            struct place behind = take_chunk(ed, p, &gone);
            if (from == LIST_HEAD) next = behind;
            removed++;
            continue;
        }
        struct chunk *ch = open_at(ed, p);
        size_t skip = skipped(ch, v, most - removed, from);
        size_t n = chunk_remove_equal(&ed->l->bytes, ch, v, skip, most - removed, ROOM_FIT);
        if (!n) continue;
        removed += n;
        dir_count(ed->l, p, -(int64_t)n);
        if (!ch->count) {
            struct place behind = take_chunk(ed, p, &gone);
            if (from == LIST_HEAD) next = behind;
            continue;
        }
        if (from == LIST_TAIL) {
            join(ed, p);
        } else if (prev.leaf && join(ed, prev)) {
            p = prev;
            next = dir_next(p);
        }
        close_again(ed, p);
    }
    bury_leavings(ed, &gone);
    if (ed->l->chunks != ed->chunks_before) settle_ends(ed);
    return removed;
}

size_t list_remove_equal(struct store *s, int db, struct entry *e, struct bytes value, size_t most,
                         enum list_end from) {
    struct lp_value v = lp_value_of(value);
    struct edit ed = edit_begin(s, db, e);
    if (!ed.l) {
        struct chunk ch = list_small(e);
        size_t skip = skipped(&ch, &v, most, from);
        size_t n = chunk_remove_equal(&s->memory, &ch, &v, skip, most, ROOM_TIGHT);
        entry_set_pointer(e, ch.room);
        return n;
    }
    size_t removed = big_remove_equal(&ed, &v, most, from);
    edit_end(&ed);
    list_pack_if_small(s, e);
    return removed;
}

/* ---- Replacing ------------------------------------------------------------------------------- */

static bool has_room_instead(const struct store *s, const struct chunk *ch, size_t old,
                             size_t new) {
    return ch->count == 1 || new <= old || chunk_total(ch) - old + new <= limit_of(s);
}

static struct chunk_gap gap_for(const struct chunk *ch, size_t within, size_t bytes) {
    struct chunk_gap gap = gap_of(ch, within, 1);
    gap.new_bytes = bytes;
    gap.new_count = 1;
    return gap;
}

/* Another chunk in the place of one of one element, so that its bytes need not be copied for a walk. */
static void replace_chunk(struct edit *ed, struct place p, const struct lp_value *v) {
    struct chunk *ch = place_chunk(p), new = chunk_new(&ed->l->bytes, LP_EMPTY_BYTES + v->size);
    struct chunk_gap gap = gap_at_end(&new, LIST_TAIL, v->size);
    lp_write(chunk_open(&ed->l->bytes, &new, gap, ROOM_FIT, 0), v);
    list_keep(ed->l, p.leaf);
    ed->l->closed -= chunk_is_closed(ch);
    list_drop_chunk(ed->l, ch);
    *ch = new;
}

void list_set(struct store *s, int db, struct entry *e, size_t index, struct bytes value) {
    struct lp_value v = lp_value_of(value);
    struct edit ed = edit_begin(s, db, e);
    must(value.len <= LIST_ELEMENT_MAX && index < list_len(e), "an element and its place fit");
    if (!ed.l) {
        struct chunk ch = list_small(e);
        struct chunk_gap gap = gap_for(&ch, index, v.size);
        size_t total = chunk_total(&ch) - gap.old_bytes + v.size;
        if (has_room_instead(s, &ch, gap.old_bytes, v.size) && fits_small(total)) {
            lp_write(small_open(&ed, &ch, gap), &v);
            return;
        }
        edit_unpack(&ed);
    }
    size_t within;
    struct place p = dir_locate(ed.l, index, &within);
    if (ed.l->walked && place_chunk(p)->count == 1) {
        replace_chunk(&ed, p, &v);
        settle(&ed, index);
        edit_end(&ed);
        return;
    }
    struct chunk_gap gap = gap_for(look_at(&ed, p), within, v.size);
    if (has_room_instead(s, place_chunk(p), gap.old_bytes, v.size)) {
        lp_write(big_open(&ed, p, gap, ROOM_FIT), &v);
    } else {
        big_remove(&ed, index, 1);
        big_insert(&ed, index, &v);
    }
    settle(&ed, index);
    edit_end(&ed);
}
