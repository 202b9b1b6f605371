/* XINFO. */
#include <string.h>

#include "server/cmd/families.h"
#include "server/cmd/streams.h"

static void field_int(struct call *c, const char *name, int64_t v) {
    reply_bulk_str(c, name);
    reply_int(c, v);
}

static void field_id(struct call *c, const char *name, struct xid id) {
    reply_bulk_str(c, name);
    reply_stream_id(c, id);
}

static void field_bytes(struct call *c, const char *name, struct bytes v) {
    reply_bulk_str(c, name);
    reply_bulk(c, v);
}

static void field_int_or_null(struct call *c, const char *name, bool known, int64_t v) {
    reply_bulk_str(c, name);
    if (known)
        reply_int(c, v);
    else
        reply_null(c);
}

static void read_and_lag(struct call *c, const struct entry *e, const struct xgroup *g) {
    int64_t read = xgroup_entries_read(g), lag = 0;
    field_int_or_null(c, "entries-read", read != XSTREAM_READ_UNKNOWN, read);
    bool known = xgroup_lag(e, g, &lag);
    field_int_or_null(c, "lag", known, lag);
}

/* The stream at argv[2]; NULL after the error. */
static struct entry *stream_asked(struct call *c) {
    struct entry *e = call_read(c, c->argv[2]);
    if (!e) {
        reply_error(c, ERR_NO_KEY);
        return NULL;
    }
    return call_is_kind(c, e, KIND_STREAM) ? e : NULL;
}

/* ---- STREAM ---------------------------------------------------------------------------------- */

/* A few of the pending entries of a group, or of one of its consumers: then without his name. */
static void pending(struct call *c, const struct xgroup *g, const struct xconsumer *consumer,
                    uint64_t count) {
    struct xpending_cursor cursor;
    struct xpending p;
    size_t n = 0, mark = resp_array_later(c->out);
    xpending_seek(g, consumer, XID_MIN, &cursor);
    while ((!count || n < count) && xpending_next(&cursor, &p)) {
        reply_array(c, consumer ? 3 : 4);
        reply_stream_id(c, p.id);
        if (!consumer) reply_bulk(c, xconsumer_name(p.consumer));
        reply_int(c, p.time_ms);
        reply_int(c, (int64_t)p.count);
        n++;
    }
    resp_array_count(c->out, mark, n);
}

static void full_consumer(struct call *c, const struct xgroup *g, const struct xconsumer *consumer,
                          uint64_t count) {
    reply_map(c, 4);
    field_bytes(c, "name", xconsumer_name(consumer));
    field_int(c, "seen-time", xconsumer_seen_ms(consumer));
    field_int(c, "pel-count", (int64_t)xconsumer_pending(consumer));
    reply_bulk_str(c, "pending");
    pending(c, g, consumer, count);
}

static void full_group(struct call *c, const struct entry *e, const struct xgroup *g,
                       uint64_t count) {
    size_t consumers = xgroup_consumers(g);
    reply_map(c, 7);
    field_bytes(c, "name", xgroup_name(g));
    field_id(c, "last-delivered-id", xgroup_last_id(g));
    read_and_lag(c, e, g);
    field_int(c, "pel-count", (int64_t)xgroup_pending(g));
    reply_bulk_str(c, "pending");
    pending(c, g, NULL, count);
    reply_bulk_str(c, "consumers");
    reply_array(c, consumers);
    for (size_t i = 0; i < consumers; i++) full_consumer(c, g, xconsumer_at(g, i), count);
}

static void full_info(struct call *c, const struct entry *e, uint64_t count) {
    struct stream_range all = {.to = XID_MAX, .count = count};
    size_t groups = xstream_groups(e);
    reply_bulk_str(c, "entries");
    streams_reply_range(c, e, &all);
    reply_bulk_str(c, "groups");
    reply_array(c, groups);
    for (size_t i = 0; i < groups; i++) full_group(c, e, xgroup_at(e, i), count);
}

