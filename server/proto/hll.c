/* See hll.h. The sparse form's rules (when runs are joined, when it is given up) are Redis's to the byte. */
#include "server/proto/hll.h"

#include <math.h>
#include <string.h>

#include "server/proto/hll_wide.h"

enum {
    ENCODING_AT = 4,
    CACHE_AT = 8,
    SPARSE = 1,
    RANK_SPARSE_MAX = 32,
    VALUE_RUN_MAX = 4,
    ZERO_RUN_MAX = 64, /* of the one-byte form */
    JOIN_STEPS = 5     /* runs that are looked at for joining after a change */
};

bool hll_is(struct bytes b) {
    if (b.len < HLL_HEADER_BYTES || memcmp(b.p, "HYLL", 4) != 0) return false;
    uint8_t encoding = (uint8_t)b.p[ENCODING_AT];
    return encoding == SPARSE || (encoding == 0 && b.len == HLL_DENSE_BYTES);
}

static uint8_t *put_zeros(uint8_t *to, unsigned n) {
    n--;
    if (n >= ZERO_RUN_MAX) {
        *to++ = (uint8_t)(0x40 | n >> 8);
        *to++ = (uint8_t)n;
    } else {
        *to++ = (uint8_t)n;
    }
    return to;
}

static uint8_t *put_values(uint8_t *to, unsigned value, unsigned n) {
    *to++ = (uint8_t)(0x80 | (value - 1) << 2 | (n - 1));
    return to;
}

void hll_init(uint8_t *hll) {
    memset(hll, 0, HLL_HEADER_BYTES);
    memcpy(hll, "HYLL", 4);
    hll[ENCODING_AT] = SPARSE;
    put_zeros(hll + HLL_HEADER_BYTES, HLL_REGISTERS);
}

bool hll_cached(const uint8_t *hll, uint64_t *estimate) {
    memcpy(estimate, hll + CACHE_AT, 8);
    return !(*estimate >> 63);
}

void hll_cache(uint8_t *hll, uint64_t estimate) {
    memcpy(hll + CACHE_AT, &estimate, 8);
}

void hll_uncache(uint8_t *hll) {
    hll[CACHE_AT + 7] |= 0x80;
}

/* ---- Elements ------------------------------------------------------------------------------- */

