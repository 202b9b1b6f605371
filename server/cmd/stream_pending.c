/* XACK, XPENDING: what was delivered and is not acknowledged. */
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

void cmd_xack(struct call *c) {
    struct group_ref ref;
    int64_t acked = 0;
    if (!streams_find_group(c, c->argv[1], c->argv[2], &ref)) return;
    if (!ref.g) {
        reply_int(c, 0);
        return;
    }
    struct xid *ids = arg_stream_ids(c, 3);
    if (!ids) return;
    for (int i = 0; i < c->argc - 3; i++)
        acked += xpending_remove(c->store, c->db, ref.e, ref.g, ids[i]);
    free(ids);
    c->dirty += (uint64_t)acked;
    reply_int(c, acked);
}

/* ---- XPENDING -------------------------------------------------------------------------------- */

static void consumers_with_pending(struct call *c, const struct xgroup *g) {
    size_t n = 0, mark = resp_array_later(c->out);
    for (size_t i = 0; i < xgroup_consumers(g); i++) {
        const struct xconsumer *consumer = xconsumer_at(g, i);
        size_t pending = xconsumer_pending(consumer);
        if (!pending) continue;
        reply_array(c, 2);
        reply_bulk(c, xconsumer_name(consumer));
        resp_bulk_int(c->out, (int64_t)pending);
        n++;
    }
    resp_array_count(c->out, mark, n);
}

static void summary(struct call *c, const struct xgroup *g) {
    struct xid first, last;
    reply_array(c, 4);
    reply_int(c, (int64_t)xgroup_pending(g));
    if (xpending_bounds(g, &first, &last)) {
        reply_stream_id(c, first);
        reply_stream_id(c, last);
        consumers_with_pending(c, g);
    } else {
        reply_null(c);
        reply_null(c);
        reply_null_array(c);
    }
}

struct pending_range {
    int64_t idle_ms, count;
    struct xid from, to;
    int consumer_at; /* 0: of all */
};

static bool range_words(struct call *c, struct pending_range *r) {
    int at = 3;
    *r = (struct pending_range){0};
    if (bytes_is(c->argv[3], "idle")) {
        if (!arg_int(c, 4, &r->idle_ms)) return false;
        if (c->argc < 8) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        at = 5;
    }
    if (!arg_int(c, at + 2, &r->count)) return false;
    if (!arg_stream_start(c, at, &r->from) || !arg_stream_end(c, at + 1, &r->to)) return false;
    if (at + 3 < c->argc) r->consumer_at = at + 3;
    return true;
}

static void reply_pending(struct call *c, const struct xpending *p) {
    int64_t idle_ms = c->now_ms - p->time_ms;
    reply_array(c, 4);
    reply_stream_id(c, p->id);
    reply_bulk(c, xconsumer_name(p->consumer));
    reply_int(c, idle_ms < 0 ? 0 : idle_ms);
    reply_int(c, (int64_t)p->count);
}

static void range(struct call *c, const struct xgroup *g, const struct pending_range *r) {
    const struct xconsumer *consumer = NULL;
    struct xpending_cursor cursor;
    struct xpending p;
    int64_t n = 0;
    if (r->consumer_at) {
        consumer = xconsumer_find(g, c->argv[r->consumer_at]);
        if (!consumer) {
            reply_array(c, 0);
            return;
        }
    }
    size_t mark = resp_array_later(c->out);
    xpending_seek(g, consumer, r->from, &cursor);
    while (n < r->count && xpending_next(&cursor, &p) && xid_cmp(p.id, r->to) <= 0) {
        if (r->idle_ms && c->now_ms - p.time_ms < r->idle_ms) continue;
        reply_pending(c, &p);
        n++;
    }
    resp_array_count(c->out, mark, (size_t)n);
}

void cmd_xpending(struct call *c) {
    struct pending_range r;
    struct group_ref ref;
    if (c->argc != 3 && (c->argc < 6 || c->argc > 9)) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc > 3 && !range_words(c, &r)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!streams_need_group(c, e, c->argv[1], c->argv[2], &ref)) return;
    if (c->argc == 3)
        summary(c, ref.g);
    else
        range(c, ref.g, &r);
}
