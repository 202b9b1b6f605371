/* BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP: the pops and moves of their families where there is something; else the
 * client waits (call_block), and the same function runs again with the key that has come. What is logged is always the
 * form that does not wait. */
#include "server/cmd/families.h"
#include "server/cmd/lists.h"

/* The first of the keys that holds a list. False after WRONGTYPE at one before it. */
static bool first_list(struct call *c, int first, int keys, int *at, struct entry **e) {
    *e = NULL;
    for (int i = first; i < first + keys; i++) {
        struct entry *found = call_write(c, c->argv[i]);
        if (!call_is_kind(c, found, KIND_LIST)) return false;
        if (!found) continue;
        *at = i;
        *e = found;
        return true;
    }
    return true;
}

static void pop(struct call *c, enum list_end end) {
    struct block b = {.kind = KIND_LIST, .first_key = 1, .keys = c->argc - 2};
    struct entry *e;
    int at;
    if (!arg_timeout(c, c->argc - 1, &b.timeout_ms)) return;
    if (!first_list(c, b.first_key, b.keys, &at, &e)) return;
    if (!e) {
        if (!call_block(c, &b)) reply_null_array(c);
        return;
    }
    struct bytes words[] = {end == LIST_HEAD ? BYTES("LPOP") : BYTES("RPOP"), c->argv[at]};
    reply_array(c, 2);
    reply_bulk(c, c->argv[at]);
    lists_pop(c, c->argv[at], e, end);
    call_propagate_as(c, 2, words);
}

void cmd_blpop(struct call *c) {
    pop(c, LIST_HEAD);
}

void cmd_brpop(struct call *c) {
    pop(c, LIST_TAIL);
}

static void move(struct call *c, int timeout_at, enum list_end from_end, enum list_end to_end,
                 int argc, const struct bytes *words) {
    struct block b = {.kind = KIND_LIST, .first_key = 1, .keys = 1};
    struct move m = {c->argv[1], c->argv[2], from_end, to_end};
    if (!arg_timeout(c, timeout_at, &b.timeout_ms)) return;
    struct entry *from = call_write(c, m.from_key);
    if (!call_is_kind(c, from, KIND_LIST)) return;
    if (from) {
        if (lists_move(c, from, &m)) call_propagate_as(c, argc, words);
    } else if (!call_block(c, &b)) {
        reply_null(c);
    }
}

void cmd_blmove(struct call *c) {
    struct bytes words[] = {BYTES("LMOVE"), c->argv[1], c->argv[2], c->argv[3], c->argv[4]};
    enum list_end from, to;
    if (lists_end(c, 3, &from) && lists_end(c, 4, &to)) move(c, 5, from, to, 5, words);
}

void cmd_brpoplpush(struct call *c) {
    struct bytes words[] = {BYTES("RPOPLPUSH"), c->argv[1], c->argv[2]};
    move(c, 3, LIST_TAIL, LIST_HEAD, 3, words);
}

void cmd_blmpop(struct call *c) {
    struct mpop m;
    struct entry *e;
    int at;
    if (!lists_mpop_words(c, 2, &m)) return;
    struct block b = {
        .kind = KIND_LIST, .first_key = m.first_key, .keys = m.keys, .count_at = m.first_key - 1};
    if (!arg_timeout(c, 1, &b.timeout_ms)) return;
    if (!first_list(c, m.first_key, m.keys, &at, &e)) return;
    if (e)
        lists_mpop(c, c->argv[at], e, &m);
    else if (!call_block(c, &b))
        reply_null_array(c);
}
