/* A list under a walk: what stood in it at one instant is handed out in order, chunk by chunk, while commands change it.
 *
 * Nothing is copied when the walk begins: only the list's `seen` is turned round, so that no leaf of the directory is
 * seen. A leaf that is about to change, or to which the walk comes, leaves a *ghost* behind: its row of chunks, 24 bytes
 * each. Ghosts stand in the order of the instant: a leaf has a ring of those that come before its own row, which it hands
 * on to the next leaf when it goes. So the walk takes the ghosts of a leaf, then its row if it is not seen, then the
 * next leaf; leaves and chunks that are new since the instant are of no concern to it.
 *
 * The room of a chunk in a ghost is the list's too, as long as it stands in the set `shared`. What is about to change
 * or free such a room gives it up (list_gives): then it is the ghost's alone, freed when the walk has passed it. What the
 * walk has passed is taken out of the set: then it is the list's alone. So what is kept beside the list are the chunks
 * that were touched meanwhile, no more.
 *
 * When a list goes before the walk has passed it, it is the walk's own as it is, and does not change any more. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/list_forms.h"
#include "server/store/walk_inside.h"

struct list_ghost {
    struct list_ghost *next; /* a ring where it hangs on a leaf */
    uint32_t n;
    struct chunk chunk[];
};

/* A set of rooms; that of a long list is in parts, so that none of them takes long to grow. */
enum { SET_PARTS = 256, SET_FIRST_SLOTS = 32, LONG_CHUNKS = 4096 };
struct room_set {
    uint8_t **slots; /* NULL: free */
    uint32_t n, mask;
};

struct list_walk {
    struct store *s;
    size_t bytes;              /* all that is kept, this included; part of the store's memory */
    struct list_leaf *at;      /* whose ghosts, then whose row come next */
    struct list_ghost *behind; /* a ring: those of leaves behind which there is none any more */
    struct list_ghost *now;    /* a row: those that the walk has taken from their leaf */
    unsigned slot;             /* in `now`: the chunk that comes next */
    size_t within;             /* how many bytes of it came */
    unsigned parts;
    struct room_set shared[];
};

static size_t walk_size(unsigned parts) {
    return sizeof(struct list_walk) + parts * sizeof(struct room_set);
}

static struct list_walk *walk_of(const struct list *l) {
    return l->walked->inside;
}

/* What was allocated or freed here is the store's. */
static void count(struct list_walk *w, size_t bytes_before) {
    w->s->memory += w->bytes - bytes_before;
}

/* ---- The set --------------------------------------------------------------------------------- */

static uint64_t room_hash(const uint8_t *room) {
    return (uint64_t)(uintptr_t)room * 0x9e3779b97f4a7c15ULL;
}

static struct room_set *part_of(struct list_walk *w, uint64_t hash) {
    return &w->shared[(hash >> 56) & (w->parts - 1)];
}

static uint32_t slot_of(const struct room_set *set, uint64_t hash) {
    return (uint32_t)(hash >> 24) & set->mask;
}

static void put(struct room_set *set, uint8_t *room) {
    uint32_t i = slot_of(set, room_hash(room));
    while (set->slots[i]) i = (i + 1) & set->mask;
    set->slots[i] = room;
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

static void share(struct list_walk *w, uint8_t *room) {
    struct room_set *set = part_of(w, room_hash(room));
    if (!set->slots || set->n >= set->mask / 4 * 3) widen(w, set);
    put(set, room);
    set->n++;
}

static uint8_t **find(struct list_walk *w, const uint8_t *room) {
    struct room_set *set = part_of(w, room_hash(room));
    if (!set->n) return NULL;
    uint32_t i = slot_of(set, room_hash(room));
    while (set->slots[i] && set->slots[i] != room) i = (i + 1) & set->mask;
    return set->slots[i] ? &set->slots[i] : NULL;
}

/* Takes the room out, if it is there; those behind it move up to where they are looked for. */
static bool unshare(struct list_walk *w, const uint8_t *room) {
    uint8_t **at = find(w, room);
    if (!at) return false;
    struct room_set *set = part_of(w, room_hash(room));
    uint32_t hole = (uint32_t)(at - set->slots);
    for (uint32_t i = (hole + 1) & set->mask; set->slots[i]; i = (i + 1) & set->mask) {
        uint32_t wanted = slot_of(set, room_hash(set->slots[i]));
        if (((i - wanted) & set->mask) < ((i - hole) & set->mask)) continue;
        set->slots[hole] = set->slots[i];
        hole = i;
    }
    set->slots[hole] = NULL;
    set->n--;
    return true;
}

bool list_shares(const struct list *l, const struct chunk *ch) {
    return find(walk_of(l), ch->room) != NULL;
}

bool list_gives(struct list *l, const struct chunk *ch) {
    struct list_walk *w = walk_of(l);
    if (!unshare(w, ch->room)) return false;
    w->bytes += ch->cap;
    w->s->memory += ch->cap;
    return true;
}

void list_unshare(struct list *l, struct chunk *ch) {
    struct chunk old = *ch;
    if (!list_gives(l, &old)) return;
    *ch = chunk_copy(&l->bytes, &old);
    l->bytes -= old.cap;
}

/* ---- Ghosts ---------------------------------------------------------------------------------- */

static size_t ghost_size(size_t n) {
    return sizeof(struct list_ghost) + n * sizeof(struct chunk);
}

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
    struct list_ghost *g = mem_new(&w->bytes, ghost_size(n));
    *g = (struct list_ghost){g, (uint32_t)n};
    memcpy(g->chunk, lf->chunk, n * sizeof *g->chunk);
    for (size_t i = 0; i < n; i++) share(w, g->chunk[i].room);
    lf->ghosts = rings_join(lf->ghosts, g);
    count(w, before);
}

