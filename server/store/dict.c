/* See dict.h for the shape; here are search, change, growth and shrinking. */
#include "server/store/dict.h"

#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/store/dict_inside.h"
#include "server/store/mem.h"

/* Fullness in hundredths of all slots: above FULL the table grows, below SPARSE it shrinks. */
enum { DICT_FULL = 86, DICT_SPARSE = 72, SMALLEST = 4 };

const uint8_t dict_reversed[256] = {
#define R2(n) n, n + 2 * 64, n + 1 * 64, n + 3 * 64
#define R4(n) R2(n), R2(n + 2 * 16), R2(n + 1 * 16), R2(n + 3 * 16)
#define R6(n) R4(n), R4(n + 2 * 4), R4(n + 1 * 4), R4(n + 3 * 4)
    R6(0), R6(2), R6(1), R6(3)};

void dict_init(struct dict *d, const struct dict_type *type, size_t *memory) {
    *d = (struct dict){.type = type, .memory = memory};
}

uint64_t dict_order(uint64_t hash) {
    return dict_reverse64(hash);
}

/* ---- Room ----------------------------------------------------------------------------------- */

static unsigned char *buckets_new(struct dict *d, size_t n) {
    void *p = aligned_alloc(BUCKET_BYTES, n * BUCKET_BYTES);
    must(p, "memory for buckets");
    memset(p, 0, n * BUCKET_BYTES);
    *d->memory += n * BUCKET_BYTES;
    return p;
}

static void buckets_free(struct dict *d, void *p, size_t n) {
    *d->memory -= n * BUCKET_BYTES;
    free(p);
}

static void directory_grow(struct dict *d, size_t want) {
    if (want <= d->segment_cap) return;
    size_t cap = d->segment_cap ? 2 * d->segment_cap : 1;
    if (cap < want) cap = want;
    d->segments = xrealloc(d->segments, cap * sizeof *d->segments);
    memset(d->segments + d->segment_cap, 0, (cap - d->segment_cap) * sizeof *d->segments);
    *d->memory += (cap - d->segment_cap) * sizeof *d->segments;
    d->segment_cap = cap;
}

/* While there is one segment only, it grows by being copied, by an eighth or so: as the allocator's classes have it. */
static size_t first_room(size_t buckets) {
    if (buckets < SMALLEST) buckets = SMALLEST;
    return mem_class(buckets * BUCKET_BYTES) / BUCKET_BYTES;
}

static void first_segment_resize(struct dict *d, size_t room) {
    unsigned char *old = d->segments[0].buckets, *new = buckets_new(d, room);
    if (old) {
        memcpy(new, old, (room < d->first_room ? room : d->first_room) * BUCKET_BYTES);
        buckets_free(d, old, d->first_room);
    }
    d->segments[0].buckets = new;
    d->first_room = room;
}

/* Makes room for bucket number n, the next one. */
static void room_for(struct dict *d, size_t n) {
    directory_grow(d, (n >> SEGMENT_BITS) + 1);
    if (n < SEGMENT_BUCKETS) {
        if (n >= d->first_room) first_segment_resize(d, first_room(n + 1));
    } else if (!d->segments[n >> SEGMENT_BITS].buckets) {
        d->segments[n >> SEGMENT_BITS].buckets = buckets_new(d, SEGMENT_BUCKETS);
    }
}

static void segment_free(struct dict *d, size_t i) {
    struct dict_segment *s = &d->segments[i];
    if (s->buckets) buckets_free(d, s->buckets, i ? SEGMENT_BUCKETS : d->first_room);
    if (s->due) {
        *d->memory -= SEGMENT_BLOCKS * sizeof *s->due;
        free(s->due);
    }
    *s = (struct dict_segment){NULL, NULL};
}

/* The last bucket, number n, is gone. */
static void room_less(struct dict *d, size_t n) {
    if (n >= SEGMENT_BUCKETS) {
        if ((n & (SEGMENT_BUCKETS - 1)) == 0) segment_free(d, n >> SEGMENT_BITS);
    } else if (n < d->first_room * 3 / 4 && d->first_room > SMALLEST) {
        first_segment_resize(d, first_room(n + n / 8));
    }
}

