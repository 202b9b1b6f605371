/* Sorted sets: members, each once, in the order of their scores, and of their bytes where scores are equal. A small
 * one is a listpack of member, score, member, score in that order; a big one, by the limits in the settings, an
 * order-statistic B+tree with an index of the members. Contracts as in store.h; db is the entry's database.
 *
 * Whatever a command asks for is a range of ranks (0: the lowest): scores and names are turned into ranks by the two
 * functions below, and ranges are read by a cursor in either direction. */
#ifndef DUET_STORE_ZSET_H
#define DUET_STORE_ZSET_H

#include "server/store/string.h"

/* Creates the key (which must not exist) with an empty sorted set: the caller fills it before anyone else looks. */
struct entry *zset_new(struct store *s, int db, struct bytes key, int64_t expiry_ms);
/* The same from a listpack that lp_valid holds for; false when it is no sound sorted set (odd, a score that is no number,
 * a member twice, empty). One that is out of order is put in order. */
bool zset_new_packed(struct store *s, int db, struct bytes key, struct bytes listpack,
                     int64_t expiry_ms);
/* As hash_reserve. */
bool zset_reserve(struct store *s, int db, struct entry *e, size_t count);
size_t zset_len(const struct entry *e);
/* False when the member is not there. */
bool zset_score(const struct entry *e, struct bytes member, double *score);

/* Score -0 is equal to 0; a small sorted set keeps it as 0, as Redis does. */
enum zset_change { ZSET_ADDED, ZSET_MOVED, ZSET_SAME };
/* Adds the member or gives it another score. score is no NaN. The bytes must not lie in the sorted set. */
enum zset_change zset_put(struct store *s, int db, struct entry *e, struct bytes member,
                          double score);
/* True when it was there. The key of a sorted set that became empty is the caller's to delete. */
bool zset_remove(struct store *s, int db, struct entry *e, struct bytes member);
/* Removes `count` members from rank `first` on; all of these ranks must exist. */
void zset_remove_ranks(struct store *s, int db, struct entry *e, size_t first, size_t count);

/* The member's rank, or -1. */
int64_t zset_rank(const struct entry *e, struct bytes member);
/* How many members have a score below this one; or_equal: or this one. */
size_t zset_count_below(const struct entry *e, double score, bool or_equal);
/* How many members are named before this one (as memcmp, then length); or_equal: or are it. Only meant for sorted sets
 * whose scores are all equal; others give some number up to the length, as Redis does. */
size_t zset_count_before(const struct entry *e, struct bytes member, bool or_equal);

/* A place between members. The sorted set must not change meanwhile. */
struct zset_cursor {
    const struct entry *e;
    const void *node; /* of the tree, or a place in the listpack */
    size_t at, rank;
    struct digits digits; /* backs a member that is kept as an integer: good until the next step */
};
/* Before the member of that rank; rank may be the length (the end). */
void zset_seek(const struct entry *e, size_t rank, struct zset_cursor *c);
/* The member behind the place (next) or before it (prev), and goes past it; false at the end. */
bool zset_next(struct zset_cursor *c, struct bytes *member, double *score);
bool zset_prev(struct zset_cursor *c, struct bytes *member, double *score);

/* A step of ZSCAN, as store_scan: in no order. */
typedef void zset_each_fn(void *arg, struct bytes member, double score);
uint64_t zset_scan(const struct entry *e, uint64_t cursor, zset_each_fn *fn, void *arg);
/* A score as text, in files of Redis and old ziplists: a number and nothing else, inf, but no nan. */
bool zset_score_of(struct bytes text, double *score);
/* The whole value as a listpack, when it is one: RDB's form. p is NULL when it is not. */
struct bytes zset_packed(const struct entry *e);

#endif
