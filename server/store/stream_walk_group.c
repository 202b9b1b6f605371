/* The groups of a stream under a walk: see stream_walk.c. What a group or a consumer was is taken down when it is
 * first changed, or when the walk comes to it; one whose `walks` is the stream's and that has no `walk` is new or was
 * passed. */
#include "server/base/log.h"
#include "server/store/stream_walk.h"

/* ---- What is kept ---------------------------------------------------------------------------- */

static size_t row_size(const struct xgroup_walk *gw) {
    return gw->count * sizeof(struct xconsumer *);
}

/* NULL: the walk has nothing to do with it. */
static struct xgroup_walk *group_walk(struct xstream *x, struct xwalk *w, struct xgroup *g) {
    if (g->walks == x->walks) return g->walk;
    struct xgroup_walk *gw = mem_new(&w->bytes, sizeof *gw);
    *gw = (struct xgroup_walk){.last_id = g->last_id,
                               .entries_read = g->entries_read,
                               .pending_count = g->pending.count,
                               .count = g->consumer_count};
    xtree_init(&gw->pending, sizeof(struct xdelivery));
    if (gw->count) {
        gw->consumers = mem_new(&w->bytes, row_size(gw));
        memcpy(gw->consumers, g->consumers, row_size(gw));
    }
    g->walks = x->walks;
    return g->walk = gw;
}

static struct xconsumer_walk *consumer_walk(struct xstream *x, struct xwalk *w,
                                            struct xconsumer *c) {
    if (c->walks == x->walks) return c->walk;
    struct xconsumer_walk *cw = mem_new(&w->bytes, sizeof *cw);
    *cw = (struct xconsumer_walk){.seen_ms = c->seen_ms, .pending_count = c->pending.count};
    xtree_init(&cw->pending, sizeof(uint64_t));
    c->walks = x->walks;
    return c->walk = cw;
}

static void keep_delivery(struct xwalk *w, struct xgroup_walk *gw, struct xid id,
                          const struct xdelivery *was) {
    bool is_new;
    if (!gw || gw->pending_done || xid_below(id, gw->next)) return;
    struct xspot p = xtree_put(&gw->pending, &w->bytes, id, &is_new);
    if (!is_new) return;
    *(struct xdelivery *)xspot_record(&gw->pending, p) =
        was ? *was : (struct xdelivery){NULL, 0, 0};
}

static void keep_owned(struct xwalk *w, struct xconsumer_walk *cw, struct xid id, bool was) {
    bool is_new;
    if (!cw || xid_below(id, cw->next)) return;
    struct xspot p = xtree_put(&cw->pending, &w->bytes, id, &is_new);
    if (is_new) *(uint64_t *)xspot_record(&cw->pending, p) = was;
}

void xwalk_change_group(struct xstream *x, struct xgroup *g) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    group_walk(x, w, g);
    xwalk_count(w, before);
}

void xwalk_change_consumer(struct xstream *x, struct xconsumer *c) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    consumer_walk(x, w, c);
    xwalk_count(w, before);
}

void xwalk_change_pending(struct xstream *x, struct xgroup *g, struct xconsumer *c, struct xid id) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    struct xspot p = xtree_find(&g->pending, id);
    const struct xdelivery *was = p.leaf ? xspot_record(&g->pending, p) : NULL;
    keep_delivery(w, group_walk(x, w, g), id, was);
    if (was) keep_owned(w, consumer_walk(x, w, was->consumer), id, true);
    if (!was || was->consumer != c) keep_owned(w, consumer_walk(x, w, c), id, false);
    xwalk_count(w, before);
}

/* What is pending in the group for a consumer that goes: found one by one, or by passing all. */
static void keep_all(struct xwalk *w, struct xgroup_walk *gw, const struct xgroup *g,
                     const struct xconsumer *c) {
    enum { ONE_COSTS = 16 }; /* times what passing one takes */
    if (!gw || gw->pending_done) return;
    bool few = c->pending.count * ONE_COSTS < g->pending.count;
    struct xspot p = xtree_from(few ? &c->pending : &g->pending, gw->next);
    for (; p.leaf; p = xtree_next(p)) {
        struct xspot there = few ? xtree_find(&g->pending, xspot_id(p)) : p;
        const struct xdelivery *d = xspot_record(&g->pending, there);
        if (d->consumer == c) keep_delivery(w, gw, xspot_id(p), d);
    }
}

