/* Sets with sets: SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD. */
#include <stdlib.h>

#include "server/base/hash.h"
#include "server/cmd/families.h"
#include "server/cmd/sets.h"

enum combination { INTER, UNION, DIFF };

struct combining {
    struct call *c;
    struct entry **sets;   /* NULL: no such key */
    int count, at;         /* at: whose members are gone through */
    struct map *taken;     /* of a union */
    uint64_t found, limit; /* limit 0: none */
    struct buf *items;     /* the reply's members, when they are wanted */
};

/* The sets at the keys from argv[first] on; false after WRONGTYPE. *missing: one of them is not there. */
static bool find_sets(struct combining *k, int first, bool *missing) {
    struct call *c = k->c;
    *missing = false;
    for (int i = 0; i < k->count; i++) /* what has expired goes first */
        if (!call_is_kind(c, call_read(c, c->argv[first + i]), KIND_SET)) return false;
    for (int i = 0; i < k->count; i++) {
        k->sets[i] = call_write(c, c->argv[first + i]);
        *missing |= !k->sets[i];
    }
    return true;
}

/* A member of the result. */
static bool take(struct combining *k, struct bytes member) {
    k->found++;
    if (k->items) resp_bulk(k->items, member.p, member.len);
    if (k->taken) map_put(k->taken, member.p, member.len, k);
    return !k->limit || k->found < k->limit;
}

static bool each_of_inter(void *arg, struct bytes member) {
    struct combining *k = arg;
    for (int i = 0; i < k->count; i++)
        if (i != k->at && !set_has(k->sets[i], member)) return true;
    return take(k, member);
}

static bool each_of_diff(void *arg, struct bytes member) {
    struct combining *k = arg;
    for (int i = 1; i < k->count; i++)
        if (k->sets[i] && set_has(k->sets[i], member)) return true;
    return take(k, member);
}

static bool each_of_union(void *arg, struct bytes member) {
    struct combining *k = arg;
    return map_get(k->taken, member.p, member.len) ? true : take(k, member);
}

static void inter(struct combining *k, bool missing) {
    if (missing) return;
    k->at = 0;
    for (int i = 1; i < k->count; i++)
        if (set_len(k->sets[i]) < set_len(k->sets[k->at])) k->at = i;
    set_each(k->sets[k->at], each_of_inter, k);
}

static void combine(struct combining *k, enum combination what, bool missing) {
    if (what == INTER) {
        inter(k, missing);
    } else if (what == DIFF) {
        if (k->sets[0]) set_each(k->sets[0], each_of_diff, k);
    } else {
        k->taken = map_new(false);
        for (int i = 0; i < k->count; i++)
            if (k->sets[i]) set_each(k->sets[i], each_of_union, k);
        map_free(k->taken, NULL);
    }
}

static void reply_combination(struct call *c, enum combination what) {
    struct buf items = BUF_INIT;
    struct combining k = {.c = c, .count = c->argc - 1, .items = &items};
    bool missing;
    k.sets = xmalloc((size_t)k.count * sizeof *k.sets);
    if (find_sets(&k, 1, &missing)) {
        combine(&k, what, missing);
        reply_set(c, k.found);
        resp_raw(c->out, items.data ? buf_head(&items) : "", buf_len(&items));
    }
    buf_free(&items);
    free(k.sets);
}

/* The members as replies in a buffer, read back one by one into a new set at key. tell_first: events stand before the
 * reply (an intersection with nothing; there are no members). */
static void store_members(struct call *c, struct bytes key, struct buf *items, const char *event,
                          bool tell_first) {
    struct entry *old = call_write(c, key), *e = NULL;
    if (old) store_delete(c->store, c->db, old);
    const char *p = items->data ? buf_head(items) : "", *end = p + buf_len(items);
    while (p < end) {
        char *digits_end;
        size_t len = strtoul(p + 1, &digits_end, 10);
        p = digits_end + 2;
        if (!e) {
            e = set_new(c->store, c->db, key, NO_EXPIRY);
            store_touch(c->store, e, c->now_ms);
            if (!old) call_created(c, c->db, key, e);
        }
        set_add(c->store, c->db, e, (struct bytes){p, len});
        p += len + 2;
    }
    if (!tell_first) reply_int(c, e ? (int64_t)set_len(e) : 0);
    if (e || old) call_changed(c, key);
    if (e)
        call_notify(c, NOTIFY_SET, event, key);
    else if (old)
        call_notify(c, NOTIFY_GENERIC, "del", key);
    if (tell_first) reply_int(c, 0);
}

static void store_combination(struct call *c, enum combination what, const char *event) {
    struct buf items = BUF_INIT;
    struct combining k = {.c = c, .count = c->argc - 2, .items = &items};
    bool missing;
    k.sets = xmalloc((size_t)k.count * sizeof *k.sets);
    if (find_sets(&k, 2, &missing)) {
        combine(&k, what, missing);
        store_members(c, c->argv[1], &items, event, what == INTER && missing);
    }
    buf_free(&items);
    free(k.sets);
}

void cmd_sinter(struct call *c) {
    reply_combination(c, INTER);
}

void cmd_sunion(struct call *c) {
    reply_combination(c, UNION);
}

void cmd_sdiff(struct call *c) {
    reply_combination(c, DIFF);
}

void cmd_sinterstore(struct call *c) {
    store_combination(c, INTER, "sinterstore");
}

void cmd_sunionstore(struct call *c) {
    store_combination(c, UNION, "sunionstore");
}

void cmd_sdiffstore(struct call *c) {
    store_combination(c, DIFF, "sdiffstore");
}

void cmd_sintercard(struct call *c) {
    int64_t count, limit = 0;
    if (!arg_int_range(c, 1, 1, INT64_MAX, "ERR numkeys should be greater than 0", &count)) return;
    if (count > c->argc - 2) {
        reply_error(c, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (int i = 2 + (int)count; i < c->argc; i += 2) {
        if (!bytes_is(c->argv[i], "limit") || i + 1 >= c->argc) {
            reply_error(c, ERR_SYNTAX);
            return;
        }
        if (!arg_int_range(c, i + 1, 0, INT64_MAX, "ERR LIMIT can't be negative", &limit)) return;
    }
    struct combining k = {.c = c, .count = (int)count, .limit = (uint64_t)limit};
    bool missing;
    k.sets = xmalloc((size_t)k.count * sizeof *k.sets);
    if (find_sets(&k, 2, &missing)) {
        combine(&k, INTER, missing);
        reply_int(c, (int64_t)k.found);
    }
    free(k.sets);
}