static void edge(struct call *c, const struct entry *e, const char *name, bool backwards) {
    struct xstream_cursor cursor;
    struct xid id;
    size_t fields;
    reply_bulk_str(c, name);
    xstream_seek(e, XID_MIN, XID_MAX, backwards, &cursor);
    if (xstream_next(&cursor, &id, &fields))
        streams_reply_entry(c, &cursor, id, fields);
    else
        reply_null(c);
}

static bool info_words(struct call *c, bool *full, int64_t *count) {
    *full = c->argc > 3;
    *count = 10;
    if (!*full) return true;
    bool counted = c->argc == 6 && bytes_is(c->argv[4], "count");
    if (!bytes_is(c->argv[3], "full") || (c->argc != 4 && !counted)) {
        streams_wrong_subcommand(c);
        return false;
    }
    if (counted && !arg_int(c, 5, count)) return false;
    if (*count < 0) *count = 10;
    return true;
}

void cmd_xinfo_stream(struct call *c) {
    bool full;
    int64_t count;
    struct entry *e = stream_asked(c);
    if (!e || !info_words(c, &full, &count)) return;
    struct xstream_facts f = xstream_facts(e);
    reply_map(c, full ? 9 : 10);
    field_int(c, "length", (int64_t)xstream_len(e));
    field_int(c, "radix-tree-keys", (int64_t)xstream_nodes(e));
    field_int(c, "radix-tree-nodes", (int64_t)xstream_radix_nodes(e));
    field_id(c, "last-generated-id", f.last_id);
    field_id(c, "max-deleted-entry-id", f.max_deleted_id);
    field_int(c, "entries-added", (int64_t)f.entries_added);
    field_id(c, "recorded-first-entry-id", f.first_id);
    if (full) {
        full_info(c, e, (uint64_t)count);
        return;
    }
    field_int(c, "groups", (int64_t)xstream_groups(e));
    edge(c, e, "first-entry", false);
    edge(c, e, "last-entry", true);
}

/* ---- GROUPS, CONSUMERS, HELP ----------------------------------------------------------------- */

void cmd_xinfo_groups(struct call *c) {
    struct entry *e = stream_asked(c);
    if (!e) return;
    size_t groups = xstream_groups(e);
    reply_array(c, groups);
    for (size_t i = 0; i < groups; i++) {
        const struct xgroup *g = xgroup_at(e, i);
        reply_map(c, 6);
        field_bytes(c, "name", xgroup_name(g));
        field_int(c, "consumers", (int64_t)xgroup_consumers(g));
        field_int(c, "pending", (int64_t)xgroup_pending(g));
        field_id(c, "last-delivered-id", xgroup_last_id(g));
        read_and_lag(c, e, g);
    }
}

void cmd_xinfo_consumers(struct call *c) {
    struct entry *e = stream_asked(c);
    if (!e) return;
    struct bytes name = c->argv[3], key = c->argv[2];
    const struct xgroup *g = xgroup_find(e, name);
    if (!g) {
        reply_errorf(c, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                     (int)strnlen(name.p, name.len), name.p, (int)strnlen(key.p, key.len), key.p);
        return;
    }
    size_t consumers = xgroup_consumers(g);
    reply_array(c, consumers);
    for (size_t i = 0; i < consumers; i++) {
        const struct xconsumer *consumer = xconsumer_at(g, i);
        int64_t idle_ms = c->now_ms - xconsumer_seen_ms(consumer);
        reply_map(c, 3);
        field_bytes(c, "name", xconsumer_name(consumer));
        field_int(c, "pending", (int64_t)xconsumer_pending(consumer));
        field_int(c, "idle", idle_ms < 0 ? 0 : idle_ms);
    }
}

void cmd_xinfo_help(struct call *c) {
    static const char *const lines[] = {"CONSUMERS <key> <group>",
                                        "    The consumers of a group.",
                                        "GROUPS <key>",
                                        "    The groups of a stream.",
                                        "STREAM <key> [FULL [COUNT <count>]]",
                                        "    The figures of a stream; FULL: entries and groups "
                                        "too.",
                                        NULL};
    reply_help(c, lines);
}