void dict_release(struct dict *d) {
    for (size_t n = 0; n < d->buckets; n++) {
        unsigned char *chain = bucket_chain(dict_bucket(d, n)), *next;
        for (; chain; chain = next) {
            next = bucket_chain(chain);
            buckets_free(d, chain, 1);
        }
    }
    for (size_t i = 0; i < d->segment_cap; i++) segment_free(d, i);
    *d->memory -= d->segment_cap * sizeof *d->segments;
    free(d->segments);
    dict_init(d, d->type, d->memory);
}

/* ---- Search --------------------------------------------------------------------------------- */

static inline bool same_key(const struct dict *d, const void *elem, struct bytes key) {
    return bytes_equal(d->type->key(elem), key);
}

void *dict_find(const struct dict *d, struct bytes key, uint64_t hash, struct dict_place *at) {
    return dict_find_by(d, key, hash, at, same_key);
}

static bool find_ref(unsigned char *b, uint8_t tag, const void *elem, struct dict_place *at) {
    do {
        for (unsigned hits = bucket_match(b, tag); hits; hits &= hits - 1) {
            *at = (struct dict_place){b, (unsigned)__builtin_ctz(hits)};
            if (bucket_elem(b, at->slot) == elem) return true;
        }
    } while ((b = bucket_chain(b)));
    return false;
}

struct dict_place dict_place_of(const struct dict *d, const void *elem, uint64_t hash) {
    struct group g = dict_group(d, hash);
    struct dict_place at;
    for (unsigned n = 0, i = dict_home(g, hash); n < g.size; n++, i = i + 1 == g.size ? 0 : i + 1)
        if (find_ref(dict_bucket(d, dict_bucket_number(g, i)), dict_tag(hash), elem, &at))
            return at;
    bug("an element is in the table that it is said to be in");
}

void dict_prefetch_bucket(const struct dict *d, uint64_t hash) {
    if (!d->count) return;
    struct group g = dict_group(d, hash);
    cache_ask(dict_bucket(d, dict_bucket_number(g, dict_home(g, hash))));
}

void dict_prefetch_elem(const struct dict *d, uint64_t hash) {
    if (!d->count) return;
    struct group g = dict_group(d, hash);
    const unsigned char *b = dict_bucket(d, dict_bucket_number(g, dict_home(g, hash)));
    unsigned hits = bucket_match(b, dict_tag(hash));
    if (!hits) return;
    const char *elem = bucket_elem(b, (unsigned)__builtin_ctz(hits));
    cache_ask(elem);
    cache_ask(elem + 64);
}

/* ---- Putting in ----------------------------------------------------------------------------- */

/* A stamp came into the bucket of that number: its block's lower bound follows. */
static void note_due(struct dict *d, uint64_t number, int64_t stamp) {
    struct dict_segment *s = &d->segments[number >> SEGMENT_BITS];
    if (!s->due) {
        s->due = xmalloc(SEGMENT_BLOCKS * sizeof *s->due);
        *d->memory += SEGMENT_BLOCKS * sizeof *s->due;
        for (int i = 0; i < SEGMENT_BLOCKS; i++) s->due[i] = NEVER;
    }
    int64_t *due = &s->due[(number & (SEGMENT_BUCKETS - 1)) >> BLOCK_BITS];
    if (stamp < *due) *due = stamp;
}

static void put(unsigned char *b, unsigned slot, uint64_t ref, uint8_t tag) {
    b[slot] = tag;
    bucket_set_ref(b, slot, ref);
}

/* Every bucket of the group is full: the home bucket's chain takes it. */
static void put_in_chain(struct dict *d, unsigned char *b, uint64_t ref, uint8_t tag) {
    unsigned char *last = b;
    for (unsigned char *next = bucket_chain(b); next; next = bucket_chain(next)) {
        unsigned free_slots = bucket_free(next);
        if (free_slots) {
            put(next, (unsigned)__builtin_ctz(free_slots), ref, tag);
            return;
        }
        last = next;
    }
    unsigned char *chain = buckets_new(d, 1);
    d->chained++;
    put(chain, 0, bucket_ref(last, 8), last[8]);
    put(chain, 1, ref, tag);
    put(last, 8, (uint64_t)(uintptr_t)chain, 0);
    last[META] |= CHAINED;
}

