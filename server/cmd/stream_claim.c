/* XCLAIM, XAUTOCLAIM: pending entries change hands. Whatever the words were, each entry is propagated as an XCLAIM that
 * says what it is now; one whose message is deleted is dropped, here and where the XCLAIM arrives. */
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

struct claim {
    struct group_ref ref;
    struct bytes name;            /* of the consumer that claims */
    struct xconsumer *consumer;   /* NULL until it gets its first */
    int64_t min_idle_ms, time_ms; /* time_ms: of the delivery */
    int64_t retry_count;          /* -1: not given */
    struct xid last_id;
    bool force, just_id;
    struct bytes id_text; /* of the id that is being looked at, when the client wrote it */
};

/* The message is deleted: so is the pending entry. */
static void drop(struct call *c, const struct claim *k, const struct xpending *p) {
    streams_propagate_pending(c, &k->ref, p, k->id_text);
    c->dirty++;
    xpending_remove(c->store, c->db, k->ref.e, k->ref.g, p->id);
}

static bool is_idle(const struct call *c, const struct claim *k, const struct xpending *p) {
    return !k->min_idle_ms || c->now_ms - p->time_ms >= k->min_idle_ms;
}

/* p is handed over, replied and propagated. */
static void take(struct call *c, struct claim *k, struct xpending *p) {
    if (!k->consumer) k->consumer = streams_consumer(c, &k->ref, k->name, NULL);
    p->consumer = k->consumer;
    p->time_ms = k->time_ms;
    if (k->retry_count >= 0)
        p->count = (uint64_t)k->retry_count;
    else if (!k->just_id)
        p->count++;
    xpending_put(c->store, c->db, k->ref.e, k->ref.g, p);
    if (k->just_id)
        reply_stream_id(c, p->id);
    else
        streams_reply_one(c, k->ref.e, p->id);
    streams_propagate_pending(c, &k->ref, p, k->id_text);
    c->dirty++;
}

/* ---- XCLAIM ---------------------------------------------------------------------------------- */

static bool number_option(struct call *c, int i, const char *error, int64_t *v) {
    return arg_int_range(c, i, INT64_MIN, INT64_MAX, error, v);
}

static bool claim_option(struct call *c, int *at, struct claim *k) {
    struct bytes word = c->argv[*at];
    bool more = *at + 1 < c->argc;
    if (bytes_is(word, "force")) {
        k->force = true;
    } else if (bytes_is(word, "justid")) {
        k->just_id = true;
    } else if (bytes_is(word, "idle") && more) {
        if (!number_option(c, ++*at, "ERR Invalid IDLE option argument for XCLAIM", &k->time_ms))
            return false;
        k->time_ms = (int64_t)((uint64_t)c->now_ms - (uint64_t)k->time_ms);
    } else if (bytes_is(word, "time") && more) {
        return number_option(c, ++*at, "ERR Invalid TIME option argument for XCLAIM", &k->time_ms);
    } else if (bytes_is(word, "retrycount") && more) {
        return number_option(c, ++*at, "ERR Invalid RETRYCOUNT option argument for XCLAIM",
                             &k->retry_count);
    } else if (bytes_is(word, "lastid") && more) {
        return arg_stream_id(c, ++*at, &k->last_id);
    } else {
        reply_errorf(c, "ERR Unrecognized XCLAIM option '%.*s'", (int)strnlen(word.p, word.len),
                     word.p);
        return false;
    }
    return true;
}

/* A time that is not past counts as now; so does one that was not given (-1). */
static bool claim_options(struct call *c, int at, struct claim *k) {
    k->time_ms = k->retry_count = -1;
    for (; at < c->argc; at++)
        if (!claim_option(c, &at, k)) return false;
    if (k->time_ms < 0 || k->time_ms > c->now_ms) k->time_ms = c->now_ms;
    return true;
}

/* Returns 1 when the entry was claimed. */
static size_t claim_one(struct call *c, struct claim *k, struct xid id) {
    struct xpending p;
    bool pending = xpending_find(k->ref.g, id, &p);
    if (!xstream_has(k->ref.e, id)) {
        if (pending) drop(c, k, &p);
        return 0;
    }
    if (!pending && !k->force) return 0;
    if (pending && !is_idle(c, k, &p)) return 0;
    if (!pending) p = (struct xpending){.id = id, .count = 1};
    take(c, k, &p);
    return 1;
}

