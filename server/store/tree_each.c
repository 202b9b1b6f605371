/* See tree.h: going along a tree, taking it apart, and the verifier. */
#include "server/base/log.h"
#include "server/store/tree_inside.h"

static const struct leaf *cursor_leaf(const struct tree *t, struct tree_cursor *c, size_t rank) {
    struct place p;
    tree_descend_rank(t, rank, &p);
    c->leaf = p.leaf;
    c->at = p.at;
    return p.leaf;
}

void *tree_next(const struct tree *t, struct tree_cursor *c) {
    const struct leaf *l = c->leaf;
    if (c->rank >= t->count) return NULL;
    if (!l || c->at == l->count) l = cursor_leaf(t, c, c->rank);
    if (c->at + 8u < l->count) __builtin_prefetch(leaf_elem(l, c->at + 8));
    c->rank++;
    return leaf_elem(l, c->at++);
}

void *tree_prev(const struct tree *t, struct tree_cursor *c) {
    const struct leaf *l = c->leaf;
    if (c->rank == 0) return NULL;
    if (!l || c->at == 0) {
        l = cursor_leaf(t, c, c->rank - 1);
        c->at++;
    }
    if (c->at > 8) __builtin_prefetch(leaf_elem(l, c->at - 9));
    c->rank--;
    return leaf_elem(l, --c->at);
}

/* The leaf, and those above it that begin with it. */
static void compact_path(struct tree *t, const struct place *p, struct store_mover *m) {
    void *now = compact_move(m, p->leaf, mem_class(sizeof(struct leaf)));
    for (unsigned level = t->height; level > 0; level--) {
        struct inner *above = p->steps[level - 1].node;
        unsigned at = p->steps[level - 1].at;
        above->child[at] = now;
        if (at) return;
        now = compact_move(m, above, mem_class(sizeof(struct inner)));
    }
    t->root = now;
}

void tree_compact(struct tree *t, size_t from, size_t end, struct store_mover *m) {
    struct place p;
    for (size_t rank = from, next; rank < end; rank = next) {
        tree_descend_rank(t, rank, &p);
        next = rank + p.leaf->count - p.at;
        if (p.at == 0) compact_path(t, &p, m);
    }
}

bool tree_dismantle(struct tree *t) {
    void *node = t->root;
    struct inner *above = NULL;
    unsigned level = 0;
    if (!node) return false;
    for (; level < t->height; level++) {
        struct inner *in = node;
        if (in->count == 0) break;
        above = in;
        node = in->child[in->count - 1];
    }
    mem_free(t->memory, node, level < t->height ? sizeof(struct inner) : sizeof(struct leaf));
    if (level < t->height)
        t->inners--;
    else
        t->leaves--;
    if (above)
        above->count--;
    else
        t->root = NULL;
    return t->root != NULL;
}

size_t tree_memory(const struct tree *t) {
    return t->leaves * mem_class(sizeof(struct leaf)) + t->inners * mem_class(sizeof(struct inner));
}

/* ---- The verifier ---------------------------------------------------------------------------- */

struct check {
    const struct tree *t;
    const void *last; /* the element before */
    size_t leaves, inners;
};

static void verify_leaf(struct check *c, const struct leaf *l) {
    must(l->count > 0 && l->count <= LEAF_SLOTS, "a leaf is neither empty nor too full");
    c->leaves++;
    for (unsigned i = 0; i < l->count; i++) {
        const void *elem = leaf_elem(l, i);
        uint64_t v = elem_key(elem) >> l->shift;
        must(v >= l->base && v - l->base == l->hints[i], "a hint is that of its element's score");
        if (c->last) {
            uint64_t before = elem_key(c->last);
            must(before < elem_key(elem) ||
                     (before == elem_key(elem) &&
                      member_compare(scored_member(c->last), scored_member(elem)) < 0),
                 "elements are in order");
        }
        c->last = elem;
    }
}

static const void *first_below(const void *node, unsigned height) {
    return height ? ((const struct inner *)node)->first[0] : leaf_elem(node, 0);
}

/* Returns the number of elements below. */
static size_t verify_node(struct check *c, const void *node, unsigned height) {
    const struct inner *in = node;
    size_t total = 0;
    if (height == 0) {
        verify_leaf(c, node);
        return ((const struct leaf *)node)->count;
    }
    c->inners++;
    must(in->count > 0 && in->count <= FANOUT, "an inner node is neither empty nor too full");
    for (unsigned i = 0; i < in->count; i++) {
        size_t below = verify_node(c, in->child[i], height - 1);
        must(below == in->sizes[i], "a child's size is the count of its elements");
        must(first_below(in->child[i], height - 1) == in->first[i], "a child's first is known");
        must(elem_key(in->first[i]) == in->keys[i], "a first element's key is its score's");
        total += below;
    }
    return total;
}

void tree_verify(const struct tree *t) {
    struct check c = {t, NULL, 0, 0};
    size_t total = t->root ? verify_node(&c, t->root, t->height) : 0;
    must(total == t->count, "a tree's count is that of its elements");
    must(c.leaves == t->leaves && c.inners == t->inners, "a tree counts its nodes");
    must(t->height == 0 || ((const struct inner *)t->root)->count > 1, "a tree is not too high");
}