/* Gives the reference its place; counts nothing. */
static void place(struct dict *d, uint64_t ref, uint64_t hash) {
    struct group g = dict_group(d, hash);
    unsigned home = dict_home(g, hash);
    uint8_t tag = dict_tag(hash);
    uint64_t number = dict_bucket_number(g, home);
    unsigned n, i, free_slots = 0;
    for (n = 0, i = home; n < g.size; n++, i = i + 1 == g.size ? 0 : i + 1) {
        uint64_t there = dict_bucket_number(g, i);
        unsigned char *b = dict_bucket(d, there);
        if (!(free_slots = bucket_free(b))) continue;
        put(b, (unsigned)__builtin_ctz(free_slots), ref, tag);
        number = there;
        break;
    }
    if (free_slots)
        for (i = home; n > 0; n--, i = i + 1 == g.size ? 0 : i + 1)
            bucket_pass(dict_bucket(d, dict_bucket_number(g, i)));
    else
        put_in_chain(d, dict_bucket(d, number), ref, tag);
    if (ref & 1 && d->type->stamp)
        note_due(d, number, d->type->stamp((const void *)(uintptr_t)(ref & ~1ULL)));
}

/* ---- Growth: one group at a time ------------------------------------------------------------ */

struct gathered {
    uint64_t *refs;
    size_t count, cap;
    uint64_t few[160];
};

static void gather_bucket(struct gathered *all, const unsigned char *b) {
    for (unsigned used = bucket_used(b); used; used &= used - 1) {
        if (all->count == all->cap) {
            uint64_t *more = xmalloc(2 * all->cap * sizeof *more);
            memcpy(more, all->refs, all->count * sizeof *more);
            if (all->refs != all->few) free(all->refs);
            all->refs = more;
            all->cap *= 2;
        }
        uint64_t ref = bucket_ref(b, (unsigned)__builtin_ctz(used));
        __builtin_prefetch((const void *)(uintptr_t)(ref & ~1ULL));
        all->refs[all->count++] = ref;
    }
}

/* Takes all references out of a group. */
static void gather_group(struct dict *d, struct group g, struct gathered *all) {
    for (unsigned i = 0; i < g.size; i++) {
        unsigned char *b = dict_bucket(d, dict_bucket_number(g, i)), *chain = bucket_chain(b),
                      *next;
        gather_bucket(all, b);
        memset(b, 0, BUCKET_BYTES);
        for (; chain; chain = next) {
            next = bucket_chain(chain);
            gather_bucket(all, chain);
            buckets_free(d, chain, 1);
            d->chained--;
        }
    }
}

static void scatter(struct dict *d, struct gathered *all) {
    for (size_t i = 0; i < all->count; i++)
        place(d, all->refs[i],
              dict_elem_hash(d, (const void *)(uintptr_t)(all->refs[i] & ~(uint64_t)1)));
    if (all->refs != all->few) free(all->refs);
}

static unsigned level_of(size_t buckets) {
    return 61u - (unsigned)__builtin_clzll(buckets);
}

static void grow_one(struct dict *d) {
    struct gathered all = {all.few, 0, 160, {0}};
    room_for(d, d->buckets);
    gather_group(d, dict_group(d, d->buckets & (((uint64_t)1 << d->level) - 1)), &all);
    d->buckets++;
    d->level = level_of(d->buckets);
    scatter(d, &all);
}

static void shrink_one(struct dict *d) {
    struct gathered all = {all.few, 0, 160, {0}};
    size_t last = d->buckets - 1;
    unsigned level = level_of(last);
    uint64_t groups = (uint64_t)1 << level, index = last & (groups - 1);
    struct group g = dict_group(d, index);
    gather_group(d, g, &all);
    if (g.level > level)
        gather_group(d, dict_group(d, index + groups), &all); /* 4 and 4 become 7 */
    d->buckets = last;
    d->level = level;
    room_less(d, last);
    scatter(d, &all);
}

/* ---- Room for many, before the first comes ---- */

