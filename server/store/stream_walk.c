/* A stream under a walk: what stood in it at one instant is handed out in order, while commands change it. Here are
 * its nodes; its groups are in stream_walk_group.c.
 *
 * Nothing but the row of groups is copied when the walk begins. Everything in a stream stands in trees ordered by id, and
 * is handed out in that order: so a place is an id, and what was passed lies below it. Before something that was not passed
 * changes, goes or comes, a tree of the walk's own takes down what was there under its id, or that nothing was. What the
 * walk hands out is then the two trees read together, its own first. */
#include "server/base/log.h"
#include "server/store/stream_walk.h"

/* ---- What is kept of nodes ------------------------------------------------------------------- */

/* Takes down a node of that id; false: it is not wanted (any more). */
static bool keep(struct xwalk *w, struct xid id, struct xnode n) {
    bool is_new;
    if (w->nodes_done || xid_below(id, w->next) || xid_below(w->end, id)) return false;
    struct xspot p = xtree_put(&w->nodes, &w->bytes, id, &is_new);
    if (!is_new) return false;
    *(struct xnode *)xspot_record(&w->nodes, p) = n;
    w->bytes += n.cap;
    return true;
}

void xwalk_change_node(struct xstream *x, struct xspot p) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    struct xnode *n = xnode_at(x, p), old = *n;
    if (!keep(w, xspot_id(p), old)) return;
    *n = xnode_of(&x->bytes, (struct bytes){(const char *)old.pack, lp_total(old.pack)});
    x->bytes -= old.cap;
    xwalk_count(w, before);
}

bool xwalk_takes_node(struct xstream *x, struct xspot p) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    bool taken = keep(w, xspot_id(p), *xnode_at(x, p));
    xwalk_count(w, before);
    return taken;
}

void xwalk_new_node(struct xstream *x, struct xid id) {
    struct xwalk *w = xwalk_of(x);
    size_t before = w->bytes;
    keep(w, id, (struct xnode){NULL, 0, 0});
    xwalk_count(w, before);
}

/* ---- Handing out ----------------------------------------------------------------------------- */

/* The node that comes next, or NULL; *kept: it is the walk's own. */
static const struct xnode *next_node(const struct xwalk *w, const struct xstream *x, struct xid *id,
                                     bool *kept) {
    struct xspot p = xtree_from(&x->nodes, w->next), q = xtree_from(&w->nodes, w->next);
    *kept = q.leaf && (!p.leaf || !xid_below(xspot_id(p), xspot_id(q)));
    if (!*kept && !p.leaf) return NULL;
    *id = xspot_id(*kept ? q : p);
    if (xid_below(w->end, *id)) return NULL;
    return *kept ? xspot_record(&w->nodes, q) : xspot_record(&x->nodes, p);
}

static void pass_node(struct xwalk *w, struct xid id, bool kept) {
    size_t before = w->bytes;
    if (kept) {
        struct xnode n = *(struct xnode *)xspot_record(&w->nodes, xtree_find(&w->nodes, id));
        xtree_remove(&w->nodes, &w->bytes, id);
        w->bytes -= n.cap;
        if (n.pack) store_give_back(w->s, n.pack, n.cap);
    }
    w->within = 0;
    w->next = id;
    if (!xid_next(&w->next)) w->nodes_done = true;
    xwalk_count(w, before);
}

/* True when that was the node's last piece. */
static bool hand_out_node(struct value_walk *v, struct xid id, const struct xnode *n) {
    struct xwalk *w = v->inside;
    size_t total = lp_total(n->pack), bytes = total - w->within;
    if (bytes > WALK_PIECE_BYTES) bytes = WALK_PIECE_BYTES;
    const struct xstream_item x = {.part = XPART_NODE, .id = id};
    struct walk_item i = {.name = {(const char *)n->pack + w->within, bytes},
                          .whole = total,
                          .at = w->within,
                          .count = w->within + bytes == total};
    xwalk_hand_out(v, &x, i);
    w->within += bytes;
    return i.count;
}

