/* The list commands that name elements by place: pushes, pops, reads, LSET, LTRIM. Those that look for elements are in
 * list_find.c, those that move or pop from several lists in list_move.c. */
#include "server/cmd/families.h"
#include "server/cmd/lists.h"

bool lists_may_hold(struct call *c, struct bytes value) {
    if (value.len <= LIST_ELEMENT_MAX) return true;
    reply_error(c, "ERR Element too large");
    return false;
}

struct entry *lists_or_new(struct call *c, struct entry *e, struct bytes key) {
    if (e) return e;
    e = list_new(c->store, c->db, key, NO_EXPIRY);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    return e;
}

/* ---- Pushing --------------------------------------------------------------------------------- */

static void push(struct call *c, enum list_end end, bool only_if_there) {
    struct bytes key = c->argv[1];
    for (int i = 2; i < c->argc; i++)
        if (!lists_may_hold(c, c->argv[i])) return;
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    if (!e && only_if_there) {
        reply_int(c, 0);
        return;
    }
    e = lists_or_new(c, e, key);
    for (int i = 2; i < c->argc; i++) list_push(c->store, c->db, e, end, c->argv[i]);
    reply_int(c, (int64_t)list_len(e));
    call_changed(c, key);
    c->dirty += (uint64_t)c->argc - 3;
    call_notify(c, NOTIFY_LIST, end == LIST_HEAD ? "lpush" : "rpush", key);
}

void cmd_lpush(struct call *c) {
    push(c, LIST_HEAD, false);
}

void cmd_rpush(struct call *c) {
    push(c, LIST_TAIL, false);
}

void cmd_lpushx(struct call *c) {
    push(c, LIST_HEAD, true);
}

void cmd_rpushx(struct call *c) {
    push(c, LIST_TAIL, true);
}

/* ---- Popping --------------------------------------------------------------------------------- */

/* Removes elements at an end; the key goes with the last one. */
static void take(struct call *c, struct bytes key, struct entry *e, enum list_end end, size_t n) {
    size_t len = list_len(e);
    if (n == len)
        store_delete(c->store, c->db, e);
    else
        list_remove(c->store, c->db, e, end == LIST_HEAD ? 0 : len - n, n);
    call_changed(c, key);
    c->dirty += n - 1;
    call_notify(c, NOTIFY_LIST, end == LIST_HEAD ? "lpop" : "rpop", key);
    if (n == len) call_notify(c, NOTIFY_GENERIC, "del", key);
}

/* n elements from index on, towards the head when backward. */
static void reply_range(struct call *c, const struct entry *e, size_t index, size_t n,
                        bool backward) {
    struct list_cursor at;
    reply_array(c, n);
    bool more = n && list_seek(e, index, &at);
    for (; n && more; n--, more = backward ? list_prev(&at) : list_next(&at))
        reply_bulk(c, list_here(&at));
}

void lists_pop(struct call *c, struct bytes key, struct entry *e, enum list_end end) {
    struct list_cursor at;
    list_seek(e, end == LIST_HEAD ? 0 : list_len(e) - 1, &at);
    reply_bulk(c, list_here(&at));
    take(c, key, e, end, 1);
}

size_t lists_pop_some(struct call *c, struct bytes key, struct entry *e, enum list_end end,
                      int64_t count) {
    size_t len = list_len(e), n = (uint64_t)count < len ? (size_t)count : len;
    reply_range(c, e, end == LIST_HEAD ? 0 : len - 1, n, end == LIST_TAIL);
    take(c, key, e, end, n);
    return n;
}

static void pop(struct call *c, enum list_end end) {
    int64_t count = 1;
    bool several = c->argc == 3;
    if (c->argc > 3) {
        reply_wrong_arity(c, c->command);
        return;
    }
    if (several &&
        !arg_int_range(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", &count))
        return;
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    if (!e && several)
        reply_null_array(c);
    else if (!e)
        reply_null(c);
    else if (!several)
        lists_pop(c, c->argv[1], e, end);
    else if (!count)
        reply_array(c, 0);
    else
        lists_pop_some(c, c->argv[1], e, end, count);
}

void cmd_lpop(struct call *c) {
    pop(c, LIST_HEAD);
}

void cmd_rpop(struct call *c) {
    pop(c, LIST_TAIL);
}

/* ---- By place -------------------------------------------------------------------------------- */

void cmd_llen(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_LIST)) reply_int(c, e ? (int64_t)list_len(e) : 0);
}

/* From the tail when negative; false when there is no such element. */
static bool place(const struct entry *e, int64_t index, size_t *at) {
    int64_t len = (int64_t)list_len(e);
    if (index < 0) index += len;
    *at = (size_t)index;
    return index >= 0 && index < len;
}

void cmd_lindex(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    struct list_cursor at;
    int64_t index;
    size_t i;
    if (!e) {
        reply_null(c);
        return;
    }
    if (!call_is_kind(c, e, KIND_LIST) || !arg_int(c, 2, &index)) return;
    if (place(e, index, &i) && list_seek(e, i, &at))
        reply_bulk(c, list_here(&at));
    else
        reply_null(c);
}

void cmd_lset(struct call *c) {
    struct bytes key = c->argv[1];
    struct entry *e = call_write(c, key);
    int64_t index;
    size_t at;
    if (!e) {
        reply_error(c, ERR_NO_KEY);
        return;
    }
    if (!call_is_kind(c, e, KIND_LIST) || !lists_may_hold(c, c->argv[3]) || !arg_int(c, 2, &index))
        return;
    if (!place(e, index, &at)) {
        reply_error(c, ERR_OUT_OF_RANGE);
        return;
    }
    list_set(c->store, c->db, e, at, c->argv[3]);
    reply_ok(c);
    call_changed(c, key);
    call_notify(c, NOTIFY_LIST, "lset", key);
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

/* Words 2 and 3 as a range: `n` elements from `first` on. */
static void clip(const struct entry *e, int64_t start, int64_t end, size_t *first, size_t *n) {
    int64_t len = (int64_t)list_len(e);
    if (start < 0) start += len;
    if (end < 0) end += len;
    if (start < 0) start = 0;
    if (end >= len) end = len - 1;
    *first = (size_t)start;
    *n = start > end || start >= len ? 0 : (size_t)(end - start + 1);
}

void cmd_lrange(struct call *c) {
    int64_t start, end;
    size_t first, n;
    if (!arg_int(c, 2, &start) || !arg_int(c, 3, &end)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    if (!e) {
        reply_array(c, 0);
        return;
    }
    clip(e, start, end, &first, &n);
    reply_range(c, e, first, n, false);
}

void cmd_ltrim(struct call *c) {
    struct bytes key = c->argv[1];
    int64_t start, end;
    size_t first, n;
    if (!arg_int(c, 2, &start) || !arg_int(c, 3, &end)) return;
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    if (!e) {
        reply_ok(c);
        return;
    }
    clip(e, start, end, &first, &n);
    size_t len = list_len(e);
    if (n) {
        if (first + n < len) list_remove(c->store, c->db, e, first + n, len - first - n);
        if (first) list_remove(c->store, c->db, e, 0, first);
    } else {
        store_delete(c->store, c->db, e);
    }
    call_changed(c, key);
    c->dirty += len - n - 1; /* nothing to log when nothing went */
    call_notify(c, NOTIFY_LIST, "ltrim", key);
    if (!n) call_notify(c, NOTIFY_GENERIC, "del", key);
    reply_ok(c);
}
