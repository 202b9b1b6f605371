/* SET with its options, the older forms of it, GETEX, GETDEL, GETSET. */
#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

enum set_flags {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_TIMED = SET_EX | SET_PX | SET_EXAT | SET_PXAT
};

struct set_options {
    unsigned flags;
    int time_at;    /* position of the expiry's number; 0: none */
    int64_t expiry; /* wall ms */
};

/* Each option, whose command it is, what it goes together with nothing of, and whether a number follows. */
static const struct {
    const char *word;
    unsigned flag, excludes;
    bool of_set, of_getex, number;
} options[] = {
    {"nx", SET_NX, SET_XX, true, false, false},
    {"xx", SET_XX, SET_NX, true, false, false},
    {"get", SET_GET, 0, true, false, false},
    {"keepttl", SET_KEEPTTL, SET_PERSIST | SET_TIMED, true, false, false},
    {"persist", SET_PERSIST, SET_KEEPTTL | SET_TIMED, false, true, false},
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMED & ~SET_EX), true, true, true},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMED & ~SET_PX), true, true, true},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMED & ~SET_EXAT), true, true, true},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMED & ~SET_PXAT), true, true, true},
};

/* The words from position i on; false after a syntax error. */
static bool parse_options(struct call *c, int i, bool getex, struct set_options *o) {
    for (; i < c->argc; i++) {
        size_t k = 0, count = sizeof options / sizeof options[0];
        for (; k < count; k++)
            if ((getex ? options[k].of_getex : options[k].of_set) &&
                !(o->flags & options[k].excludes) && bytes_is(c->argv[i], options[k].word) &&
                (!options[k].number || i + 1 < c->argc))
                break;
        if (k == count) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        o->flags |= options[k].flag;
        if (options[k].number) o->time_at = ++i;
    }
    return true;
}

/* Reads the expiry's number, if there is one, into o->expiry. */
static bool parse_time(struct call *c, struct set_options *o) {
    int64_t v;
    if (!o->time_at) return true;
    if (!arg_int(c, o->time_at, &v)) return false;
    bool seconds = o->flags & (SET_EX | SET_EXAT), bad = v <= 0;
    if (seconds && __builtin_mul_overflow(v, 1000, &v)) bad = true;
    if (o->flags & (SET_EX | SET_PX) && __builtin_add_overflow(v, c->now_ms, &v)) bad = true;
    if (bad || v <= 0) {
        reply_errorf(c, "ERR invalid expire time in '%s' command", c->command->name);
        return false;
    }
    o->expiry = v;
    return true;
}

/* Logs what was done in words that mean the same at any time. */
static void propagate_set(struct call *c, struct bytes key, struct bytes value,
                          const struct set_options *o) {
    struct digits d;
    struct bytes words[] = {BYTES("SET"), key, value, BYTES("PXAT"), {d.text, 0}};
    if (o->time_at) {
        words[4].len = num_format_i64(d.text, o->expiry);
        call_propagate_as(c, 5, words);
        return;
    }
    words[3] = BYTES("KEEPTTL");
    call_propagate_as(c, o->flags & SET_KEEPTTL ? 4 : 3, words);
}

enum set_reply { REPLY_OK, REPLY_COUNT };

static void set_value(struct call *c, struct bytes value, struct set_options *o,
                      enum set_reply form) {
    struct bytes key = c->argv[1];
    if (!parse_time(c, o)) return;
    if (o->flags & SET_GET && !reply_string_at(c, key)) return;
    bool existed = call_write(c, key) != NULL;
    if ((o->flags & SET_NX && existed) || (o->flags & SET_XX && !existed)) {
        if (form == REPLY_COUNT)
            reply_int(c, 0);
        else if (!(o->flags & SET_GET))
            reply_null(c);
        return;
    }
    int64_t expiry = o->time_at ? o->expiry : o->flags & SET_KEEPTTL ? KEEP_EXPIRY : NO_EXPIRY;
    call_put(c, key, value, expiry, existed);
    call_changed(c, key);
    call_notify(c, NOTIFY_STRING, "set", key);
    if (o->time_at) call_notify(c, NOTIFY_GENERIC, "expire", key);
    if (form == REPLY_COUNT)
        reply_int(c, 1);
    else if (!(o->flags & SET_GET))
        reply_ok(c);
    if (o->flags & (SET_TIMED | SET_GET)) propagate_set(c, key, value, o);
}