void list_keep_order(struct list *l, struct list_leaf *lf, struct list_leaf *next) {
    struct list_walk *w = walk_of(l);
    struct list_ghost **heir = next ? &next->ghosts : &w->behind;
    *heir = rings_join(lf->ghosts, *heir);
    lf->ghosts = NULL;
    if (w->at == lf) w->at = next;
}

/* The row of a ring. */
static struct list_ghost *unring(struct list_ghost *last) {
    if (!last) return NULL;
    struct list_ghost *first = last->next;
    last->next = NULL;
    return first;
}

/* Sees to it that `now` is the ghost that comes next; false: there is none in the leaf that came next. */
static bool come_to(struct list *l, struct list_walk *w) {
    if (w->now) return true;
    struct list_leaf *lf = w->at;
    struct list_ghost **from = lf ? &lf->ghosts : &w->behind;
    if (lf) {
        list_keep(l, lf);
        w->at = lf->next;
    }
    w->now = unring(*from);
    *from = NULL;
    return w->now != NULL;
}

static bool is_left(const struct list_walk *w) {
    return w->now || w->at || w->behind;
}

/* The ghost's next chunk was handed out, or is not wanted. */
static void pass_chunk(struct list_walk *w) {
    struct list_ghost *g = w->now;
    struct chunk *ch = &g->chunk[w->slot];
    size_t before = w->bytes;
    if (!unshare(w, ch->room)) {
        w->bytes -= ch->cap;
        store_give_back(w->s, ch->room, ch->cap);
    }
    w->within = 0;
    if (++w->slot == g->n) {
        w->now = g->next;
        w->slot = 0;
        mem_free(&w->bytes, g, ghost_size(g->n));
    }
    count(w, before);
}

/* ---- What the store asks of a kind that is walked -------------------------------------------- */

static struct value_walk *attached(const struct entry *e) {
    return list_is_small(e) ? NULL : list_big(e)->walked;
}

static bool is_big(const struct store *s, const struct entry *e) {
    return !list_is_small(e) && walk_is_big(s, list_big(e)->chunks, list_big(e)->bytes);
}

static void attach(struct store *s, const struct entry *e, struct value_walk *v) {
    struct list *l = list_big(e);
    unsigned parts = l->chunks > LONG_CHUNKS ? SET_PARTS : 1;
    struct list_walk *w = xcalloc(1, mem_class(walk_size(parts)));
    *w = (struct list_walk){.s = s, .bytes = mem_class(walk_size(parts)), .at = l->first};
    w->parts = parts;
    s->memory += w->bytes;
    v->object = l;
    v->w.count = l->chunks;
    v->w.length = l->len;
    v->inside = w;
    l->walked = v;
    l->seen = !l->seen;
}

/* Hands out a piece of the next chunk; true when that was its last. */
static bool hand_out(struct store *s, struct value_walk *v, struct list_walk *w) {
    const struct chunk *ch = &w->now->chunk[w->slot];
    size_t total = chunk_total(ch), n = total - w->within;
    if (n > WALK_PIECE_BYTES) n = WALK_PIECE_BYTES;
    struct walk_item i = {
        .name = {(const char *)chunk_look(ch, EYE_WALK) + w->within, n},
        .whole = total,
        .at = w->within,
        .count = w->within + n == total,
    };
    w->within += n;
    walk_hand_out(s, v, &i, false);
    return i.count;
}

/* A silent walk goes the same way, so that all leaves are seen and what was kept is given back in steps. */
static bool step(struct store *s, struct value_walk *v) {
    struct list_walk *w = v->inside;
    bool silent = walk_is_silent(s);
    do {
        walk_spend(s, silent);
        if (!come_to(v->object, w)) continue;
        if (silent || hand_out(s, v, w)) pass_chunk(w);
    } while (walk_goes_on(s) && is_left(w));
    return is_left(w);
}

static void let_go(struct store *s, struct value_walk *v) {
    struct list_walk *w = v->inside;
    struct list *l = v->object;
    size_t before = w->bytes;
    if (v->space) l->walked = NULL;
    for (unsigned i = 0; i < w->parts; i++) {
        struct room_set *set = &w->shared[i];
        must(!set->n, "what a walk has passed is not shared");
        if (set->slots) mem_free(&w->bytes, set->slots, (set->mask + 1) * sizeof *set->slots);
    }
    w->bytes -= mem_class(walk_size(w->parts));
    must(!w->bytes, "a walk keeps nothing of what it has passed");
    s->memory -= before;
    free(w);
}

static void free_orphan(struct store *s, struct value_walk *v) {
    struct list *l = v->object;
    l->walked = NULL;
    list_bury(s, l);
}

static size_t memory(const struct value_walk *v, bool with_object) {
    const struct list_walk *w = v->inside;
    const struct list *l = v->object;
    return w->bytes + (with_object ? l->bytes : 0);
}

const struct walk_kind list_walk = {
    .attached = attached,
    .is_big = is_big,
    .attach = attach,
    .step = step,
    .let_go = let_go,
    .free = free_orphan,
    .memory = memory,
    .keeps = true,
};
