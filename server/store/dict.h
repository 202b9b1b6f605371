/* The table under the keyspace (and later under big hashes and sets): references to elements that know
 * their own keys.
 *
 * Shape. A bucket is one cache line: nine tags of 8 bits, a counter, nine references of 48 bits. Buckets
 * form groups of 4 to 8; an element belongs to the group that the low bits of its hash name, and has a home
 * bucket inside it by the bits above. A full bucket passes its elements on to the next one of the group (and counts them,
 * so that a search knows when to stop); a full group grows a chain at the home bucket.
 *
 * Growth. When the table is fuller than DICT_FULL, one group gets one more bucket: its 4 become 5, later 6, 7
 * and 8, each time for all groups in turn; a group of 8 counts as two groups of 4 that one more bit of the
 * hash tells apart. So each step touches one group, the table is evenly full within a quarter, and nothing
 * is ever rehashed at once. Shrinking is the same backwards. Buckets never move: bucket numbers are dense and segments of 1024
 * hang from a directory. Only the first segment, while the table is small, is copied as it grows, by eighths.
 *
 * Order. Read backwards (lowest bit first) a hash gives each element a place in an order that growth
 * and shrinking keep: a group is always a range of it. Cursors are places in this order.
 *
 * Stamps. References of elements that expire carry a flag, and each block of 64 buckets remembers a
 * lower bound of its elements' stamps, so the search for expired ones looks only where there are some. Dicts whose
 * elements have no stamps use the same flag as a mark. */
#ifndef DUET_STORE_DICT_H
#define DUET_STORE_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/hash.h"

struct dict_type {
    struct bytes (*key)(const void *elem);
    int64_t (*stamp)(const void *elem); /* of elements whose reference has the flag */
};

struct dict_segment;

struct dict {
    struct dict_segment *segments;
    size_t buckets; /* 0: nothing was ever put in */
    size_t count;   /* elements */
    unsigned level; /* 2^level groups; what a search reads ends here */
    const struct dict_type *type;
    size_t *memory;     /* counts the table's bytes; the owner's */
    size_t segment_cap; /* entries of the directory */
    size_t first_room;  /* buckets that the first segment has room for */
    size_t chained;     /* chain buckets, for figures */
    size_t flagged;     /* elements with a stamp, or marked */
};

/* Where an element's reference stands, good until the next insertion or removal. */
struct dict_place {
    unsigned char *bucket;
    unsigned slot;
};

void dict_init(struct dict *d, const struct dict_type *type, size_t *memory);
/* Releases the table; the elements are the caller's. */
void dict_release(struct dict *d);

static inline uint64_t dict_hash(struct bytes key) {
    return hash_bytes(key.p, key.len);
}
void *dict_find(const struct dict *d, struct bytes key, uint64_t hash, struct dict_place *at);
/* The place of an element that is in the table. */
struct dict_place dict_place_of(const struct dict *d, const void *elem, uint64_t hash);
/* The key must not be there yet. expires: it has a stamp. */
void dict_add(struct dict *d, void *elem, uint64_t hash, bool expires);
/* Makes room for that many elements in an empty table, so that it need not grow under them; a table that holds any stays as
 * it is. Elements that come in the order of another table with the same hash (a snapshot that the same process loads) would
 * all fall into the few groups at the front of one that grows meanwhile, and make long chains of them. False: so many segments (64 KB) were made, call again before anything is added. */
bool dict_reserve(struct dict *d, size_t count, size_t segments_at_once);
void dict_remove(struct dict *d, uint64_t hash, struct dict_place at);
/* The element moved in memory, or got or lost its stamp (or mark), or its stamp changed. */
void dict_update(struct dict *d, uint64_t hash, struct dict_place at, void *elem, bool expires);

void dict_prefetch_bucket(const struct dict *d, uint64_t hash);
void dict_prefetch_elem(const struct dict *d, uint64_t hash);

/* An element's place in the order, and the order's cursor as SCAN prints it. */
uint64_t dict_order(uint64_t hash);
/* Calls fn for all elements of the group that holds place `from`; returns the first place behind that group, 0
 * at the end. Elements of the group that stand before `from` are handed out too. */
typedef void dict_each_fn(void *arg, void *elem);
uint64_t dict_each_in_group(const struct dict *d, uint64_t from, dict_each_fn *fn, void *arg);
void dict_each(const struct dict *d, dict_each_fn *fn, void *arg);
/* Whether the group that holds that place begins with it. */
bool dict_group_begins(const struct dict *d, uint64_t place);
/* Brings the group's elements into the cache. */
void dict_prefetch_group(const struct dict *d, uint64_t place);
/* Any element, NULL when there is none; `random` gives 64 random bits a call. */
void *dict_random(const struct dict *d, uint64_t (*random)(void *arg), void *arg);

/* Up to `most` elements from a random place on, of those with a stamp when flagged_only; returns how many. 0 only
 * when there is none. */
size_t dict_sample(const struct dict *d, bool flagged_only, uint64_t (*random)(void *arg),
                   void *arg, void **out, size_t most);

/* Looks through blocks from *block on for elements whose stamp is before `now`; at most `max` are put into out,
 * about `look` elements are looked at, and a bounded number of blocks. Returns how many it found; *rest tells why
 * it ended. The elements stay in the table. */
enum dict_rest {
    DUE_SEEN,  /* the table's end was reached; *block is 0 */
    DUE_MORE,  /* there are due ones at *block */
    DUE_UNSEEN /* so many blocks that this was enough for once: there may be some from *block on */
};
size_t dict_due(struct dict *d, int64_t now, size_t *block, void **out, size_t max, size_t look,
                enum dict_rest *rest);

/* As dict_each_in_group, but what fn returns takes the element's place (the same key and stamp elsewhere in memory);
 * NULL: it stays. fn must not look into the dict. */
typedef void *dict_move_fn(void *arg, void *elem);
uint64_t dict_move_in_group(struct dict *d, uint64_t from, dict_move_fn *fn, void *arg);

/* Takes the last bucket off a table that is being thrown away: hands out its elements and forgets them. False
 * when none is left. Nothing else but this and dict_release may be called from the first call on. */
bool dict_dismantle(struct dict *d, dict_each_fn *fn, void *arg);

/* Marks, in a dict whose type has no stamps: the flag of a reference. They go with their elements through growth and
 * shrinking; only a snapshot's walk makes any (table_walk.c, zset_walk.c). */
bool dict_marked(struct dict_place at);
void dict_mark(struct dict *d, struct dict_place at, bool marked);
/* A walk's way past the group that holds place *from: calls fn (NULL: nobody) for each element that is not marked and does not
 * stand before *from, and marks it; false as soon as fn says so, then the rest comes with the next call. When none
 * is left the group's marks are taken off, *from is the first place behind it (0 at the end), and true is returned. */
typedef bool dict_pass_fn(void *arg, void *elem);
bool dict_pass_group(struct dict *d, uint64_t *from, dict_pass_fn *fn, void *arg);

/* Bytes of the table itself, counted anew. */
size_t dict_memory(const struct dict *d);
/* Checks every invariant; bug() on the first that does not hold. */
void dict_verify(const struct dict *d);

#endif
