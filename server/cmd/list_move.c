/* LMOVE, RPOPLPUSH, LMPOP. */
#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/lists.h"

bool lists_end(struct call *c, int i, enum list_end *end) {
    *end = bytes_is(c->argv[i], "right") ? LIST_TAIL : LIST_HEAD;
    if (*end == LIST_TAIL || bytes_is(c->argv[i], "left")) return true;
    reply_error(c, ERR_SYNTAX);
    return false;
}

/* What was moved is gone from its list; the key goes with the last one. */
static void moved(struct call *c, struct entry *from, const struct move *m) {
    bool emptied = list_len(from) == 0;
    if (emptied) store_delete(c->store, c->db, from);
    call_changed(c, m->from_key);
    call_notify(c, NOTIFY_LIST, m->from_end == LIST_HEAD ? "lpop" : "rpop", m->from_key);
    if (emptied) call_notify(c, NOTIFY_GENERIC, "del", m->from_key);
}

bool lists_move(struct call *c, struct entry *from, const struct move *m) {
    struct entry *to = call_write(c, m->to_key);
    struct list_cursor at;
    if (!call_is_kind(c, to, KIND_LIST)) return false;
    size_t index = m->from_end == LIST_HEAD ? 0 : list_len(from) - 1;
    list_seek(from, index, &at);
    struct bytes value = list_here(&at);
    struct buf copy = BUF_INIT; /* it lies in the list */
    buf_add(&copy, value.p, value.len);
    if (value.len) value.p = buf_head(&copy);
    list_remove(c->store, c->db, from, index, 1);
    to = lists_or_new(c, to, m->to_key);
    list_push(c->store, c->db, to, m->to_end, value);
    call_changed(c, m->to_key);
    c->dirty--; /* one change, as Redis counts */
    call_notify(c, NOTIFY_LIST, m->to_end == LIST_HEAD ? "lpush" : "rpush", m->to_key);
    reply_bulk(c, value);
    moved(c, from, m);
    buf_free(&copy);
    return true;
}

static void move(struct call *c, enum list_end from_end, enum list_end to_end) {
    struct move m = {c->argv[1], c->argv[2], from_end, to_end};
    struct entry *from = call_write(c, m.from_key);
    if (!call_is_kind(c, from, KIND_LIST)) return;
    if (from)
        lists_move(c, from, &m);
    else
        reply_null(c);
}

void cmd_rpoplpush(struct call *c) {
    move(c, LIST_TAIL, LIST_HEAD);
}

void cmd_lmove(struct call *c) {
    enum list_end from, to;
    if (lists_end(c, 3, &from) && lists_end(c, 4, &to)) move(c, from, to);
}

/* ---- LMPOP ----------------------------------------------------------------------------------- */

bool lists_mpop_words(struct call *c, int at, struct mpop *m) {
    int64_t keys;
    *m = (struct mpop){.first_key = at + 1, .count = -1};
    if (!arg_int_range(c, at, 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys))
        return false;
    if (keys >= c->argc - at - 1) {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    m->keys = (int)keys;
    int i = at + 1 + m->keys;
    if (!lists_end(c, i++, &m->end)) return false;
    for (; i < c->argc; i += 2) {
        if (m->count != -1 || i + 1 == c->argc || !bytes_is(c->argv[i], "count")) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        const char *error = "ERR count should be greater than 0";
        if (!arg_int_range(c, i + 1, 1, INT64_MAX, error, &m->count)) return false;
    }
    if (m->count == -1) m->count = 1;
    return true;
}

void lists_mpop(struct call *c, struct bytes key, struct entry *e, const struct mpop *m) {
    struct digits d;
    struct bytes words[] = {m->end == LIST_HEAD ? BYTES("LPOP") : BYTES("RPOP"), key, {d.text, 0}};
    reply_array(c, 2);
    reply_bulk(c, key);
    words[2].len = num_format_u64(d.text, lists_pop_some(c, key, e, m->end, m->count));
    call_propagate_as(c, 3, words);
}

void cmd_lmpop(struct call *c) {
    struct mpop m;
    if (!lists_mpop_words(c, 1, &m)) return;
    for (int i = 0; i < m.keys; i++) {
        struct bytes key = c->argv[m.first_key + i];
        struct entry *e = call_write(c, key);
        if (!call_is_kind(c, e, KIND_LIST)) return;
        if (!e) continue;
        lists_mpop(c, key, e, &m);
        return;
    }
    reply_null_array(c);
}
