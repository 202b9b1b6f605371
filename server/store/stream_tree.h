/* Ids in order, each with a record of fixed width: a B+tree that is filled at its end and mostly emptied at its
 * beginning. A stream's nodes, what is pending in a group and what is pending for a consumer stand in such trees. Inside
 * server/store only.
 *
 * Leaves are linked, and of one size but for the leaf of a tree that has one leaf: that one has room for about as much
 * as stands in it. All allocations are counted in *memory. */
#ifndef DUET_STORE_STREAM_TREE_H
#define DUET_STORE_STREAM_TREE_H

#include "server/store/mem.h"
#include "server/store/stream.h"

struct xleaf {
    struct xleaf *prev, *next;
    uint16_t n, cap;
    struct xid ids[]; /* cap of them, and cap records behind */
};

struct xtree {
    void *root; /* NULL: empty */
    struct xleaf *first, *last;
    size_t count;
    uint32_t leaves, inners;
    uint16_t height; /* inner nodes between root and leaves, the root included */
    uint16_t width;  /* bytes of a record, a multiple of 8 */
};

/* A place on an id; no leaf: none. */
struct xspot {
    struct xleaf *leaf;
    unsigned at;
};
#define XSPOT_NONE ((struct xspot){NULL, 0})

static inline struct xid xspot_id(struct xspot p) {
    return p.leaf->ids[p.at];
}
static inline void *xspot_record(const struct xtree *t, struct xspot p) {
    return (char *)(p.leaf->ids + p.leaf->cap) + (size_t)t->width * p.at;
}
static inline bool xid_below(struct xid a, struct xid b) {
    return a.ms < b.ms || (a.ms == b.ms && a.seq < b.seq);
}

void xtree_init(struct xtree *t, unsigned width);
static inline struct xspot xtree_first(const struct xtree *t) {
    return (struct xspot){t->first, 0};
}
static inline struct xspot xtree_last(const struct xtree *t) {
    return (struct xspot){t->last, t->last ? t->last->n - 1U : 0};
}
struct xspot xtree_next(struct xspot p);
struct xspot xtree_prev(struct xspot p);
/* The id, the first that is not below it, the last that is not above it. */
struct xspot xtree_find(const struct xtree *t, struct xid id);
struct xspot xtree_from(const struct xtree *t, struct xid id);
struct xspot xtree_until(const struct xtree *t, struct xid id);

/* The id's place; when it was not there (*is_new), its record is to be written. Other places are not good any more. */
struct xspot xtree_put(struct xtree *t, size_t *memory, struct xid id, bool *is_new);
/* The id must be there. Other places are not good any more. */
void xtree_remove(struct xtree *t, size_t *memory, struct xid id);

/* Forgets all that stands in the first leaf; much at once. */
void xtree_drop_first(struct xtree *t, size_t *memory);
/* Frees some leaves, of which fn (or NULL) sees each record before; false when the tree is empty now. Nothing else may
 * be done with the tree from the first of these calls until then. */
typedef void xtree_record_fn(void *arg, void *record);
bool xtree_dismantle(struct xtree *t, size_t *memory, xtree_record_fn *fn, void *arg);
/* Copies n ids with their records from one leaf of another tree of this width; they must be above all that are there. */
void xtree_append(struct xtree *t, size_t *memory, struct xspot from, unsigned n);
/* Makes `to` hold the same; records are copied as they are. */
void xtree_copy(struct xtree *to, size_t *memory, const struct xtree *from);
/* Bytes of its allocations, O(1). */
size_t xtree_bytes(const struct xtree *t);
void xtree_verify(const struct xtree *t);

#endif