bool xwalk_takes_consumer(struct xstream *x, struct xgroup *g, struct xconsumer *c) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    keep_all(w, group_walk(x, w, g), g, c);
    struct xconsumer_walk *cw = consumer_walk(x, w, c);
    if (cw) {
        cw->orphan = true;
        x->bytes -= xconsumer_bytes(c);
        w->bytes += xconsumer_bytes(c);
    }
    xwalk_count(w, before);
    return cw != NULL;
}

bool xwalk_takes_group(struct xstream *x, struct xgroup *g) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes, bytes;
    struct xgroup_walk *gw = group_walk(x, w, g);
    if (gw) {
        gw->orphan = true;
        bytes = xgroup_bytes(g);
        x->bytes -= bytes;
        w->bytes += bytes;
    }
    xwalk_count(w, before);
    return gw != NULL;
}

/* ---- Passing --------------------------------------------------------------------------------- */

static void drop_tree(struct xwalk *w, struct xtree *t) {
    while (xtree_dismantle(t, &w->bytes, NULL, NULL)) {
    }
}

static void pass_consumer(struct xwalk *w, struct xconsumer *c) {
    struct xconsumer_walk *cw = c->walk;
    bool orphan = cw->orphan;
    drop_tree(w, &cw->pending);
    mem_free(&w->bytes, cw, sizeof *cw);
    c->walk = NULL;
    if (orphan) xconsumer_free(&w->bytes, c);
}

static void pass_group(struct xwalk *w, struct xgroup *g) {
    struct xgroup_walk *gw = g->walk;
    bool orphan = gw->orphan;
    drop_tree(w, &gw->pending);
    if (gw->consumers) mem_free(&w->bytes, gw->consumers, row_size(gw));
    mem_free(&w->bytes, gw, sizeof *gw);
    g->walk = NULL;
    if (orphan) xgroup_bury(w->s, &w->bytes, g);
}

/* ---- Handing out ----------------------------------------------------------------------------- */

/* What is pending now, and what was kept, read together from *next on. */
struct merge {
    const struct xtree *now;
    struct xtree *kept;
    struct xid *next;
    bool deliveries; /* what is told of each is wanted, not the ids only */
};

static bool was_there(const struct merge *m, struct xspot kept) {
    const void *record = xspot_record(m->kept, kept);
    return m->deliveries ? ((const struct xdelivery *)record)->consumer != NULL
                         : *(const uint64_t *)record != 0;
}

static void take(const struct merge *m, struct xstream_pending_item *to, const struct xtree *t,
                 struct xspot p) {
    *to = (struct xstream_pending_item){xspot_id(p), 0, 0};
    if (!m->deliveries) return;
    const struct xdelivery *d = xspot_record(t, p);
    to->time_ms = d->time_ms;
    to->delivered = d->count;
}

/* Leaves of what was kept that were passed are given back. */
static void drop_passed(struct xwalk *w, const struct merge *m) {
    for (const struct xleaf *l; (l = m->kept->first) && xid_below(l->ids[l->n - 1], *m->next);)
        xtree_drop_first(m->kept, &w->bytes);
}

/* Fills the run, or looks at a bounded number of places; false when all was seen. */
static bool next_run(struct xwalk *w, const struct merge *m, unsigned *n) {
    enum { LOOK = 8 * XPART_RUN };
    struct xspot p = xtree_from(m->now, *m->next), q = xtree_from(m->kept, *m->next);
    *n = 0;
    for (int looked = 0; (p.leaf || q.leaf) && *n < XPART_RUN && looked < LOOK; looked++) {
        bool kept = q.leaf && (!p.leaf || !xid_below(xspot_id(p), xspot_id(q)));
        bool same = kept && p.leaf && xid_cmp(xspot_id(p), xspot_id(q)) == 0;
        *m->next = xspot_id(kept ? q : p);
        if (!kept || was_there(m, q))
            take(m, &w->run[(*n)++], kept ? m->kept : m->now, kept ? q : p);
        if (!kept || same) p = xtree_next(p);
        if (kept) q = xtree_next(q);
        if (!xid_next(m->next)) p = q = XSPOT_NONE;
    }
    drop_passed(w, m);
    return p.leaf || q.leaf;
}

