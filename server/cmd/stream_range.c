/* XRANGE, XREVRANGE, XLEN, and entries as replies: see streams.h. */
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

void reply_stream_id(struct call *c, struct xid id) {
    char digits[STREAM_ID_CHARS];
    reply_bulk(c, streams_id_text(digits, id));
}

void streams_reply_entry(struct call *c, struct xstream_cursor *cursor, struct xid id,
                         size_t fields) {
    struct bytes field, value;
    reply_array(c, 2);
    reply_stream_id(c, id);
    reply_array(c, 2 * fields);
    for (size_t i = 0; i < fields; i++) {
        xstream_field(cursor, &field, &value);
        reply_bulk(c, field);
        reply_bulk(c, value);
    }
}

bool streams_reply_one(struct call *c, const struct entry *e, struct xid id) {
    struct xstream_cursor cursor;
    size_t fields;
    xstream_seek(e, id, id, false, &cursor);
    if (!xstream_next(&cursor, &id, &fields)) return false;
    streams_reply_entry(c, &cursor, id, fields);
    return true;
}

void streams_reply_range(struct call *c, const struct entry *e, const struct stream_range *r) {
    struct xstream_cursor cursor;
    struct xid id;
    size_t fields, n = 0, mark = resp_array_later(c->out);
    xstream_seek(e, r->from, r->to, r->backwards, &cursor);
    while ((!r->count || n < r->count) && xstream_next(&cursor, &id, &fields)) {
        streams_reply_entry(c, &cursor, id, fields);
        n++;
    }
    resp_array_count(c->out, mark, n);
}

/* COUNT may be said again; below zero it is none. */
static bool count_option(struct call *c, int64_t *count) {
    for (int i = 4; i < c->argc; i += 2) {
        if (!bytes_is(c->argv[i], "count") || i + 1 >= c->argc) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        if (!arg_int(c, i + 1, count)) return false;
        if (*count < 0) *count = 0;
    }
    return true;
}

static void range(struct call *c, bool backwards) {
    struct stream_range r = {.backwards = backwards};
    int64_t count = -1;
    if (!arg_stream_start(c, backwards ? 3 : 2, &r.from)) return;
    if (!arg_stream_end(c, backwards ? 2 : 3, &r.to)) return;
    if (!count_option(c, &count)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STREAM)) return;
    if (!e) {
        reply_array(c, 0);
    } else if (!count) {
        reply_null_array(c);
    } else {
        r.count = count < 0 ? 0 : (uint64_t)count;
        streams_reply_range(c, e, &r);
    }
}

void cmd_xrange(struct call *c) {
    range(c, false);
}

void cmd_xrevrange(struct call *c) {
    range(c, true);
}

void cmd_xlen(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_STREAM)) reply_int(c, e ? (int64_t)xstream_len(e) : 0);
}
