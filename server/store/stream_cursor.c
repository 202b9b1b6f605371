/* See stream.h; here is what reads entries and nodes. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/stream_inside.h"

static struct xspot spot_of(const struct xstream_cursor *c) {
    return (struct xspot){(struct xleaf *)(uintptr_t)c->leaf, c->slot};
}

static void stand_on(struct xstream_cursor *c, struct xspot p) {
    c->leaf = p.leaf;
    c->slot = p.at;
    c->pack = NULL;
    c->inside = false;
}

static bool is_known(const struct xstream *x, const struct xhint *h, struct xspot node,
                     struct xid id) {
    return h->edits == x->edits && !xid_below(id, h->id) && !xid_below(h->id, xspot_id(node));
}

struct xhint *xstream_known(struct xstream *x, struct xspot node, struct xid id) {
    struct xhint *best = is_known(x, &x->first, node, id) ? &x->first : NULL;
    for (int i = 0; i < XHINTS; i++) {
        struct xhint *h = &x->hints[i];
        if (is_known(x, h, node, id) && (!best || !xid_below(h->id, best->id))) best = h;
    }
    return best;
}

/* The hint, or else one that another left, is the cursor's from now on. */
static void take_hint(struct xstream *x, struct xspot p, struct xstream_cursor *c) {
    struct xhint *known = p.leaf ? xstream_known(x, p, c->low) : NULL;
    c->start = known ? known->offset : 0;
    c->hint = known && known != &x->first ? known : &x->hints[x->next_hint++ % XHINTS];
    c->edits = x->edits;
}

static void leave_hint(struct xstream_cursor *c, struct xid id, const uint8_t *at) {
    if (!c->backwards)
        *(struct xhint *)c->hint = (struct xhint){id, (uint32_t)(at - c->pack), c->edits};
}

void xstream_seek(const struct entry *e, struct xid from, struct xid to, bool backwards,
                  struct xstream_cursor *c) {
    struct xstream *x = xstream_of(e);
    struct xspot p = xtree_until(&x->nodes, backwards ? to : from);
    *c = (struct xstream_cursor){.backwards = backwards, .low = from, .high = to};
    if (!backwards) take_hint(x, p, c);
    if (!p.leaf && !backwards) p = xtree_first(&x->nodes);
    stand_on(c, p);
}

static void open_node(struct xstream_cursor *c) {
    struct xspot p = spot_of(c);
    const struct xtree nodes = {.width = sizeof(struct xnode)};
    const struct xnode *n = xspot_record(&nodes, p);
    struct xmaster m = xnode_master(n->pack);
    c->node_id = xspot_id(p);
    c->pack = n->pack;
    c->names = m.names;
    c->node_fields = m.fields;
    c->at = c->start ? n->pack + c->start : m.entries;
    c->start = 0;
    c->edge = n->pack + lp_total(n->pack) - 1;
}

/* The place of the entry behind the one that the cursor is on, NULL: the node is at its end. */
static const uint8_t *step_on(struct xstream_cursor *c) {
    if (c->backwards) return c->edge = xnode_before(c->pack, c->edge);
    if (c->inside) c->at = xnode_pass(c->at, (c->same_fields ? 1 : 2) * c->left + 1);
    return xnode_at_end(c->at) ? NULL : c->at;
}

static void enter(struct xstream_cursor *c, const struct xentry *en) {
    c->inside = true;
    c->same_fields = en->flags & ENTRY_SAME_FIELDS;
    c->at = en->body;
    c->left = en->fields;
    c->name = c->names;
}

bool xstream_next(struct xstream_cursor *c, struct xid *id, size_t *fields) {
    while (c->leaf) {
        if (!c->pack) open_node(c);
        const uint8_t *at = step_on(c);
        if (!at) {
            stand_on(c, c->backwards ? xtree_prev(spot_of(c)) : xtree_next(spot_of(c)));
            continue;
        }
        struct xentry en = xnode_entry(at, c->node_id, c->node_fields);
        enter(c, &en);
        if (xid_below(c->backwards ? c->high : en.id, c->backwards ? en.id : c->low)) continue;
        if (en.flags & ENTRY_MARKED) continue; /* it may lie out of order */
        if (xid_below(c->backwards ? en.id : c->high, c->backwards ? c->low : en.id)) break;
        *id = en.id;
        *fields = en.fields;
        leave_hint(c, en.id, at);
        return true;
    }
    stand_on(c, XSPOT_NONE);
    return false;
}

void xstream_field(struct xstream_cursor *c, struct bytes *field, struct bytes *value) {
    must(c->inside && c->left > 0, "an entry's fields are read once each");
    const uint8_t **name = c->same_fields ? &c->name : &c->at;
    *field = lp_get(*name, c->digits[0]);
    *name = xnode_pass(*name, 1);
    *value = lp_get(c->at, c->digits[1]);
    c->at = xnode_pass(c->at, 1);
    c->left--;
}

