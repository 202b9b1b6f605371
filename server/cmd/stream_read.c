/* XREAD, XREADGROUP. Whoever finds nothing may wait (call_block): the words kept for that hold ids in the place of "$",
 * and the number of entries that a late answer has at most; when a stream becomes due they run again with that stream
 * alone, and CALL_RESUMED tells: the answer then comes whatever is there. */
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

enum { LATE_COUNT = 1000 };

struct reading {
    bool of_group, no_ack;
    struct bytes group, consumer;
    int64_t count;      /* 0: all */
    int64_t timeout_ms; /* -1: does not wait */
    int streams_at, streams;
    struct xid *ids; /* of each stream, what comes after it; XID_MAX: ">" */
};

/* ---- Words ----------------------------------------------------------------------------------- */

static bool block_option(struct call *c, int i, struct reading *r) {
    if (c->flags & CALL_FROM_SCRIPT) {
        reply_errorf(c, "ERR %.*s command is not allowed with BLOCK option from scripts",
                     (int)c->argv[0].len, c->argv[0].p);
        return false;
    }
    if (!arg_int_range(c, i, INT64_MIN, INT64_MAX, "ERR timeout is not an integer or out of range",
                       &r->timeout_ms))
        return false;
    if (r->timeout_ms >= 0) return true;
    reply_error(c, "ERR timeout is negative");
    return false;
}

/* False after the error: of XREAD's an option that only XREADGROUP has. */
static bool group_only(struct call *c, const struct reading *r, const char *option) {
    if (r->of_group) return true;
    reply_errorf(c, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                 option);
    return false;
}

static bool streams_option(struct call *c, int i, struct reading *r) {
    int words = c->argc - i;
    r->streams_at = i;
    r->streams = words / 2;
    if (words % 2 == 0) return true;
    reply_error(c, "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
                   "specified.");
    return false;
}

/* The option at argv[*at]; leaves *at on its last word. */
static bool option(struct call *c, int *at, struct reading *r) {
    struct bytes word = c->argv[*at];
    int more = c->argc - *at - 1;
    if (more && bytes_is(word, "block")) return block_option(c, ++*at, r);
    if (more && bytes_is(word, "count")) {
        if (!arg_int(c, ++*at, &r->count)) return false;
        if (r->count < 0) r->count = 0;
        return true;
    }
    if (more && bytes_is(word, "streams")) return streams_option(c, ++*at, r);
    if (more >= 2 && bytes_is(word, "group")) {
        if (!group_only(c, r, "GROUP")) return false;
        r->group = c->argv[++*at];
        r->consumer = c->argv[++*at];
        return true;
    }
    if (bytes_is(word, "noack")) {
        if (!group_only(c, r, "NOACK")) return false;
        r->no_ack = true;
        return true;
    }
    reply_error(c, ERR_SYNTAX);
    return false;
}

