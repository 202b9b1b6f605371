/* What the files of the sorted set commands share. */
#ifndef DUET_CMD_ZSETS_H
#define DUET_CMD_ZSETS_H

#include "server/cmd/call.h"
#include "server/store/zset.h"

/* A new sorted set at key in c->db, which the caller fills. */
struct entry *zsets_new(struct call *c, struct bytes key);
/* After n > 0 members were removed: the key goes with the last one. Notifies `event`, then "del"; false when the key
 * is gone. */
bool zsets_removed(struct call *c, struct bytes key, struct entry *e, const char *event,
                   uint64_t n);
/* The header of n members, with their scores or without; then each of them. RESP3 has pairs, RESP2 a flat list. */
void zsets_reply_begin(struct call *c, bool scores, size_t n);
void zsets_reply_member(struct call *c, bool scores, struct bytes member, double score);

/* ---- Ranges (zset_bounds.c) -------------------------------------------------------------------- */

struct score_range {
    double min, max;
    bool above_min, below_max; /* the end itself is not meant */
};
struct name_bound {
    struct bytes name;
    bool excluded;
    int end; /* -1: before all names, 1: behind all, 0: name */
};
struct name_range {
    struct name_bound min, max;
};
/* As strtod reads it, which is more than other numbers may be: nothing at all is 0, spaces may come first, a NUL ends the
 * word, and what is too big is infinite (errno tells). */
bool loose_double(struct bytes b, double *v);
/* From the words at two positions; each replies the error and returns false. */
bool arg_score_range(struct call *c, int min, int max, struct score_range *r);
bool arg_name_range(struct call *c, int min, int max, struct name_range *r);
/* The ranks that a range means. */
struct rank_range {
    size_t first, count;
};
struct rank_range ranks_by_index(size_t len, int64_t start, int64_t end); /* as ZRANGE counts */
struct rank_range ranks_by_score(const struct entry *e, const struct score_range *r);
/* Less the first `offset` of them, counted from the end that the reader begins at; less than 0: none is left. */
struct rank_range ranks_without(struct rank_range r, bool from_end, int64_t offset);
/* The offset is taken off already: of a listpack whose scores differ Redis gives the run that it meets behind it. */
struct rank_range ranks_by_name(const struct entry *e, const struct name_range *r, bool from_end,
                                int64_t offset);

/* ---- Results that are collected before they are replied or stored (zset_list.c) -------------------- */

struct zitem {
    size_t at, len; /* in text */
    double score;
};
struct zlist {
    struct buf text;
    struct zitem *items;
    size_t count, cap;
    bool combined; /* the result of a combination: its -0 stay such in a big sorted set */
};
void zlist_free(struct zlist *l);
/* Copies the member. Returns its place. */
size_t zlist_add(struct zlist *l, struct bytes member, double score);
struct bytes zlist_member(const struct zlist *l, size_t i);
/* Puts them in a sorted set's order. */
void zlist_sort(struct zlist *l);
/* Makes them the sorted set at key, in place of whatever is there, or deletes the key when there are none; replies how
 * many. */
void zlist_store(struct call *c, struct bytes key, struct zlist *l, const char *event);

/* ---- Popping (zset_pop.c), for the blocking forms too ----------------------------------------------- */

struct zpop {
    bool max;
    int64_t count; /* at most so many, > 0 */
    bool named;    /* the reply says the key (ZMPOP and what blocks) */
    bool nested;   /* each member with its score is an array */
};
/* Pops from a sorted set that has members and replies. Returns how many; the key goes with the last one. What is
 * propagated is the caller's to say. */
int64_t zsets_pop(struct call *c, struct bytes key, struct entry *e, const struct zpop *p);
/* Propagates ZPOPMIN or ZPOPMAX key count; count 0: without. */
void zsets_propagate_pop(struct call *c, struct bytes key, bool max, int64_t count);
/* The first of n keys from argv[first] on that exists: false after WRONGTYPE; *at 0: none does. */
bool zsets_first(struct call *c, int first, int64_t n, int *at, struct entry **e);
/* "numkeys key [key ...] MIN|MAX [COUNT n]" from argv[at] on; false after an error. */
bool arg_zmpop(struct call *c, int at, int64_t *keys, struct zpop *p);

#endif
