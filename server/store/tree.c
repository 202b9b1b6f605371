/* See tree.h; here are search and change. */
#include "server/store/tree.h"

#include "server/base/log.h"
#include "server/store/tree_inside.h"

/* Leaves that share before one more is made; how full they may be on average to be left as they are; and below how many
 * elements a leaf looks whether its neighbours can do without it. */
enum {
    WINDOW = 4,
    SHARE_BELOW = LEAF_SLOTS - 3,
    SPARSE = LEAF_SLOTS * 5 / 8,
    MERGED = LEAF_SLOTS * 7 / 8
};

_Static_assert(sizeof(struct leaf) <= LEAF_BYTES, "a leaf fits its size class");

void tree_init(struct tree *t, size_t *memory) {
    *t = (struct tree){.memory = memory};
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static struct leaf *leaf_new(struct tree *t) {
    struct leaf *l = mem_new(t->memory, sizeof *l);
    l->base = 0;
    l->shift = l->count = 0;
    t->leaves++;
    return l;
}

static void leaf_free(struct tree *t, struct leaf *l) {
    mem_free(t->memory, l, sizeof *l);
    t->leaves--;
}

static struct inner *inner_new(struct tree *t) {
    struct inner *in = mem_new(t->memory, sizeof *in);
    in->count = 0;
    t->inners++;
    return in;
}

static void inner_free(struct tree *t, struct inner *in) {
    mem_free(t->memory, in, sizeof *in);
    t->inners--;
}

static void inner_move(struct inner *to, unsigned to_at, const struct inner *from, unsigned at,
                       size_t n) {
    memmove(to->keys + to_at, from->keys + at, n * sizeof *to->keys);
    memmove(to->first + to_at, from->first + at, n * sizeof *to->first);
    memmove(to->child + to_at, from->child + at, n * sizeof *to->child);
    memmove(to->sizes + to_at, from->sizes + at, n * sizeof *to->sizes);
}

static void inner_open(struct inner *in, unsigned at) {
    must(in->count < FANOUT, "an inner node has room");
    inner_move(in, at + 1, in, at, in->count - at);
    in->count++;
}

static void inner_close(struct inner *in, unsigned at) {
    in->count--;
    inner_move(in, at, in, at + 1, in->count - at);
}

static void inner_set(struct inner *in, unsigned at, void *child, void *first, size_t size) {
    in->keys[at] = elem_key(first);
    in->first[at] = first;
    in->child[at] = child;
    in->sizes[at] = size;
}

/* ---- Hints ----------------------------------------------------------------------------------- */

/* The window of hints is four times as wide as the leaf's scores, so that it fits for a while. */
static void leaf_fit(struct leaf *l) {
    enum { SPAN_BITS = 14, MARGIN = 24576 };
    uint64_t keys[LEAF_SLOTS];
    for (unsigned i = 0; i < l->count; i++) keys[i] = elem_key(leaf_elem(l, i));
    uint64_t low = keys[0], span = keys[l->count - 1] - low;
    unsigned bits = span ? 64 - (unsigned)__builtin_clzll(span) : 0;
    l->shift = (uint8_t)(bits > SPAN_BITS ? bits - SPAN_BITS : 0);
    l->base = low >> l->shift;
    l->base -= l->base < MARGIN ? l->base : MARGIN;
    for (unsigned i = 0; i < l->count; i++)
        l->hints[i] = (uint16_t)((keys[i] >> l->shift) - l->base);
}

/* Hints that are less than `hint`. */
static unsigned hints_below(const struct leaf *l, uint16_t hint) {
    unsigned low = 0, n = l->count;
    while (n) {
        unsigned half = n / 2;
        bool below = l->hints[low + half] < hint;
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* ---- Search ---------------------------------------------------------------------------------- */

static bool is_before(const struct mark *m, uint64_t key, const void *elem) {
    if (key != m->key) return key < m->key;
    return mark_is_behind_equal(m, m->member.p ? scored_member(elem) : m->member);
}

/* Elements of the leaf that stand before the mark. */
static unsigned leaf_before(const struct leaf *l, const struct mark *m) {
    uint64_t v = m->key >> l->shift;
    if (v < l->base) return 0;
    if (v - l->base > UINT16_MAX) return l->count;
    uint16_t hint = (uint16_t)(v - l->base);
    unsigned low = hints_below(l, hint), high = low;
    while (high < l->count && l->hints[high] == hint) high++;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        const void *elem = leaf_elem(l, mid);
        if (is_before(m, elem_key(elem), elem))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Children whose first element stands before the mark. */
static unsigned inner_before(const struct inner *in, const struct mark *m) {
    unsigned low = 0, high = (unsigned)in->count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (is_before(m, in->keys[mid], in->first[mid]))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Down to the mark's place; returns the rank. */
static size_t descend(const struct tree *t, const struct mark *m, struct place *p) {
    void *node = t->root;
    size_t rank = 0;
    for (unsigned i = 0; i < t->height; i++) {
        struct inner *in = node;
        unsigned n = inner_before(in, m), at = n ? n - 1 : 0;
        for (unsigned j = 0; j < at; j++) rank += in->sizes[j];
        p->steps[i].node = in;
        p->steps[i].at = at;
        node = in->child[at];
        __builtin_prefetch(node);
        __builtin_prefetch((const char *)node + 64); /* keys or hints lie in the first 192 bytes */
        __builtin_prefetch((const char *)node + 128);
    }
    p->leaf = node;
    p->at = leaf_before(p->leaf, m);
    return rank + p->at;
}

void tree_descend_rank(const struct tree *t, size_t rank, struct place *p) {
    void *node = t->root;
    for (unsigned i = 0; i < t->height; i++) {
        struct inner *in = node;
        unsigned at = 0;
        for (; rank >= in->sizes[at]; at++) rank -= in->sizes[at];
        p->steps[i].node = in;
        p->steps[i].at = at;
        node = in->child[at];
    }
    p->leaf = node;
    p->at = (unsigned)rank;
}

size_t tree_before(const struct tree *t, const struct mark *m) {
    struct place p;
    return t->root ? descend(t, m, &p) : 0;
}

size_t tree_rank(const struct tree *t, const void *elem) {
    struct mark m = mark_before(elem);
    return tree_before(t, &m);
}

static void find(const struct tree *t, const void *elem, struct place *p) {
    struct mark m = mark_before(elem);
    m.or_equal = true; /* before the first element of a leaf is the end of the leaf before */
    must(t->root, "a tree with elements has a root");
    descend(t, &m, p);
    must(p->at-- > 0 && leaf_elem(p->leaf, p->at) == elem, "an element is in its tree");
}

void tree_replace(struct tree *t, const void *elem, void *copy) {
    struct place p;
    find(t, elem, &p);
    leaf_set_elem(p.leaf, p.at, copy);
    for (unsigned i = 0; i < t->height; i++) {
        void **first = &p.steps[i].node->first[p.steps[i].at];
        if (*first == elem) *first = copy;
    }
}

/* ---- Along the path -------------------------------------------------------------------------- */

static void resize_path(const struct tree *t, struct place *p, size_t more) {
    for (unsigned i = 0; i < t->height; i++) p->steps[i].node->sizes[p->steps[i].at] += more;
}

/* The node at that level of the path (the leaf is the last one) has another first element. */
static void refirst(struct place *p, unsigned level, void *first) {
    for (unsigned i = level; i-- > 0;) {
        struct inner *in = p->steps[i].node;
        in->first[p->steps[i].at] = first;
        in->keys[p->steps[i].at] = elem_key(first);
        if (p->steps[i].at) return;
    }
}

/* ---- Putting in ------------------------------------------------------------------------------ */

/* n_old leaves from child `from` on share their elements evenly with one more, one less, or among themselves. */
static void share(struct tree *t, struct inner *in, unsigned from, unsigned n_old, unsigned n_new) {
    void *elems[(WINDOW + 1) * LEAF_SLOTS];
    unsigned total = 0, done = 0;
    for (unsigned i = from; i < from + n_old; i++) {
        const struct leaf *l = in->child[i];
        for (unsigned slot = 0; slot < l->count; slot++)
            __builtin_prefetch(elems[total++] = leaf_elem(l, slot));
    }
    if (n_new > n_old) {
        inner_open(in, from + n_old);
        in->child[from + n_old] = leaf_new(t);
    } else if (n_new < n_old) {
        leaf_free(t, in->child[from + n_new]);
        inner_close(in, from + n_new);
    }
    for (unsigned i = 0; i < n_new; i++) {
        struct leaf *l = in->child[from + i];
        l->count = (uint8_t)((total - done) / (n_new - i));
        for (unsigned slot = 0; slot < l->count; slot++) leaf_set_elem(l, slot, elems[done + slot]);
        leaf_fit(l);
        inner_set(in, from + i, l, elems[done], l->count);
        done += l->count;
    }
}

/* Where a window of up to WINDOW children that holds child `at` begins, and how many it has. */
static unsigned window_from(const struct inner *in, unsigned at, unsigned *n) {
    *n = in->count < WINDOW ? (unsigned)in->count : WINDOW;
    unsigned from = at < *n / 2 ? 0 : at - *n / 2;
    return from + *n > in->count ? (unsigned)in->count - *n : from;
}

static size_t window_total(const struct inner *in, unsigned from, unsigned n) {
    size_t total = 0;
    for (unsigned i = from; i < from + n; i++) total += in->sizes[i];
    return total;
}

static void root_raise(struct tree *t, void *first) {
    struct inner *root = inner_new(t);
    must(t->height < HEIGHT_MAX, "a tree is not that high");
    root->count = 1;
    inner_set(root, 0, t->root, first, t->count);
    t->root = root;
    t->height++;
}

enum side { FRONT, MIDDLE, END };

/* Makes one more node out of a full one at that level, or out of a full one above it. */
static void inner_split(struct tree *t, struct place *p, unsigned level, enum side side) {
    struct inner *in = p->steps[level].node;
    if (level == 0) {
        root_raise(t, in->first[0]);
        return;
    }
    struct inner *above = p->steps[level - 1].node, *right;
    unsigned at = p->steps[level - 1].at;
    if (above->count == FANOUT) {
        inner_split(t, p, level - 1, side);
        return;
    }
    unsigned kept = side == END ? FANOUT - 1 : side == FRONT ? 1 : FANOUT / 2;
    right = inner_new(t);
    inner_move(right, 0, in, kept, in->count - kept);
    right->count = in->count - kept;
    in->count = kept;
    size_t moved = window_total(right, 0, (unsigned)right->count);
    inner_open(above, at + 1);
    inner_set(above, at + 1, right, right->first[0], moved);
    above->sizes[at] -= moved;
}

/* The path ends at a full leaf. True: the element has got a leaf of its own; false: there is room now, or more
 * of it; look again. */
static bool make_room(struct tree *t, struct place *p, void *elem) {
    if (t->height == 0) {
        root_raise(t, leaf_elem(t->root, 0));
        return false;
    }
    unsigned level = t->height - 1, at = p->steps[level].at, n;
    struct inner *in = p->steps[level].node;
    enum side side = p->at == 0 ? FRONT : p->at == LEAF_SLOTS && at + 1 == in->count ? END : MIDDLE;
    unsigned from = window_from(in, at, &n);
    if (side == MIDDLE && window_total(in, from, n) < n * (size_t)SHARE_BELOW) {
        share(t, in, from, n, n);
        return false;
    }
    if (in->count == FANOUT) {
        inner_split(t, p, level, side);
        return false;
    }
    if (side == MIDDLE) {
        share(t, in, from, n, n + 1);
        return false;
    }
    struct leaf *l = leaf_new(t);
    l->count = 1;
    leaf_set_elem(l, 0, elem);
    leaf_fit(l);
    if (side == END) at++;
    inner_open(in, at);
    inner_set(in, at, l, elem, 0);
    p->steps[level].at = at;
    resize_path(t, p, 1);
    if (at == 0) refirst(p, level, elem);
    return true;
}

static void leaf_insert(struct leaf *l, unsigned at, void *elem, uint64_t key) {
    uint64_t v = key >> l->shift;
    bool fits = l->count && v >= l->base && v - l->base <= UINT16_MAX;
    memmove(l->hints + at + 1, l->hints + at, (l->count - at) * sizeof *l->hints);
    memmove(l->refs + 6 * (at + 1), l->refs + 6 * at, 6 * (size_t)(l->count - at));
    l->count++;
    leaf_set_elem(l, at, elem);
    if (fits)
        l->hints[at] = (uint16_t)(v - l->base);
    else
        leaf_fit(l);
}

void tree_add(struct tree *t, void *elem) {
    struct mark m = mark_before(elem);
    struct place p;
    if (!t->root) t->root = leaf_new(t);
    for (;;) {
        descend(t, &m, &p);
        if (p.leaf->count < LEAF_SLOTS) break;
        if (!make_room(t, &p, elem)) continue;
        t->count++;
        return;
    }
    leaf_insert(p.leaf, p.at, elem, m.key);
    resize_path(t, &p, 1);
    if (p.at == 0) refirst(&p, t->height, elem);
    t->count++;
}

/* ---- Taking out ------------------------------------------------------------------------------ */

static void root_lower(struct tree *t) {
    while (t->height && ((struct inner *)t->root)->count == 1) {
        struct inner *root = t->root;
        t->root = root->child[0];
        t->height--;
        inner_free(t, root);
    }
}

/* A sparse inner node and a neighbour become one when they fit well. */
static void inner_merge(struct tree *t, struct place *p, unsigned level) {
    for (; level > 0 && p->steps[level].node->count < FANOUT / 3; level--) {
        struct inner *above = p->steps[level - 1].node;
        unsigned left = p->steps[level - 1].at;
        if (left + 1 == above->count) left--;
        if (above->count == 1) return;
        struct inner *a = above->child[left], *b = above->child[left + 1];
        if (a->count + b->count > FANOUT * 3 / 4) return;
        inner_move(a, (unsigned)a->count, b, 0, b->count);
        a->count += b->count;
        above->sizes[left] += above->sizes[left + 1];
        inner_close(above, left + 1);
        inner_free(t, b);
    }
    root_lower(t);
}

/* The leaf at the path's end is empty: it goes, and so does what is empty above it. */
static void leaf_drop(struct tree *t, struct place *p) {
    unsigned level = t->height;
    leaf_free(t, p->leaf);
    while (level > 0) {
        struct inner *in = p->steps[--level].node;
        inner_close(in, p->steps[level].at);
        if (in->count) {
            if (p->steps[level].at == 0) refirst(p, level, in->first[0]);
            inner_merge(t, p, level);
            return;
        }
        inner_free(t, in);
    }
    t->root = NULL;
    t->height = 0;
}

static void leaf_merge(struct tree *t, struct place *p) {
    if (t->height == 0) return;
    unsigned level = t->height - 1, n;
    struct inner *in = p->steps[level].node;
    unsigned from = window_from(in, p->steps[level].at, &n);
    if (n < 2 || window_total(in, from, n) > (n - 1) * (size_t)MERGED) return;
    share(t, in, from, n, n - 1);
    inner_merge(t, p, level);
}

/* n elements from the place on, all in its leaf. */
static void cut(struct tree *t, struct place *p, unsigned n) {
    struct leaf *l = p->leaf;
    unsigned behind = l->count - p->at - n;
    memmove(l->hints + p->at, l->hints + p->at + n, behind * sizeof *l->hints);
    memmove(l->refs + 6 * p->at, l->refs + 6 * (p->at + n), 6 * (size_t)behind);
    l->count = (uint8_t)(l->count - n);
    resize_path(t, p, -(size_t)n);
    t->count -= n;
    if (l->count == 0) {
        leaf_drop(t, p);
        return;
    }
    if (p->at == 0) refirst(p, t->height, leaf_elem(l, 0));
    if (l->count < SPARSE) leaf_merge(t, p);
}

void tree_remove(struct tree *t, const void *elem) {
    struct place p;
    find(t, elem, &p);
    cut(t, &p, 1);
}

size_t tree_take(struct tree *t, size_t rank, void **out, size_t max) {
    struct place p;
    must(rank < t->count && max > 0, "there is something to take");
    tree_descend_rank(t, rank, &p);
    unsigned n = p.leaf->count - p.at;
    if (n > max) n = (unsigned)max;
    for (unsigned i = 0; i < n; i++) out[i] = leaf_elem(p.leaf, p.at + i);
    cut(t, &p, n);
    return n;
}

void tree_move(struct tree *t, void *elem, double score) {
    struct mark m = {score_key(score), scored_member(elem), false};
    struct place p;
    find(t, elem, &p);
    unsigned to = leaf_before(p.leaf, &m), from = p.at;
    if (from == 0 || to == 0 || to == p.leaf->count) { /* it may leave the leaf, or be its first */
        cut(t, &p, 1);
        scored_set(elem, score);
        tree_add(t, elem);
        return;
    }
    struct leaf *l = p.leaf;
    scored_set(elem, score);
    if (to > from) to--; /* it stood before its own new place */
    l->count--;
    memmove(l->hints + from, l->hints + from + 1, (l->count - from) * sizeof *l->hints);
    memmove(l->refs + 6 * from, l->refs + 6 * (from + 1), 6 * (size_t)(l->count - from));
    leaf_insert(l, to, elem, m.key);
}
