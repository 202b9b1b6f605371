/* The order of a big sorted set: a B+tree that counts, so that ranks are found and turned into elements in logarithmic
 * time. Inside server/store only. The elements (scored.h) belong to the index of members; the tree refers to them.
 *
 * Shape. A leaf is 512 bytes: up to 62 references of 48 bits in order of (score, member), each with a hint of 16 bits:
 * the bits of its score's key that tell the leaf's scores apart (see `base` and `shift`). So a search looks at
 * elements only where hints are equal, that is mostly at none or one. An inner node has up to 31 children, and for
 * each one the number of elements below it, its first element and that one's key.
 *
 * Fullness. A full leaf shares with up to three neighbours; only when these are nearly full, four leaves become
 * five. What is added at the very end, or at the very front, begins a new leaf there instead, so ascending scores
 * fill their leaves. Four neighbours that fit into three do so.
 *
 * A snapshot's walk in pieces, while the sorted set changes: zset_walk.c. */
#ifndef DUET_STORE_TREE_H
#define DUET_STORE_TREE_H

#include "server/store/scored.h"

struct tree {
    size_t *memory;  /* counts the nodes' bytes; the owner's */
    void *root;      /* NULL while it is empty */
    unsigned height; /* inner nodes from the root to a leaf */
    size_t count, leaves, inners;
};

void tree_init(struct tree *t, size_t *memory);
/* No element that is equal in score and member may be there. */
void tree_add(struct tree *t, void *elem);
/* The element, which must be there, gets another score and its new place. */
void tree_move(struct tree *t, void *elem, double score);
void tree_remove(struct tree *t, const void *elem);
/* The element stands elsewhere in memory now; both hold the same. */
void tree_replace(struct tree *t, const void *elem, void *copy);
/* Takes elements out from that rank on, at most max and at most those of one leaf; returns how many (at least 1). */
size_t tree_take(struct tree *t, size_t rank, void **out, size_t max);

/* How many elements stand before the mark. */
size_t tree_before(const struct tree *t, const struct mark *m);
size_t tree_rank(const struct tree *t, const void *elem);

/* A place between elements; the tree must not change meanwhile. */
struct tree_cursor {
    const void *leaf; /* NULL: not looked up yet */
    unsigned at;
    size_t rank;
};
static inline struct tree_cursor tree_cursor(size_t rank) {
    return (struct tree_cursor){NULL, 0, rank};
}
/* The element behind the place or before it, which is passed; NULL at the end. */
void *tree_next(const struct tree *t, struct tree_cursor *c);
void *tree_prev(const struct tree *t, struct tree_cursor *c);

/* A step of compaction: the nodes that begin between these ranks. */
void tree_compact(struct tree *t, size_t from, size_t end, struct store_mover *m);
/* Frees one node of a tree that is being thrown away; false when none is left. It does not look at the elements. */
bool tree_dismantle(struct tree *t);
size_t tree_memory(const struct tree *t);
/* Checks every invariant; bug() on the first that does not hold. */
void tree_verify(const struct tree *t);

#endif
