/* Commands about whole databases: KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "server/base/glob.h"
#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"

struct listing {
    struct call *c;
    struct bytes pattern; /* p NULL: all */
    struct bytes type;    /* p NULL: all */
    size_t seen, listed;
};

static void list_key(void *arg, struct entry *e) {
    struct listing *l = arg;
    struct bytes key = entry_key(e);
    l->seen++;
    if (l->pattern.p && !glob_match(l->pattern, key, false)) return;
    if (l->type.p && !bytes_is(l->type, kind_name(entry_kind(e)))) return;
    if (expiry_is_past(entry_expiry(e), l->c->now_ms)) return;
    reply_bulk(l->c, key);
    l->listed++;
}

void cmd_keys(struct call *c) {
    struct listing l = {c, c->argv[1], {NULL, 0}, 0, 0};
    if (bytes_equal(l.pattern, BYTES("*"))) l.pattern.p = NULL;
    size_t mark = resp_array_later(c->out);
    store_each(c->store, c->db, list_key, &l);
    resp_array_count(c->out, mark, l.listed);
}

static bool arg_cursor(struct call *c, int i, uint64_t *cursor) {
    char text[32], *end;
    struct bytes b = c->argv[i];
    if (b.len < sizeof text && !(b.len && isspace((unsigned char)b.p[0]))) {
        memcpy(text, b.p, b.len);
        text[b.len] = '\0';
        errno = 0;
        *cursor = strtoull(text, &end, 10);
        if (*end == '\0' && errno != ERANGE) return true;
    }
    reply_error(c, "ERR invalid cursor");
    return false;
}

void cmd_scan(struct call *c) {
    struct listing l = {c, {NULL, 0}, {NULL, 0}, 0, 0};
    uint64_t cursor;
    int64_t count = 10;
    if (!arg_cursor(c, 1, &cursor)) return;
    for (int i = 2; i < c->argc; i += 2) {
        bool valued = i + 1 < c->argc;
        if (valued && bytes_is(c->argv[i], "count")) {
            if (!arg_int(c, i + 1, &count)) return;
        } else if (valued && bytes_is(c->argv[i], "match")) {
            l.pattern = c->argv[i + 1];
            if (bytes_equal(l.pattern, BYTES("*"))) l.pattern.p = NULL;
            continue;
        } else if (valued && bytes_is(c->argv[i], "type")) {
            l.type = c->argv[i + 1];
            continue;
        } else {
            count = 0;
        }
        if (count >= 1) continue;
        reply_error(c, ERR_SYNTAX);
        return;
    }
    struct buf keys = BUF_INIT, *out = c->out;
    uint64_t most = count > INT64_MAX / 10 ? INT64_MAX : (uint64_t)count * 10, steps = 0;
    char digits[NUM_I64_CHARS];
    c->out = &keys;
    do {
        cursor = store_scan(c->store, c->db, cursor, list_key, &l);
    } while (cursor && l.listed < (uint64_t)count && l.seen < most && ++steps < most);
    c->out = out;
    reply_array(c, 2);
    reply_bulk(c, (struct bytes){digits, num_format_u64(digits, cursor)});
    reply_array(c, l.listed);
    resp_raw(c->out, keys.data ? buf_head(&keys) : "", buf_len(&keys));
    buf_free(&keys);
}

/* Expired keys are passed over; where they may not be deleted, only so many times. */
void cmd_randomkey(struct call *c) {
    for (int tries = 0;; tries++) {
        struct entry *e = store_random(c->store, c->db);
        if (!e) {
            reply_null(c);
            return;
        }
        bool kept = c->flags & (CALL_ON_SLAVE | CALL_HOLD_EXPIRY);
        if ((tries < 100 || !kept) && call_expire_if_needed(c, c->db, e)) continue;
        reply_bulk(c, entry_key(e));
        return;
    }
}

void cmd_dbsize(struct call *c) {
    reply_int(c, (int64_t)store_count(c->store, c->db));
}

/* ---- Whole databases ------------------------------------------------------------------------ */

/* SYNC and ASYNC are taken; emptying takes constant time either way. */
static bool flush_words(struct call *c) {
    if (c->argc == 1) return true;
    if (c->argc == 2 && (bytes_is(c->argv[1], "sync") || bytes_is(c->argv[1], "async")))
        return true;
    reply_error(c, ERR_SYNTAX);
    return false;
}

void cmd_flushdb(struct call *c) {
    if (!flush_words(c)) return;
    c->dirty += store_count(c->store, c->db) + 1;
    if (c->ops->flushed) c->ops->flushed(c, c->db);
    store_flush(c->store, c->db);
    reply_ok(c);
}

void cmd_flushall(struct call *c) {
    if (!flush_words(c)) return;
    for (int db = 0; db < store_databases(c->store); db++) c->dirty += store_count(c->store, db);
    c->dirty++;
    if (c->ops->flushed) c->ops->flushed(c, -1);
    store_flush_all(c->store);
    reply_ok(c);
}

static void tell_flushed(struct call *c, int a, int b) {
    if (!c->ops->flushed) return;
    c->ops->flushed(c, a);
    c->ops->flushed(c, b);
}

void cmd_swapdb(struct call *c) {
    int64_t a, b, last = store_databases(c->store) - 1;
    if (!arg_int_range(c, 1, INT_MIN, INT_MAX, "ERR invalid first DB index", &a)) return;
    if (!arg_int_range(c, 2, INT_MIN, INT_MAX, "ERR invalid second DB index", &b)) return;
    if (a < 0 || b < 0 || a > last || b > last) {
        reply_error(c, "ERR DB index is out of range");
        return;
    }
    tell_flushed(c, (int)a, (int)b); /* the keys that go */
    store_swap(c->store, (int)a, (int)b);
    tell_flushed(c, (int)a, (int)b); /* and those that come */
    c->dirty++;
    reply_ok(c);
}