bool dict_reserve(struct dict *d, size_t count, size_t segments_at_once) {
    size_t buckets = count * 100 / (BUCKET_SLOTS * DICT_FULL) + 1;
    if (d->count || d->buckets >= buckets) return true;
    if (buckets < SMALLEST) buckets = SMALLEST;
    size_t last = (buckets - 1) >> SEGMENT_BITS, made = 0;
    directory_grow(d, last + 1);
    for (size_t i = 0; i <= last; i++) {
        size_t n = i < last ? (i << SEGMENT_BITS) + SEGMENT_BUCKETS - 1 : buckets - 1;
        bool there = d->segments[i].buckets && (i || n < d->first_room);
        if (there) continue;
        if (made++ == segments_at_once) return false;
        room_for(d, n);
    }
    d->buckets = buckets;
    d->level = level_of(buckets);
    return true;
}

/* ---- Changes -------------------------------------------------------------------------------- */

void dict_add(struct dict *d, void *elem, uint64_t hash, bool expires) {
    if (!d->buckets) {
        room_for(d, SMALLEST - 1);
        d->buckets = SMALLEST;
        d->level = 0;
    } else if ((d->count + 1) * 100 > d->buckets * BUCKET_SLOTS * DICT_FULL) {
        grow_one(d);
    }
    place(d, (uint64_t)(uintptr_t)elem | expires, hash);
    d->count++;
    d->flagged += expires;
}

/* Fills the hole in a chained bucket with an element of the chain's end, and drops the end when empty. */
static void chain_close(struct dict *d, unsigned char *home, struct dict_place hole) {
    unsigned char *before = home, *last = bucket_chain(home);
    for (unsigned char *next = bucket_chain(last); next; next = bucket_chain(last)) {
        before = last;
        last = next;
    }
    unsigned used = bucket_used(last);
    if (last != hole.bucket && used) {
        unsigned slot = (unsigned)__builtin_ctz(used);
        put(hole.bucket, hole.slot, bucket_ref(last, slot), last[slot]);
        put(last, slot, 0, 0);
        used &= used - 1;
    }
    if (used) return;
    put(before, 8, 0, 0);
    before[META] &= (unsigned char)~CHAINED;
    buckets_free(d, last, 1);
    d->chained--;
}

static bool in_chain(unsigned char *b, const unsigned char *wanted) {
    for (; b; b = bucket_chain(b))
        if (b == wanted) return true;
    return false;
}

void dict_remove(struct dict *d, uint64_t hash, struct dict_place at) {
    struct group g = dict_group(d, hash);
    unsigned i = dict_home(g, hash), n = 0;
    d->flagged -= bucket_flag(at.bucket, at.slot);
    d->count--;
    put(at.bucket, at.slot, 0, 0);
    unsigned char *b = dict_bucket(d, dict_bucket_number(g, i));
    while (!in_chain(b, at.bucket)) { /* it was passed on from its home to there */
        must(++n < g.size, "an element is in its group");
        bucket_unpass(b);
        i = i + 1 == g.size ? 0 : i + 1;
        b = dict_bucket(d, dict_bucket_number(g, i));
    }
    if (b[META] & CHAINED) chain_close(d, b, at);
    if (d->buckets > SMALLEST && d->count * 100 < d->buckets * BUCKET_SLOTS * DICT_SPARSE)
        shrink_one(d);
}

void dict_update(struct dict *d, uint64_t hash, struct dict_place at, void *elem, bool expires) {
    d->flagged += (size_t)expires - bucket_flag(at.bucket, at.slot);
    bucket_set_ref(at.bucket, at.slot, (uint64_t)(uintptr_t)elem | expires);
    if (!expires || !d->type->stamp) return;
    /* The bucket's number is not known from its address; a lower bound for all places that the element
     * may have in its group is as good. */
    struct group g = dict_group(d, hash);
    for (unsigned n = 0, i = dict_home(g, hash); n < g.size; n++, i = i + 1 == g.size ? 0 : i + 1) {
        uint64_t number = dict_bucket_number(g, i);
        unsigned char *b = dict_bucket(d, number);
        if (b != at.bucket && !in_chain(b, at.bucket)) continue;
        note_due(d, number, d->type->stamp(elem));
        return;
    }
    bug("an element is in its group");
}
