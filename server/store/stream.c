/* See stream.h; here is what changes entries. The way to read them is in stream_cursor.c. */
#include "server/store/stream.h"

#include <string.h>

#include "server/base/log.h"
#include "server/store/stream_inside.h"

enum { NODE_BYTES_MAX = 1 << 20, SLACK_PART = 16 };

bool xid_next(struct xid *id) {
    if (++id->seq == 0) id->ms++;
    return !xid_zero(*id);
}

bool xid_prev(struct xid *id) {
    bool well = !xid_zero(*id);
    if (id->seq-- == 0) id->ms--;
    return well;
}

struct entry *xstream_new(struct store *s, int db, struct bytes key, int64_t expiry_ms) {
    struct entry *e = store_put(s, db, key, KIND_STREAM, FORM_STREAM, 0, expiry_ms);
    struct xstream *x = mem_new(&s->memory, sizeof *x);
    *x = (struct xstream){.bytes = mem_class(sizeof *x), .edits = 1};
    xtree_init(&x->nodes, sizeof(struct xnode));
    entry_set_pointer(e, x);
    return e;
}

size_t xstream_len(const struct entry *e) {
    return xstream_of(e)->length;
}

struct xstream_facts xstream_facts(const struct entry *e) {
    return xstream_of(e)->facts;
}

void xstream_set_facts(struct store *s, int db, struct entry *e, const struct xstream_facts *f) {
    struct xstream *x = xstream_of(e);
    struct xid first_id = x->facts.first_id;
    store_before_change(s, db, e);
    x->facts = *f;
    x->facts.first_id = first_id;
}

/* Where the first entry stands, as far as it is known, in the first node that has one; else 0. */
static uint32_t first_offset(const struct xstream *x, struct xspot p) {
    const struct xhint *h = &x->first;
    bool here = h->edits == x->edits && xnode_at(x, p)->live && !xid_below(h->id, xspot_id(p));
    return here ? h->offset : 0;
}

/* Of the node's entries from the known first one on, the first that is not marked. */
static bool first_of(struct xstream *x, struct xspot p) {
    const uint8_t *pack = xnode_at(x, p)->pack;
    struct xmaster m = xnode_master(pack);
    uint32_t from = first_offset(x, p);
    const uint8_t *at = from ? pack + from : m.entries;
    while (!xnode_at_end(at)) {
        struct xentry en = xnode_entry(at, xspot_id(p), m.fields);
        x->facts.first_id = en.id;
        x->first = (struct xhint){en.id, (uint32_t)(at - pack), x->edits};
        if (!(en.flags & ENTRY_MARKED)) return true;
        at = xnode_behind(&en);
    }
    return false;
}

void xstream_refirst(struct xstream *x) {
    x->facts.first_id = XID_MIN;
    for (struct xspot p = xtree_first(&x->nodes); x->length && p.leaf; p = xtree_next(p))
        if (xnode_at(x, p)->live && first_of(x, p)) return;
    x->first.edits = 0;
}

/* ---- Adding ---------------------------------------------------------------------------------- */

bool xstream_auto_id(const struct entry *e, int64_t now_ms, struct xid *id) {
    *id = xstream_of(e)->facts.last_id;
    if (now_ms > 0 && (uint64_t)now_ms > id->ms) {
        *id = (struct xid){(uint64_t)now_ms, 0};
        return true;
    }
    return xid_next(id);
}

static size_t node_bytes(const struct store *s) {
    size_t setting = s->settings.stream_node_bytes;
    return setting && setting < NODE_BYTES_MAX ? setting : NODE_BYTES_MAX;
}

/* Redis's rule: it looks at the words' bytes only, not at what they take in the listpack. */
static bool is_full(const struct store *s, const struct xnode *n, const struct xwords *w) {
    size_t most = s->settings.stream_node_entries;
    if (lp_total(n->pack) + w->text_bytes >= node_bytes(s)) return true;
    if (!most) return false;
    struct xmaster m = xnode_master(n->pack);
    return m.live + m.marked >= 0 && (uint64_t)(m.live + m.marked) >= most;
}

