/* What a walk keeps of a list; inside server/store only. For list_keep.c and list_walk.c. */
#ifndef DUET_STORE_LIST_WALK_H
#define DUET_STORE_LIST_WALK_H

#include "server/store/list_inside.h"
#include "server/store/walk_inside.h"

/* What changed in a chunk that a ghost and the list share: how to take it back, last change last. Behind the bytes that
 * went stands what happened there. */
struct undo {
    uint32_t used, cap, n; /* bytes of data; changes */
    uint32_t total;        /* bytes of the listpack at the instant */
    uint8_t data[];
};
struct undo_mark {
    uint32_t offset, old_bytes, new_bytes;
};

/* A chunk of the instant. As long as it is shared, room, cap and at are those of the list's chunk. */
struct kept_chunk {
    struct chunk chunk;
    struct undo *undo; /* NULL: it is as it was */
};

struct list_ghost {
    struct list_ghost *next; /* a ring where it hangs on a leaf */
    uint32_t n;
    struct kept_chunk kept[];
};

/* A set of what is shared, found by room; that of a long list is in parts, so that none of them takes long to grow. */
enum { SET_PARTS = 256, SET_FIRST_SLOTS = 32, LONG_CHUNKS = 4096 };
struct room_set {
    struct kept_chunk **slots; /* NULL: free */
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

static inline size_t list_walk_size(unsigned parts) {
    return sizeof(struct list_walk) + parts * sizeof(struct room_set);
}
/* What was allocated or freed is the store's. */
static inline void list_walk_count(struct list_walk *w, size_t bytes_before) {
    walk_keeps(w->s, w->bytes - bytes_before);
}
static inline size_t list_ghost_size(size_t n) {
    return sizeof(struct list_ghost) + n * sizeof(struct kept_chunk);
}
/* Takes it out of the set; NULL: it was not there, the room is a ghost's or the list's alone. */
struct kept_chunk *list_unset(struct list_walk *w, const uint8_t *room);
void list_undo_free(struct list_walk *w, struct undo *u);
/* The chunk's listpack as it was, in an allocation that the caller frees. */
uint8_t *list_undone(const struct kept_chunk *k);

#endif
