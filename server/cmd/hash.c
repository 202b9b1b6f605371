/* The hash commands. Those that count are in hash_count.c, HRANDFIELD and HSCAN in hash_pick.c. */
#include "server/store/hash.h"

#include "server/cmd/call.h"
#include "server/cmd/families.h"

bool hash_for_writing(struct call *c, struct entry **e) {
    *e = call_write(c, c->argv[1]);
    return call_is_kind(c, *e, KIND_HASH);
}

struct entry *hash_or_new(struct call *c, struct entry *e) {
    if (e) return e;
    e = hash_new(c->store, c->db, c->argv[1], NO_EXPIRY);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, c->argv[1], e);
    return e;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* NULL when the reply is done: another kind, or no key (then `none` was called). */
static struct entry *reading(struct call *c, void (*none)(struct call *c)) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_HASH)) return NULL;
    if (!e) none(c);
    return e;
}

static void none_zero(struct call *c) {
    reply_int(c, 0);
}

static void none_array(struct call *c) {
    reply_array(c, 0);
}

static void none_map(struct call *c) {
    reply_map(c, 0);
}

static void reply_field(struct call *c, const struct entry *e, struct bytes field) {
    struct digits d;
    struct bytes value;
    if (e && hash_get(e, field, &value, &d))
        reply_bulk(c, value);
    else
        reply_null(c);
}

void cmd_hget(struct call *c) {
    struct entry *e = reading(c, reply_null);
    if (e) reply_field(c, e, c->argv[2]);
}

void cmd_hmget(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_HASH)) return;
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) reply_field(c, e, c->argv[i]);
}

void cmd_hexists(struct call *c) {
    struct entry *e = reading(c, none_zero);
    struct digits d;
    struct bytes value;
    if (e) reply_int(c, hash_get(e, c->argv[2], &value, &d));
}

void cmd_hstrlen(struct call *c) {
    struct entry *e = reading(c, none_zero);
    struct digits d;
    struct bytes value;
    if (e) reply_int(c, hash_get(e, c->argv[2], &value, &d) ? (int64_t)value.len : 0);
}

void cmd_hlen(struct call *c) {
    struct entry *e = reading(c, none_zero);
    if (e) reply_int(c, (int64_t)hash_len(e));
}

static void each_both(void *arg, struct bytes field, struct bytes value) {
    reply_bulk(arg, field);
    reply_bulk(arg, value);
}

static void each_field(void *arg, struct bytes field, struct bytes value) {
    (void)value;
    reply_bulk(arg, field);
}

static void each_value(void *arg, struct bytes field, struct bytes value) {
    (void)field;
    reply_bulk(arg, value);
}

void cmd_hgetall(struct call *c) {
    struct entry *e = reading(c, none_map);
    if (!e) return;
    reply_map(c, hash_len(e));
    hash_each(e, each_both, c);
}

void cmd_hkeys(struct call *c) {
    struct entry *e = reading(c, none_array);
    if (!e) return;
    reply_array(c, hash_len(e));
    hash_each(e, each_field, c);
}

void cmd_hvals(struct call *c) {
    struct entry *e = reading(c, none_array);
    if (!e) return;
    reply_array(c, hash_len(e));
    hash_each(e, each_value, c);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Sets all pairs; the reply is OK or the number of new fields. */
static void set_pairs(struct call *c, bool count) {
    struct entry *e;
    int64_t added = 0;
    if (c->argc % 2 == 1) {
        reply_wrong_arity(c, c->command);
        return;
    }
    if (!hash_for_writing(c, &e)) return;
    e = hash_or_new(c, e);
    for (int i = 2; i < c->argc; i += 2)
        added += hash_set(c->store, c->db, e, c->argv[i], c->argv[i + 1]);
    if (count)
        reply_int(c, added);
    else
        reply_ok(c);
    call_changed(c, c->argv[1]);
    c->dirty += (uint64_t)(c->argc - 2) / 2 - 1;
    call_notify(c, NOTIFY_HASH, "hset", c->argv[1]);
}

void cmd_hset(struct call *c) {
    set_pairs(c, true);
}

void cmd_hmset(struct call *c) {
    set_pairs(c, false);
}

void cmd_hsetnx(struct call *c) {
    struct entry *e;
    struct digits d;
    struct bytes value;
    if (!hash_for_writing(c, &e)) return;
    if (e && hash_get(e, c->argv[2], &value, &d)) {
        reply_int(c, 0);
        return;
    }
    hash_set(c->store, c->db, hash_or_new(c, e), c->argv[2], c->argv[3]);
    reply_int(c, 1);
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_HASH, "hset", c->argv[1]);
}

void cmd_hdel(struct call *c) {
    struct entry *e;
    uint64_t n = 0;
    if (!hash_for_writing(c, &e)) return;
    for (int i = 2; e && i < c->argc && hash_len(e) > 0; i++)
        n += hash_delete(c->store, c->db, e, c->argv[i]);
    if (n) {
        bool emptied = hash_len(e) == 0;
        if (emptied) store_delete(c->store, c->db, e);
        call_changed(c, c->argv[1]);
        c->dirty += n - 1;
        call_notify(c, NOTIFY_HASH, "hdel", c->argv[1]);
        if (emptied) call_notify(c, NOTIFY_GENERIC, "del", c->argv[1]);
    }
    reply_int(c, (int64_t)n);
}
