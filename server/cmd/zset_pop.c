/* ZPOPMIN, ZPOPMAX, ZMPOP, and what the blocking forms share with them: see zsets.h. */
#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/zsets.h"

static void reply_header(struct call *c, struct bytes key, const struct zpop *p, int64_t n) {
    size_t words = (size_t)(p->nested ? n : 2 * n);
    if (p->named && p->nested) {
        reply_array(c, 2);
        reply_bulk(c, key);
        reply_array(c, words);
    } else if (p->named) {
        reply_array(c, words + 1);
        reply_bulk(c, key);
    } else {
        reply_array(c, words);
    }
}

int64_t zsets_pop(struct call *c, struct bytes key, struct entry *e, const struct zpop *p) {
    int64_t len = (int64_t)zset_len(e), n = p->count < len ? p->count : len;
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    reply_header(c, key, p, n);
    zset_seek(e, p->max ? (size_t)len : 0, &cursor);
    for (int64_t i = 0; i < n; i++) {
        if (!(p->max ? zset_prev : zset_next)(&cursor, &member, &score)) break;
        if (p->nested) reply_array(c, 2);
        reply_bulk(c, member);
        reply_double(c, score);
    }
    zset_remove_ranks(c->store, c->db, e, p->max ? (size_t)(len - n) : 0, (size_t)n);
    zsets_removed(c, key, e, p->max ? "zpopmax" : "zpopmin", (uint64_t)n);
    return n;
}

void zsets_propagate_pop(struct call *c, struct bytes key, bool max, int64_t count) {
    char digits[NUM_I64_CHARS];
    struct bytes words[] = {
        max ? BYTES("ZPOPMAX") : BYTES("ZPOPMIN"), key, {digits, num_format_i64(digits, count)}};
    call_propagate_as(c, count ? 3 : 2, words);
}

static void pop(struct call *c, bool max) {
    struct zpop p = {.max = max, .count = 1, .nested = c->argc > 2 && c->resp > 2};
    if (c->argc > 3) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc == 3 &&
        !arg_int_range(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", &p.count))
        return;
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    if (!e || !p.count)
        reply_array(c, 0);
    else
        zsets_pop(c, c->argv[1], e, &p);
}

void cmd_zpopmin(struct call *c) {
    pop(c, false);
}

void cmd_zpopmax(struct call *c) {
    pop(c, true);
}

bool zsets_first(struct call *c, int first, int64_t n, int *at, struct entry **e) {
    *at = 0;
    for (int i = first; i < first + n; i++) {
        *e = call_write(c, c->argv[i]);
        if (!*e) continue;
        *at = i;
        return call_is_kind(c, *e, KIND_ZSET);
    }
    return true;
}

bool arg_zmpop(struct call *c, int at, int64_t *keys, struct zpop *p) {
    *p = (struct zpop){.named = true, .nested = true};
    if (!arg_int_range(c, at, 1, INT64_MAX, "ERR numkeys should be greater than 0", keys))
        return false;
    int64_t where = *keys < c->argc ? at + *keys + 1 : c->argc;
    if (where >= c->argc ||
        !(bytes_is(c->argv[where], "min") || (p->max = bytes_is(c->argv[where], "max")))) {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    for (int i = (int)where + 1; i < c->argc; i += 2) {
        if (p->count || !bytes_is(c->argv[i], "count") || i + 1 >= c->argc) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        if (!arg_int_range(c, i + 1, 1, INT64_MAX, "ERR count should be greater than 0", &p->count))
            return false;
    }
    if (!p->count) p->count = 1;
    return true;
}

void cmd_zmpop(struct call *c) {
    int64_t keys;
    struct zpop p;
    struct entry *e;
    int at;
    if (!arg_zmpop(c, 1, &keys, &p) || !zsets_first(c, 2, keys, &at, &e)) return;
    if (at)
        zsets_propagate_pop(c, c->argv[at], p.max, zsets_pop(c, c->argv[at], e, &p));
    else
        reply_null_array(c);
}
