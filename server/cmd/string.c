/* The string commands. SET, GETEX and their kin are in set.c, bits in bits.c. */
#include "server/store/string.h"

#include <math.h>

#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/cmd/longdouble.h"
#include "server/cmd/table.h"

/* ---- Reading -------------------------------------------------------------------------------- */

/* Replies the string at the key, or null; false when another kind is there. */
bool reply_string_at(struct call *c, struct bytes key) {
    struct entry *e = call_read(c, key);
    struct digits d;
    if (!e)
        reply_null(c);
    else if (!call_is_kind(c, e, KIND_STRING))
        return false;
    else
        reply_bulk(c, string_bytes(e, &d));
    return true;
}

void cmd_get(struct call *c) {
    reply_string_at(c, c->argv[1]);
}

void cmd_mget(struct call *c) {
    reply_array(c, (size_t)c->argc - 1);
    for (int i = 1; i < c->argc; i++) {
        if (i % CALL_ASK_KEYS == 1) call_ask_keys(c, i, 1);
        struct entry *e = call_read(c, c->argv[i]);
        struct digits d;
        if (e && entry_kind(e) == KIND_STRING)
            reply_bulk(c, string_bytes(e, &d));
        else
            reply_null(c);
    }
}

void cmd_strlen(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    reply_int(c, e ? (int64_t)string_len(e) : 0);
}

void cmd_getrange(struct call *c) {
    int64_t start, end;
    if (!arg_int(c, 2, &start) || !arg_int(c, 3, &end)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    struct digits d;
    struct bytes value = e ? string_bytes(e, &d) : BYTES("");
    int64_t len = (int64_t)value.len;
    bool backwards = start < 0 && end < 0 && start > end;
    if (start < 0) start += len;
    if (end < 0) end += len;
    if (start < 0) start = 0;
    if (end < 0) end = 0;
    if (end >= len) end = len - 1;
    if (backwards || start > end || len == 0)
        reply_bulk(c, BYTES(""));
    else
        reply_bulk(c, (struct bytes){value.p + start, (size_t)(end - start + 1)});
}

void cmd_substr(struct call *c) {
    cmd_getrange(c);
}

/* ---- Several keys --------------------------------------------------------------------------- */

static void set_all(struct call *c) {
    for (int i = 1; i < c->argc; i += 2) {
        if (i % (2 * CALL_ASK_KEYS) == 1) call_ask_keys(c, i, 2);
        struct entry *e = call_write(c, c->argv[i]);
        call_put(c, c->argv[i], c->argv[i + 1], NO_EXPIRY, e != NULL);
        call_changed(c, c->argv[i]);
        call_notify(c, NOTIFY_STRING, "set", c->argv[i]);
    }
}

void cmd_mset(struct call *c) {
    if (c->argc % 2 == 0) {
        reply_wrong_arity(c, c->command);
        return;
    }
    set_all(c);
    reply_ok(c);
}

void cmd_msetnx(struct call *c) {
    if (c->argc % 2 == 0) {
        reply_wrong_arity(c, c->command);
        return;
    }
    for (int i = 1; i < c->argc; i += 2) {
        if (!call_write(c, c->argv[i])) continue;
        reply_int(c, 0);
        return;
    }
    set_all(c);
    reply_int(c, 1);
}

/* ---- Growing -------------------------------------------------------------------------------- */

/* A master's own setting may be larger, but nothing longer than this is read from files and streams. */
uint64_t string_most_bytes(const struct call *c) {
    const uint64_t from_master = 1ULL << 30;
    uint64_t most = store_settings(c->store)->string_max_bytes;
    return c->flags & CALL_FROM_MASTER && most < from_master ? from_master : most;
}

/* False after the error when a string of len + more bytes is longer than allowed. */
bool string_may_be(struct call *c, uint64_t len, uint64_t more) {
    uint64_t sum, most = string_most_bytes(c);
    if (!__builtin_add_overflow(len, more, &sum) && sum <= most) return true;
    if (most == command_edition()->string_limit_bytes)
        reply_errorf(c, "ERR a value is longer than the %llu bytes allowed",
                     (unsigned long long)most);
    else
        reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

void cmd_append(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    struct bytes more = c->argv[2];
    size_t len = more.len;
    if (!e) {
        call_put(c, c->argv[1], more, NO_EXPIRY, false);
    } else {
        if (!call_is_kind(c, e, KIND_STRING)) return;
        size_t old = string_len(e);
        if (!string_may_be(c, old, more.len)) return;
        len += old;
        memcpy(string_edit_part(c->store, c->db, &e, len, old, more.len) + old, more.p, more.len);
    }
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_STRING, "append", c->argv[1]);
    reply_int(c, (int64_t)len);
}

void cmd_setrange(struct call *c) {
    int64_t offset;
    struct bytes value = c->argv[3];
    if (!arg_int(c, 2, &offset)) return;
    if (offset < 0) {
        reply_error(c, "ERR offset is out of range");
        return;
    }
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    size_t old = e ? string_len(e) : 0, len = (size_t)offset + value.len;
    if (value.len == 0) {
        reply_int(c, (int64_t)old);
        return;
    }
    if (!string_may_be(c, (uint64_t)offset, value.len)) return;
    if (!e) {
        e = string_put_plain(c->store, c->db, c->argv[1], BYTES(""), NO_EXPIRY, true);
        store_touch(c->store, e, c->now_ms);
        call_created(c, c->db, c->argv[1], e);
    }
    if (len < old) len = old;
    size_t from = (size_t)offset;
    memcpy(string_edit_part(c->store, c->db, &e, len, from, value.len) + from, value.p, value.len);
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_STRING, "setrange", c->argv[1]);
    reply_int(c, (int64_t)len);
}