/* SET key value, and nothing else: most of all writes. */
static void set_plainly(struct call *c) {
    struct bytes key = c->argv[1], value = c->argv[2];
    struct entry *e = call_write(c, key);
    if (e)
        store_replace_string(c->store, c->db, e, key, value, NO_EXPIRY);
    else
        call_put(c, key, value, NO_EXPIRY, false);
    call_changed(c, key);
    call_notify(c, NOTIFY_STRING, "set", key);
    reply_ok(c);
}

void cmd_set(struct call *c) {
    struct set_options o = {0, 0, 0};
    if (c->argc == 3)
        set_plainly(c);
    else if (parse_options(c, 3, false, &o))
        set_value(c, c->argv[2], &o, REPLY_OK);
}

void cmd_setnx(struct call *c) {
    struct set_options o = {SET_NX, 0, 0};
    set_value(c, c->argv[2], &o, REPLY_COUNT);
}

void cmd_setex(struct call *c) {
    struct set_options o = {SET_EX, 2, 0};
    set_value(c, c->argv[3], &o, REPLY_OK);
}

void cmd_psetex(struct call *c) {
    struct set_options o = {SET_PX, 2, 0};
    set_value(c, c->argv[3], &o, REPLY_OK);
}

void cmd_getset(struct call *c) {
    struct set_options o = {SET_GET, 0, 0};
    set_value(c, c->argv[2], &o, REPLY_OK);
}

void cmd_getdel(struct call *c) {
    struct bytes key = c->argv[1];
    if (!reply_string_at(c, key)) return;
    struct entry *e = call_write(c, key);
    if (!e) return;
    call_delete(c, c->db, key, e);
    struct bytes words[] = {BYTES("DEL"), key};
    call_propagate_as(c, 2, words);
}

/* ---- GETEX ---------------------------------------------------------------------------------- */

static void getex_expire(struct call *c, struct bytes key, struct entry *e,
                         const struct set_options *o) {
    struct digits d;
    struct bytes del[] = {BYTES("DEL"), key};
    struct bytes at[] = {BYTES("PEXPIREAT"), key, {d.text, num_format_i64(d.text, o->expiry)}};
    if (o->flags & (SET_PXAT | SET_EXAT) && call_is_past(c, o->expiry)) {
        call_delete(c, c->db, key, e);
        call_propagate_as(c, 2, del);
        return;
    }
    store_set_expiry(c->store, c->db, e, o->expiry);
    call_changed(c, key);
    call_notify(c, NOTIFY_GENERIC, "expire", key);
    call_propagate_as(c, 3, at);
}

void cmd_getex(struct call *c) {
    struct set_options o = {0, 0, 0};
    struct bytes key = c->argv[1];
    if (!parse_options(c, 2, true, &o)) return;
    struct entry *e = call_read(c, key);
    struct digits d;
    if (!e) {
        reply_null(c);
        return;
    }
    if (!call_is_kind(c, e, KIND_STRING) || !parse_time(c, &o)) return;
    reply_bulk(c, string_bytes(e, &d));
    if (o.time_at) {
        getex_expire(c, key, e, &o);
    } else if (o.flags & SET_PERSIST && entry_expiry(e) != NO_EXPIRY) {
        struct bytes words[] = {BYTES("PERSIST"), key};
        store_set_expiry(c->store, c->db, e, NO_EXPIRY);
        call_changed(c, key);
        call_notify(c, NOTIFY_GENERIC, "persist", key);
        call_propagate_as(c, 2, words);
    }
}
