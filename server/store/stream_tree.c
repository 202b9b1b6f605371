/* See stream_tree.h.
 *
 * What a child of an inner node holds is not below its mark and below the mark of the next child; the first mark of a node means
 * nothing. So a mark need not be an id that is there, and taking out never changes one. */
#include "server/store/stream_tree.h"

#include <string.h>

#include "server/base/log.h"

enum {
    LEAF_BYTES = 2048,
    FANOUT = 42,
    HEIGHT_MAX = 16,
    SPARSE_PART = 3 /* a node that is less than a third full looks for a neighbour to join */
};

struct inner {
    size_t n;
    struct xid marks[FANOUT];
    void *child[FANOUT]; /* inner nodes or leaves */
};
_Static_assert(sizeof(struct inner) <= 1024, "an inner node fits its size class");

/* From the root down to a leaf. */
struct path {
    struct {
        struct inner *node;
        unsigned at;
    } steps[HEIGHT_MAX];
    struct xleaf *leaf;
};

void xtree_init(struct xtree *t, unsigned width) {
    *t = (struct xtree){.width = (uint16_t)width};
}

/* ---- Leaves ---------------------------------------------------------------------------------- */

static size_t leaf_bytes(const struct xtree *t, unsigned cap) {
    return sizeof(struct xleaf) + cap * (sizeof(struct xid) + t->width);
}

static unsigned leaf_fits(const struct xtree *t, size_t bytes) {
    return (unsigned)((bytes - sizeof(struct xleaf)) / (sizeof(struct xid) + t->width));
}

static unsigned leaf_max(const struct xtree *t) {
    return leaf_fits(t, LEAF_BYTES);
}

static struct xleaf *leaf_new(struct xtree *t, size_t *memory, unsigned cap) {
    struct xleaf *l = mem_new(memory, leaf_bytes(t, cap));
    t->leaves++;
    *l = (struct xleaf){.cap = (uint16_t)cap};
    return l;
}

static void leaf_free(struct xtree *t, size_t *memory, struct xleaf *l) {
    t->leaves--;
    mem_free(memory, l, leaf_bytes(t, l->cap));
}

static void *record(const struct xtree *t, struct xleaf *l, unsigned at) {
    return xspot_record(t, (struct xspot){l, at});
}

/* Copies n ids with their records; the places may overlap in one leaf. */
static void leaf_move(const struct xtree *t, struct xleaf *to, unsigned to_at, struct xleaf *from,
                      unsigned at, unsigned n) {
    memmove(to->ids + to_at, from->ids + at, n * sizeof *to->ids);
    if (t->width) memmove(record(t, to, to_at), record(t, from, at), (size_t)n * t->width);
}

/* The only leaf of a tree, with other room. */
static struct xleaf *leaf_resize(struct xtree *t, size_t *memory, unsigned cap) {
    struct xleaf *old = t->root, *l = leaf_new(t, memory, cap);
    leaf_move(t, l, 0, old, 0, old->n);
    l->n = old->n;
    leaf_free(t, memory, old);
    t->root = t->first = t->last = l;
    return l;
}

static void leaf_link(struct xtree *t, struct xleaf *l, struct xleaf *after) {
    l->prev = after;
    l->next = after->next;
    if (after->next)
        after->next->prev = l;
    else
        t->last = l;
    after->next = l;
}

static void leaf_unlink(struct xtree *t, struct xleaf *l) {
    if (l->prev)
        l->prev->next = l->next;
    else
        t->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        t->last = l->prev;
}

/* ---- Search ---------------------------------------------------------------------------------- */

