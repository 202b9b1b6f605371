/* What a walk keeps of a list, and what changes of the list have to do with it: see list_walk.c. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/list_walk.h"

static struct list_walk *walk_of(const struct list *l) {
    return l->walked->inside;
}

/* ---- The set --------------------------------------------------------------------------------- */

static uint64_t room_hash(const uint8_t *room) {
    return (uint64_t)(uintptr_t)room * 0x9e3779b97f4a7c15ULL;
}

static struct room_set *part_of(const struct list_walk *w, uint64_t hash) {
    return (struct room_set *)(uintptr_t)&w->shared[(hash >> 56) & (w->parts - 1)];
}

static uint32_t slot_of(const struct room_set *set, uint64_t hash) {
    return (uint32_t)(hash >> 24) & set->mask;
}

static void put(struct room_set *set, struct kept_chunk *k) {
    uint32_t i = slot_of(set, room_hash(k->chunk.room));
    while (set->slots[i]) i = (i + 1) & set->mask;
    set->slots[i] = k;
}

static void widen(struct list_walk *w, struct room_set *set) {
    struct room_set wider = {NULL, set->n, set->slots ? 2 * set->mask + 1 : SET_FIRST_SLOTS - 1};
    size_t bytes = (wider.mask + 1) * sizeof *wider.slots;
    wider.slots = mem_new(&w->bytes, bytes);
    memset(wider.slots, 0, bytes);
    for (uint32_t i = 0; set->slots && i <= set->mask; i++)
        if (set->slots[i]) put(&wider, set->slots[i]);
    if (set->slots) mem_free(&w->bytes, set->slots, (set->mask + 1) * sizeof *set->slots);
    *set = wider;
}

static void share(struct list_walk *w, struct kept_chunk *k) {
    struct room_set *set = part_of(w, room_hash(k->chunk.room));
    if (!set->slots || set->n >= set->mask / 4 * 3) widen(w, set);
    put(set, k);
    set->n++;
}

static struct kept_chunk **find(const struct list_walk *w, const uint8_t *room) {
    const struct room_set *set = part_of(w, room_hash(room));
    if (!set->n) return NULL;
    uint32_t i = slot_of(set, room_hash(room));
    while (set->slots[i] && set->slots[i]->chunk.room != room) i = (i + 1) & set->mask;
    return set->slots[i] ? &set->slots[i] : NULL;
}

/* Those behind it move up to where they are looked for. */
struct kept_chunk *list_unset(struct list_walk *w, const uint8_t *room) {
    struct kept_chunk **at = find(w, room), *k = at ? *at : NULL;
    if (!at) return NULL;
    struct room_set *set = part_of(w, room_hash(room));
    uint32_t hole = (uint32_t)(at - set->slots);
    for (uint32_t i = (hole + 1) & set->mask; set->slots[i]; i = (i + 1) & set->mask) {
        uint32_t wanted = slot_of(set, room_hash(set->slots[i]->chunk.room));
        if (((i - wanted) & set->mask) < ((i - hole) & set->mask)) continue;
        set->slots[hole] = set->slots[i];
        hole = i;
    }
    set->slots[hole] = NULL;
    set->n--;
    return k;
}

bool list_shares(const struct list *l, const struct chunk *ch) {
    return find(walk_of(l), ch->room) != NULL;
}

bool list_gives(struct list *l, const struct chunk *ch) {
    struct list_walk *w = walk_of(l);
    if (!list_unset(w, ch->room)) return false;
    w->bytes += ch->cap;
    walk_keeps(w->s, ch->cap);
    return true;
}

void list_unshare(struct list *l, struct chunk *ch) {
    struct chunk old = *ch;
    if (!list_gives(l, &old)) return;
    *ch = chunk_copy(&l->bytes, &old);
    l->bytes -= old.cap;
}

/* ---- Changes that can be taken back ----------------------------------------------------------- */

enum { UNDO_FIRST_BYTES = 64, UNDO_CHANGES = 64, UNDO_PART = 4 };

static size_t undo_size(size_t cap) {
    return sizeof(struct undo) + cap;
}

void list_undo_free(struct list_walk *w, struct undo *u) {
    if (u) mem_free(&w->bytes, u, undo_size(u->cap));
}

