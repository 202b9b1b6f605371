/* See crc64.h. Eight bytes a step by tables; where the processor multiplies polynomials (PCLMULQDQ), 64 bytes a step. */
#include "server/proto/crc64.h"

#include <stdbool.h>
#include <string.h>

#ifdef __x86_64__
#include <wmmintrin.h>
#endif

/* Reflected form of 0xad93d23594c935a9. */
#define POLY 0x95ac9329ac4bc9b5ULL

/* table[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are taken
 * at once. */
static uint64_t table[8][256];
static bool can_fold;
/* What carries the 8 lower and the 8 upper bytes of 16 over 64 and over 16 bytes. */
static uint64_t over_64[2], over_16[2];

/* x^n modulo the polynomial, reflected. */
static uint64_t power(unsigned n) {
    uint64_t v = 1ULL << 63;
    while (n--) v = (v >> 1) ^ (v & 1 ? POLY : 0);
    return v;
}

__attribute__((constructor)) static void crc64_fill(void) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t c = b;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) ? POLY : 0);
        table[0][b] = c;
    }
    for (int k = 1; k < 8; k++) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t c = table[k - 1][b];
            table[k][b] = table[0][c & 0xff] ^ (c >> 8);
        }
    }
    /* A product of two reflected numbers comes out multiplied by x: hence one less. */
    over_64[0] = power(64 * 8 + 64 - 1);
    over_64[1] = power(64 * 8 - 1);
    over_16[0] = power(16 * 8 + 64 - 1);
    over_16[1] = power(16 * 8 - 1);
#ifdef __x86_64__
    __builtin_cpu_init();
    can_fold = __builtin_cpu_supports("pclmul");
#endif
}

uint64_t crc64_by_tables(uint64_t crc, const void *p, size_t n) {
    const unsigned char *s = p;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        crc ^= w; /* little-endian machines only, as the whole product is */
        crc = table[7][crc & 0xff] ^ table[6][(crc >> 8) & 0xff] ^ table[5][(crc >> 16) & 0xff] ^
              table[4][(crc >> 24) & 0xff] ^ table[3][(crc >> 32) & 0xff] ^
              table[2][(crc >> 40) & 0xff] ^ table[1][(crc >> 48) & 0xff] ^ table[0][crc >> 56];
    }
    for (; n; n--, s++) crc = table[0][(crc ^ *s) & 0xff] ^ (crc >> 8);
    return crc;
}

#ifdef __x86_64__
#define FOLDING __attribute__((target("pclmul")))

FOLDING static inline __m128i load(const unsigned char *s) {
    return _mm_loadu_si128((const __m128i *)(const void *)s);
}

/* 16 bytes that stand for what came, carried on to where `next` stands. */
FOLDING static inline __m128i fold(__m128i a, __m128i over, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(a, over, 0x00), high = _mm_clmulepi64_si128(a, over, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* n is at least 64. What is left behind the last 16 whole bytes is the tables'. */
FOLDING static uint64_t crc64_by_folding(uint64_t crc, const unsigned char *s, size_t n) {
    __m128i a[4], over = _mm_loadu_si128((const __m128i *)(const void *)over_64);
    unsigned char rest[16];
    for (int i = 0; i < 4; i++) a[i] = load(s + 16 * i);
    a[0] = _mm_xor_si128(a[0], _mm_cvtsi64_si128((long long)crc));
    for (s += 64, n -= 64; n >= 64; s += 64, n -= 64)
        for (int i = 0; i < 4; i++) a[i] = fold(a[i], over, load(s + 16 * i));
    over = _mm_loadu_si128((const __m128i *)(const void *)over_16);
    for (int i = 1; i < 4; i++) a[i] = fold(a[i - 1], over, a[i]);
    for (; n >= 16; s += 16, n -= 16) a[3] = fold(a[3], over, load(s));
    _mm_storeu_si128((__m128i *)(void *)rest, a[3]);
    return crc64_by_tables(crc64_by_tables(0, rest, sizeof rest), s, n);
}
#endif

uint64_t crc64(uint64_t crc, const void *p, size_t n) {
#ifdef __x86_64__
    if (n >= 64 && can_fold) return crc64_by_folding(crc, p, n);
#endif
    return crc64_by_tables(crc, p, n);
}
