/* See list_inside.h: the counted tree of chunks.
 *
 * Nodes split when they are full and go when they are empty. A row that grows at an end starts a new node there instead
 * of halving the last one, so lists that are filled from an end have full nodes. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/list_inside.h"

static struct list_inner *inner(struct list_node *n) {
    return (struct list_inner *)n;
}

static struct list_leaf *leaf(struct list_node *n) {
    return (struct list_leaf *)n;
}

static struct list_leaf *leaf_new(struct list *l) {
    struct list_leaf *new = mem_new(&l->bytes, sizeof *new);
    new->node = (struct list_node){.is_leaf = true, .seen = l->seen};
    new->prev = new->next = NULL;
    new->ghosts = NULL;
    return new;
}

static struct list_inner *inner_new(struct list *l) {
    struct list_inner *new = mem_new(&l->bytes, sizeof *new);
    new->node = (struct list_node){.is_leaf = false};
    return new;
}

static void node_free(struct list *l, struct list_node *n) {
    mem_free(&l->bytes, n, n->is_leaf ? sizeof(struct list_leaf) : sizeof(struct list_inner));
}

struct list *dir_new(void) {
    struct list *l = xmalloc(mem_class(sizeof *l));
    *l = (struct list){.bytes = mem_class(sizeof *l)};
    l->first = l->last = leaf_new(l);
    l->root = &l->first->node;
    return l;
}

void dir_free(struct list *l) {
    must(l->chunks == 0 && l->root->is_leaf, "a directory is empty when it goes");
    node_free(l, l->root);
    free(l);
}

/* ---- Places ---------------------------------------------------------------------------------- */

struct place dir_first(const struct list *l) {
    return (struct place){l->chunks ? l->first : NULL, 0};
}

struct place dir_last(const struct list *l) {
    return (struct place){l->chunks ? l->last : NULL, l->last->node.n - 1U};
}

struct place dir_next(struct place p) {
    if (p.slot + 1 < p.leaf->node.n) return (struct place){p.leaf, p.slot + 1};
    return (struct place){p.leaf->next, 0};
}

struct place dir_prev(struct place p) {
    if (p.slot) return (struct place){p.leaf, p.slot - 1};
    return (struct place){p.leaf->prev, p.leaf->prev ? p.leaf->prev->node.n - 1U : 0};
}

struct place dir_locate(const struct list *l, size_t index, size_t *within) {
    struct list_node *n = l->root;
    unsigned i;
    must(index < l->len, "an element that is looked for exists");
    while (!n->is_leaf) {
        const struct list_inner *in = inner(n);
        for (i = 0; index >= in->count[i]; i++) index -= in->count[i];
        n = in->child[i];
    }
    for (i = 0; index >= leaf(n)->chunk[i].count; i++) index -= leaf(n)->chunk[i].count;
    *within = index;
    return (struct place){leaf(n), i};
}

bool dir_open(struct list *l, struct place p) {
    if (!chunk_is_closed(place_chunk(p))) return false;
    if (l->walked) list_unshare(l, place_chunk(p));
    chunk_unclose(&l->bytes, place_chunk(p));
    l->closed--;
    return true;
}

bool dir_close(struct list *l, struct place p) {
    if (place_chunk(p)->lzf) return false;
    if (l->walked) list_unshare(l, place_chunk(p));
    chunk_close(&l->bytes, place_chunk(p));
    l->closed += chunk_is_closed(place_chunk(p));
    return chunk_is_closed(place_chunk(p));
}

void dir_trim(struct list *l, struct place p) {
    if (l->walked && list_shares(l, place_chunk(p))) return;
    chunk_trim(&l->bytes, place_chunk(p));
}

/* ---- Counts ---------------------------------------------------------------------------------- */

static size_t node_count(struct list_node *n) {
    size_t sum = 0;
    for (unsigned i = 0; i < n->n; i++)
        sum += n->is_leaf ? leaf(n)->chunk[i].count : inner(n)->count[i];
    return sum;
}

static void count_above(struct list_node *n, int64_t change) {
    for (; n->parent; n = &n->parent->node) n->parent->count[n->slot] += (size_t)change;
}

void dir_count(struct list *l, struct place p, int64_t change) {
    l->len += (size_t)change;
    count_above(&p.leaf->node, change);
}

/* The node's own contents changed by moving some elsewhere: what its parent says of it is counted anew. */
static void recount(struct list_node *n) {
    if (n->parent) n->parent->count[n->slot] = node_count(n);
}

/* ---- Adding ---------------------------------------------------------------------------------- */

static void renumber(struct list_inner *in, unsigned from) {
    for (unsigned i = from; i < in->node.n; i++) {
        in->child[i]->slot = (uint16_t)i;
        in->child[i]->parent = in;
    }
}

