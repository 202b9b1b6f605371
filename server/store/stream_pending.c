/* See stream_group.h; here is what is pending. */
#include "server/base/log.h"
#include "server/store/stream_inside.h"

static void read_pending(const struct xgroup *g, struct xspot p, struct xpending *out) {
    const struct xdelivery *d = xspot_record(&g->pending, p);
    *out = (struct xpending){xspot_id(p), d->consumer, d->time_ms, d->count};
}

bool xpending_find(const struct xgroup *g, struct xid id, struct xpending *out) {
    struct xspot p = xtree_find(&g->pending, id);
    if (p.leaf) read_pending(g, p, out);
    return p.leaf != NULL;
}

bool xpending_bounds(const struct xgroup *g, struct xid *first, struct xid *last) {
    if (!g->pending.count) return false;
    *first = xspot_id(xtree_first(&g->pending));
    *last = xspot_id(xtree_last(&g->pending));
    return true;
}

void xpending_put(struct store *s, int db, struct entry *e, struct xgroup *g,
                  const struct xpending *new) {
    struct xstream *x = xstream_of(e);
    bool is_new, is_new_there;
    size_t before = xstream_open(s, db, e);
    if (x->walked) xwalk_change_pending(x, g, new->consumer, new->id);
    struct xdelivery *d =
        xspot_record(&g->pending, xtree_put(&g->pending, &x->bytes, new->id, &is_new));
    if (is_new || d->consumer != new->consumer) {
        if (!is_new) xtree_remove(&d->consumer->pending, &x->bytes, new->id);
        xtree_put(&new->consumer->pending, &x->bytes, new->id, &is_new_there);
        must(is_new_there, "an entry is pending for one consumer");
        g->changes++;
    }
    *d = (struct xdelivery){new->consumer, new->time_ms, new->count};
    xstream_shut(s, e, before);
}

bool xpending_remove(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid id) {
    struct xstream *x = xstream_of(e);
    struct xspot p = xtree_find(&g->pending, id);
    if (!p.leaf) return false;
    struct xconsumer *c = ((const struct xdelivery *)xspot_record(&g->pending, p))->consumer;
    size_t before = xstream_open(s, db, e);
    if (x->walked) xwalk_change_pending(x, g, c, id);
    xtree_remove(&g->pending, &x->bytes, id);
    xtree_remove(&c->pending, &x->bytes, id);
    g->changes++;
    xstream_shut(s, e, before);
    return true;
}

/* ---- Loading --------------------------------------------------------------------------------- */

bool xpending_load(struct store *s, int db, struct entry *e, struct xgroup *g,
                   const struct xpending *p) {
    struct xstream *x = xstream_of(e);
    bool is_new;
    if (g->pending.count && !xid_below(xspot_id(xtree_last(&g->pending)), p->id)) return false;
    size_t before = xstream_open(s, db, e);
    struct xspot at = xtree_put(&g->pending, &x->bytes, p->id, &is_new);
    *(struct xdelivery *)xspot_record(&g->pending, at) =
        (struct xdelivery){NULL, p->time_ms, p->count};
    xstream_shut(s, e, before);
    return true;
}

bool xpending_own(struct store *s, int db, struct entry *e, struct xgroup *g, struct xconsumer *c,
                  struct xid id) {
    struct xstream *x = xstream_of(e);
    struct xspot at = xtree_find(&g->pending, id);
    bool is_new;
    if (!at.leaf) return false;
    struct xdelivery *d = xspot_record(&g->pending, at);
    if (d->consumer) return false;
    size_t before = xstream_open(s, db, e);
    d->consumer = c;
    xtree_put(&c->pending, &x->bytes, id, &is_new);
    xstream_shut(s, e, before);
    return true;
}

bool xgroup_is_whole(const struct xgroup *g) {
    size_t owned = 0;
    for (uint32_t i = 0; i < g->consumer_count; i++) owned += g->consumers[i]->pending.count;
    return owned == g->pending.count;
}

/* ---- Walks ----------------------------------------------------------------------------------- */

static const struct xtree *tree_of(const struct xpending_cursor *k) {
    return k->c ? &k->c->pending : &k->g->pending;
}

static void stand_on(struct xpending_cursor *k, struct xspot p) {
    k->leaf = p.leaf;
    k->slot = p.at;
    k->at_end = !p.leaf;
    k->changes = k->g->changes;
    if (p.leaf) k->next = xspot_id(p);
}

void xpending_seek(const struct xgroup *g, const struct xconsumer *c, struct xid from,
                   struct xpending_cursor *k) {
    *k = (struct xpending_cursor){.g = g, .c = c, .next = from};
    stand_on(k, xtree_from(tree_of(k), from));
}

bool xpending_next(struct xpending_cursor *k, struct xpending *out) {
    if (k->changes != k->g->changes && !k->at_end) stand_on(k, xtree_from(tree_of(k), k->next));
    if (k->at_end) return false;
    struct xspot p = {(struct xleaf *)(uintptr_t)k->leaf, k->slot};
    if (k->c)
        must(xpending_find(k->g, xspot_id(p), out), "what a consumer has is pending in the group");
    else
        read_pending(k->g, p, out);
    stand_on(k, xtree_next(p));
    return true;
}