/* The next node will be about as big as this one. */
static size_t expected_bytes(const struct xnode *n, size_t most) {
    size_t bytes = lp_total(n->pack);
    return bytes < most ? bytes + bytes / SLACK_PART : most;
}

static void drop_node(struct xstream *x, struct xspot p) {
    if (x->walked && xwalk_takes_node(x, p))
        x->bytes -= xnode_at(x, p)->cap;
    else
        xnode_free(&x->bytes, xnode_at(x, p));
    xtree_remove(&x->nodes, &x->bytes, xspot_id(p));
    xstream_edited(x);
}

/* Nothing is left in the last node, and XSETID took last_id back: its id would not be the highest any more. */
static void drop_passed(struct xstream *x, struct xid id) {
    struct xspot p;
    while ((p = xtree_last(&x->nodes)).leaf && !xid_below(xspot_id(p), id)) {
        must(xnode_at(x, p)->live == 0, "an entry is not above last_id");
        drop_node(x, p);
    }
}

static void append(struct store *s, struct xstream *x, struct xid id, const struct xwords *w) {
    drop_passed(x, id);
    struct xspot last = xtree_last(&x->nodes);
    size_t most = node_bytes(s), expected = 0;
    bool is_new;
    if (last.leaf) {
        struct xnode *n = xnode_at(x, last);
        if (!is_full(s, n, w)) {
            if (x->walked) xwalk_change_node(x, last);
            if (xnode_append(&x->bytes, n, xspot_id(last), id, w, most)) xstream_edited(x);
            return;
        }
        expected = expected_bytes(n, most);
        xnode_close(&x->bytes, n);
    }
    struct xnode n = xnode_new(&x->bytes, w, expected);
    if (x->walked) xwalk_new_node(x, id);
    *xnode_at(x, xtree_put(&x->nodes, &x->bytes, id, &is_new)) = n;
    must(is_new, "a node's id is new");
}

bool xstream_add(struct store *s, int db, struct entry *e, struct xid id, const struct bytes *words,
                 size_t fields) {
    struct xstream *x = xstream_of(e);
    enum { FEW = 16 };
    struct lp_value few[FEW], *values = few;
    struct xwords w = {few, fields, 0};
    must(xid_cmp(id, x->facts.last_id) > 0, "an entry's id is above all that were given");
    must(fields > 0, "an entry has a field");
    for (size_t i = 0; i < 2 * fields; i++) w.text_bytes += words[i].len;
    if (w.text_bytes > XSTREAM_ENTRY_MAX) return false;
    if (2 * fields > FEW) w.words = values = xmalloc(2 * fields * sizeof *values);
    for (size_t i = 0; i < 2 * fields; i++) values[i] = lp_value_of(words[i]);
    size_t before = xstream_open(s, db, e);
    append(s, x, id, &w);
    if (values != few) free(values);
    x->length++;
    x->facts.entries_added++;
    x->facts.last_id = id;
    if (x->length == 1) x->facts.first_id = id;
    xstream_shut(s, e, before);
    return true;
}

/* ---- Deleting -------------------------------------------------------------------------------- */

bool xstream_delete(struct store *s, int db, struct entry *e, struct xid id) {
    struct xstream *x = xstream_of(e);
    struct xspot p = xtree_until(&x->nodes, id);
    if (!p.leaf) return false;
    struct xnode *n = xnode_at(x, p);
    const uint8_t *at = xstream_find(x, p, id);
    if (!at) return false;
    size_t before = xstream_open(s, db, e), offset = (size_t)(at - n->pack);
    if (x->walked && n->live > 1) xwalk_change_node(x, p);
    if (n->live == 1)
        drop_node(x, p);
    else if (xnode_mark(&x->bytes, n, n->pack + offset))
        xstream_edited(x);
    x->length--;
    if (xid_cmp(id, x->facts.max_deleted_id) > 0) x->facts.max_deleted_id = id;
    if (!x->length || xid_cmp(id, x->facts.first_id) == 0) xstream_refirst(x);
    xstream_shut(s, e, before);
    return true;
}