/* Opens a slot in an inner node that has room. */
static void inner_put(struct list_inner *in, unsigned slot, struct list_node *child) {
    size_t behind = in->node.n - slot;
    memmove(in->child + slot + 1, in->child + slot, behind * sizeof(struct list_node *));
    memmove(in->count + slot + 1, in->count + slot, behind * sizeof *in->count);
    in->node.n++;
    in->child[slot] = child;
    in->count[slot] = node_count(child);
    renumber(in, slot);
}

static void add_beside(struct list *l, struct list_node *n, struct list_node *new, bool after);

/* Makes room for one more child at *slot; the half that it comes to is returned. At an end nothing is moved. */
static struct list_inner *inner_split(struct list *l, struct list_inner *in, unsigned *slot) {
    struct list_inner *new = inner_new(l);
    unsigned keep = *slot == INNER_CHILDREN ? INNER_CHILDREN : INNER_CHILDREN / 2;
    if (*slot == 0) {
        add_beside(l, &in->node, &new->node, false);
        return new;
    }
    new->node.n = (uint16_t)(INNER_CHILDREN - keep);
    memcpy(new->child, in->child + keep, new->node.n * sizeof(struct list_node *));
    memcpy(new->count, in->count + keep, new->node.n * sizeof *new->count);
    in->node.n = (uint16_t)keep;
    renumber(new, 0);
    recount(&in->node);
    add_beside(l, &in->node, &new->node, true);
    if (*slot < keep || (*slot == keep && new->node.n)) return in;
    *slot -= keep;
    return new;
}

/* Puts a node beside one of its level, whose counts may have changed by what new holds. */
static void add_beside(struct list *l, struct list_node *n, struct list_node *new, bool after) {
    if (!n->parent) {
        struct list_inner *root = inner_new(l);
        inner_put(root, 0, n);
        l->root = &root->node;
    }
    struct list_inner *in = n->parent;
    unsigned slot = n->slot + (unsigned)after;
    if (in->node.n == INNER_CHILDREN) in = inner_split(l, in, &slot);
    inner_put(in, slot, new);
    for (struct list_node *up = &in->node; up->parent; up = &up->parent->node) recount(up);
}

static void link_leaf(struct list *l, struct list_leaf *at, struct list_leaf *new, bool after) {
    new->prev = after ? at : at->prev;
    new->next = after ? at->next : at;
    if (new->prev)
        new->prev->next = new;
    else
        l->first = new;
    if (new->next)
        new->next->prev = new;
    else
        l->last = new;
}

/* Makes room in a full leaf for a chunk at the place; returns where it is now. */
static struct place leaf_split(struct list *l, struct place p) {
    struct list_leaf *old = p.leaf, *new = leaf_new(l);
    unsigned keep = p.slot == LEAF_CHUNKS ? LEAF_CHUNKS : LEAF_CHUNKS / 2;
    bool after = p.slot > 0;
    link_leaf(l, old, new, after);
    if (after) {
        new->node.n = (uint16_t)(LEAF_CHUNKS - keep);
        memcpy(new->chunk, old->chunk + keep, new->node.n * sizeof *new->chunk);
        old->node.n = (uint16_t)keep;
        recount(&old->node);
    }
    add_beside(l, &old->node, &new->node, after);
    if (!after) return (struct place){new, 0};
    return p.slot < keep ? p : (struct place){new, p.slot - keep};
}

/* Between two leaves a chunk may stand in either. */
static struct place room_beside(struct place p) {
    struct list_leaf *prev = p.leaf->prev, *next = p.leaf->next;
    if (p.slot == 0 && prev && prev->node.n < LEAF_CHUNKS)
        return (struct place){prev, prev->node.n};
    if (p.slot == LEAF_CHUNKS && next && next->node.n < LEAF_CHUNKS) return (struct place){next, 0};
    return p;
}

struct place dir_insert(struct list *l, struct place p, struct chunk ch, bool after) {
    if (!p.leaf)
        p = (struct place){l->first, 0};
    else
        p.slot += after;
    if (p.leaf->node.n == LEAF_CHUNKS) p = room_beside(p);
    list_keep(l, p.leaf);
    if (p.leaf->node.n == LEAF_CHUNKS) p = leaf_split(l, p);
    struct list_leaf *lf = p.leaf;
    memmove(lf->chunk + p.slot + 1, lf->chunk + p.slot, (lf->node.n - p.slot) * sizeof ch);
    lf->chunk[p.slot] = ch;
    lf->node.n++;
    l->chunks++;
    l->closed += chunk_is_closed(&ch);
    dir_count(l, p, ch.count);
    return p;
}