static uint64_t murmur64a(struct bytes b, uint64_t seed) {
    const uint64_t m = 0xc6a4a7935bd1e995;
    uint64_t h = seed ^ b.len * m, k = 0;
    const char *p = b.p;
    size_t left = b.len;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&k, p, 8);
        k *= m;
        h = (h ^ (k ^ k >> 47) * m) * m;
    }
    if (left) {
        k = 0;
        memcpy(&k, p, left);
        h = (h ^ k) * m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

unsigned hll_rank(struct bytes element, unsigned *reg) {
    uint64_t hash = murmur64a(element, 0xadc83b19);
    *reg = hash & (HLL_REGISTERS - 1);
    return 1 + (unsigned)__builtin_ctzll(hash >> 14 | 1ULL << 50);
}

/* ---- Sparse --------------------------------------------------------------------------------- */

/* The second byte of a long run that is cut off counts as zero. */
struct hll_run hll_run_at(const uint8_t *at, const uint8_t *end) {
    uint8_t b = *at;
    if (b & 0x80) return (struct hll_run){(b & 3u) + 1, (b >> 2 & 31u) + 1, 1};
    if (b & 0x40) return (struct hll_run){((b & 63u) << 8 | (at + 1 < end ? at[1] : 0u)) + 1, 0, 2};
    return (struct hll_run){b + 1u, 0, 1};
}

struct found {
    uint8_t *at, *before; /* the run and the one before it, NULL: none */
    unsigned first;       /* the run's first register */
    unsigned before_first;
    struct hll_run run;
};

static bool find_from(struct found *f, uint8_t *p, const uint8_t *end, unsigned first,
                      unsigned reg) {
    f->before = NULL;
    f->before_first = 0;
    for (f->first = first; p < end; p += f->run.bytes) {
        f->at = p;
        f->run = hll_run_at(p, end);
        if (reg < f->first + f->run.registers) return true;
        f->before = p;
        f->before_first = f->first;
        f->first += f->run.registers;
    }
    return false;
}

static bool find(struct found *f, uint8_t *hll, size_t len, unsigned reg,
                 const struct hll_place *place) {
    const uint8_t *end = hll + len;
    if (place && place->known && find_from(f, hll + place->at, end, place->first, reg) && f->before)
        return true;
    return find_from(f, hll + HLL_HEADER_BYTES, end, 0, reg);
}

/* Neighbours with the same value become one run where one can hold them. Returns the new end. */
static uint8_t *join(uint8_t *p, uint8_t *end) {
    for (int steps = JOIN_STEPS; p < end && steps; steps--) {
        struct hll_run a = hll_run_at(p, end), b = {0, 0, 0};
        if (a.value && p + 1 < end) b = hll_run_at(p + 1, end);
        if (a.value && a.value == b.value && a.registers + b.registers <= VALUE_RUN_MAX) {
            put_values(p + 1, a.value, a.registers + b.registers);
            memmove(p, p + 1, (size_t)(end - p - 1));
            end--;
        } else {
            p += a.bytes;
        }
    }
    return end;
}

static uint8_t *put_run(uint8_t *to, unsigned value, unsigned n) {
    return !n ? to : value ? put_values(to, value, n) : put_zeros(to, n);
}

enum hll_change hll_sparse_look(struct bytes hll, unsigned reg, unsigned rank) {
    struct found f;
    if (rank > RANK_SPARSE_MAX) return HLL_RAISED;
    if (!find(&f, (uint8_t *)(uintptr_t)hll.p, hll.len, reg, NULL)) return HLL_DAMAGED;
    return f.run.value >= rank ? HLL_SAME : HLL_RAISED;
}

enum hll_change hll_sparse_raise(uint8_t *hll, size_t *len, unsigned reg, unsigned rank,
                                 uint64_t max_bytes, struct hll_place *place) {
    struct found f;
    uint8_t runs[5], *to = runs, *end = hll + *len;
    if (rank > RANK_SPARSE_MAX) return HLL_TOO_BIG;
    if (!find(&f, hll, *len, reg, place)) return HLL_DAMAGED;
    if (f.run.value >= rank) return HLL_SAME;
    to = put_run(to, f.run.value, reg - f.first);
    to = put_values(to, rank, 1);
    to = put_run(to, f.run.value, f.first + f.run.registers - 1 - reg);
    int grown = (int)(to - runs) - (int)f.run.bytes;
    if (grown > 0 && *len + (uint64_t)grown > max_bytes) return HLL_TOO_BIG;
    uint8_t *next = f.at + f.run.bytes;
    if (grown && next < end) memmove(next + grown, next, (size_t)(end - next));
    end += grown;
    size_t fits = (size_t)(end - f.at), wrote = (size_t)(to - runs);
    memcpy(f.at, runs, wrote < fits ? wrote : fits);
    end = join(f.before ? f.before : hll + HLL_HEADER_BYTES, end);
    *len = (size_t)(end - hll);
    if (place && f.before)
        *place = (struct hll_place){(size_t)(f.before - hll), f.before_first, true};
    hll_uncache(hll);
    return HLL_RAISED;
}

/* ---- Dense ---------------------------------------------------------------------------------- */

unsigned hll_dense_get(const uint8_t *hll, unsigned reg) {
    const uint8_t *p = hll + HLL_HEADER_BYTES + reg * 6 / 8;
    unsigned shift = reg * 6 & 7, bits = *p;
    if (shift > 2) bits |= (unsigned)p[1] << 8;
    return bits >> shift & 63;
}

void hll_dense_set(uint8_t *hll, unsigned reg, unsigned rank) {
    uint8_t *p = hll + HLL_HEADER_BYTES + reg * 6 / 8;
    unsigned shift = reg * 6 & 7;
    p[0] = (uint8_t)((p[0] & ~(63u << shift)) | rank << shift);
    if (shift > 2) p[1] = (uint8_t)((p[1] & ~(63u >> (8 - shift))) | rank >> (8 - shift));
}

void hll_pack(uint8_t hll[HLL_DENSE_BYTES], const uint8_t registers[HLL_REGISTERS]) {
    hll[ENCODING_AT] = 0;
    hll_wide_pack(hll + HLL_HEADER_BYTES, registers);
}

bool hll_merge(uint8_t max[HLL_REGISTERS], struct bytes hll) {
    const uint8_t *p = (const uint8_t *)hll.p, *end = p + hll.len;
    unsigned i = 0;
    if (hll_is_dense(p)) {
        hll_wide_merge(max, p + HLL_HEADER_BYTES);
        return true;
    }
    for (p += HLL_HEADER_BYTES; p < end && i <= HLL_REGISTERS;) {
        struct hll_run run = hll_run_at(p, end);
        if (run.registers > HLL_REGISTERS - i) return false;
        for (unsigned k = i; run.value && k < i + run.registers; k++)
            if (run.value > max[k]) max[k] = (uint8_t)run.value;
        i += run.registers;
        p += run.bytes;
    }
    return i == HLL_REGISTERS;
}

/* ---- Counting: Ertl's improved estimator ------------------------------------------------------ */

static double sigma(double x) {
    if (x == 1.) return INFINITY;
    double before, y = 1, z = x;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static double tau(double x) {
    if (x == 0. || x == 1.) return 0.;
    double before, y = 1, z = 1 - x;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (before != z);
    return z / 3;
}

static uint64_t estimate_of(const unsigned histogram[64]) {
    const double m = HLL_REGISTERS, alpha_infinite = 0.721347520444481703680;
    double z = m * tau((m - (int)histogram[51]) / m);
    for (int i = 50; i >= 1; i--) {
        z += (int)histogram[i];
        z *= 0.5;
    }
    z += m * sigma((int)histogram[0] / m);
    return (uint64_t)llroundl(alpha_infinite * m * m / z);
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]) {
    unsigned histogram[64];
    hll_wide_histogram(histogram, registers);
    return estimate_of(histogram);
}

bool hll_count(struct bytes hll, uint64_t *estimate) {
    const uint8_t *p = (const uint8_t *)hll.p, *end = p + hll.len;
    if (hll_is_dense(p)) {
        uint8_t registers[HLL_REGISTERS] = {0};
        hll_wide_merge(registers, p + HLL_HEADER_BYTES);
        *estimate = hll_count_registers(registers);
        return true;
    }
    unsigned histogram[64] = {0}, i = 0;
    for (p += HLL_HEADER_BYTES; p < end && i <= HLL_REGISTERS;) {
        struct hll_run run = hll_run_at(p, end);
        histogram[run.value] += run.registers;
        i += run.registers;
        p += run.bytes;
    }
    if (i != HLL_REGISTERS) return false;
    *estimate = estimate_of(histogram);
    return true;
}