static void claim_all(struct call *c, struct claim *k, const struct xid *ids, int count) {
    struct xid last = xgroup_last_id(k->ref.g);
    bool forward = xid_cmp(k->last_id, last) > 0;
    size_t n = 0, mark = resp_array_later(c->out);
    if (forward)
        xgroup_set(c->store, c->db, k->ref.e, k->ref.g, k->last_id, xgroup_entries_read(k->ref.g));
    call_propagate_as(c, 0, NULL);
    uint64_t before = c->dirty;
    for (int i = 0; i < count; i++) {
        k->id_text = c->argv[5 + i];
        n += claim_one(c, k, ids[i]);
    }
    if (forward && c->dirty == before) {
        streams_propagate_last_id(c, &k->ref);
        c->dirty++;
    }
    resp_array_count(c->out, mark, n);
}

void cmd_xclaim(struct call *c) {
    struct claim k = {.name = c->argv[3]};
    int count = 0;
    struct entry *e = call_read(c, c->argv[1]);
    if (!streams_need_group(c, e, c->argv[1], c->argv[2], &k.ref)) return;
    if (!number_option(c, 4, "ERR Invalid min-idle-time argument for XCLAIM", &k.min_idle_ms))
        return;
    if (k.min_idle_ms < 0) k.min_idle_ms = 0;
    struct xid *ids = xmalloc((size_t)(c->argc - 5) * sizeof *ids);
    while (5 + count < c->argc && streams_parse_id(c->argv[5 + count], true, 0, NULL, &ids[count]))
        count++;
    if (claim_options(c, 5 + count, &k)) claim_all(c, &k, ids, count);
    free(ids);
}

/* ---- XAUTOCLAIM ------------------------------------------------------------------------------ */

enum { LOOKS_FOR_EACH = 10 };       /* entries looked at, at most, for each that may be claimed */
#define CLAIM_COUNT_MAX (1LL << 36) /* more than Redis has memory to note the deleted ones for */

struct autoclaim {
    struct xid start;
    int64_t count;
};

static bool autoclaim_words(struct call *c, struct claim *k, struct autoclaim *a) {
    a->count = 100;
    k->retry_count = -1;
    if (!number_option(c, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM", &k->min_idle_ms))
        return false;
    if (k->min_idle_ms < 0) k->min_idle_ms = 0;
    if (!arg_stream_start(c, 5, &a->start)) return false;
    for (int i = 6; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "count") && i + 1 < c->argc) {
            if (!arg_int_range(c, ++i, 1, INT64_MAX / 16, "ERR COUNT must be > 0", &a->count))
                return false;
        } else if (bytes_is(c->argv[i], "justid")) {
            k->just_id = true;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Claims, replies the claimed ones, notes the ids of those whose message was deleted; returns where to go on. */
static struct xid autoclaim(struct call *c, struct claim *k, struct autoclaim *a,
                            struct buf *deleted) {
    struct xpending_cursor cursor;
    struct xpending p;
    int64_t looks = a->count * LOOKS_FOR_EACH;
    size_t n = 0, mark = resp_array_later(c->out);
    bool more = true;
    xpending_seek(k->ref.g, NULL, a->start, &cursor);
    while (more && looks-- && a->count) {
        more = xpending_next(&cursor, &p);
        if (!more) break;
        if (!xstream_has(k->ref.e, p.id)) {
            drop(c, k, &p);
            buf_add(deleted, &p.id, sizeof p.id);
            a->count--;
        } else if (is_idle(c, k, &p)) {
            take(c, k, &p);
            a->count--;
            n++;
        }
    }
    resp_array_count(c->out, mark, n);
    if (more && xpending_next(&cursor, &p)) return p.id;
    return XID_MIN;
}

void cmd_xautoclaim(struct call *c) {
    struct claim k = {.name = c->argv[3], .time_ms = c->now_ms};
    struct autoclaim a;
    struct buf deleted = BUF_INIT, claimed = BUF_INIT, *out = c->out;
    struct entry *e = call_read(c, c->argv[1]);
    if (!autoclaim_words(c, &k, &a)) return;
    if (!streams_need_group(c, e, c->argv[1], c->argv[2], &k.ref)) return;
    if (a.count > CLAIM_COUNT_MAX) {
        reply_error(c, "ERR Insufficient memory, failed allocating transient memory, COUNT too "
                       "high.");
        return;
    }
    call_propagate_as(c, 0, NULL);
    c->out = &claimed; /* the place to go on from comes before it */
    struct xid next = autoclaim(c, &k, &a, &deleted);
    c->out = out;
    reply_array(c, 3);
    reply_stream_id(c, next);
    resp_raw(c->out, buf_head(&claimed), buf_len(&claimed));
    size_t n = buf_len(&deleted) / sizeof(struct xid);
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        struct xid id;
        memcpy(&id, buf_head(&deleted) + i * sizeof id, sizeof id);
        reply_stream_id(c, id);
    }
    buf_free(&claimed);
    buf_free(&deleted);
}
