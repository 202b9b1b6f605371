/* See dict.h: going through a table, in order, at random, by due date, to its end; and the verifier. */
#include <stdlib.h>

#include "server/base/log.h"
#include "server/store/dict.h"
#include "server/store/dict_inside.h"

static void each_in_bucket(const unsigned char *b, dict_each_fn *fn, void *arg) {
    for (; b; b = bucket_chain(b))
        for (unsigned used = bucket_used(b); used; used &= used - 1)
            fn(arg, bucket_elem(b, (unsigned)__builtin_ctz(used)));
}

uint64_t dict_each_in_group(const struct dict *d, uint64_t from, dict_each_fn *fn, void *arg) {
    if (!d->buckets) return 0;
    struct group g = dict_group(d, dict_reverse64(from));
    for (unsigned i = 0; i < g.size; i++)
        each_in_bucket(dict_bucket(d, dict_bucket_number(g, i)), fn, arg);
    if (g.level == 0) return 0;
    uint64_t range = (uint64_t)1 << (64 - g.level);
    return (from & ~(range - 1)) + range;
}

bool dict_group_begins(const struct dict *d, uint64_t place) {
    if (!d->buckets) return true;
    struct group g = dict_group(d, dict_reverse64(place));
    return g.level == 0 ? place == 0 : place << g.level == 0;
}

void dict_prefetch_group(const struct dict *d, uint64_t place) {
    if (!d->buckets) return;
    struct group g = dict_group(d, dict_reverse64(place));
    for (unsigned i = 0; i < g.size; i++) {
        const unsigned char *b = dict_bucket(d, dict_bucket_number(g, i));
        for (unsigned used = bucket_used(b); used; used &= used - 1)
            __builtin_prefetch(bucket_elem(b, (unsigned)__builtin_ctz(used)));
    }
}

static void move_in_bucket(unsigned char *b, dict_move_fn *fn, void *arg) {
    for (; b; b = bucket_chain(b))
        for (unsigned used = bucket_used(b); used; used &= used - 1) {
            unsigned slot = (unsigned)__builtin_ctz(used);
            void *moved = fn(arg, bucket_elem(b, slot));
            if (moved) bucket_set_ref(b, slot, (uint64_t)(uintptr_t)moved | bucket_flag(b, slot));
        }
}

uint64_t dict_move_in_group(struct dict *d, uint64_t from, dict_move_fn *fn, void *arg) {
    if (!d->buckets) return 0;
    struct group g = dict_group(d, dict_reverse64(from));
    for (unsigned i = 0; i < g.size; i++)
        move_in_bucket(dict_bucket(d, dict_bucket_number(g, i)), fn, arg);
    if (g.level == 0) return 0;
    uint64_t range = (uint64_t)1 << (64 - g.level);
    return (from & ~(range - 1)) + range;
}

void dict_each(const struct dict *d, dict_each_fn *fn, void *arg) {
    for (size_t n = 0; n < d->buckets; n++) each_in_bucket(dict_bucket(d, n), fn, arg);
}

void *dict_random(const struct dict *d, uint64_t (*random)(void *arg), void *arg) {
    if (!d->count) return NULL;
    for (;;) {
        uint64_t r = random(arg);
        uint64_t number = (uint64_t)((unsigned __int128)r * d->buckets >> 64);
        const unsigned char *b = dict_bucket(d, number);
        unsigned slot = (unsigned)(random(arg) % BUCKET_SLOTS);
        while (slot == 8 && b[META] & CHAINED) { /* one slot stands for the whole chain */
            b = bucket_chain(b);
            slot = (unsigned)(random(arg) % BUCKET_SLOTS);
        }
        if (b[slot]) return bucket_elem(b, slot);
    }
}

/* ---- Marks ----------------------------------------------------------------------------------- */

bool dict_marked(struct dict_place at) {
    return bucket_flag(at.bucket, at.slot);
}

void dict_mark(struct dict *d, struct dict_place at, bool marked) {
    d->flagged += (size_t)marked - bucket_flag(at.bucket, at.slot);
    bucket_set_ref(at.bucket, at.slot, (bucket_ref(at.bucket, at.slot) & ~(uint64_t)1) | marked);
}

static bool pass_bucket(struct dict *d, unsigned char *b, uint64_t from, dict_pass_fn *fn,
                        void *arg) {
    for (; b; b = bucket_chain(b))
        for (unsigned used = bucket_used(b); used; used &= used - 1) {
            struct dict_place at = {b, (unsigned)__builtin_ctz(used)};
            if (dict_marked(at)) continue;
            void *elem = bucket_elem(b, at.slot);
            if (from && dict_order(dict_elem_hash(d, elem)) < from) continue;
            dict_mark(d, at, true);
            if (!fn(arg, elem)) return false;
        }
    return true;
}

static void unmark_bucket(struct dict *d, unsigned char *b) {
    for (; b; b = bucket_chain(b))
        for (unsigned used = bucket_used(b); used; used &= used - 1)
            dict_mark(d, (struct dict_place){b, (unsigned)__builtin_ctz(used)}, false);
}