/* ---- Counting ------------------------------------------------------------------------------- */

static void add_to(struct call *c, int64_t by) {
    struct entry *e = call_write(c, c->argv[1]);
    struct digits d;
    int64_t v = 0;
    if (!call_is_kind(c, e, KIND_STRING)) return;
    if (e && !string_is_int(e, &v)) {
        struct bytes text = string_bytes(e, &d);
        if (!num_parse_i64(text.p, text.len, &v)) {
            reply_error(c, ERR_NOT_INT);
            return;
        }
    }
    if (__builtin_add_overflow(v, by, &v)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return;
    }
    if (e) {
        string_set_int(c->store, c->db, e, v);
    } else {
        struct bytes text = {d.text, num_format_i64(d.text, v)};
        call_put(c, c->argv[1], text, NO_EXPIRY, false);
    }
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_STRING, "incrby", c->argv[1]);
    reply_int(c, v);
}

void cmd_incr(struct call *c) {
    add_to(c, 1);
}

void cmd_decr(struct call *c) {
    add_to(c, -1);
}

void cmd_incrby(struct call *c) {
    int64_t by;
    if (arg_int(c, 2, &by)) add_to(c, by);
}

void cmd_decrby(struct call *c) {
    int64_t by;
    if (!arg_int(c, 2, &by)) return;
    if (by == INT64_MIN) {
        reply_error(c, "ERR decrement would overflow");
        return;
    }
    add_to(c, -by);
}

void cmd_incrbyfloat(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    struct digits d;
    long double v = 0, by;
    if (!call_is_kind(c, e, KIND_STRING)) return;
    if ((e && !long_double_parse(string_bytes(e, &d), &v)) || !long_double_parse(c->argv[2], &by)) {
        reply_error(c, ERR_NOT_FLOAT);
        return;
    }
    v += by;
    if (isnan(v) || isinf(v)) {
        reply_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[LONG_DOUBLE_CHARS];
    struct bytes sum = {text, long_double_format(text, v)};
    bool existed = e != NULL;
    e = string_put_plain(c->store, c->db, c->argv[1], sum, KEEP_EXPIRY, false);
    store_touch(c->store, e, c->now_ms);
    if (!existed) call_created(c, c->db, c->argv[1], e);
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_STRING, "incrbyfloat", c->argv[1]);
    reply_bulk(c, sum);
    struct bytes words[] = {BYTES("SET"), c->argv[1], sum, BYTES("KEEPTTL")};
    call_propagate_as(c, 4, words);
}