static bool words(struct call *c, struct reading *r) {
    for (int i = 1; i < c->argc && !r->streams_at; i++)
        if (!option(c, &i, r)) return false;
    if (!r->streams_at) {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    if (r->of_group && !r->group.p) {
        reply_error(c, "ERR Missing GROUP option for XREADGROUP");
        return false;
    }
    return true;
}

/* The id argv[i] of a stream (e: NULL, none). */
static bool stream_position(struct call *c, const struct reading *r, int i, const struct entry *e,
                            struct xid *id) {
    if (bytes_equal(c->argv[i], BYTES("$"))) {
        if (r->of_group) {
            reply_error(c, "ERR The $ ID is meaningless in the context of XREADGROUP: you want to "
                           "read the history of this consumer by specifying a proper ID, or use "
                           "the > ID to get new messages. The $ ID would just return an empty "
                           "result set.");
            return false;
        }
        *id = e ? xstream_facts(e).last_id : XID_MIN;
        return true;
    }
    if (!bytes_equal(c->argv[i], BYTES(">"))) return arg_stream_id(c, i, id);
    if (!r->of_group) {
        reply_error(c, "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                       "<group> <consumer> option.");
        return false;
    }
    *id = XID_MAX;
    return true;
}

static bool positions(struct call *c, struct reading *r) {
    for (int i = 0; i < r->streams; i++) {
        struct bytes key = c->argv[r->streams_at + i];
        struct entry *e = call_read(c, key);
        if (!call_is_kind(c, e, KIND_STREAM)) return false;
        if (r->of_group && (!e || !xgroup_find(e, r->group))) {
            reply_errorf(c,
                         "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with "
                         "GROUP option",
                         (int)strnlen(key.p, key.len), key.p,
                         (int)strnlen(r->group.p, r->group.len), r->group.p);
            return false;
        }
        if (!stream_position(c, r, r->streams_at + r->streams + i, e, &r->ids[i])) return false;
    }
    return true;
}

/* ---- Serving --------------------------------------------------------------------------------- */

/* New entries for a consumer: each becomes pending, unless NOACK. */
static void deliver(struct call *c, const struct reading *r, const struct group_ref *ref,
                    struct xconsumer *consumer, struct xid after, uint64_t count) {
    struct xstream_cursor cursor;
    struct xpending p = {.consumer = consumer, .time_ms = c->now_ms, .count = 1};
    size_t fields, n = 0, mark = resp_array_later(c->out);
    bool moved = false;
    xid_next(&after);
    xstream_seek(ref->e, after, XID_MAX, false, &cursor);
    while ((!count || n < count) && xstream_next(&cursor, &p.id, &fields)) {
        moved |= xgroup_deliver(c->store, c->db, ref->e, ref->g, p.id);
        streams_reply_entry(c, &cursor, p.id, fields);
        n++;
        if (r->no_ack) continue;
        xpending_put(c->store, c->db, ref->e, ref->g, &p);
        streams_propagate_pending(c, ref, &p, (struct bytes){NULL, 0});
    }
    if (r->no_ack && moved) streams_propagate_last_id(c, ref);
    resp_array_count(c->out, mark, n);
}

/* What was delivered to the consumer already: it counts as delivered again. Messages deleted meanwhile are nil. */
static void history(struct call *c, const struct reading *r, const struct group_ref *ref,
                    struct xconsumer *consumer, struct xid after) {
    struct xpending_cursor cursor;
    struct xpending p;
    uint64_t n = 0, count = (uint64_t)r->count;
    size_t mark = resp_array_later(c->out);
    xid_next(&after);
    xpending_seek(ref->g, consumer, after, &cursor);
    while ((!count || n < count) && xpending_next(&cursor, &p)) {
        n++;
        if (streams_reply_one(c, ref->e, p.id)) {
            p.time_ms = c->now_ms;
            p.count++;
            xpending_put(c->store, c->db, ref->e, ref->g, &p);
        } else {
            reply_array(c, 2);
            reply_stream_id(c, p.id);
            reply_null_array(c);
        }
    }
    resp_array_count(c->out, mark, n);
}

static struct xconsumer *reader(struct call *c, const struct reading *r,
                                const struct group_ref *ref) {
    bool created;
    struct xconsumer *consumer = streams_consumer(c, ref, r->consumer, &created);
    if (created && r->no_ack) streams_propagate_consumer(c, ref, r->consumer);
    return consumer;
}

static void reply_key(struct call *c, struct bytes key) {
    if (c->resp == 2) reply_array(c, 2);
    reply_bulk(c, key);
}

static bool serve_group(struct call *c, const struct reading *r, struct bytes key, struct entry *e,
                        struct xid after) {
    struct group_ref ref = {key, r->group, e, xgroup_find(e, r->group)};
    struct xid last, delivered = xgroup_last_id(ref.g);
    bool is_new = !xid_cmp(after, XID_MAX);
    if (is_new && (!xstream_last_entry(e, &last) || xid_cmp(last, delivered) <= 0)) return false;
    reply_key(c, key);
    struct xconsumer *consumer = reader(c, r, &ref);
    if (is_new)
        deliver(c, r, &ref, consumer, delivered, (uint64_t)r->count);
    else
        history(c, r, &ref, consumer, after);
    c->dirty++;
    return true;
}

static void reply_after(struct call *c, const struct entry *e, struct xid after, int64_t count) {
    struct stream_range range = {.from = after, .to = XID_MAX, .count = (uint64_t)count};
    xid_next(&range.from);
    streams_reply_range(c, e, &range);
}

/* One stream, when it has something; true when it was replied. */
static bool serve(struct call *c, const struct reading *r, int i) {
    struct bytes key = c->argv[r->streams_at + i];
    struct xid last;
    struct entry *e = call_read(c, key);
    if (!e) return false;
    if (r->of_group) return serve_group(c, r, key, e, r->ids[i]);
    if (!xstream_last_entry(e, &last) || xid_cmp(last, r->ids[i]) <= 0) return false;
    reply_key(c, key);
    reply_after(c, e, r->ids[i], r->count);
    return true;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* A stream is due when its last id is above what the reader has, whether its entry is still there or not; a group that is
 * gone is due too. */
static bool is_due(const struct entry *e, const struct bytes *argv, struct bytes beside) {
    struct xid after, last = xstream_facts(e).last_id;
    if (bytes_is(argv[1], "group")) {
        const struct xgroup *g = xgroup_find(e, argv[2]);
        return !g || xid_cmp(last, xgroup_last_id(g)) > 0;
    }
    return streams_parse_id(beside, true, 0, NULL, &after) && xid_cmp(last, after) > 0;
}

static void wait(struct call *c, const struct reading *r) {
    struct block b = {.kind = KIND_STREAM,
                      .keys = r->streams,
                      .timeout_ms = r->timeout_ms,
                      .paired = true,
                      .until_gone = r->of_group,
                      .is_due = is_due};
    char digits[NUM_I64_CHARS], *ids = xmalloc((size_t)r->streams * STREAM_ID_CHARS);
    struct bytes *w = xmalloc((size_t)(8 + 2 * r->streams) * sizeof *w);
    int n = 0;
    w[n++] = c->argv[0];
    if (r->of_group) {
        w[n++] = BYTES("GROUP");
        w[n++] = r->group;
        w[n++] = r->consumer;
    }
    w[n++] = BYTES("COUNT");
    w[n++] = (struct bytes){digits, num_format_i64(digits, r->count ? r->count : LATE_COUNT)};
    if (r->no_ack) w[n++] = BYTES("NOACK");
    w[n++] = BYTES("STREAMS");
    b.first_key = n;
    for (int i = 0; i < r->streams; i++) w[n++] = c->argv[r->streams_at + i];
    for (int i = 0; i < r->streams; i++)
        w[n++] = streams_id_text(ids + i * STREAM_ID_CHARS, r->ids[i]);
    b.argc = n;
    b.argv = w;
    if (!call_block(c, &b)) reply_null_array(c);
    free(w);
    free(ids);
}

/* One of those that waited, with the stream that is due. */
static void resume(struct call *c, const struct reading *r) {
    struct bytes key = c->argv[r->streams_at];
    struct entry *e = call_write(c, key);
    struct group_ref ref = {key, r->group, e, NULL};
    if (!e || entry_kind(e) != KIND_STREAM) {
        reply_error(c, "UNBLOCKED the stream key no longer exists");
        return;
    }
    if (r->of_group) ref.g = xgroup_find(e, r->group);
    if (r->of_group && !ref.g) {
        reply_error(c, "NOGROUP the consumer group this client was blocked on no longer exists");
        return;
    }
    if (c->resp == 2)
        reply_array(c, 1);
    else
        reply_map(c, 1);
    struct xid after = r->ids[0];
    if (ref.g) {
        after = xgroup_last_id(ref.g);
        struct xconsumer *consumer = reader(c, r, &ref);
        reply_key(c, key);
        deliver(c, r, &ref, consumer, after, (uint64_t)r->count);
        c->dirty++;
    } else {
        reply_key(c, key);
        reply_after(c, e, after, r->count);
    }
}

static void read_streams(struct call *c, const struct reading *r) {
    size_t served = 0, mark = 0;
    for (int i = 0; i < r->streams; i++) {
        if (!served) mark = resp_array_later(c->out); /* behind what a miss told this client */
        served += serve(c, r, i);
    }
    if (served)
        resp_map_count(c->out, c->resp, mark, served);
    else if (r->timeout_ms >= 0)
        wait(c, r);
    else
        reply_null_array(c);
}

static void read_words(struct call *c, bool of_group) {
    struct reading r = {.timeout_ms = -1, .of_group = of_group};
    call_propagate_as(c, 0, NULL); /* only what deliveries propagate themselves */
    if (!words(c, &r)) return;
    r.ids = xmalloc((size_t)r.streams * sizeof *r.ids);
    if (c->flags & CALL_RESUMED) {
        if (streams_parse_id(c->argv[c->argc - 1], true, 0, NULL, &r.ids[0])) resume(c, &r);
    } else if (positions(c, &r)) {
        read_streams(c, &r);
    }
    free(r.ids);
}

void cmd_xread(struct call *c) {
    read_words(c, false);
}

void cmd_xreadgroup(struct call *c) {
    read_words(c, true);
}
