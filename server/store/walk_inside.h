/* How a kind has its big values walked in pieces. Inside server/store only; what a walker sees stands in store.h.
 *
 * Recipe. The value object (table, tree, list, stream, raw string: what the entry points to) gets one word
 * `struct value_walk *walked`, NULL when it is made and copied; the kind gets a struct walk_kind and its row in
 * walk_kind_of (walk.c). The life of a value_walk:
 *
 *   attach    the entry is about to change, or the cursor came to it. Now v belongs to the object: object->walked = v.
 *   changes   the kind's own functions, which called store_before_change first as ever, look at object->walked (one
 *             branch; NULL when nothing walks it) before they change an element, and see to it that what was there at
 *             the instant is handed out once: either at once (early), or by keeping it.
 *   step      its turn: items go out by walk_hand_out in as many steps as it takes.
 *   let_go    after the last item (end was called), or when the walk was given up and the steps, silent now, have taken
 *             off what marks there are: object->walked = NULL, what was kept beside is freed. Nothing of the walk is left.
 *
 * The key may move meanwhile (rename, move, swap, another stamp): v knows the object, not the entry. When the entry
 * is deleted or takes another value, or its database is flushed and the table of keys is gone, the object is not freed: it
 * becomes the walk's own, an orphan, which does not change any more, and is freed (`free`) at the end of its turn.
 * value_free of value.c and store_move see to that, for every kind. A kind that moves the object in memory writes
 * v->object anew; one that has no use for the object any more while v needs it (a string's bytes become an
 * integer) goes through value_free. */
#ifndef DUET_STORE_WALK_INSIDE_H
#define DUET_STORE_WALK_INSIDE_H

#include "server/store/inside.h"

struct value_walk {
    struct walked w;            /* what the walker sees */
    const struct walk_kind *of; /* the kind's functions */
    struct value_walk *next;    /* in the row of those that wait */
    void *object;
    struct space *space; /* in which its key stands now; NULL: none, the object is the walk's own */
    bool begun;          /* its turn has come: begin was called */
    size_t handed;       /* of w.count */
    /* The kind's own, zero at first: */
    uint64_t at;
    struct buf kept;
    void *inside;
};

struct walk_kind {
    /* The walk that the entry's value is attached to; NULL: none, or the form is none that is walked in pieces. */
    struct value_walk *(*attached)(const struct entry *e);
    /* Whether the value is to be walked in pieces (walk_is_big); it is asked of every entry of the kind. */
    bool (*is_big)(const struct store *s, const struct entry *e);
    /* Of such a one: fills in object, count, length and its own words, and writes the object's word. O(1). */
    void (*attach)(struct store *s, const struct entry *e, struct value_walk *v);
    /* Hands out items while walk_goes_on(s), at least one; false when there are none left and no mark of the walk is either. In a
     * silent walk (walk_is_silent) nothing is handed out: it has only marks to take off, those of an object that
     * others have still; what has none says false at once. */
    bool (*step)(struct store *s, struct value_walk *v);
    /* Frees what the kind keeps beside the object (v->kept is freed by the caller), and unless v is an orphan writes the
     * object's word. */
    void (*let_go)(struct store *s, struct value_walk *v);
    /* Frees an orphan's object, as the deletion of its key would have done; comes before let_go. */
    void (*free)(struct store *s, struct value_walk *v);
    /* For the verifier: bytes kept beside the object and counted in s->memory; with_object: and the object's (not `kept`'s). */
    size_t (*memory)(const struct value_walk *v, bool with_object);
    bool
        keeps; /* a silent walk takes steps of orphans too: what is kept of them is given back in these */
};

/* Longer bytes come in pieces. */
enum { WALK_PIECE_BYTES = 64 << 10 };

extern const struct walk_kind table_walk, zset_walk, string_walk, list_walk, xstream_walk;

/* Gives an item to the walker. From step it takes from what the step may do. */
void walk_hand_out(struct store *s, struct value_walk *v, const struct walk_item *i, bool early);
/* Whether the step has not done enough yet. */
static inline bool walk_goes_on(const struct store *s) {
    return s->walk.left > 0;
}
/* A place was gone past without an item; call it for each some. */
static inline void walk_spend(struct store *s, size_t cost) {
    s->walk.left -= (int64_t)cost;
}
/* Bytes that a kind keeps beside an object that is walked: so many more (or fewer). They are part of the store's memory. */
static inline void walk_keeps(struct store *s, size_t more) {
    s->memory += more;
    s->walk.kept += more;
}
/* The walk was given up: no item is wanted, no mark is to be made. */
static inline bool walk_is_silent(const struct store *s) {
    return s->walk.sweeping;
}
static inline bool walk_is_big(const struct store *s, size_t count, size_t bytes) {
    return count > s->settings.walk_whole_count || bytes > s->settings.walk_whole_bytes;
}

/* For value.c and store.c: the value is about to be freed; true: the walk has taken it. */
bool walk_takes(struct store *s, const struct entry *e);
/* Its key stands in another space now. */
void walk_follows(struct store *s, const struct entry *e, struct space *to);
/* Bytes that the walk holds. */
size_t walk_memory(const struct store *s);
void walk_verify(const struct store *s);

#endif
