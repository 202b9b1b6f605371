/* XGROUP, and what the commands about groups share: see streams.h. */
#include <string.h>

#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

/* ---- Finding --------------------------------------------------------------------------------- */

/* What an error shows of a word: up to a NUL. */
static int shown(struct bytes b) {
    return (int)strnlen(b.p, b.len);
}

static bool find_group(struct call *c, struct entry *e, struct bytes key, struct bytes name,
                       struct group_ref *ref) {
    *ref = (struct group_ref){key, name, e, NULL};
    if (!call_is_kind(c, e, KIND_STREAM)) return false;
    if (e) ref->g = xgroup_find(e, name);
    return true;
}

bool streams_find_group(struct call *c, struct bytes key, struct bytes name,
                        struct group_ref *ref) {
    return find_group(c, call_read(c, key), key, name, ref);
}

bool streams_need_group(struct call *c, struct entry *e, struct bytes key, struct bytes name,
                        struct group_ref *ref) {
    if (!find_group(c, e, key, name, ref)) return false;
    if (ref->g) return true;
    reply_errorf(c, "NOGROUP No such key '%.*s' or consumer group '%.*s'", shown(key), key.p,
                 shown(name), name.p);
    return false;
}

struct xconsumer *streams_consumer(struct call *c, const struct group_ref *ref, struct bytes name,
                                   bool *created) {
    struct xconsumer *consumer = xconsumer_find(ref->g, name);
    if (created) *created = !consumer;
    if (consumer) {
        xconsumer_see(c->store, c->db, ref->e, consumer, c->now_ms);
        return consumer;
    }
    consumer = xconsumer_add(c->store, c->db, ref->e, ref->g, name, c->now_ms);
    c->dirty++;
    call_notify(c, NOTIFY_STREAM, "xgroup-createconsumer", ref->key);
    return consumer;
}

/* ---- What is propagated ---------------------------------------------------------------------- */

void streams_propagate_pending(struct call *c, const struct group_ref *ref,
                               const struct xpending *p, struct bytes id_text) {
    char id[STREAM_ID_CHARS], last_id[STREAM_ID_CHARS];
    char time[NUM_I64_CHARS], count[NUM_I64_CHARS];
    struct bytes words[] = {
        BYTES("XCLAIM"),     ref->key,
        ref->name,           xconsumer_name(p->consumer),
        BYTES("0"),          id_text.len ? id_text : streams_id_text(id, p->id),
        BYTES("TIME"),       {time, num_format_i64(time, p->time_ms)},
        BYTES("RETRYCOUNT"), {count, num_format_i64(count, (int64_t)p->count)},
        BYTES("FORCE"),      BYTES("JUSTID"),
        BYTES("LASTID"),     streams_id_text(last_id, xgroup_last_id(ref->g)),
    };
    call_propagate_as(c, sizeof words / sizeof words[0], words);
}

void streams_propagate_last_id(struct call *c, const struct group_ref *ref) {
    char id[STREAM_ID_CHARS], digits[NUM_I64_CHARS];
    struct bytes words[] = {
        BYTES("XGROUP"),
        BYTES("SETID"),
        ref->key,
        ref->name,
        streams_id_text(id, xgroup_last_id(ref->g)),
        BYTES("ENTRIESREAD"),
        {digits, num_format_i64(digits, xgroup_entries_read(ref->g))},
    };
    call_propagate_as(c, sizeof words / sizeof words[0], words);
}

void streams_propagate_consumer(struct call *c, const struct group_ref *ref, struct bytes name) {
    struct bytes words[] = {BYTES("XGROUP"), BYTES("CREATECONSUMER"), ref->key, ref->name, name};
    call_propagate_as(c, sizeof words / sizeof words[0], words);
}

/* ---- XGROUP ---------------------------------------------------------------------------------- */

/* The stream at argv[2]; false after an error. Without one: an error too, unless it may be made. */
static bool group_stream(struct call *c, bool may_be_made, struct group_ref *ref) {
    if (!find_group(c, call_write(c, c->argv[2]), c->argv[2], c->argv[3], ref)) return false;
    if (ref->e || may_be_made) return true;
    reply_error(c, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you "
                   "may want to use the MKSTREAM option to create an empty stream automatically.");
    return false;
}

static bool existing_group(struct call *c, struct group_ref *ref) {
    if (!group_stream(c, false, ref)) return false;
    if (ref->g) return true;
    reply_errorf(c, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", shown(ref->name),
                 ref->name.p, shown(ref->key), ref->key.p);
    return false;
}

