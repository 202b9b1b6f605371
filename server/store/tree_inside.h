/* Nodes of a tree. Only the files of the tree include this. See tree.h for the shape. */
#ifndef DUET_STORE_TREE_INSIDE_H
#define DUET_STORE_TREE_INSIDE_H

#include "server/base/log.h"
#include "server/store/tree.h"

enum { LEAF_BYTES = 512, LEAF_SLOTS = (LEAF_BYTES - 12) / 8, FANOUT = 31, HEIGHT_MAX = 20 };

/* hints[i] is (key of element i >> shift) - base, without loss at either end. */
struct leaf {
    uint64_t base;
    uint8_t shift;
    uint8_t count;
    uint16_t hints[LEAF_SLOTS];
    unsigned char refs[6 * LEAF_SLOTS + 2]; /* read by eights */
};

struct inner {
    size_t count;
    uint64_t keys[FANOUT]; /* of first */
    void *first[FANOUT];   /* the lowest element below the child */
    void *child[FANOUT];   /* inner nodes or leaves */
    size_t sizes[FANOUT];  /* elements below the child */
};

/* From the root down to a place in a leaf. */
struct place {
    struct {
        struct inner *node;
        unsigned at;
    } steps[HEIGHT_MAX];
    struct leaf *leaf;
    unsigned at;
};

static inline void *leaf_elem(const struct leaf *l, unsigned slot) {
    uint64_t v;
    memcpy(&v, l->refs + 6 * slot, 8);
    return (void *)(uintptr_t)(v << 16 >> 16);
}
static inline void leaf_set_elem(struct leaf *l, unsigned slot, const void *elem) {
    uint64_t v = (uint64_t)(uintptr_t)elem;
    memcpy(l->refs + 6 * slot, &v, 6);
}
static inline uint64_t elem_key(const void *elem) {
    return score_key(scored_score(elem));
}
static inline struct mark mark_before(const void *elem) {
    return (struct mark){elem_key(elem), scored_member(elem), false};
}
/* Down to the place of a rank below the count. */
void tree_descend_rank(const struct tree *t, size_t rank, struct place *p);

#endif
