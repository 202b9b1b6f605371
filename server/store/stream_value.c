/* What the store asks of a kind, for streams: how they end, are copied, counted, checked and moved. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/stream_inside.h"

/* ---- Ends ------------------------------------------------------------------------------------ */

enum { AT_ONCE_BYTES = 64 * 1024 }; /* what is bigger ends in steps, or elsewhere */

static void free_node(void *arg, void *record) {
    xnode_free(arg, record);
}

/* Frees a piece; false when that was the last, and the stream is gone. */
static bool free_piece(struct xstream *x) {
    if (xtree_dismantle(&x->nodes, &x->bytes, free_node, &x->bytes)) return true;
    if (x->group_count) {
        struct xgroup *g = x->groups[x->group_count - 1];
        if (!xgroup_dismantle(&x->bytes, g)) x->group_count--;
        return true;
    }
    if (x->groups) mem_free(&x->bytes, x->groups, x->group_cap * sizeof *x->groups);
    return false;
}

static bool dismantle(struct store *s, void *value) {
    struct xstream *x = value;
    size_t before = x->bytes;
    bool more = free_piece(x);
    s->memory -= before - x->bytes;
    if (more) return true;
    must(x->bytes == mem_class(sizeof *x), "a stream's bytes are counted");
    mem_free(&s->memory, x, sizeof *x);
    return false;
}

static size_t bytes_of(const void *value) {
    const struct xstream *x = value;
    return x->bytes;
}

static void bury(struct store *s, struct xstream *x) {
    if (x->bytes > AT_ONCE_BYTES) {
        store_ruin_later(s, x, dismantle, bytes_of);
    } else {
        while (dismantle(s, x)) {
        }
    }
}

void xstream_free(struct store *s, struct entry *e) {
    bury(s, xstream_of(e));
}

struct xstream *xstream_shell(struct store *s) {
    struct xstream *shell = mem_new(&s->memory, sizeof *shell);
    *shell = (struct xstream){.bytes = mem_class(sizeof *shell)};
    xtree_init(&shell->nodes, sizeof(struct xnode));
    return shell;
}

void xstream_bury(struct store *s, struct xstream *x, size_t bytes_before) {
    s->memory += x->bytes - bytes_before;
    bury(s, x);
}

/* A big group ends as the only one of a stream that nobody else knows. */
void xgroup_bury(struct store *s, size_t *memory, struct xgroup *g) {
    size_t bytes = xgroup_bytes(g);
    if (bytes <= AT_ONCE_BYTES) {
        while (xgroup_dismantle(memory, g)) {
        }
        return;
    }
    struct xstream *shell = xstream_shell(s);
    size_t before = shell->bytes;
    shell->groups = mem_new(&shell->bytes, sizeof *shell->groups);
    shell->groups[0] = g;
    shell->group_count = shell->group_cap = 1;
    shell->bytes += bytes;
    *memory -= bytes;
    xstream_bury(s, shell, before);
}

/* ---- Copies and checks ------------------------------------------------------------------------ */

void xstream_copy(struct store *s, const struct entry *e, struct entry *to) {
    const struct xstream *from = xstream_of(e);
    struct xstream *x = xmalloc(mem_class(sizeof *x));
    *x = *from;
    x->bytes = mem_class(sizeof *x);
    x->compacted = XID_MIN;
    x->walked = NULL;
    xstream_edited(x);
    xtree_copy(&x->nodes, &x->bytes, &from->nodes);
    for (struct xspot p = xtree_first(&x->nodes); p.leaf; p = xtree_next(p)) {
        struct xnode *n = xnode_at(x, p);
        *n = xnode_of(&x->bytes, (struct bytes){(const char *)n->pack, lp_total(n->pack)});
    }
    x->groups = NULL;
    x->group_cap = x->group_count;
    if (x->group_cap) x->groups = mem_new(&x->bytes, x->group_cap * sizeof *x->groups);
    for (uint32_t i = 0; i < x->group_count; i++)
        x->groups[i] = xgroup_copy(&x->bytes, from->groups[i]);
    s->memory += x->bytes;
    entry_set_pointer(to, x);
}

size_t xstream_memory(const struct entry *e) {
    return xstream_of(e)->bytes;
}

static size_t verify_nodes(const struct xstream *x) {
    size_t bytes = xtree_bytes(&x->nodes);
    uint64_t length = 0;
    struct xid last = XID_MIN;
    xtree_verify(&x->nodes);
    for (struct xspot p = xtree_first(&x->nodes); p.leaf; p = xtree_next(p)) {
        const struct xnode *n = xnode_at(x, p);
        const char *fault;
        must(lp_total(n->pack) <= n->cap, "a node fits its room");
        must(lp_valid(n->pack, lp_total(n->pack)), "a node is a sound listpack");
        fault = xnode_fault(n->pack, xspot_id(p), &last);
        if (fault) bug("a node %s", fault);
        must(xid_cmp(last, x->facts.last_id) <= 0, "no entry is above the last id");
        must(n->live == xnode_master(n->pack).live, "a node's entries are known");
        length += n->live;
        bytes += mem_class(n->cap);
    }
    must(length == x->length, "entries are counted");
    return bytes;
}

/* What is known of an entry's place is true. */
static void verify_hint(const struct xstream *x, const struct xhint *h) {
    struct xspot p = h->edits == x->edits ? xtree_until(&x->nodes, h->id) : XSPOT_NONE;
    if (!p.leaf) return;
    const struct xnode *n = xnode_at(x, p);
    struct xmaster m = xnode_master(n->pack);
    const uint8_t *at = m.entries, *wanted = n->pack + h->offset;
    while (at < wanted && !xnode_at_end(at)) {
        struct xentry en = xnode_entry(at, xspot_id(p), m.fields);
        at = xnode_behind(&en);
    }
    must(at == wanted, "a known place is an entry's");
    must(xid_cmp(xnode_entry(at, xspot_id(p), m.fields).id, h->id) == 0, "and that entry's");
}

void xstream_verify(const struct entry *e) {
    const struct xstream *x = xstream_of(e);
    struct xstream again = *x;
    again.first.edits = 0;
    for (int i = 0; i < XHINTS; i++) verify_hint(x, &x->hints[i]);
    verify_hint(x, &x->first);
    size_t bytes = mem_class(sizeof *x) + verify_nodes(x) + xgroups_row_bytes(x);
    xstream_refirst(&again);
    must(xid_cmp(again.facts.first_id, x->facts.first_id) == 0, "the first entry is known");
    xgroups_verify_order(x);
    for (uint32_t i = 0; i < x->group_count; i++) {
        xgroup_verify(x->groups[i]);
        bytes += xgroup_bytes(x->groups[i]);
    }
    must(bytes == x->bytes, "a stream's bytes are counted");
}

/* ---- Moving ---------------------------------------------------------------------------------- */

/* The listpacks only: what stands in trees is freed by the page as it is, leaves being of one size. */
uint64_t xstream_compact(struct entry *e, uint64_t from, struct store_mover *m) {
    enum { NODES = 32 };
    struct xstream *x = xstream_of(e);
    struct xspot p = from ? xtree_from(&x->nodes, x->compacted) : xtree_first(&x->nodes);
    for (int i = 0; i < NODES && p.leaf; i++, p = xtree_next(p)) {
        struct xnode *n = xnode_at(x, p);
        n->pack = compact_move(m, n->pack, n->cap);
    }
    if (p.leaf) x->compacted = xspot_id(p);
    return p.leaf != NULL;
}
