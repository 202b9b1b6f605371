/* Commands about whole databases: KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. */
#include <limits.h>
#include <string.h>

#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/cmd/scan.h"

struct listing {
    struct call *c;
    const struct scan_options *o;
    size_t seen, listed;
    struct buf *
        expired; /* SCAN: names of such keys, each behind its length; NULL: they are only left out */
};

static void note_expired(struct buf *expired, struct bytes key) {
    buf_add(expired, &key.len, sizeof key.len);
    buf_add(expired, key.p, key.len);
}

/* What was found to be over is deleted, as any look at the key would do it. */
static void drop_expired(struct call *c, struct buf *expired) {
    struct bytes key;
    while (buf_len(expired)) {
        memcpy(&key.len, buf_head(expired), sizeof key.len);
        buf_eat(expired, sizeof key.len);
        key.p = key.len ? buf_head(expired) : "";
        struct entry *e = store_find(c->store, c->db, key);
        if (e) call_expire_if_needed(c, c->db, e);
        buf_eat(expired, key.len);
    }
    buf_free(expired);
}

static void list_key(void *arg, struct entry *e) {
    struct listing *l = arg;
    struct bytes key = entry_key(e);
    l->seen++;
    if (!scan_matches(l->o, key)) return;
    if (l->o->type.p && !bytes_is(l->o->type, kind_name(entry_kind(e)))) return;
    if (expiry_is_past(entry_expiry(e), l->c->now_ms)) {
        if (l->expired) note_expired(l->expired, key);
        return;
    }
    reply_bulk(l->c, key);
    l->listed++;
}

void cmd_keys(struct call *c) {
    struct scan_options o = {0, c->argv[1], {NULL, 0}};
    struct listing l = {c, &o, 0, 0, NULL};
    if (bytes_equal(o.pattern, BYTES("*"))) o.pattern.p = NULL;
    size_t mark = resp_array_later(c->out);
    store_each(c->store, c->db, list_key, &l);
    resp_array_count(c->out, mark, l.listed);
}

void cmd_scan(struct call *c) {
    struct scan_options o;
    uint64_t cursor, steps = 0;
    if (!scan_cursor(c, 1, &cursor) || !scan_options(c, 2, true, &o)) return;
    struct buf keys = BUF_INIT, expired = BUF_INIT, *out = c->out;
    struct listing l = {c, &o, 0, 0, &expired};
    uint64_t most = o.count > UINT64_MAX / 10 ? UINT64_MAX : o.count * 10;
    c->out = &keys;
    do {
        cursor = store_scan(c->store, c->db, cursor, list_key, &l);
    } while (cursor && l.listed < o.count && l.seen < most && ++steps < most);
    c->out = out;
    drop_expired(c, &expired);
    scan_reply(c, cursor, &keys, l.listed);
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

void cmd_swapdb(struct call *c) {
    int64_t a, b, last = store_databases(c->store) - 1;
    if (!arg_int_range(c, 1, INT_MIN, INT_MAX, "ERR invalid first DB index", &a)) return;
    if (!arg_int_range(c, 2, INT_MIN, INT_MAX, "ERR invalid second DB index", &b)) return;
    if (a < 0 || b < 0 || a > last || b > last) {
        reply_error(c, "ERR DB index is out of range");
        return;
    }
    if (a != b) store_swap(c->store, (int)a, (int)b);
    if (a != b && c->ops->swapped) c->ops->swapped(c, (int)a, (int)b);
    c->dirty++;
    reply_ok(c);
}
