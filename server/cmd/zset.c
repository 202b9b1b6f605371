/* The sorted set commands on single members: ZADD and ZINCRBY, and what asks for scores and ranks. Ranges are in
 * zset_range.c, removing in zset_remove.c and zset_pop.c, sets with sets in zset_combine.c, random members and ZSCAN in
 * zset_pick.c. */
#include <math.h>
#include <stdlib.h>

#include "server/cmd/families.h"
#include "server/cmd/zsets.h"

struct entry *zsets_new(struct call *c, struct bytes key) {
    struct entry *e = zset_new(c->store, c->db, key, NO_EXPIRY);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    return e;
}

void zsets_reply_begin(struct call *c, bool scores, size_t n) {
    reply_array(c, scores && c->resp == 2 ? 2 * n : n);
}

void zsets_reply_member(struct call *c, bool scores, struct bytes member, double score) {
    if (scores && c->resp > 2) reply_array(c, 2);
    reply_bulk(c, member);
    if (scores) reply_double(c, score);
}

/* ---- ZADD, ZINCRBY --------------------------------------------------------------------------- */

enum add_flags {
    ADD_NX = 1 << 0,
    ADD_XX = 1 << 1,
    ADD_CH = 1 << 2,
    ADD_INCR = 1 << 3,
    ADD_GT = 1 << 4,
    ADD_LT = 1 << 5
};

struct adding {
    unsigned flags;
    int first, pairs; /* the pairs of score and member begin at argv[first] */
    double *scores;
    uint64_t added, updated;
    bool done;    /* of the last member: it was not refused by NX, XX, GT or LT */
    double score; /* and its score then */
};

static unsigned add_flag(struct bytes word) {
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", ADD_NX},     {"xx", ADD_XX}, {"ch", ADD_CH},
                 {"incr", ADD_INCR}, {"gt", ADD_GT}, {"lt", ADD_LT}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (bytes_is(word, words[i].word)) return words[i].flag;
    return 0;
}

/* What is wrong with the options and the number of words, or NULL. */
static const char *add_error(const struct adding *a, int words) {
    unsigned f = a->flags;
    int one_of = (f & ADD_NX ? 1 : 0) + (f & ADD_GT ? 1 : 0) + (f & ADD_LT ? 1 : 0);
    if (words % 2 || !words) return ERR_SYNTAX;
    if (f & ADD_NX && f & ADD_XX)
        return "ERR XX and NX options at the same time are not compatible";
    if (one_of > 1) return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (f & ADD_INCR && words > 2)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

/* False after an error. */
static bool parse_add(struct call *c, struct adding *a) {
    unsigned flag;
    for (a->first = 2; a->first < c->argc && (flag = add_flag(c->argv[a->first])); a->first++)
        a->flags |= flag;
    int words = c->argc - a->first;
    const char *error = add_error(a, words);
    if (error) {
        reply_error(c, error);
        return false;
    }
    a->pairs = words / 2;
    a->scores = xmalloc((size_t)a->pairs * sizeof *a->scores);
    for (int i = 0; i < a->pairs; i++)
        if (!arg_double(c, a->first + 2 * i, &a->scores[i])) return false;
    return true;
}

/* Adds without conditions: one search. */
static void add_plainly(struct call *c, struct entry *e, struct bytes member, struct adding *a) {
    enum zset_change change = zset_put(c->store, c->db, e, member, a->score);
    a->added += change == ZSET_ADDED;
    a->updated += change == ZSET_MOVED;
    a->done = true;
}

/* False when the sum is no number. */
static bool add_one(struct call *c, struct entry *e, struct bytes member, struct adding *a) {
    double old;
    a->done = false;
    if (!(a->flags & ~ADD_CH)) {
        add_plainly(c, e, member, a);
        return true;
    }
    if (!zset_score(e, member, &old)) {
        if (!(a->flags & ADD_XX)) add_plainly(c, e, member, a);
        return true;
    }
    if (a->flags & ADD_NX) return true;
    if (a->flags & ADD_INCR) a->score += old;
    if (isnan(a->score)) return false;
    if ((a->flags & ADD_LT && a->score >= old) || (a->flags & ADD_GT && a->score <= old))
        return true;
    a->done = true;
    if (a->score == old) return true;
    zset_put(c->store, c->db, e, member, a->score);
    a->updated++;
    return true;
}

static void reply_added(struct call *c, const struct adding *a) {
    if (!(a->flags & ADD_INCR))
        reply_int(c, (int64_t)(a->flags & ADD_CH ? a->added + a->updated : a->added));
    else if (a->done)
        reply_double(c, a->score);
    else
        reply_null(c);
}

/* False after an error. */
static bool add_all(struct call *c, struct adding *a) {
    struct bytes key = c->argv[1];
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_ZSET)) return false;
    if (!e && a->flags & ADD_XX) return true;
    if (!e) e = zsets_new(c, key);
    for (int i = 0; i < a->pairs; i++) {
        a->score = a->scores[i];
        if (add_one(c, e, c->argv[a->first + 2 * i + 1], a)) continue;
        reply_error(c, "ERR resulting score is not a number (NaN)");
        return false;
    }
    return true;
}

static void add(struct call *c, unsigned flags) {
    struct adding a = {.flags = flags};
    if (parse_add(c, &a) && add_all(c, &a)) {
        reply_added(c, &a);
        if (a.added + a.updated) {
            call_changed(c, c->argv[1]);
            c->dirty += a.added + a.updated - 1;
            call_notify(c, NOTIFY_ZSET, a.flags & ADD_INCR ? "zincr" : "zadd", c->argv[1]);
        }
    }
    free(a.scores);
}

void cmd_zadd(struct call *c) {
    add(c, 0);
}

void cmd_zincrby(struct call *c) {
    add(c, ADD_INCR);
}

/* ---- Questions ------------------------------------------------------------------------------- */

/* The sorted set to read; false after WRONGTYPE. */
static bool find(struct call *c, struct entry **e) {
    *e = call_read(c, c->argv[1]);
    return call_is_kind(c, *e, KIND_ZSET);
}

void cmd_zcard(struct call *c) {
    struct entry *e;
    if (find(c, &e)) reply_int(c, e ? (int64_t)zset_len(e) : 0);
}

static void reply_score(struct call *c, const struct entry *e, struct bytes member) {
    double score;
    if (e && zset_score(e, member, &score))
        reply_double(c, score);
    else
        reply_null(c);
}

void cmd_zscore(struct call *c) {
    struct entry *e;
    if (find(c, &e)) reply_score(c, e, c->argv[2]);
}

void cmd_zmscore(struct call *c) {
    struct entry *e;
    if (!find(c, &e)) return;
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) reply_score(c, e, c->argv[i]);
}

static void reply_rank(struct call *c, bool from_end) {
    struct entry *e;
    if (!find(c, &e)) return;
    int64_t rank = e ? zset_rank(e, c->argv[2]) : -1;
    if (rank < 0)
        reply_null(c);
    else
        reply_int(c, from_end ? (int64_t)zset_len(e) - 1 - rank : rank);
}

void cmd_zrank(struct call *c) {
    reply_rank(c, false);
}

void cmd_zrevrank(struct call *c) {
    reply_rank(c, true);
}