static void nodes_step(struct value_walk *v) {
    struct xwalk *w = v->inside;
    struct xid id;
    bool kept;
    const struct xnode *n = next_node(w, v->object, &id, &kept);
    if (!n)
        w->nodes_done = true;
    else if (!n->pack || walk_is_silent(w->s) || hand_out_node(v, id, n))
        pass_node(w, id, kept);
}

static void hand_out_facts(struct value_walk *v) {
    struct xwalk *w = v->inside;
    const struct xstream_item x = {
        .part = XPART_FACTS, .facts = w->facts, .length = w->length, .count = w->group_count};
    xwalk_hand_out(v, &x, (struct walk_item){.count = 0});
    w->facts_done = true;
}

/* ---- What the store asks of a kind that is walked -------------------------------------------- */

static struct value_walk *attached(const struct entry *e) {
    return entry_form(e) == FORM_STREAM ? xstream_of(e)->walked : NULL;
}

static bool is_big(const struct store *s, const struct entry *e) {
    return entry_form(e) == FORM_STREAM &&
           walk_is_big(s, xstream_of(e)->nodes.count, xstream_of(e)->bytes);
}

static size_t groups_size(const struct xwalk *w) {
    return w->group_count * sizeof(struct xgroup *);
}

static void attach(struct store *s, const struct entry *e, struct value_walk *v) {
    struct xstream *x = xstream_of(e);
    size_t bytes = mem_class(sizeof(struct xwalk));
    struct xwalk *w = xmalloc(bytes);
    *w = (struct xwalk){.s = s, .bytes = bytes, .facts = x->facts, .length = x->length};
    w->part = XPART_GROUP;
    w->nodes_done = !x->nodes.count;
    if (x->nodes.count) w->end = xspot_id(xtree_last(&x->nodes));
    xtree_init(&w->nodes, sizeof(struct xnode));
    w->group_count = x->group_count;
    if (w->group_count) {
        w->groups = mem_new(&w->bytes, groups_size(w));
        memcpy(w->groups, x->groups, groups_size(w));
    }
    walk_keeps(s, w->bytes);
    x->walks++;
    x->walked = v;
    v->object = x;
    v->inside = w;
    v->w.count = x->nodes.count;
    v->w.length = x->length;
}

static bool step_once(struct value_walk *v) {
    struct xwalk *w = v->inside;
    if (!w->nodes_done)
        nodes_step(v);
    else if (!w->facts_done)
        hand_out_facts(v);
    else
        return xwalk_groups_step(v);
    return true;
}

static bool step(struct store *s, struct value_walk *v) {
    bool more;
    do {
        walk_spend(s, walk_is_silent(s));
        more = step_once(v);
    } while (more && walk_goes_on(s));
    return more;
}

static void let_go(struct store *s, struct value_walk *v) {
    struct xwalk *w = v->inside;
    struct xstream *x = v->object;
    size_t before = w->bytes;
    if (v->space) x->walked = NULL;
    must(!w->nodes.count, "a walk keeps no node that it has passed");
    if (w->groups) mem_free(&w->bytes, w->groups, groups_size(w));
    must(w->bytes == mem_class(sizeof *w), "a walk keeps nothing of what it has passed");
    walk_keeps(s, 0 - before);
    free(w);
}

static void free_orphan(struct store *s, struct value_walk *v) {
    struct xstream *x = v->object;
    x->walked = NULL;
    xstream_bury(s, x, x->bytes);
}

static size_t memory(const struct value_walk *v, bool with_object) {
    const struct xwalk *w = v->inside;
    const struct xstream *x = v->object;
    return w->bytes + (with_object ? x->bytes : 0);
}

const struct walk_kind xstream_walk = {
    .attached = attached,
    .is_big = is_big,
    .attach = attach,
    .step = step,
    .let_go = let_go,
    .free = free_orphan,
    .memory = memory,
    .keeps = true,
};