/* ---- Removing -------------------------------------------------------------------------------- */

/* The node is empty: it goes, and so do those above that become empty by it. */
static void drop_node(struct list *l, struct list_node *n) {
    struct list_inner *in = n->parent;
    unsigned slot = n->slot;
    node_free(l, n);
    in->node.n--;
    memmove(in->child + slot, in->child + slot + 1,
            (in->node.n - slot) * sizeof(struct list_node *));
    memmove(in->count + slot, in->count + slot + 1, (in->node.n - slot) * sizeof *in->count);
    renumber(in, slot);
    if (!in->node.n) drop_node(l, &in->node);
}

static void lower_root(struct list *l) {
    while (!l->root->is_leaf && l->root->n == 1) {
        struct list_node *old = l->root;
        l->root = inner(old)->child[0];
        l->root->parent = NULL;
        node_free(l, old);
    }
}

struct place dir_remove(struct list *l, struct place p) {
    struct list_leaf *lf = p.leaf, *next = lf->next;
    list_keep(l, lf);
    dir_count(l, p, -(int64_t)lf->chunk[p.slot].count);
    l->chunks--;
    l->closed -= chunk_is_closed(&lf->chunk[p.slot]);
    lf->node.n--;
    memmove(lf->chunk + p.slot, lf->chunk + p.slot + 1,
            (lf->node.n - p.slot) * sizeof(struct chunk));
    if (p.slot < lf->node.n) return p;
    if (lf->node.n || !lf->node.parent) return (struct place){next, 0};
    if (lf->prev)
        lf->prev->next = next;
    else
        l->first = next;
    if (next)
        next->prev = lf->prev;
    else
        l->last = lf->prev;
    if (l->walked) list_keep_order(l, lf, next);
    drop_node(l, &lf->node);
    lower_root(l);
    return (struct place){next, 0};
}

/* ---- Checks ---------------------------------------------------------------------------------- */

struct check {
    const struct list *l;
    const struct list_leaf *last; /* met before */
    size_t chunks, closed, bytes;
};

static void check_chunk(const struct chunk *ch) {
    const uint8_t *pack = chunk_look(ch, EYE_WALK);
    if (chunk_is_closed(ch))
        must(ch->cap == mem_class(ch->lzf) && ch->lzf + CLOSE_GAIN_BYTES <= ch->at,
             "a closed chunk lies in a room of its size");
    else
        must(ch->at + chunk_total(ch) <= ch->cap, "a chunk's listpack lies in its room");
    must(lp_valid(pack, chunk_total(ch)), "a chunk is a sound listpack");
    must(ch->count == lp_count(pack) && ch->count, "a chunk's elements are counted");
}

static size_t check_leaf(struct check *c, struct list_leaf *lf) {
    size_t sum = 0;
    must(lf->prev == c->last, "leaves are linked in order");
    must(!c->last || c->last->next == lf, "in both directions");
    c->last = lf;
    c->bytes += mem_class(sizeof *lf);
    must(c->l->walked || (lf->node.seen == c->l->seen && !lf->ghosts), "no mark outlives its walk");
    for (unsigned i = 0; i < lf->node.n; i++) {
        const struct chunk *ch = &lf->chunk[i];
        check_chunk(ch);
        c->chunks++;
        c->closed += chunk_is_closed(ch);
        c->bytes += ch->cap;
        sum += ch->count;
    }
    return sum;
}

static size_t check_node(struct check *c, struct list_node *n) {
    size_t sum = 0;
    if (n->is_leaf) return check_leaf(c, leaf(n));
    must(n->n > 0, "an inner node has children");
    c->bytes += mem_class(sizeof(struct list_inner));
    for (unsigned i = 0; i < n->n; i++) {
        struct list_node *child = inner(n)->child[i];
        must(child->parent == inner(n) && child->slot == i, "a node knows its place");
        must(child->n > 0, "a node that is not the root holds something");
        size_t below = check_node(c, child);
        must(below == inner(n)->count[i], "what is below a node is counted");
        sum += below;
    }
    return sum;
}

void dir_verify(const struct list *l) {
    struct check c = {l, NULL, 0, 0, mem_class(sizeof *l)};
    must(!l->root->parent, "the root is at the top");
    must(l->root->is_leaf || l->root->n > 1, "the tree is no higher than it must be");
    must(check_node(&c, l->root) == l->len, "a list's elements are counted");
    must(c.last == l->last && !l->last->next && !l->first->prev, "the leaves' ends are known");
    must(c.chunks == l->chunks && c.bytes == l->bytes, "chunks and bytes are counted");
    must(c.closed == l->closed, "and so are the closed ones");
}