/* Room for so many bytes more; NULL: it would be too much for a chunk of that size. */
static struct undo *undo_room(struct list_walk *w, struct undo *u, size_t bytes, size_t total) {
    size_t used = u ? u->used : 0, cap = u ? u->cap : UNDO_FIRST_BYTES;
    if (used + bytes > total / UNDO_PART || (u && u->n == UNDO_CHANGES)) return NULL;
    while (cap < used + bytes) cap *= 2;
    if (u && cap == u->cap) return u;
    struct undo *wider = mem_new(&w->bytes, undo_size(cap));
    *wider = (struct undo){.total = (uint32_t)total};
    if (u) memcpy(wider, u, undo_size(used));
    wider->cap = (uint32_t)cap;
    list_undo_free(w, u);
    return wider;
}

struct kept_chunk *list_notes(struct list *l, const struct chunk *ch, const struct chunk_gap *gap) {
    struct list_walk *w = walk_of(l);
    struct kept_chunk **at = find(w, ch->room), *k = at ? *at : NULL;
    size_t before = w->bytes, total = lp_total(chunk_pack(ch));
    struct undo_mark mark = {(uint32_t)gap->offset, (uint32_t)gap->old_bytes,
                             (uint32_t)gap->new_bytes};
    if (!k || total > WALK_PIECE_BYTES || (w->now && k == &w->now->kept[w->slot] && w->within))
        return NULL;
    struct undo *u = undo_room(w, k->undo, gap->old_bytes + sizeof mark, total);
    if (!u) return NULL;
    memcpy(u->data + u->used, chunk_pack(ch) + gap->offset, gap->old_bytes);
    memcpy(u->data + u->used + gap->old_bytes, &mark, sizeof mark);
    u->used += (uint32_t)(gap->old_bytes + sizeof mark);
    u->n++;
    k->undo = u;
    list_walk_count(w, before);
    return k;
}

void list_follow(struct list *l, struct kept_chunk *k, const struct chunk *ch) {
    struct list_walk *w = walk_of(l);
    size_t before = w->bytes;
    bool moved = k->chunk.room != ch->room;
    if (moved) list_unset(w, k->chunk.room);
    k->chunk.room = ch->room;
    k->chunk.cap = ch->cap;
    k->chunk.at = ch->at;
    if (moved) share(w, k);
    list_walk_count(w, before);
}

uint8_t *list_undone(const struct kept_chunk *k) {
    const struct undo *u = k->undo;
    const uint8_t *at = u->data + u->used, *pack = chunk_pack(&k->chunk);
    size_t total = lp_total(pack);
    uint8_t *p = xmalloc(total + u->used); /* no change took more out than is kept */
    memcpy(p, pack, total);
    for (struct undo_mark m; at > u->data; total = total - m.new_bytes + m.old_bytes) {
        memcpy(&m, at -= sizeof m, sizeof m);
        memmove(p + m.offset + m.old_bytes, p + m.offset + m.new_bytes,
                total - m.offset - m.new_bytes);
        memcpy(p + m.offset, at -= m.old_bytes, m.old_bytes);
    }
    must(total == u->total, "what was changed can be taken back");
    lp_write_header(p, total, k->chunk.count);
    return p;
}

/* ---- Ghosts ---------------------------------------------------------------------------------- */

/* Ring b behind ring a; either may be NULL. Returns the last. */
static struct list_ghost *rings_join(struct list_ghost *a, struct list_ghost *b) {
    if (!a || !b) return a ? a : b;
    struct list_ghost *first = a->next;
    a->next = b->next;
    b->next = first;
    return b;
}

void list_keep_row(struct list *l, struct list_leaf *lf) {
    struct list_walk *w = walk_of(l);
    size_t n = lf->node.n, before = w->bytes;
    lf->node.seen = l->seen;
    if (!n || walk_is_silent(w->s)) return;
    struct list_ghost *g = mem_new(&w->bytes, list_ghost_size(n));
    *g = (struct list_ghost){g, (uint32_t)n};
    for (size_t i = 0; i < n; i++) {
        g->kept[i] = (struct kept_chunk){lf->chunk[i], NULL};
        share(w, &g->kept[i]);
    }
    lf->ghosts = rings_join(lf->ghosts, g);
    list_walk_count(w, before);
}

void list_keep_order(struct list *l, struct list_leaf *lf, struct list_leaf *next) {
    struct list_walk *w = walk_of(l);
    struct list_ghost **heir = next ? &next->ghosts : &w->behind;
    *heir = rings_join(lf->ghosts, *heir);
    lf->ghosts = NULL;
    if (w->at == lf) w->at = next;
}
