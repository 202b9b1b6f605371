/* See list_inside.h: the bytes of one chunk. */
#include <string.h>

#include "server/base/log.h"
#include "server/proto/lzf.h"
#include "server/store/list_inside.h"

enum { TRIM_BYTES = 256 }; /* smaller rooms are left as they are */

/* The listpack in another room, which begins `before` bytes into it. */
static void rehouse(size_t *memory, struct chunk *ch, size_t cap, size_t before) {
    uint8_t *room = mem_new(memory, cap);
    memcpy(room + before, chunk_pack(ch), chunk_total(ch));
    mem_free(memory, ch->room, ch->cap);
    ch->room = room;
    ch->cap = (uint32_t)mem_class(cap);
    ch->at = (uint32_t)before;
}

static void resize(size_t *memory, struct chunk *ch, size_t cap) {
    *memory += mem_class(cap) - ch->cap;
    ch->cap = (uint32_t)mem_class(cap);
    ch->room = xrealloc(ch->room, ch->cap);
}

struct chunk chunk_new(size_t *memory, size_t bytes) {
    struct chunk ch = {mem_new(memory, bytes), (uint32_t)mem_class(bytes), 0, 0, 0};
    lp_init(ch.room);
    return ch;
}

struct chunk chunk_of(size_t *memory, struct bytes listpack, size_t count) {
    struct chunk ch = {mem_new(memory, listpack.len), (uint32_t)mem_class(listpack.len), 0,
                       (uint32_t)count, 0};
    memcpy(ch.room, listpack.p, listpack.len);
    return ch;
}

struct chunk chunk_copy(size_t *memory, const struct chunk *ch) {
    struct chunk copy = *ch;
    const uint8_t *from = chunk_is_closed(ch) ? ch->room : chunk_pack(ch);
    size_t bytes = chunk_is_closed(ch) ? ch->lzf : chunk_total(ch);
    copy.room = mem_new(memory, bytes);
    copy.cap = (uint32_t)mem_class(bytes);
    if (!chunk_is_closed(ch)) copy.at = 0;
    memcpy(copy.room, from, bytes);
    return copy;
}

void chunk_free(size_t *memory, struct chunk *ch) {
    mem_free(memory, ch->room, ch->cap);
    ch->room = NULL;
}

void chunk_trim(size_t *memory, struct chunk *ch) {
    size_t total = chunk_total(ch);
    if (mem_class(total) == ch->cap || chunk_is_closed(ch)) return;
    if (ch->at)
        rehouse(memory, ch, total, 0);
    else
        resize(memory, ch, total);
}

void chunk_tighten(size_t *memory, struct chunk *ch) {
    if (ch->at) memmove(ch->room, chunk_pack(ch), chunk_total(ch));
    ch->at = 0;
    chunk_trim(memory, ch);
}

