/* See histogram.h. */
#include "server/histogram.h"

uint64_t histogram_top(unsigned class) {
    if (class < 2 * HISTOGRAM_PARTS) return class;
    unsigned power = (class >> HISTOGRAM_PART_BITS) - 1;
    uint64_t part = (class & (HISTOGRAM_PARTS - 1)) + HISTOGRAM_PARTS;
    return ((part + 1) << power) - 1;
}

uint64_t histogram_percentile(const struct histogram *h, double percentile) {
    uint64_t want = (uint64_t)(percentile / 100 * (double)h->total + 0.5), seen = 0;
    if (!h->total) return 0;
    if (want < 1) want = 1;
    if (want > h->total) want = h->total;
    for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++) {
        seen += h->counts[i];
        if (seen >= want) return histogram_top(i);
    }
    return HISTOGRAM_MAX_NS - 1;
}

uint64_t histogram_below(const struct histogram *h, uint64_t ns) {
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_CLASSES && histogram_top(i) < ns; i++) seen += h->counts[i];
    return seen;
}