/* The whole node goes; else its first entries may. */
static bool goes_whole(const struct xstream *x, const struct xstream_trim *how, struct xspot p,
                       size_t live) {
    if (how->by_id)
        return xid_cmp(xnode_last_id(xnode_at(x, p)->pack, xspot_id(p)), how->min_id) < 0;
    return x->length - live >= how->max_len;
}

/* Whether all nodes of the first leaf go; *live: their entries. (Of a node before another one all ids are below that
 * one's.) */
static bool leaf_goes(const struct xstream *x, const struct xstream_trim *how, size_t done,
                      size_t *live) {
    const struct xleaf *l = x->nodes.first;
    *live = 0;
    if (!l || !l->next) return false;
    for (unsigned i = 0; i < l->n; i++)
        *live += xnode_at(x, (struct xspot){x->nodes.first, i})->live;
    if (how->limit && done + *live > how->limit) return false;
    if (how->by_id) return xid_cmp(l->next->ids[0], how->min_id) <= 0;
    return x->length > how->max_len && x->length - *live >= how->max_len;
}

/* Nodes that go by the leaf end later. Returns how many entries went. */
static size_t trim_leaves(struct store *s, int db, struct entry *e,
                          const struct xstream_trim *how) {
    struct xstream *x = xstream_of(e), *shell = NULL;
    size_t done = 0, live, before = 0, shell_before = 0;
    bool is_new;
    while (leaf_goes(x, how, done, &live)) {
        if (!shell) {
            before = xstream_open(s, db, e);
            shell = xstream_shell(s);
            shell_before = shell->bytes;
        }
        for (unsigned i = 0; i < x->nodes.first->n; i++) {
            struct xspot p = {x->nodes.first, i};
            const struct xnode *n = xnode_at(x, p);
            if (x->walked && xwalk_takes_node(x, p)) {
                x->bytes -= n->cap;
                continue;
            }
            *xnode_at(shell, xtree_put(&shell->nodes, &shell->bytes, xspot_id(p), &is_new)) = *n;
            shell->bytes += mem_class(n->cap);
            x->bytes -= mem_class(n->cap);
        }
        xtree_drop_first(&x->nodes, &x->bytes);
        x->length -= live;
        done += live;
    }
    if (!shell) return 0;
    xstream_edited(x);
    xstream_shut(s, e, before);
    xstream_bury(s, shell, shell_before);
    return done;
}

size_t xstream_trim(struct store *s, int db, struct entry *e, const struct xstream_trim *how) {
    struct xstream *x = xstream_of(e);
    size_t done = trim_leaves(s, db, e, how), before = xstream_of(e)->bytes;
    struct xspot p;
    bool open = done > 0;
    while ((p = xtree_first(&x->nodes)).leaf && (how->by_id || x->length > how->max_len)) {
        struct xnode *n = xnode_at(x, p);
        size_t live = n->live;
        bool whole = goes_whole(x, how, p, live);
        if ((how->limit && done + live > how->limit) || (!whole && how->approx)) break;
        if (!open) before = xstream_open(s, db, e);
        open = true;
        if (whole) {
            drop_node(x, p);
            x->length -= live;
            done += live;
            continue;
        }
        size_t most = how->by_id ? live : x->length - how->max_len;
        struct xid below = how->by_id ? how->min_id : XID_MAX;
        bool moved;
        if (x->walked) xwalk_change_node(x, p);
        size_t marked =
            xnode_mark_some(&x->bytes, n, first_offset(x, p), xspot_id(p), most, below, &moved);
        x->length -= marked;
        if (moved) xstream_edited(x);
        done += marked;
        break;
    }
    if (!open) return 0;
    if (done) xstream_refirst(x);
    xstream_shut(s, e, before);
    return done;
}
