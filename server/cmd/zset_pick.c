/* Some members of a sorted set: ZRANDMEMBER and ZSCAN. */
#include <stdlib.h>

#include "server/base/hash.h"
#include "server/base/rand.h"
#include "server/cmd/families.h"
#include "server/cmd/scan.h"
#include "server/cmd/zsets.h"

/* ---- ZRANDMEMBER ----------------------------------------------------------------------------- */

struct picking {
    struct call *c;
    const struct entry *e;
    bool scores;
    struct prng prng;
};

static void reply_rank(struct picking *p, uint64_t rank) {
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    zset_seek(p->e, (size_t)rank, &cursor);
    if (zset_next(&cursor, &member, &score)) zsets_reply_member(p->c, p->scores, member, score);
}

enum { LOOK_EVERY = 1024 }; /* how often a reply without end is looked at */

static void pick_with_repeats(struct picking *p, uint64_t count) {
    zsets_reply_begin(p->c, p->scores, (size_t)count);
    while (count-- > 0) {
        reply_rank(p, prng_below(&p->prng, zset_len(p->e)));
        if (count % LOOK_EVERY == 0 && reply_is_too_big(p->c)) return;
    }
}

/* A few of many: ranks are drawn until they are different. */
static void pick_few(struct picking *p, uint64_t count) {
    struct map *taken = map_new(false);
    while (map_count(taken) < count) {
        uint64_t rank = prng_below(&p->prng, zset_len(p->e));
        if (!map_put(taken, &rank, sizeof rank, taken)) reply_rank(p, rank);
    }
    map_free(taken, NULL);
}

/* In one pass from the end, every choice equally likely. */
static void pick_many(struct picking *p, uint64_t count) {
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    zset_seek(p->e, zset_len(p->e), &cursor);
    for (uint64_t left = zset_len(p->e); count; left--) {
        if (!zset_prev(&cursor, &member, &score)) break;
        if (prng_below(&p->prng, left) >= count) continue;
        zsets_reply_member(p->c, p->scores, member, score);
        count--;
    }
}

static void pick_different(struct picking *p, uint64_t count) {
    uint64_t len = zset_len(p->e);
    if (count > len) count = len;
    zsets_reply_begin(p->c, p->scores, (size_t)count);
    if (count * 10 < len)
        pick_few(p, count);
    else
        pick_many(p, count);
}

void cmd_zrandmember(struct call *c) {
    struct picking p = {.c = c, .scores = c->argc == 4};
    int64_t count = 1;
    if (c->argc > 2 && !arg_int_range(c, 2, -INT64_MAX, INT64_MAX, NULL, &count)) return;
    if (c->argc > 4 || (c->argc == 4 && !bytes_is(c->argv[3], "withscores"))) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (p.scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        reply_error(c, "ERR value is out of range");
        return;
    }
    p.e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, p.e, KIND_ZSET)) return;
    prng_seed(&p.prng, store_chance(c->store));
    if (c->argc == 2 && p.e)
        reply_rank(&p, prng_below(&p.prng, zset_len(p.e)));
    else if (c->argc == 2)
        reply_null(c);
    else if (!p.e || count == 0)
        reply_array(c, 0);
    else if (count < 0)
        pick_with_repeats(&p, (uint64_t)-count);
    else
        pick_different(&p, (uint64_t)count);
}

/* ---- ZSCAN ----------------------------------------------------------------------------------- */

struct listing {
    struct buf *out;
    bool packed;
    struct scan_options o;
    size_t seen, listed;
};

/* A bulk string in RESP3 too. A listpack keeps what is a whole number as its digits, and they are shown so. */
static void list_score(struct listing *l, double score) {
    const double most = (double)(INT64_MAX / 2);
    if (l->packed && score >= -most && score <= most && score == (double)(int64_t)score)
        resp_bulk_int(l->out, (int64_t)score);
    else
        resp_double(l->out, 2, score);
}

static void list_member(void *arg, struct bytes member, double score) {
    struct listing *l = arg;
    l->seen++;
    if (!scan_matches(&l->o, member)) return;
    resp_bulk(l->out, member.p, member.len);
    list_score(l, score);
    l->listed++;
}

void cmd_zscan(struct call *c) {
    struct buf items = BUF_INIT;
    struct listing l = {.out = &items};
    uint64_t cursor;
    struct entry *e = scan_begin(c, KIND_ZSET, &cursor, &l.o);
    if (!e) return;
    l.packed = zset_packed(e).p != NULL;
    do {
        cursor = zset_scan(e, cursor, list_member, &l);
    } while (cursor && l.seen < l.o.count);
    scan_reply(c, cursor, &items, 2 * l.listed);
}