/* True when that was the last of it. */
static bool hand_out_run(struct value_walk *v, enum xstream_part part, const struct merge *m) {
    struct xwalk *w = v->inside;
    unsigned n;
    if (walk_is_silent(w->s)) return true;
    bool more = next_run(w, m, &n);
    const struct xstream_item x = {.part = part, .count = n, .run = w->run};
    if (n)
        xwalk_hand_out(v, &x, (struct walk_item){.count = 0});
    else
        walk_spend(w->s, 1);
    return !more;
}

static void hand_out_group(struct value_walk *v, const struct xgroup *g) {
    const struct xgroup_walk *gw = g->walk;
    const struct xstream_item x = {.part = XPART_GROUP,
                                   .id = gw->last_id,
                                   .entries_read = gw->entries_read,
                                   .count = gw->pending_count};
    xwalk_hand_out(v, &x, (struct walk_item){.name = xgroup_name(g)});
}

static void hand_out_consumer(struct value_walk *v, const struct xconsumer *c) {
    const struct xconsumer_walk *cw = c->walk;
    const struct xstream_item x = {
        .part = XPART_CONSUMER, .seen_ms = cw->seen_ms, .count = cw->pending_count};
    xwalk_hand_out(v, &x, (struct walk_item){.name = xconsumer_name(c)});
}

/* To the consumer at consumer_at, or to the next group. */
static void come_to_consumer(struct value_walk *v, struct xgroup *g) {
    struct xwalk *w = v->inside;
    const struct xgroup_walk *gw = g->walk;
    if (w->consumer_at == gw->count) {
        pass_group(w, g);
        w->group_at++;
        w->part = XPART_GROUP;
        return;
    }
    consumer_walk(v->object, w, gw->consumers[w->consumer_at]);
    hand_out_consumer(v, gw->consumers[w->consumer_at]);
    w->part = XPART_OWNED;
}

static void owned_step(struct value_walk *v, const struct xgroup_walk *gw) {
    struct xwalk *w = v->inside;
    struct xconsumer *c = gw->consumers[w->consumer_at];
    struct xconsumer_walk *cw = c->walk;
    const struct merge m = {&c->pending, &cw->pending, &cw->next, false};
    if (!hand_out_run(v, XPART_OWNED, &m)) return;
    pass_consumer(w, c);
    w->consumer_at++;
    w->part = XPART_CONSUMER;
}

static void group_step(struct value_walk *v, struct xgroup *g) {
    struct xwalk *w = v->inside;
    struct xgroup_walk *gw = group_walk(v->object, w, g);
    const struct merge m = {&g->pending, &gw->pending, &gw->next, true};
    const struct xstream_item consumers = {.part = XPART_CONSUMERS, .count = gw->count};
    switch (w->part) {
    case XPART_GROUP:
        hand_out_group(v, g);
        w->part = XPART_PENDING;
        break;
    case XPART_PENDING:
        if (!hand_out_run(v, XPART_PENDING, &m)) break;
        gw->pending_done = true;
        drop_tree(w, &gw->pending);
        w->part = XPART_CONSUMERS;
        break;
    case XPART_CONSUMERS:
        xwalk_hand_out(v, &consumers, (struct walk_item){.count = 0});
        w->consumer_at = 0;
        w->part = XPART_CONSUMER;
        break;
    case XPART_CONSUMER: come_to_consumer(v, g); break;
    case XPART_OWNED: owned_step(v, gw); break;
    default: bug("a group has such a part");
    }
}

bool xwalk_groups_step(struct value_walk *v) {
    struct xwalk *w = v->inside;
    size_t before = w->bytes;
    if (w->group_at == w->group_count) return false;
    group_step(v, w->groups[w->group_at]);
    xwalk_count(w, before);
    return true;
}