bool dict_pass_group(struct dict *d, uint64_t *from, dict_pass_fn *fn, void *arg) {
    uint64_t place = *from, first = dict_group_begins(d, place) ? 0 : place;
    *from = 0;
    if (!d->buckets) return true;
    struct group g = dict_group(d, dict_reverse64(place));
    for (unsigned i = 0; fn && i < g.size; i++)
        if (!pass_bucket(d, dict_bucket(d, dict_bucket_number(g, i)), first, fn, arg)) {
            *from = place;
            return false;
        }
    for (unsigned i = 0; d->flagged && i < g.size; i++)
        unmark_bucket(d, dict_bucket(d, dict_bucket_number(g, i)));
    if (g.level == 0) return true;
    uint64_t range = (uint64_t)1 << (64 - g.level);
    *from = (place & ~(range - 1)) + range;
    return true;
}

/* ---- Samples --------------------------------------------------------------------------------- */

/* A bucket's elements from a random slot on: those put in late would else never be among a few. */
static size_t sample_bucket(const unsigned char *b, bool flagged_only, unsigned first, void **out,
                            size_t most) {
    size_t n = 0;
    for (; b; b = bucket_chain(b)) {
        unsigned used = bucket_used(b);
        for (unsigned i = 0; i < BUCKET_SLOTS && n < most; i++) {
            unsigned slot = (first + i) % BUCKET_SLOTS;
            if (used >> slot & 1 && (!flagged_only || bucket_flag(b, slot)))
                out[n++] = bucket_elem(b, slot);
        }
    }
    return n;
}

/* Buckets from there on that hold no stamps for certain. */
static size_t without_stamps(const struct dict *d, size_t number) {
    const struct dict_segment *seg = &d->segments[number >> SEGMENT_BITS];
    size_t inside = number & (SEGMENT_BUCKETS - 1);
    if (!seg->due) return SEGMENT_BUCKETS - inside;
    if (seg->due[inside >> BLOCK_BITS] != NEVER) return 0;
    return (1 << BLOCK_BITS) - (inside & ((1 << BLOCK_BITS) - 1));
}

size_t dict_sample(const struct dict *d, bool flagged_only, uint64_t (*random)(void *arg),
                   void *arg, void **out, size_t most) {
    size_t n = 0;
    if (!(flagged_only ? d->flagged : d->count)) return 0;
    uint64_t r = random(arg);
    size_t at = (size_t)((unsigned __int128)r * d->buckets >> 64);
    /* Empty places pass quickly; half a turn more than one meets every element. */
    for (size_t passed = 0; n < most && passed < d->buckets + d->buckets / 2;) {
        size_t skip = flagged_only ? without_stamps(d, at) : 0;
        if (!skip) {
            n += sample_bucket(dict_bucket(d, at), flagged_only, (unsigned)(r % BUCKET_SLOTS),
                               out + n, most - n);
            skip = 1;
        }
        at += skip;
        passed += skip;
        if (at >= d->buckets) at = 0;
        if (n && passed >= 64) break; /* a few are enough when they are rare */
    }
    return n;
}

/* ---- Due elements --------------------------------------------------------------------------- */

struct due_search {
    struct dict *d;
    int64_t now, earliest;
    void **out;
    size_t found, max, looked;
    bool full;
};

static void search_bucket(struct due_search *s, const unsigned char *b) {
    for (; b; b = bucket_chain(b))
        for (unsigned used = bucket_used(b); used; used &= used - 1) {
            unsigned slot = (unsigned)__builtin_ctz(used);
            if (!bucket_flag(b, slot)) continue;
            void *elem = bucket_elem(b, slot);
            int64_t stamp = s->d->type->stamp(elem);
            s->looked++;
            bool taken = stamp < s->now && s->found < s->max;
            if (taken) s->out[s->found++] = elem;
            if (stamp < s->now && !taken) s->full = true;
            if (stamp < s->earliest) s->earliest = stamp;
        }
}

static void prefetch_bucket(const unsigned char *b) {
    for (unsigned used = bucket_used(b); used; used &= used - 1)
        if (bucket_flag(b, (unsigned)__builtin_ctz(used)))
            __builtin_prefetch(bucket_elem(b, (unsigned)__builtin_ctz(used)));
}

static void search_block(struct due_search *s, size_t block, int64_t *due) {
    size_t first = block << BLOCK_BITS, end = first + (1 << BLOCK_BITS);
    if (end > s->d->buckets) end = s->d->buckets;
    s->earliest = NEVER;
    for (size_t n = first; n < end; n++) {
        if (n + 4 < end) prefetch_bucket(dict_bucket(s->d, n + 4));
        search_bucket(s, dict_bucket(s->d, n));
    }
    *due = s->earliest; /* those found count until they are removed: nobody is forgotten */
}