/* How many of the ids are below (or_equal: not above) that one. */
static unsigned count_below(const struct xid *ids, unsigned n, struct xid id, bool or_equal) {
    unsigned low = 0;
    while (n) {
        unsigned half = n / 2;
        struct xid mid = ids[low + half];
        bool below = or_equal ? !xid_below(id, mid) : xid_below(mid, id);
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

static unsigned child_of(const struct inner *in, struct xid id) {
    return count_below(in->marks + 1, (unsigned)in->n - 1, id, true);
}

static struct xleaf *leaf_of(const struct xtree *t, struct xid id) {
    void *node = t->root;
    for (unsigned i = 0; i < t->height; i++) {
        const struct inner *in = node;
        node = in->child[child_of(in, id)];
    }
    return node;
}

static void descend(const struct xtree *t, struct xid id, struct path *p) {
    void *node = t->root;
    for (unsigned i = 0; i < t->height; i++) {
        struct inner *in = node;
        p->steps[i].node = in;
        p->steps[i].at = child_of(in, id);
        node = in->child[p->steps[i].at];
    }
    p->leaf = node;
}

struct xspot xtree_next(struct xspot p) {
    if (++p.at < p.leaf->n) return p;
    return (struct xspot){p.leaf->next, 0};
}

struct xspot xtree_prev(struct xspot p) {
    if (p.at-- > 0) return p;
    struct xleaf *l = p.leaf->prev;
    return (struct xspot){l, l ? l->n - 1U : 0};
}

struct xspot xtree_from(const struct xtree *t, struct xid id) {
    if (!t->root) return XSPOT_NONE;
    struct xleaf *l = leaf_of(t, id);
    unsigned at = count_below(l->ids, l->n, id, false);
    return at < l->n ? (struct xspot){l, at} : (struct xspot){l->next, 0};
}

struct xspot xtree_until(const struct xtree *t, struct xid id) {
    if (!t->root) return XSPOT_NONE;
    if (!xid_below(id, t->last->ids[0])) { /* most look at the end */
        unsigned n = count_below(t->last->ids, t->last->n, id, true);
        return (struct xspot){t->last, n - 1};
    }
    struct xleaf *l = leaf_of(t, id);
    unsigned n = count_below(l->ids, l->n, id, true);
    return n ? (struct xspot){l, n - 1} : xtree_prev((struct xspot){l, 0});
}

struct xspot xtree_find(const struct xtree *t, struct xid id) {
    struct xspot p = xtree_from(t, id);
    return p.leaf && xid_cmp(xspot_id(p), id) == 0 ? p : XSPOT_NONE;
}

/* ---- Putting in ------------------------------------------------------------------------------ */

static void inner_move(struct inner *to, size_t to_at, const struct inner *from, size_t at,
                       size_t n) {
    memmove(to->marks + to_at, from->marks + at, n * sizeof *to->marks);
    memmove(to->child + to_at, from->child + at, n * sizeof *to->child);
}

static void inner_insert(struct inner *in, size_t at, struct xid mark, void *child) {
    inner_move(in, at + 1, in, at, in->n - at);
    in->marks[at] = mark;
    in->child[at] = child;
    in->n++;
}

static void inner_close(struct inner *in, size_t at) {
    in->n--;
    inner_move(in, at, in, at + 1, in->n - at);
}

static struct inner *inner_new(struct xtree *t, size_t *memory) {
    struct inner *in = mem_new(memory, sizeof *in);
    in->n = 0;
    t->inners++;
    return in;
}

static void root_raise(struct xtree *t, size_t *memory, struct xid mark, void *right) {
    must(t->height < HEIGHT_MAX, "a tree is not that high");
    struct inner *root = inner_new(t, memory);
    inner_insert(root, 0, XID_MIN, t->root);
    inner_insert(root, 1, mark, right);
    t->root = root;
    t->height++;
}

/* Puts a node that is new behind the one on the path below that level, splitting what is full on the way up. */
static void insert_above(struct xtree *t, size_t *memory, struct path *p, struct xid mark,
                         void *child) {
    for (unsigned level = t->height; level-- > 0;) {
        struct inner *in = p->steps[level].node;
        size_t at = p->steps[level].at + 1U;
        if (in->n < FANOUT) {
            inner_insert(in, at, mark, child);
            return;
        }
        struct inner *right = inner_new(t, memory);
        size_t kept = at == FANOUT ? FANOUT : FANOUT / 2; /* at the end nothing moves */
        inner_move(right, 0, in, kept, FANOUT - kept);
        right->n = FANOUT - kept;
        in->n = kept;
        if (at > kept || at == FANOUT)
            inner_insert(right, at - kept, mark, child);
        else
            inner_insert(in, at, mark, child);
        mark = right->marks[0];
        child = right;
    }
    root_raise(t, memory, mark, child);
}

/* The path's leaf is full: a place for the id at `at` in it, or in a leaf that is made beside it. */
static struct xspot split(struct xtree *t, size_t *memory, struct path *p, unsigned at,
                          struct xid id) {
    struct xleaf *l = p->leaf, *right = leaf_new(t, memory, leaf_max(t));
    bool append = at == l->n && l == t->last;
    unsigned kept = append ? l->n : l->n / 2U;
    if (!append && l->cap < leaf_max(t)) bug("only the single leaf of a tree is small");
    leaf_move(t, right, 0, l, kept, l->n - kept);
    right->n = (uint16_t)(l->n - kept);
    l->n = (uint16_t)kept;
    leaf_link(t, right, l);
    insert_above(t, memory, p, append ? id : right->ids[0], right);
    return append || at > kept ? (struct xspot){right, at - kept} : (struct xspot){l, at};
}

static struct xspot insert(struct xtree *t, struct xspot p, struct xid id) {
    leaf_move(t, p.leaf, p.at + 1, p.leaf, p.at, p.leaf->n - p.at);
    p.leaf->ids[p.at] = id;
    p.leaf->n++;
    t->count++;
    return p;
}

/* Room for the only leaf, about doubled. */
static unsigned next_cap(const struct xtree *t, unsigned cap) {
    unsigned max = leaf_max(t);
    if (!cap) return 1;
    unsigned more = leaf_fits(t, mem_class(leaf_bytes(t, 2 * cap)));
    return more < max ? more : max;
}

struct xspot xtree_put(struct xtree *t, size_t *memory, struct xid id, bool *is_new) {
    *is_new = true;
    if (!t->root) t->root = t->first = t->last = leaf_new(t, memory, next_cap(t, 0));
    struct xleaf *l = t->last;
    if (l->n < l->cap && (!l->n || xid_below(l->ids[l->n - 1], id)))
        return insert(t, (struct xspot){l, l->n}, id);
    struct path p;
    descend(t, id, &p);
    unsigned at = count_below(p.leaf->ids, p.leaf->n, id, false);
    if (at < p.leaf->n && xid_cmp(p.leaf->ids[at], id) == 0) {
        *is_new = false;
        return (struct xspot){p.leaf, at};
    }
    if (p.leaf->n < p.leaf->cap) return insert(t, (struct xspot){p.leaf, at}, id);
    if (p.leaf->cap < leaf_max(t)) {
        l = leaf_resize(t, memory, next_cap(t, p.leaf->cap));
        return insert(t, (struct xspot){l, at}, id);
    }
    return insert(t, split(t, memory, &p, at, id), id);
}

/* ---- Taking out ------------------------------------------------------------------------------ */

static void inner_free(struct xtree *t, size_t *memory, struct inner *in) {
    t->inners--;
    mem_free(memory, in, sizeof *in);
}

static void root_lower(struct xtree *t, size_t *memory) {
    while (t->height && ((struct inner *)t->root)->n == 1) {
        struct inner *root = t->root;
        t->root = root->child[0];
        t->height--;
        inner_free(t, memory, root);
    }
}

/* Sparse inner nodes on the path join a neighbour that has room, from that level up. */
static void join_inners(struct xtree *t, size_t *memory, struct path *p, unsigned level) {
    for (; level > 0 && p->steps[level].node->n < FANOUT / SPARSE_PART; level--) {
        struct inner *above = p->steps[level - 1].node;
        size_t left = p->steps[level - 1].at;
        if (above->n == 1) break;
        if (left + 1 == above->n) left--;
        struct inner *a = above->child[left], *b = above->child[left + 1];
        if (a->n + b->n > FANOUT * 3 / 4) break;
        b->marks[0] = above->marks[left + 1];
        inner_move(a, a->n, b, 0, b->n);
        a->n += b->n;
        inner_close(above, left + 1);
        inner_free(t, memory, b);
    }
    root_lower(t, memory);
}

/* The node at the path's end is gone: its parents forget it. */
static void close_path(struct xtree *t, size_t *memory, struct path *p) {
    for (unsigned level = t->height; level-- > 0;) {
        struct inner *in = p->steps[level].node;
        inner_close(in, p->steps[level].at);
        if (in->n) {
            join_inners(t, memory, p, level);
            return;
        }
        inner_free(t, memory, in);
    }
    t->root = NULL;
    t->height = 0;
}

static void join_leaves(struct xtree *t, size_t *memory, struct path *p) {
    struct inner *in = p->steps[t->height - 1].node;
    unsigned left = p->steps[t->height - 1].at;
    if (in->n == 1) return;
    if (left + 1 == in->n) left--;
    struct xleaf *a = in->child[left], *b = in->child[left + 1];
    if (a->n + b->n > (int)leaf_max(t) * 3 / 4) return;
    leaf_move(t, a, a->n, b, 0, b->n);
    a->n = (uint16_t)(a->n + b->n);
    leaf_unlink(t, b);
    leaf_free(t, memory, b);
    inner_close(in, left + 1);
    join_inners(t, memory, p, t->height - 1U);
}

void xtree_remove(struct xtree *t, size_t *memory, struct xid id) {
    struct path p;
    must(t->root, "what is removed is there");
    descend(t, id, &p);
    struct xleaf *l = p.leaf;
    unsigned at = count_below(l->ids, l->n, id, false);
    must(at < l->n && xid_cmp(l->ids[at], id) == 0, "what is removed is there");
    leaf_move(t, l, at, l, at + 1, l->n - at - 1U);
    l->n--;
    t->count--;
    if (!l->n) {
        leaf_unlink(t, l);
        leaf_free(t, memory, l);
        close_path(t, memory, &p);
    } else if (t->height) {
        if (l->n < leaf_max(t) / SPARSE_PART) join_leaves(t, memory, &p);
    } else if (l->n < l->cap / 4) {
        leaf_resize(t, memory, next_cap(t, l->n));
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void drop_leaf(struct xtree *t, size_t *memory, struct xleaf *l, xtree_record_fn *fn,
                      void *arg) {
    for (unsigned i = 0; fn && i < l->n; i++) fn(arg, record(t, l, i));
    t->count -= l->n;
    leaf_unlink(t, l);
    leaf_free(t, memory, l);
}

void xtree_drop_first(struct xtree *t, size_t *memory) {
    struct path p;
    descend(t, XID_MIN, &p);
    must(p.leaf == t->first, "the first leaf is leftmost");
    drop_leaf(t, memory, p.leaf, NULL, NULL);
    close_path(t, memory, &p);
}

bool xtree_dismantle(struct xtree *t, size_t *memory, xtree_record_fn *fn, void *arg) {
    struct path p;
    if (!t->root) return false;
    descend(t, XID_MAX, &p);
    drop_leaf(t, memory, p.leaf, fn, arg);
    unsigned level = t->height;
    while (level > 0) {
        struct inner *in = p.steps[level - 1].node;
        if (--in->n) return true;
        inner_free(t, memory, in);
        level--;
    }
    t->root = NULL;
    t->height = 0;
    return false;
}

void xtree_append(struct xtree *t, size_t *memory, struct xspot from, unsigned n) {
    bool is_new;
    while (n > 0) { /* one makes room, as many follow as there is room for */
        struct xspot p = xtree_put(t, memory, from.leaf->ids[from.at], &is_new);
        struct xleaf *l = t->last;
        must(is_new && p.leaf == l && p.at + 1U == l->n, "what is appended is above all before");
        unsigned room = l->cap - p.at, some = n < room ? n : room;
        leaf_move(t, l, p.at, from.leaf, from.at, some);
        l->n = (uint16_t)(p.at + some);
        t->count += some - 1;
        from.at += some;
        n -= some;
    }
}

void xtree_copy(struct xtree *to, size_t *memory, const struct xtree *from) {
    xtree_init(to, from->width);
    for (struct xleaf *l = from->first; l; l = l->next)
        xtree_append(to, memory, (struct xspot){l, 0}, l->n);
}

size_t xtree_bytes(const struct xtree *t) {
    if (!t->root) return 0;
    size_t leaf = mem_class(leaf_bytes(t, t->first->cap));
    return t->leaves * leaf + t->inners * mem_class(sizeof(struct inner));
}

static void verify_below(const struct xtree *t, void *node, unsigned depth, struct xid low,
                         const struct xid *high, const struct xleaf **expected) {
    if (depth == t->height) {
        const struct xleaf *l = node;
        must(l == *expected, "leaves are linked in the order of the tree");
        *expected = l->next;
        must(l->n > 0 && l->n <= l->cap, "a leaf holds something, and no more than fits");
        must(t->height == 0 || l->cap == leaf_max(t), "leaves are of one size");
        must(!xid_below(l->ids[0], low), "a leaf's ids are not below its mark");
        must(!high || xid_below(l->ids[l->n - 1], *high), "a leaf's ids are below the next mark");
        for (unsigned i = 1; i < l->n; i++) must(xid_below(l->ids[i - 1], l->ids[i]), "ids ascend");
        return;
    }
    const struct inner *in = node;
    must(in->n > 0 && in->n <= FANOUT, "an inner node has children");
    for (size_t i = 0; i < in->n; i++)
        verify_below(t, in->child[i], depth + 1, i ? in->marks[i] : low,
                     i + 1 < in->n ? &in->marks[i + 1] : high, expected);
}

void xtree_verify(const struct xtree *t) {
    const struct xleaf *expected = t->first;
    size_t count = 0, leaves = 0;
    if (t->root) verify_below(t, t->root, 0, XID_MIN, NULL, &expected);
    must(t->root || (!t->first && !t->last && !t->height), "an empty tree has no leaf");
    must(!expected, "every leaf is in the tree");
    const struct xleaf *prev = NULL;
    for (const struct xleaf *l = t->first; l; prev = l, l = l->next) {
        must(l->prev == prev, "leaves are linked both ways");
        count += l->n;
        leaves++;
    }
    must(leaves == t->leaves, "leaves are counted");
    must(prev == t->last, "the last leaf is known");
    must(count == t->count, "ids are counted");
}
