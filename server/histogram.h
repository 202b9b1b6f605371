/* How long commands took, by classes: 32 to each power of two, so a class is at most 3 % wide. From 1 ns to 1 s; what
 * is longer counts as 1 s. A histogram is made with its first entry: 4 KiB. */
#ifndef DUET_SERVER_HISTOGRAM_H
#define DUET_SERVER_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_PART_BITS = 5, /* of a power of two */
    HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
    HISTOGRAM_POWERS = 30 - HISTOGRAM_PART_BITS + 1,
    HISTOGRAM_CLASSES = HISTOGRAM_PARTS * (HISTOGRAM_POWERS + 1)
};
#define HISTOGRAM_MAX_NS ((uint64_t)1 << 30)

struct histogram {
    uint64_t total;
    uint32_t counts[HISTOGRAM_CLASSES];
};

static inline unsigned histogram_class(uint64_t ns) {
    if (ns >= HISTOGRAM_MAX_NS) ns = HISTOGRAM_MAX_NS - 1;
    if (ns < HISTOGRAM_PARTS) return (unsigned)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_PART_BITS;
    return (power << HISTOGRAM_PART_BITS) + (unsigned)(ns >> power);
}

static inline void histogram_add(struct histogram *h, uint64_t ns) {
    h->total++;
    h->counts[histogram_class(ns)]++;
}

/* The highest value of a class, in ns. */
uint64_t histogram_top(unsigned class);
/* The value that `percentile` percent of the entries do not pass, in ns; 0 for an empty one. */
uint64_t histogram_percentile(const struct histogram *h, double percentile);
/* Entries of less than so many ns, which must be a power of two. */
uint64_t histogram_below(const struct histogram *h, uint64_t ns);

#endif