size_t dict_due(struct dict *d, int64_t now, size_t *block, void **out, size_t max, size_t look,
                enum dict_rest *rest) {
    enum { BLOCKS_AT_ONCE = 1 << 14 }; /* of eight million elements: some 50 us */
    struct due_search s = {.d = d, .now = now, .out = out, .max = max};
    size_t blocks = d->flagged ? (d->buckets + (1 << BLOCK_BITS) - 1) >> BLOCK_BITS : 0;
    size_t end = *block + BLOCKS_AT_ONCE;
    *rest = DUE_MORE;
    while (*block < blocks && *block < end) {
        struct dict_segment *seg = &d->segments[*block / SEGMENT_BLOCKS];
        if (!seg->due) {
            *block += SEGMENT_BLOCKS - *block % SEGMENT_BLOCKS;
            continue;
        }
        int64_t *due = &seg->due[*block % SEGMENT_BLOCKS];
        if (*due < now) {
            if (s.found == max || s.looked >= look) return s.found;
            search_block(&s, *block, due);
            if (s.full) return s.found; /* the rest of this block next time */
        }
        ++*block;
    }
    *rest = *block < blocks ? DUE_UNSEEN : DUE_SEEN;
    if (*rest == DUE_SEEN) *block = 0;
    return s.found;
}

/* ---- The end -------------------------------------------------------------------------------- */

bool dict_dismantle(struct dict *d, dict_each_fn *fn, void *arg) {
    if (!d->buckets) return false;
    size_t n = --d->buckets;
    unsigned char *b = dict_bucket(d, n), *chain = bucket_chain(b), *next;
    each_in_bucket(b, fn, arg);
    memset(b, 0, BUCKET_BYTES);
    for (; chain; chain = next) {
        next = bucket_chain(chain);
        *d->memory -= BUCKET_BYTES;
        d->chained--;
        free(chain);
    }
    if (n && (n & (SEGMENT_BUCKETS - 1)) == 0) {
        *d->memory -= SEGMENT_BUCKETS * BUCKET_BYTES;
        free(d->segments[n >> SEGMENT_BITS].buckets);
        d->segments[n >> SEGMENT_BITS].buckets = NULL;
    }
    return d->buckets > 0;
}

size_t dict_memory(const struct dict *d) {
    size_t n = d->segment_cap * sizeof *d->segments + d->chained * BUCKET_BYTES;
    for (size_t i = 0; i < d->segment_cap; i++) {
        if (d->segments[i].buckets) n += (i ? SEGMENT_BUCKETS : d->first_room) * BUCKET_BYTES;
        if (d->segments[i].due) n += SEGMENT_BLOCKS * sizeof *d->segments[i].due;
    }
    return n;
}

/* ---- The verifier --------------------------------------------------------------------------- */

struct tally {
    size_t count, flagged, chained;
};

/* Which bucket of the group the element was passed on to; each one in between must have counted it. */
static void verify_group(const struct dict *d, struct group g, struct tally *t) {
    unsigned passed[8] = {0};
    for (unsigned i = 0; i < g.size; i++) {
        uint64_t number = dict_bucket_number(g, i);
        must(number < d->buckets, "a group's buckets are there");
        const struct dict_segment *seg = &d->segments[number >> SEGMENT_BITS];
        const unsigned char *b = dict_bucket(d, number), *first = b;
        for (; b; b = bucket_chain(b), t->chained += b != NULL) {
            if (b != first) must(bucket_used(b), "no chain bucket is empty");
            for (unsigned used = bucket_used(b); used; used &= used - 1) {
                unsigned slot = (unsigned)__builtin_ctz(used);
                const void *elem = bucket_elem(b, slot);
                uint64_t hash = dict_elem_hash(d, elem);
                struct group own = dict_group(d, hash);
                struct dict_place at;
                must(own.index == g.index && own.level == g.level, "an element is in its group");
                must(b[slot] == dict_tag(hash), "a tag is its element's");
                must(dict_find(d, d->type->key(elem), hash, &at) == elem, "an element is found");
                for (unsigned j = dict_home(g, hash); j != i; j = j + 1 == g.size ? 0 : j + 1)
                    passed[j]++;
                t->count++;
                if (!bucket_flag(b, slot)) continue;
                t->flagged++;
                if (!d->type->stamp) continue;
                must(seg->due && seg->due[(number & (SEGMENT_BUCKETS - 1)) >> BLOCK_BITS] <=
                                     d->type->stamp(elem),
                     "a block's date is before all its stamps");
            }
        }
    }
    for (unsigned i = 0; i < g.size; i++) {
        unsigned counted = dict_bucket(d, dict_bucket_number(g, i))[META] & PASSED_MANY;
        must(counted == passed[i] || counted == PASSED_MANY, "a bucket counts what passed it");
    }
}

void dict_verify(const struct dict *d) {
    struct tally t = {0, 0, 0};
    if (d->buckets) {
        size_t groups = (size_t)1 << d->level;
        must(d->buckets >= 4 * groups && d->buckets < 8 * groups, "the level fits the buckets");
        for (size_t i = 0; i < groups; i++) {
            struct group g = dict_group(d, i);
            verify_group(d, g, &t);
            if (g.level > d->level) verify_group(d, dict_group(d, i + groups), &t);
        }
    }
    must(t.count == d->count, "the count is that of the elements");
    must(t.flagged == d->flagged, "the count of stamps is right");
    must(t.chained == d->chained, "the count of chains is right");
}
