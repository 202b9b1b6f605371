/* One bucket of a dict: 64 bytes, one cache line. Only dict.c and its parts include this.
 *
 *   0..8   tags, one a slot; 0: the slot is free
 *   9      low 7 bits: elements whose home is here or before and that were passed on over this bucket, 127: many;
 *          top bit: slot 8 is no element but the reference of a chain bucket (tag 0)
 *   10..63 references of 48 bits; their lowest bit is the flag "has a stamp" */
#ifndef DUET_STORE_BUCKET_H
#define DUET_STORE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BUCKET_BYTES = 64, BUCKET_SLOTS = 9, META = 9, REFS = 10, PASSED_MANY = 127, CHAINED = 128 };

static inline uint64_t bucket_ref(const unsigned char *b, unsigned slot) {
    uint64_t v;
    memcpy(&v, b + REFS - 2 + 6 * slot, 8);
    return v >> 16;
}
static inline void *bucket_elem(const unsigned char *b, unsigned slot) {
    return (void *)(uintptr_t)(bucket_ref(b, slot) & ~(uint64_t)1);
}
static inline bool bucket_flag(const unsigned char *b, unsigned slot) {
    return b[REFS + 6 * slot] & 1;
}
static inline void bucket_set_ref(unsigned char *b, unsigned slot, uint64_t ref) {
    memcpy(b + REFS + 6 * slot, &ref, 6);
}
/* Bit i: tag i equals tag. */
static inline unsigned bucket_match(const unsigned char *b, uint8_t tag) {
#ifdef __SSE2__
    __m128i tags = _mm_loadu_si128((const __m128i *)(const void *)b);
    __m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));
    return (unsigned)_mm_movemask_epi8(same) & 0x1ff;
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) bits |= (unsigned)(b[i] == tag) << i;
    return bits;
#endif
}
static inline unsigned char *bucket_chain(const unsigned char *b) {
    return b[META] & CHAINED ? bucket_elem(b, 8) : NULL;
}
static inline unsigned bucket_free(const unsigned char *b) {
    return bucket_match(b, 0) & (b[META] & CHAINED ? 0xff : 0x1ff);
}
static inline unsigned bucket_used(const unsigned char *b) {
    return ~bucket_match(b, 0) & 0x1ff;
}
static inline void bucket_pass(unsigned char *b) {
    if ((b[META] & PASSED_MANY) != PASSED_MANY) b[META]++;
}
static inline void bucket_unpass(unsigned char *b) {
    if ((b[META] & PASSED_MANY) != PASSED_MANY) b[META]--;
}

#endif