const uint8_t *xstream_find(struct xstream *x, struct xspot node, struct xid id) {
    const struct xhint *known = xstream_known(x, node, id);
    return xnode_find(xnode_at(x, node)->pack, known ? known->offset : 0, xspot_id(node), id);
}

bool xstream_has(const struct entry *e, struct xid id) {
    struct xstream *x = xstream_of(e);
    struct xspot p = xtree_until(&x->nodes, id);
    if (!p.leaf) return false;
    return xstream_find(x, p, id) != NULL;
}

bool xstream_last_entry(const struct entry *e, struct xid *id) {
    struct xstream_cursor c;
    size_t fields;
    xstream_seek(e, XID_MIN, XID_MAX, true, &c);
    return xstream_next(&c, id, &fields);
}

struct xid xstream_first_kept(const struct entry *e) {
    const struct xstream *x = xstream_of(e);
    struct xspot p = xtree_first(&x->nodes);
    if (!p.leaf) return XID_MAX;
    return xnode_entry(xnode_master(xnode_at(x, p)->pack).entries, xspot_id(p), 0).id;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

size_t xstream_nodes(const struct entry *e) {
    return xstream_of(e)->nodes.count;
}

void xstream_each_node(const struct entry *e, xstream_node_fn *fn, void *arg) {
    const struct xstream *x = xstream_of(e);
    for (struct xspot p = xtree_first(&x->nodes); p.leaf; p = xtree_next(p)) {
        const uint8_t *pack = xnode_at(x, p)->pack;
        fn(arg, xspot_id(p), (struct bytes){(const char *)pack, lp_total(pack)});
    }
}

/* Bytes that two ids have in common at their beginning, as 16 bytes with the highest first. */
static unsigned shared_bytes(struct xid a, struct xid b) {
    uint64_t ms = a.ms ^ b.ms, seq = a.seq ^ b.seq;
    if (ms) return (unsigned)__builtin_clzll(ms) / 8;
    return 8 + (seq ? (unsigned)__builtin_clzll(seq) / 8 : 8);
}

/* The nodes of a tree in which ids stand byte by byte, runs without a fork put together: counted along the path to
 * the latest id, which is all that a new one can fork from. */
struct radix {
    unsigned forks[16]; /* their depths on the path, ascending */
    unsigned depth;
    size_t nodes;
};

/* The path below its last fork above `depth` is at its end: the stretches between forks count, where they are not empty. */
static void radix_close(struct radix *r, int depth) {
    int end = 16; /* of the stretch: a leaf, or a fork that was counted */
    while (r->depth > 0 && (int)r->forks[r->depth - 1] > depth) {
        int fork = (int)r->forks[--r->depth];
        r->nodes += (end - fork - 1 > 0) + 1U;
        end = fork;
    }
    if (depth < 0)
        r->nodes += end > 0; /* from the root */
    else
        r->nodes += end - depth - 1 > 0;
}

size_t xstream_radix_nodes(const struct entry *e) {
    enum { EXACT = 4096 };
    const struct xstream *x = xstream_of(e);
    struct radix r = {.nodes = 1};
    size_t seen = 0;
    struct xspot p = xtree_first(&x->nodes);
    struct xid before = XID_MIN;
    for (; p.leaf && seen < EXACT; before = xspot_id(p), p = xtree_next(p), seen++) {
        r.nodes += seen > 0; /* a leaf; the first stands for the empty tree's root */
        if (!seen) continue;
        unsigned fork = shared_bytes(before, xspot_id(p));
        radix_close(&r, (int)fork);
        if (!r.depth || r.forks[r.depth - 1] != fork) r.forks[r.depth++] = fork;
    }
    if (seen) radix_close(&r, -1);
    return seen < EXACT ? r.nodes : (size_t)((double)r.nodes / EXACT * (double)x->nodes.count);
}

const char *xstream_load_node(struct store *s, int db, struct entry *e, struct xid id,
                              struct bytes listpack) {
    struct xstream *x = xstream_of(e);
    struct xspot last = xtree_last(&x->nodes);
    struct xid last_entry = XID_MIN;
    bool is_new;
    xstream_last_entry(e, &last_entry);
    if (!lp_valid((const uint8_t *)listpack.p, listpack.len))
        return "holds a node that is no sound listpack";
    const char *fault = xnode_fault((const uint8_t *)listpack.p, id, &last_entry);
    if (fault) return fault;
    if (last.leaf && xid_cmp(xspot_id(last), id) >= 0) return "holds nodes that are out of order";
    size_t before = xstream_open(s, db, e);
    struct xnode n = xnode_of(&x->bytes, listpack);
    *xnode_at(x, xtree_put(&x->nodes, &x->bytes, id, &is_new)) = n;
    bool first = !x->length;
    x->length += n.live;
    if (first) xstream_refirst(x);
    xstream_shut(s, e, before);
    return NULL;
}