/* MKSTREAM, where mkstream is given, and ENTRIESREAD. */
static bool group_options(struct call *c, bool *mkstream, int64_t *entries_read) {
    *entries_read = XSTREAM_READ_UNKNOWN;
    for (int i = 5; i < c->argc; i++) {
        if (mkstream && bytes_is(c->argv[i], "mkstream")) {
            *mkstream = true;
        } else if (bytes_is(c->argv[i], "entriesread") && i + 1 < c->argc) {
            if (!arg_int(c, ++i, entries_read)) return false;
            if (*entries_read >= 0 || *entries_read == XSTREAM_READ_UNKNOWN) continue;
            if (c->flags & CALL_FROM_MASTER) continue; /* after an overflow there */
            reply_error(c, "ERR value for ENTRIESREAD must be positive or -1");
            return false;
        } else {
            streams_wrong_subcommand(c);
            return false;
        }
    }
    return true;
}

/* "$" stands for the last id that there is. */
static bool group_id(struct call *c, const struct entry *e, bool strict, struct xid *id) {
    if (bytes_equal(c->argv[4], BYTES("$"))) {
        *id = e ? xstream_facts(e).last_id : XID_MIN;
        return true;
    }
    if (strict) return arg_stream_id(c, 4, id);
    return streams_parse_id(c->argv[4], false, 0, NULL, id) || arg_stream_id(c, 4, id);
}

static void changed_group(struct call *c, const char *event) {
    c->dirty++;
    call_notify(c, NOTIFY_STREAM, event, c->argv[2]);
}

void cmd_xgroup_create(struct call *c) {
    struct group_ref ref;
    struct xid id;
    int64_t entries_read;
    bool mkstream = false;
    if (!group_options(c, &mkstream, &entries_read)) return;
    if (!group_stream(c, mkstream, &ref)) return;
    if (c->argc > 8) {
        streams_wrong_subcommand(c);
        return;
    }
    if (!group_id(c, ref.e, true, &id)) return;
    if (!ref.e) {
        ref.e = xstream_new(c->store, c->db, ref.key, NO_EXPIRY);
        store_touch(c->store, ref.e, c->now_ms);
        call_created(c, c->db, ref.key, ref.e);
        call_changed(c, ref.key);
        c->dirty--; /* the group is the change */
    }
    if (!xgroup_add(c->store, c->db, ref.e, ref.name, id, entries_read)) {
        reply_error(c, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    reply_ok(c);
    changed_group(c, "xgroup-create");
}

void cmd_xgroup_setid(struct call *c) {
    struct group_ref ref;
    struct xid id;
    int64_t entries_read;
    if (!group_options(c, NULL, &entries_read) || !existing_group(c, &ref)) return;
    if (c->argc != 5 && c->argc != 7) {
        streams_wrong_subcommand(c);
        return;
    }
    if (!group_id(c, ref.e, false, &id)) return;
    xgroup_set(c->store, c->db, ref.e, ref.g, id, entries_read);
    reply_ok(c);
    changed_group(c, "xgroup-setid");
}

void cmd_xgroup_destroy(struct call *c) {
    struct group_ref ref;
    if (!group_stream(c, false, &ref)) return;
    reply_int(c, ref.g != NULL);
    if (!ref.g) return;
    xgroup_remove(c->store, c->db, ref.e, ref.g);
    changed_group(c, "xgroup-destroy");
    call_ready(c, c->db, ref.key, ref.e); /* whoever reads it is told */
}

void cmd_xgroup_createconsumer(struct call *c) {
    struct group_ref ref;
    if (!existing_group(c, &ref)) return;
    bool made = xconsumer_add(c->store, c->db, ref.e, ref.g, c->argv[4], c->now_ms) != NULL;
    if (made) changed_group(c, "xgroup-createconsumer");
    reply_int(c, made);
}

void cmd_xgroup_delconsumer(struct call *c) {
    struct group_ref ref;
    if (!existing_group(c, &ref)) return;
    struct xconsumer *consumer = xconsumer_find(ref.g, c->argv[4]);
    int64_t pending = consumer ? (int64_t)xconsumer_pending(consumer) : 0;
    if (consumer) {
        xconsumer_remove(c->store, c->db, ref.e, ref.g, consumer);
        changed_group(c, "xgroup-delconsumer");
    }
    reply_int(c, pending);
}

void cmd_xgroup_help(struct call *c) {
    static const char *const lines[] = {
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
        "    A new group, which reads what comes after the id; MKSTREAM makes the stream too.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    A new consumer of the group.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Delete the consumer with what is pending for it; answers how many that were.",
        "DESTROY <key> <group>",
        "    Delete the group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
        "    Set the last id that counts as delivered.",
        NULL};
    reply_help(c, lines);
}
