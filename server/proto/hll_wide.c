/* See hll_wide.h. Registers of 6 bits lie side by side: four in three bytes, the first one lowest. */
#include "server/proto/hll_wide.h"

#include <stdbool.h>
#include <string.h>

static bool plain_only;

void hll_wide_plain(void) {
    plain_only = true;
}

/* ---- Eight at a time, in a word ----------------------------------------------------------------- */

static inline uint64_t spread(uint64_t x) {
    x = (x & 0xffffff) | (x & 0xffffff000000) << 8;
    x = (x & 0x00000fff00000fff) | (x & 0x00fff00000fff000) << 4;
    return (x & 0x003f003f003f003f) | (x & 0x0fc00fc00fc00fc0) << 2;
}

static inline uint64_t gather(uint64_t x) {
    x = (x & 0x003f003f003f003f) | (x & 0x3f003f003f003f00) >> 2;
    x = (x & 0x00000fff00000fff) | (x & 0x0fff00000fff0000) >> 4;
    return (x & 0xffffff) | (x & 0xffffff00000000) >> 8;
}

static inline uint64_t higher(uint64_t a, uint64_t b) {
    const uint64_t top = 0x8080808080808080;
    uint64_t a_wins = (((a | top) - b) & top) >> 7; /* a one in each byte where a >= b */
    uint64_t mask = a_wins * 255;
    return (a & mask) | (b & ~mask);
}

static void merge_plain(uint8_t *max, const uint8_t *packed, unsigned count) {
    for (unsigned i = 0; i < count; i += 8, packed += 6) {
        uint64_t six = 0, had;
        memcpy(&six, packed, 6);
        memcpy(&had, max + i, 8);
        had = higher(had, spread(six));
        memcpy(max + i, &had, 8);
    }
}

static void pack_plain(uint8_t *packed, const uint8_t *registers, unsigned count) {
    for (unsigned i = 0; i < count; i += 8, packed += 6) {
        uint64_t eight;
        memcpy(&eight, registers + i, 8);
        eight = gather(eight);
        memcpy(packed, &eight, 6);
    }
}

/* Four tables, so that equal neighbours do not wait for each other. */
static void histogram_plain(unsigned histogram[64], const uint8_t *registers) {
    unsigned h[4][64] = {{0}};
    for (unsigned i = 0; i < HLL_WIDE_REGISTERS; i += 4)
        for (unsigned k = 0; k < 4; k++) h[k][registers[i + k] & 63]++;
    for (unsigned v = 0; v < 64; v++) histogram[v] = h[0][v] + h[1][v] + h[2][v] + h[3][v];
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEP = 32, STEP_BYTES = 24, LAST = HLL_WIDE_REGISTERS - STEP };
#define WIDE __attribute__((target("avx2")))

static bool is_wide(void) {
    return !plain_only && __builtin_cpu_supports("avx2");
}

/* 12 bytes a half; 28 bytes are read, so not the last step. */
WIDE static inline __m256i load(const uint8_t *packed) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i_u *)packed)),
        _mm_loadu_si128((const __m128i_u *)(packed + 12)), 1);
}

WIDE static void merge_wide(uint8_t *max, const uint8_t *packed) {
    const __m256i threes = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0,
                                            1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    for (unsigned i = 0; i < LAST; i += STEP, packed += STEP_BYTES) {
        __m256i x = _mm256_shuffle_epi8(load(packed), threes);
        __m256i a = _mm256_and_si256(x, _mm256_set1_epi32(0x3f));
        __m256i b = _mm256_and_si256(_mm256_slli_epi32(x, 2), _mm256_set1_epi32(0x3f00));
        __m256i c = _mm256_and_si256(_mm256_slli_epi32(x, 4), _mm256_set1_epi32(0x3f0000));
        __m256i d = _mm256_and_si256(_mm256_slli_epi32(x, 6), _mm256_set1_epi32(0x3f000000));
        x = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        __m256i_u *to = (__m256i_u *)(max + i);
        _mm256_storeu_si256(to, _mm256_max_epu8(_mm256_loadu_si256(to), x));
    }
    merge_plain(max + LAST, packed, STEP);
}

/* Each half writes 16 bytes, of which the next write covers 4: so not the last step. */
WIDE static void pack_wide(uint8_t *packed, const uint8_t *registers) {
    const __m256i threes = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
                                            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    for (unsigned i = 0; i < LAST; i += STEP, packed += STEP_BYTES) {
        __m256i x = _mm256_loadu_si256((const __m256i_u *)(registers + i));
        __m256i a = _mm256_and_si256(x, _mm256_set1_epi32(0x3f));
        __m256i b = _mm256_and_si256(_mm256_srli_epi32(x, 2), _mm256_set1_epi32(0xfc0));
        __m256i c = _mm256_and_si256(_mm256_srli_epi32(x, 4), _mm256_set1_epi32(0x3f000));
        __m256i d = _mm256_and_si256(_mm256_srli_epi32(x, 6), _mm256_set1_epi32(0xfc0000));
        x = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        x = _mm256_shuffle_epi8(x, threes);
        _mm_storeu_si128((__m128i_u *)packed, _mm256_castsi256_si128(x));
        _mm_storeu_si128((__m128i_u *)(packed + 12), _mm256_extracti128_si256(x, 1));
    }
    pack_plain(packed, registers + LAST, STEP);
}

/* How many registers have this value: 4 times 128 vectors, so that no byte of the sums overflows. */
WIDE static unsigned count_wide(const uint8_t *registers, unsigned value) {
    const __m256i v = _mm256_set1_epi8((char)value), zero = _mm256_setzero_si256();
    __m256i total = zero;
    for (unsigned part = 0; part < HLL_WIDE_REGISTERS; part += HLL_WIDE_REGISTERS / 4) {
        __m256i sum = zero;
        for (unsigned i = part; i < part + HLL_WIDE_REGISTERS / 4; i += STEP)
            sum = _mm256_sub_epi8(
                sum, _mm256_cmpeq_epi8(v, _mm256_loadu_si256((const __m256i_u *)(registers + i))));
        total = _mm256_add_epi64(total, _mm256_sad_epu8(sum, zero));
    }
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i_u *)lanes, total);
    return (unsigned)(lanes[0] + lanes[1] + lanes[2] + lanes[3]);
}
#else
static bool is_wide(void) {
    return false;
}
#define merge_wide(max, packed)      ((void)0)
#define pack_wide(packed, registers) ((void)0)
#define count_wide(registers, value) 0u
#endif

void hll_wide_merge(uint8_t max[HLL_WIDE_REGISTERS], const uint8_t packed[HLL_WIDE_PACKED]) {
    if (is_wide())
        merge_wide(max, packed);
    else
        merge_plain(max, packed, HLL_WIDE_REGISTERS);
}

void hll_wide_pack(uint8_t packed[HLL_WIDE_PACKED], const uint8_t registers[HLL_WIDE_REGISTERS]) {
    if (is_wide())
        pack_wide(packed, registers);
    else
        pack_plain(packed, registers, HLL_WIDE_REGISTERS);
}

/* Values lie close together: from the lowest up, until all registers are counted. */
void hll_wide_histogram(unsigned histogram[64], const uint8_t registers[HLL_WIDE_REGISTERS]) {
    if (!is_wide()) {
        histogram_plain(histogram, registers);
        return;
    }
    unsigned left = HLL_WIDE_REGISTERS;
    memset(histogram, 0, 64 * sizeof *histogram);
    for (unsigned v = 0; v < 64 && left; v++) left -= histogram[v] = count_wide(registers, v);
}
