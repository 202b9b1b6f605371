/* Ranges of sorted sets: ZRANGE in all its forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT. */
#include "server/cmd/families.h"
#include "server/cmd/zsets.h"

enum by { BY_ANY, BY_RANK, BY_SCORE, BY_NAME };
enum direction { ANY_DIRECTION, FORWARD, REVERSE };

struct ranging {
    enum by by;
    enum direction direction;
    bool scores, store;
    int64_t offset, limit; /* limit < 0: none */
    int64_t start, end;    /* by rank */
    struct score_range by_score;
    struct name_range by_name;
};

/* ---- Words ----------------------------------------------------------------------------------- */

/* One option at argv[*i], which moves to its last word; false after an error. */
static bool parse_option(struct call *c, int *i, struct ranging *r) {
    struct bytes word = c->argv[*i];
    if (!r->store && bytes_is(word, "withscores")) {
        r->scores = true;
    } else if (bytes_is(word, "limit") && *i + 2 < c->argc) {
        if (!arg_int(c, *i + 1, &r->offset) || !arg_int(c, *i + 2, &r->limit)) return false;
        *i += 2;
    } else if (r->direction == ANY_DIRECTION && bytes_is(word, "rev")) {
        r->direction = REVERSE;
    } else if (r->by == BY_ANY && bytes_is(word, "bylex")) {
        r->by = BY_NAME;
    } else if (r->by == BY_ANY && bytes_is(word, "byscore")) {
        r->by = BY_SCORE;
    } else {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    return true;
}

static bool parse_options(struct call *c, int first, struct ranging *r) {
    for (int i = first; i < c->argc; i++)
        if (!parse_option(c, &i, r)) return false;
    if (r->direction == ANY_DIRECTION) r->direction = FORWARD;
    if (r->by == BY_ANY) r->by = BY_RANK;
    const char *error = NULL;
    if (r->limit != -1 && r->by == BY_RANK)
        error = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                "BYLEX";
    else if (r->scores && r->by == BY_NAME)
        error = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    if (error) reply_error(c, error);
    return !error;
}

static bool parse_range(struct call *c, int at, struct ranging *r) {
    bool swapped = r->direction == REVERSE && r->by != BY_RANK; /* then max comes first */
    int min = swapped ? at + 1 : at, max = swapped ? at : at + 1;
    if (r->by == BY_RANK) return arg_int(c, min, &r->start) && arg_int(c, max, &r->end);
    if (r->by == BY_SCORE) return arg_score_range(c, min, max, &r->by_score);
    return arg_name_range(c, min, max, &r->by_name);
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

static struct rank_range ranks(const struct entry *e, const struct ranging *r) {
    size_t len = zset_len(e);
    bool reverse = r->direction == REVERSE;
    struct rank_range found;
    if (r->by == BY_RANK) {
        found = ranks_by_index(len, r->start, r->end);
        if (reverse) found.first = len - found.first - found.count;
        return found;
    }
    if (r->by == BY_SCORE)
        found = ranks_without(ranks_by_score(e, &r->by_score), reverse, r->offset);
    else
        found = ranks_by_name(e, &r->by_name, reverse, r->offset);
    if (r->limit < 0 || found.count <= (uint64_t)r->limit) return found;
    if (reverse) found.first += found.count - (size_t)r->limit;
    found.count = (size_t)r->limit;
    return found;
}

/* Goes over the range in its direction: to the client, or into a list. */
static void emit(struct call *c, const struct entry *e, const struct ranging *r,
                 struct zlist *list) {
    struct rank_range found = ranks(e, r);
    bool reverse = r->direction == REVERSE;
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    if (!list) zsets_reply_begin(c, r->scores, found.count);
    zset_seek(e, reverse ? found.first + found.count : found.first, &cursor);
    for (size_t i = 0; i < found.count; i++) {
        if (!(reverse ? zset_prev : zset_next)(&cursor, &member, &score)) break;
        if (list)
            zlist_add(list, member, score);
        else
            zsets_reply_member(c, r->scores, member, score);
    }
}

/* The words from argv[at] on: key, min, max, options. */
static void range(struct call *c, int at, struct ranging r) {
    r.limit = -1;
    if (!parse_options(c, at + 3, &r) || !parse_range(c, at + 1, &r)) return;
    struct entry *e = call_read(c, c->argv[at]);
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    if (r.store) {
        struct zlist list = {0};
        if (e) emit(c, e, &r, &list);
        zlist_store(c, c->argv[1], &list, "zrangestore");
        zlist_free(&list);
    } else if (e) {
        emit(c, e, &r, NULL);
    } else {
        reply_array(c, 0);
    }
}

void cmd_zrange(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_ANY, .direction = ANY_DIRECTION});
}

void cmd_zrangestore(struct call *c) {
    range(c, 2, (struct ranging){.by = BY_ANY, .direction = ANY_DIRECTION, .store = true});
}

void cmd_zrevrange(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_RANK, .direction = REVERSE});
}

void cmd_zrangebyscore(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_SCORE, .direction = FORWARD});
}

void cmd_zrevrangebyscore(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_SCORE, .direction = REVERSE});
}

void cmd_zrangebylex(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_NAME, .direction = FORWARD});
}

void cmd_zrevrangebylex(struct call *c) {
    range(c, 1, (struct ranging){.by = BY_NAME, .direction = REVERSE});
}

/* ---- Counts ---------------------------------------------------------------------------------- */

void cmd_zcount(struct call *c) {
    struct score_range r;
    if (!arg_score_range(c, 2, 3, &r)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_ZSET)) reply_int(c, e ? (int64_t)ranks_by_score(e, &r).count : 0);
}

void cmd_zlexcount(struct call *c) {
    struct name_range r;
    if (!arg_name_range(c, 2, 3, &r)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_ZSET))
        reply_int(c, e ? (int64_t)ranks_by_name(e, &r, false, 0).count : 0);
}
