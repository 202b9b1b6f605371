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
 * walk has passed is taken out of the set: then it is the list's alone.
 *
 * A chunk is given up only when it is changed a lot: few small changes are noted in the ghost, so that they can be taken
 * back in a copy when the walk comes to it. So what is kept beside the list is about what was changed meanwhile, and of a
 * chunk never more than itself. (list_keep.c has all that changes have to do with this.)
 *
 * When a list goes before the walk has passed it, it is the walk's own as it is, and does not change any more. */
#include "server/base/log.h"
#include "server/store/list_forms.h"
#include "server/store/list_walk.h"

/* ---- The way --------------------------------------------------------------------------------- */

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
    struct chunk *ch = &g->kept[w->slot].chunk;
    size_t before = w->bytes;
    list_undo_free(w, g->kept[w->slot].undo);
    if (!list_unset(w, ch->room)) {
        w->bytes -= ch->cap;
        store_give_back(w->s, ch->room, ch->cap);
    }
    w->within = 0;
    if (++w->slot == g->n) {
        w->now = g->next;
        w->slot = 0;
        mem_free(&w->bytes, g, list_ghost_size(g->n));
    }
    list_walk_count(w, before);
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
    struct list_walk *w = xcalloc(1, mem_class(list_walk_size(parts)));
    *w = (struct list_walk){.s = s, .bytes = mem_class(list_walk_size(parts)), .at = l->first};
    w->parts = parts;
    walk_keeps(s, w->bytes);
    v->object = l;
    v->w.count = l->chunks;
    v->w.length = l->len;
    v->inside = w;
    l->walked = v;
    l->seen = !l->seen;
}

static bool hand_out_piece(struct store *s, struct value_walk *v, const uint8_t *pack,
                           size_t total) {
    struct list_walk *w = v->inside;
    size_t n = total - w->within;
    if (n > WALK_PIECE_BYTES) n = WALK_PIECE_BYTES;
    struct walk_item i = {
        .name = {(const char *)pack + w->within, n},
        .whole = total,
        .at = w->within,
        .count = w->within + n == total,
    };
    w->within += n;
    walk_hand_out(s, v, &i, false);
    return i.count;
}

/* Hands out a piece of the next chunk; true when that was its last. */
static bool hand_out(struct store *s, struct value_walk *v, const struct list_walk *w) {
    const struct kept_chunk *k = &w->now->kept[w->slot];
    if (!k->undo)
        return hand_out_piece(s, v, chunk_look(&k->chunk, EYE_WALK), chunk_total(&k->chunk));
    uint8_t *pack = list_undone(k);
    bool last = hand_out_piece(s, v, pack, k->undo->total);
    free(pack);
    return last;
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
    w->bytes -= mem_class(list_walk_size(w->parts));
    must(!w->bytes, "a walk keeps nothing of what it has passed");
    walk_keeps(s, 0 - before);
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
