/* Where a dict's buckets stand. Only dict.c and dict_each.c include this. See dict.h for the shape.
 *
 * With N = 2^level groups there are 4N to 8N buckets. Bucket numbers: group 0 has 0..3; a group that was
 * born by doubling at N groups (so it is number N..2N-1) has its buckets at (4..7) * N + (number - N), as they were
 * added one for each group in turn. */
#ifndef DUET_STORE_DICT_INSIDE_H
#define DUET_STORE_DICT_INSIDE_H

#include "server/store/bucket.h"
#include "server/store/dict.h"

enum {
    SEGMENT_BITS = 10,
    SEGMENT_BUCKETS = 1 << SEGMENT_BITS,
    BLOCK_BITS = 6, /* buckets that share a lower bound of stamps */
    SEGMENT_BLOCKS = SEGMENT_BUCKETS >> BLOCK_BITS
};

#define NEVER INT64_MAX

struct dict_segment {
    unsigned char *buckets;
    int64_t *due; /* one a block: no stamp in it is before this; NULL: no stamps at all */
};

struct group {
    uint64_t index; /* the low `level` bits of the hash */
    unsigned level, size;
};

extern const uint8_t dict_reversed[256]; /* bits of a byte, lowest first */

static inline struct group dict_group(const struct dict *d, uint64_t hash) {
    uint64_t groups = (uint64_t)1 << d->level, index = hash & (groups - 1);
    unsigned size = (unsigned)(d->buckets >> d->level);
    if (index >= (d->buckets & (groups - 1))) return (struct group){index, d->level, size};
    if (size < 7) return (struct group){index, d->level, size + 1};
    return (struct group){hash & (2 * groups - 1), d->level + 1, 4}; /* 8 buckets: two groups */
}

static inline unsigned dict_home(struct group g, uint64_t hash) {
    return dict_reversed[hash >> g.level & 255] * g.size >> 8;
}

static inline uint64_t dict_bucket_number(struct group g, unsigned position) {
    if (position >= 4) return ((uint64_t)position << g.level) + g.index;
    if (g.index == 0) return position;
    unsigned born = 63u - (unsigned)__builtin_clzll(g.index);
    return ((uint64_t)(position + 3) << born) + g.index;
}

static inline unsigned char *dict_bucket(const struct dict *d, uint64_t number) {
    return d->segments[number >> SEGMENT_BITS].buckets +
           (number & (SEGMENT_BUCKETS - 1)) * BUCKET_BYTES;
}

static inline uint8_t dict_tag(uint64_t hash) {
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag ? tag : 1;
}

static inline uint64_t dict_reverse64(uint64_t v) {
    uint64_t r = 0;
    for (int i = 0; i < 8; i++, v >>= 8) r = r << 8 | dict_reversed[v & 255];
    return r;
}

/* dict_find with the comparison given, for tables whose elements the caller knows: all of it is inlined, where
 * dict_find must call type->key. */
typedef bool dict_same_fn(const struct dict *d, const void *elem, struct bytes key);

static inline __attribute__((always_inline)) void *dict_find_by(const struct dict *d,
                                                                struct bytes key, uint64_t hash,
                                                                struct dict_place *at,
                                                                dict_same_fn *same) {
    if (!d->count) return NULL;
    struct group g = dict_group(d, hash);
    uint8_t tag = dict_tag(hash);
    unsigned home = dict_home(g, hash), i = home;
    do {
        unsigned char *home_bucket = dict_bucket(d, dict_bucket_number(g, i)), *b = home_bucket;
        do {
            for (unsigned hits = bucket_match(b, tag); hits; hits &= hits - 1) {
                unsigned slot = (unsigned)__builtin_ctz(hits);
                void *elem = bucket_elem(b, slot);
                if (!same(d, elem, key)) continue;
                *at = (struct dict_place){b, slot};
                return elem;
            }
        } while (__builtin_expect((b = bucket_chain(b)) != NULL, 0));
        if (!(home_bucket[META] & PASSED_MANY)) return NULL;
        i = i + 1 == g.size ? 0 : i + 1;
    } while (i != home);
    return NULL;
}

static inline uint64_t dict_elem_hash(const struct dict *d, const void *elem) {
    return dict_hash(d->type->key(elem));
}

#endif
