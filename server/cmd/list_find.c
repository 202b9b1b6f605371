/* The list commands that look for elements: LINSERT, LREM, LPOS. */
#include "server/cmd/families.h"
#include "server/cmd/lists.h"

/* The index of the first element that is the value, or -1. */
static int64_t find(const struct entry *e, struct bytes value) {
    struct lp_value wanted = lp_value_of(value);
    struct list_cursor at;
    int64_t i = 0;
    for (bool more = list_seek(e, 0, &at); more; more = list_next(&at), i++)
        if (list_here_is(&at, &wanted)) return i;
    return -1;
}

void cmd_linsert(struct call *c) {
    struct bytes key = c->argv[1];
    bool after = bytes_is(c->argv[2], "after");
    if (!after && !bytes_is(c->argv[2], "before")) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (!lists_may_hold(c, c->argv[4])) return;
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    int64_t at = e ? find(e, c->argv[3]) : -1;
    if (at < 0) {
        reply_int(c, e ? -1 : 0);
        return;
    }
    list_insert(c->store, c->db, e, (size_t)at + after, c->argv[4]);
    call_changed(c, key);
    call_notify(c, NOTIFY_LIST, "linsert", key);
    reply_int(c, (int64_t)list_len(e));
}

static size_t magnitude(int64_t v) {
    return v < 0 ? 0 - (size_t)v : (size_t)v;
}

void cmd_lrem(struct call *c) {
    struct bytes key = c->argv[1];
    int64_t count;
    if (!arg_int(c, 2, &count)) return;
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    size_t most = count ? magnitude(count) : SIZE_MAX, n = 0;
    enum list_end from = count < 0 ? LIST_TAIL : LIST_HEAD;
    if (e) n = list_remove_equal(c->store, c->db, e, c->argv[3], most, from);
    if (n) {
        bool emptied = list_len(e) == 0;
        if (emptied) store_delete(c->store, c->db, e);
        call_changed(c, key);
        c->dirty += n - 1;
        call_notify(c, NOTIFY_LIST, "lrem", key);
        if (emptied) call_notify(c, NOTIFY_GENERIC, "del", key);
    }
    reply_int(c, (int64_t)n);
}

/* ---- LPOS ------------------------------------------------------------------------------------ */

struct lpos {
    int64_t rank, count, most; /* count -1: one, no array; 0 of either: no limit */
};

#define ERR_RANK                                                                                   \
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "   \
    "negative to start from the end of the list"

static bool lpos_words(struct call *c, struct lpos *o) {
    for (int i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && bytes_is(c->argv[i], "rank")) {
            if (!arg_int(c, i + 1, &o->rank)) return false;
            if (!o->rank) {
                reply_error(c, ERR_RANK);
                return false;
            }
        } else if (more && bytes_is(c->argv[i], "count")) {
            const char *error = "ERR COUNT can't be negative";
            if (!arg_int_range(c, i + 1, 0, INT64_MAX, error, &o->count)) return false;
        } else if (more && bytes_is(c->argv[i], "maxlen")) {
            const char *error = "ERR MAXLEN can't be negative";
            if (!arg_int_range(c, i + 1, 0, INT64_MAX, error, &o->most)) return false;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Replies the places found; returns how many. */
static size_t reply_places(struct call *c, const struct entry *e, const struct lpos *o) {
    struct lp_value wanted = lp_value_of(c->argv[2]);
    struct list_cursor at;
    bool backward = o->rank < 0;
    size_t len = list_len(e), found = 0, want = o->count < 0 ? 1 : (size_t)o->count;
    size_t skip = magnitude(o->rank) - 1;
    if (o->rank ==
        INT64_MIN) { /* Redis 7.0's arithmetic overflows here: the first from the tail, and no limit */
        skip = 0;
        if (o->count > 0) want = 0;
    }
    bool more = list_seek(e, backward ? len - 1 : 0, &at);
    for (size_t i = 0; more && (!o->most || i < (size_t)o->most); i++) {
        if (list_here_is(&at, &wanted) && !(skip && skip--)) {
            reply_int(c, (int64_t)(backward ? len - 1 - i : i));
            if (++found == want) break;
        }
        more = backward ? list_prev(&at) : list_next(&at);
    }
    return found;
}

void cmd_lpos(struct call *c) {
    struct lpos o = {1, -1, 0};
    if (!lpos_words(c, &o)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_LIST)) return;
    if (o.count < 0) {
        if (!e || !reply_places(c, e, &o)) reply_null(c);
        return;
    }
    size_t mark = resp_array_later(c->out);
    resp_array_count(c->out, mark, e ? reply_places(c, e, &o) : 0);
}