const uint8_t *chunk_seek_in(const uint8_t *pack, size_t count, size_t index) {
    must(index <= count, "an element is looked for in its chunk");
    if (index == count) return pack + lp_total(pack) - 1;
    if (index <= count / 2) return lp_seek(pack, (int64_t)index);
    return lp_seek(pack, (int64_t)index - (int64_t)count);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void inflate(const struct chunk *ch, uint8_t *to) {
    size_t n = lzf_decompress(ch->room, ch->lzf, to, ch->at);
    must(n == ch->at, "a closed chunk opens to what it was");
}

void chunk_close(size_t *memory, struct chunk *ch) {
    static _Thread_local uint8_t *lzf;
    size_t total = lp_total(chunk_pack(ch));
    if (total < CLOSE_LEAST_BYTES || total > CLOSE_MOST_BYTES) {
        ch->lzf = CHUNK_STIFF;
        return;
    }
    if (!lzf) lzf = xmalloc(CLOSE_MOST_BYTES);
    size_t n = lzf_compress(chunk_pack(ch), total, lzf, total - CLOSE_GAIN_BYTES);
    ch->lzf = n ? (uint32_t)n : CHUNK_STIFF;
    if (!n) return;
    mem_free(memory, ch->room, ch->cap);
    ch->room = mem_new(memory, n);
    ch->cap = (uint32_t)mem_class(n);
    ch->at = (uint32_t)total;
    memcpy(ch->room, lzf, n);
}

void chunk_unclose(size_t *memory, struct chunk *ch) {
    uint8_t *room = mem_new(memory, ch->at);
    inflate(ch, room);
    mem_free(memory, ch->room, ch->cap);
    ch->room = room;
    ch->cap = (uint32_t)mem_class(ch->at);
    ch->at = 0;
    ch->lzf = CHUNK_OPEN;
}

const uint8_t *chunk_look_inside(const struct chunk *ch, enum chunk_eye eye) {
    static _Thread_local uint8_t *seen[EYE_WALK + 1];
    if (!seen[eye]) seen[eye] = xmalloc(CLOSE_MOST_BYTES);
    inflate(ch, seen[eye]);
    return seen[eye];
}

/* ---- Making room ----------------------------------------------------------------------------- */

/* The bytes behind the gap move to where they belong; the listpack's beginning stays. */
static void move_tail(struct chunk *ch, const struct chunk_gap *g, size_t total) {
    uint8_t *p = chunk_pack(ch) + g->offset;
    memmove(p + g->new_bytes, p + g->old_bytes, total - g->offset - g->old_bytes);
}

/* Those before it move, the header with them. */
static void move_head(struct chunk *ch, const struct chunk_gap *g) {
    uint8_t *from = chunk_pack(ch);
    ch->at = (uint32_t)(ch->at + g->old_bytes - g->new_bytes);
    memmove(chunk_pack(ch), from, g->offset);
}

static void open_tight(size_t *memory, struct chunk *ch, const struct chunk_gap *g, size_t total,
                       size_t new_total) {
    size_t cap = mem_class(new_total);
    if (cap > ch->cap) resize(memory, ch, cap);
    move_tail(ch, g, total);
    if (cap < ch->cap) resize(memory, ch, cap);
}

/* No side has room enough: slides the listpack within its room where that will do for a while, or finds it another. */
static void make_room(size_t *memory, struct chunk *ch, size_t total, size_t new_total,
                      enum chunk_room room, size_t most_bytes) {
    size_t cap = ch->cap, want = new_total + new_total / 2;
    if (want > most_bytes) want = most_bytes;
    if (want < new_total || room == ROOM_FIT) want = new_total;
    bool slide = cap >= mem_class(want) || cap >= new_total + new_total / 4;
    if (!slide) cap = mem_class(want);
    size_t before = room == ROOM_HEAD ? cap - total : 0;
    if (!slide) {
        rehouse(memory, ch, cap, before);
        return;
    }
    memmove(ch->room + before, chunk_pack(ch), total);
    ch->at = (uint32_t)before;
}

static bool fits_before(const struct chunk *ch, const struct chunk_gap *g) {
    return ch->at + g->old_bytes >= g->new_bytes;
}

static bool fits_behind(const struct chunk *ch, size_t new_total) {
    return ch->at + new_total <= ch->cap;
}

/* Room at the other end will not do for a row of elements to come at this one. */
static bool is_short(const struct chunk *ch, const struct chunk_gap *g, size_t new_total,
                     enum chunk_room room) {
    if (room == ROOM_HEAD) return !fits_before(ch, g);
    if (room == ROOM_TAIL) return !fits_behind(ch, new_total);
    return !fits_before(ch, g) && !fits_behind(ch, new_total);
}

uint8_t *chunk_open(size_t *memory, struct chunk *ch, struct chunk_gap gap, enum chunk_room room,
                    size_t most_bytes) {
    size_t total = lp_total(chunk_pack(ch)), new_total = total - gap.old_bytes + gap.new_bytes;
    must(!chunk_is_closed(ch), "a chunk is open when it is changed");
    must(gap.offset + gap.old_bytes < total, "a gap lies in its chunk");
    if (room == ROOM_TIGHT) {
        open_tight(memory, ch, &gap, total, new_total);
    } else {
        bool head = gap.offset < total - gap.offset - gap.old_bytes; /* the shorter side moves */
        if (is_short(ch, &gap, new_total, room))
            make_room(memory, ch, total, new_total, room, most_bytes);
        if (fits_before(ch, &gap) && (head || !fits_behind(ch, new_total)))
            move_head(ch, &gap);
        else
            move_tail(ch, &gap, total);
    }
    ch->count = (uint32_t)(ch->count - gap.old_count + gap.new_count);
    ch->lzf = CHUNK_OPEN;
    lp_write_header(chunk_pack(ch), new_total, ch->count);
    if (room != ROOM_TIGHT && new_total < total && ch->cap > TRIM_BYTES && ch->cap / 2 > new_total)
        chunk_trim(memory, ch);
    return chunk_pack(ch) + gap.offset;
}

/* ---- Several elements ------------------------------------------------------------------------ */

struct chunk chunk_split(size_t *memory, struct chunk *ch, size_t offset, size_t before) {
    size_t total = chunk_total(ch), moved = total - 1 - offset, count = ch->count - before;
    struct chunk right = chunk_new(memory, LP_EMPTY_BYTES + moved);
    memcpy(right.room + LP_EMPTY_BYTES - 1, chunk_pack(ch) + offset, moved);
    right.count = (uint32_t)count;
    lp_write_header(right.room, LP_EMPTY_BYTES + moved, count);
    chunk_open(memory, ch, (struct chunk_gap){offset, moved, count, 0, 0}, ROOM_FIT, 0);
    return right;
}

void chunk_join(size_t *memory, struct chunk *a, struct chunk *b) {
    size_t moved = chunk_total(b) - LP_EMPTY_BYTES;
    struct chunk_gap gap = {chunk_total(a) - 1, 0, 0, moved, b->count};
    uint8_t *to = chunk_open(memory, a, gap, ROOM_FIT, 0);
    memcpy(to, chunk_pack(b) + LP_EMPTY_BYTES - 1, moved);
    chunk_free(memory, b);
}

size_t chunk_count_equal(const struct chunk *ch, const struct lp_value *value) {
    const uint8_t *at = chunk_pack(ch) + LP_EMPTY_BYTES - 1;
    size_t n = 0;
    for (; (at = lp_find_value(at, value)) != NULL; at += lp_size(at)) n++;
    return n;
}

size_t chunk_remove_equal(size_t *memory, struct chunk *ch, const struct lp_value *value,
                          size_t skip, size_t most, enum chunk_room room) {
    uint8_t *pack = chunk_pack(ch);
    uint8_t *to = pack + LP_EMPTY_BYTES - 1, *from = to; /* what stays and was not moved yet */
    const uint8_t *at = from;
    size_t taken = 0, size;
    for (; taken < most && (at = lp_find_value(at, value)) != NULL; at += size) {
        size = lp_size(at);
        if (skip && skip--) continue;
        memmove(to, from, (size_t)(at - from));
        to += at - from;
        from = pack + (at - pack) + size;
        taken++;
    }
    if (!taken) return 0;
    /* All that goes lies now between what stays before and what stays behind. */
    struct chunk_gap gap = {(size_t)(to - pack), (size_t)(from - to), taken, 0, 0};
    chunk_open(memory, ch, gap, room, 0);
    return taken;
}
