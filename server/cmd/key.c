/* Commands about keys whatever they hold: deleting, asking, renaming, copying, OBJECT. */
#include <limits.h>

#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

void cmd_del(struct call *c) {
    int64_t n = 0;
    for (int i = 1; i < c->argc; i++) {
        struct entry *e = call_write(c, c->argv[i]);
        if (!e) continue;
        call_delete(c, c->db, c->argv[i], e);
        n++;
    }
    reply_int(c, n);
}

/* Big values go to the reclaimer either way. */
void cmd_unlink(struct call *c) {
    cmd_del(c);
}

void cmd_exists(struct call *c) {
    int64_t n = 0;
    for (int i = 1; i < c->argc; i++) n += call_peek(c, c->argv[i]) != NULL;
    reply_int(c, n);
}

void cmd_touch(struct call *c) {
    int64_t n = 0;
    for (int i = 1; i < c->argc; i++) n += call_read(c, c->argv[i]) != NULL;
    reply_int(c, n);
}

void cmd_type(struct call *c) {
    struct entry *e = call_peek(c, c->argv[1]);
    reply_status(c, e ? kind_name(entry_kind(e)) : "none");
}

/* ---- Other names, other databases ----------------------------------------------------------- */

static void rename_key(struct call *c, bool if_free) {
    struct bytes from = c->argv[1], to = c->argv[2];
    struct entry *e = call_write(c, from), *there;
    if (!e) {
        reply_error(c, ERR_NO_KEY);
        return;
    }
    if (!bytes_equal(from, to)) {
        there = call_write(c, to);
        if (there && if_free) {
            reply_int(c, 0);
            return;
        }
        if (there) store_delete(c->store, c->db, there);
        e = store_move(c->store, c->db, store_find(c->store, c->db, from), c->db, to);
        call_ready(c, c->db, to, e);
        call_notify(c, NOTIFY_NEW, "new", to);
        call_changed(c, from);
        call_changed(c, to);
        c->dirty--; /* one change, as Redis counts */
        call_notify(c, NOTIFY_GENERIC, "rename_from", from);
        call_notify(c, NOTIFY_GENERIC, "rename_to", to);
    } else if (if_free) {
        reply_int(c, 0);
        return;
    }
    if (if_free)
        reply_int(c, 1);
    else
        reply_ok(c);
}

void cmd_rename(struct call *c) {
    rename_key(c, false);
}

void cmd_renamenx(struct call *c) {
    rename_key(c, true);
}

static bool arg_db(struct call *c, int i, int *db) {
    int64_t v;
    if (!arg_int_range(c, i, INT_MIN, INT_MAX, NULL, &v)) return false;
    *db = (int)v;
    if (v >= 0 && v < store_databases(c->store)) return true;
    reply_error(c, "ERR DB index is out of range");
    return false;
}

void cmd_move(struct call *c) {
    struct bytes key = c->argv[1];
    int db;
    if (!arg_db(c, 2, &db)) return;
    if (db == c->db) {
        reply_error(c, ERR_SAME_OBJECT);
        return;
    }
    struct entry *e = call_write(c, key);
    if (!e || call_write_db(c, db, key)) {
        reply_int(c, 0);
        return;
    }
    e = store_move(c->store, c->db, e, db, key);
    call_created(c, db, key, e);
    call_changed(c, key);
    call_changed_db(c, db, key);
    c->dirty--;
    call_notify(c, NOTIFY_GENERIC, "move_from", key);
    call_notify_db(c, NOTIFY_GENERIC, "move_to", db, key);
    reply_int(c, 1);
}

void cmd_copy(struct call *c) {
    struct bytes from = c->argv[1], to = c->argv[2];
    int db = c->db;
    bool replace = false;
    for (int i = 3; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "replace")) {
            replace = true;
        } else if (bytes_is(c->argv[i], "db") && i + 1 < c->argc) {
            if (!arg_db(c, ++i, &db)) return;
        } else {
            reply_error(c, ERR_SYNTAX);
            return;
        }
    }
    if (db == c->db && bytes_equal(from, to)) {
        reply_error(c, ERR_SAME_OBJECT);
        return;
    }
    struct entry *e = call_read(c, from), *there = e ? call_write_db(c, db, to) : NULL;
    if (!e || (there && !replace)) {
        reply_int(c, 0);
        return;
    }
    if (there) store_delete(c->store, db, there);
    e = store_copy(c->store, c->db, store_find(c->store, c->db, from), db, to);
    store_touch(c->store, e, c->now_ms);
    call_created(c, db, to, e);
    call_changed_db(c, db, to);
    call_notify_db(c, NOTIFY_GENERIC, "copy_to", db, to);
    reply_int(c, 1);
}

/* ---- OBJECT --------------------------------------------------------------------------------- */

static struct entry *object(struct call *c) {
    struct entry *e = call_inspect(c, c->argv[2]);
    if (!e) reply_null(c);
    return e;
}

void cmd_object_encoding(struct call *c) {
    struct entry *e = object(c);
    if (e) reply_bulk_str(c, entry_encoding(e));
}

/* Nothing is shared here; for small integers it is said as where they are. */
void cmd_object_refcount(struct call *c) {
    struct entry *e = object(c);
    int64_t v;
    if (!e) return;
    bool small = entry_kind(e) == KIND_STRING && string_is_int(e, &v) && v >= 0 && v < 10000;
    reply_int(c, small ? INT_MAX : 1);
}

void cmd_object_idletime(struct call *c) {
    struct entry *e = object(c);
    if (!e) return;
    if (store_settings(c->store)->lfu)
        reply_error(
            c, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that "
               "when switching between policies at runtime LRU and LFU data will take some time "
               "to adjust.");
    else
        reply_int(c, entry_idle_s(e, c->now_ms));
}

void cmd_object_freq(struct call *c) {
    struct entry *e = object(c);
    if (!e) return;
    if (!store_settings(c->store)->lfu)
        reply_error(
            c, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
               "note that when switching between policies at runtime LRU and LFU data will take "
               "some time to adjust.");
    else
        reply_int(c, entry_freq(c->store, e, c->now_ms));
}

void cmd_object_help(struct call *c) {
    static const char *const lines[] = {
        "ENCODING <key>",
        "    The form that the key's value is kept in.",
        "FREQ <key>",
        "    How often the key is accessed, on a logarithmic scale (LFU policies).",
        "IDLETIME <key>",
        "    Seconds since the key's last access (LRU policies).",
        "REFCOUNT <key>",
        "    Number of references to the key's value.",
        NULL};
    reply_help(c, lines);
}
