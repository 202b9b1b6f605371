/* Small sorted sets: a listpack of member, score, member, score in order, with scores as Redis writes them there
 * (an integer, or text of 17 digits), so that RDB's form is a copy. A pair is named by where its member begins.
 * Inside server/store only. */
#ifndef DUET_STORE_ZSET_PACKED_H
#define DUET_STORE_ZSET_PACKED_H

#include "server/store/packed.h"
#include "server/store/scored.h"
#include "server/store/zset.h"

static inline size_t zp_len(const uint8_t *lp) {
    return lp_count(lp) / 2;
}
static inline const uint8_t *zp_next(const uint8_t *lp, const uint8_t *at) {
    return lp_next(lp, lp_next(lp, at));
}
/* at NULL: the last one. */
static inline const uint8_t *zp_prev(const uint8_t *lp, const uint8_t *at) {
    return lp_prev(lp, at ? lp_prev(lp, at) : lp_last(lp));
}
static inline const uint8_t *zp_find(const uint8_t *lp, struct bytes member) {
    return lp_find(lp, lp_first(lp), member, 2);
}
/* The pair of that rank, NULL behind the last. */
const uint8_t *zp_seek(const uint8_t *lp, size_t rank);
double zp_score(const uint8_t *lp, const uint8_t *at);
int64_t zp_rank(const uint8_t *lp, struct bytes member);
/* The number of pairs before the mark, and the first one behind it (or NULL). */
size_t zp_before(const uint8_t *lp, const struct mark *m, const uint8_t **at);
/* at: the member's pair, or NULL when it is new. */
enum zset_change zp_put(struct store *s, struct entry *e, const uint8_t *at, struct bytes member,
                        double score);
/* Whether size bytes are one sound sorted set, but perhaps out of order. */
bool zp_valid(const uint8_t *lp, size_t size, bool *in_order);

#endif
