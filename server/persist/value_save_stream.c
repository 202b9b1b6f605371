#include "server/persist/value_stream.h"

#include "server/store/stream_group.h"

struct saving {
    struct buf *out;
    bool compress;
};

static void save_node(void *arg, struct xid id, struct bytes listpack) {
    const struct saving *s = arg;
    rdb_put_len(s->out, 16);
    rdb_put_id(s->out, id.ms, id.seq);
    rdb_put_string(s->out, listpack, s->compress);
}

static void save_lens(struct buf *out, struct xid id) {
    rdb_put_len(out, id.ms);
    rdb_put_len(out, id.seq);
}

static void save_consumer(const struct saving *s, const struct xgroup *g,
                          const struct xconsumer *c) {
    struct xpending_cursor k;
    struct xpending p;
    rdb_put_string(s->out, xconsumer_name(c), s->compress);
    rdb_put_ms(s->out, xconsumer_seen_ms(c));
    rdb_put_len(s->out, xconsumer_pending(c));
    xpending_seek(g, c, XID_MIN, &k);
    while (xpending_next(&k, &p)) rdb_put_id(s->out, p.id.ms, p.id.seq);
}

static void save_group(const struct saving *s, const struct xgroup *g) {
    struct xpending_cursor k;
    struct xpending p;
    rdb_put_string(s->out, xgroup_name(g), s->compress);
    save_lens(s->out, xgroup_last_id(g));
    rdb_put_len(s->out, (uint64_t)xgroup_entries_read(g));
    rdb_put_len(s->out, xgroup_pending(g));
    xpending_seek(g, NULL, XID_MIN, &k);
    while (xpending_next(&k, &p)) {
        rdb_put_id(s->out, p.id.ms, p.id.seq);
        rdb_put_ms(s->out, p.time_ms);
        rdb_put_len(s->out, p.count);
    }
    rdb_put_len(s->out, xgroup_consumers(g));
    for (size_t i = 0; i < xgroup_consumers(g); i++) save_consumer(s, g, xconsumer_at(g, i));
}

void value_save_stream(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    struct xstream_facts f = xstream_facts(e);
    rdb_put_len(out, xstream_nodes(e));
    xstream_each_node(e, save_node, &s);
    rdb_put_len(out, xstream_len(e));
    save_lens(out, f.last_id);
    save_lens(out, f.first_id);
    save_lens(out, f.max_deleted_id);
    rdb_put_len(out, f.entries_added);
    rdb_put_len(out, xstream_groups(e));
    for (size_t i = 0; i < xstream_groups(e); i++) save_group(&s, xgroup_at(e, i));
}

/* ---- In items -------------------------------------------------------------------------------- */

static void save_facts(struct buf *out, const struct xstream_item *x) {
    rdb_put_len(out, x->length);
    save_lens(out, x->facts.last_id);
    save_lens(out, x->facts.first_id);
    save_lens(out, x->facts.max_deleted_id);
    rdb_put_len(out, x->facts.entries_added);
    rdb_put_len(out, x->count);
}

static void save_run(struct buf *out, const struct xstream_item *x, bool whole) {
    for (uint64_t i = 0; i < x->count; i++) {
        rdb_put_id(out, x->run[i].id.ms, x->run[i].id.seq);
        if (!whole) continue;
        rdb_put_ms(out, x->run[i].time_ms);
        rdb_put_len(out, x->run[i].delivered);
    }
}

void value_save_stream_item(struct buf *out, const struct walk_item *i, bool compress) {
    const struct xstream_item *x = i->stream;
    switch (x->part) {
    case XPART_NODE:
        if (i->at == 0) {
            rdb_put_len(out, 16);
            rdb_put_id(out, x->id.ms, x->id.seq);
        }
        value_save_piece(out, i, compress);
        return;
    case XPART_FACTS: save_facts(out, x); return;
    case XPART_GROUP:
        rdb_put_string(out, i->name, compress);
        save_lens(out, x->id);
        rdb_put_len(out, (uint64_t)x->entries_read);
        rdb_put_len(out, x->count);
        return;
    case XPART_PENDING: save_run(out, x, true); return;
    case XPART_CONSUMERS: rdb_put_len(out, x->count); return;
    case XPART_CONSUMER:
        rdb_put_string(out, i->name, compress);
        rdb_put_ms(out, x->seen_ms);
        rdb_put_len(out, x->count);
        return;
    case XPART_OWNED: save_run(out, x, false); return;
    }
}
