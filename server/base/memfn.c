/* See memfn.h. SSE2 only, which every x86-64 has; on other machines libc's own are used.
 *
 * Small sizes: the first and the last word of a run are loaded, both before anything is stored, and may
 * overlap in the middle; so no size needs a loop up to 128 bytes, and overlapping arguments need no care. */
#include "server/base/memfn.h"

#if defined(__x86_64__)

#include <emmintrin.h>
#include <stdint.h>

#ifndef __clang__ /* or these loops become calls of themselves */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

typedef uint64_t __attribute__((may_alias, aligned(1))) u64_at;
typedef uint32_t __attribute__((may_alias, aligned(1))) u32_at;
typedef uint16_t __attribute__((may_alias, aligned(1))) u16_at;
typedef unsigned char byte;

/* Aligned reads of whole words may pass the end of the bytes, never the end of the page. */
#define READS_WORDS __attribute__((no_sanitize("address")))

static inline __m128i load(const byte *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
static inline void store(byte *p, __m128i v) {
    _mm_storeu_si128((__m128i *)(void *)p, v);
}

/* ---- Copy ------------------------------------------------------------------------------------ */

static inline void copy_to_16(byte *d, const byte *s, size_t n) {
    if (n >= 8) {
        uint64_t a = *(const u64_at *)s, b = *(const u64_at *)(s + n - 8);
        *(u64_at *)d = a;
        *(u64_at *)(d + n - 8) = b;
    } else if (n >= 4) {
        uint32_t a = *(const u32_at *)s, b = *(const u32_at *)(s + n - 4);
        *(u32_at *)d = a;
        *(u32_at *)(d + n - 4) = b;
    } else if (n >= 2) {
        uint16_t a = *(const u16_at *)s, b = *(const u16_at *)(s + n - 2);
        *(u16_at *)d = a;
        *(u16_at *)(d + n - 2) = b;
    } else if (n) {
        *d = *s;
    }
}

static inline void copy_to_64(byte *d, const byte *s, size_t n) {
    __m128i a = load(s), z = load(s + n - 16);
    if (n > 32) {
        __m128i b = load(s + 16), y = load(s + n - 32);
        store(d + 16, b);
        store(d + n - 32, y);
    }
    store(d, a);
    store(d + n - 16, z);
}

static inline void copy_to_128(byte *d, const byte *s, size_t n) {
    __m128i a = load(s), b = load(s + 16), c = load(s + 32), e = load(s + 48);
    __m128i w = load(s + n - 64), x = load(s + n - 48), y = load(s + n - 32), z = load(s + n - 16);
    store(d, a);
    store(d + 16, b);
    store(d + 32, c);
    store(d + 48, e);
    store(d + n - 64, w);
    store(d + n - 48, x);
    store(d + n - 32, y);
    store(d + n - 16, z);
}

/* Upwards in steps of 64 to addresses that are a multiple of 16; head and tail are loaded before. */
static void copy_up(byte *d, const byte *s, size_t n) {
    __m128i head = load(s);
    __m128i w = load(s + n - 64), x = load(s + n - 48), y = load(s + n - 32), z = load(s + n - 16);
    byte *first = d, *end = d + n;
    size_t skip = 16 - ((uintptr_t)d & 15);
    d += skip;
    s += skip;
    for (; d + 64 < end; d += 64, s += 64) {
        __m128i a = load(s), b = load(s + 16), c = load(s + 32), e = load(s + 48);
        _mm_store_si128((__m128i *)(void *)d, a);
        _mm_store_si128((__m128i *)(void *)(d + 16), b);
        _mm_store_si128((__m128i *)(void *)(d + 32), c);
        _mm_store_si128((__m128i *)(void *)(d + 48), e);
    }
    store(end - 64, w);
    store(end - 48, x);
    store(end - 32, y);
    store(end - 16, z);
    store(first, head);
}

static void copy_down(byte *d, const byte *s, size_t n) {
    __m128i a = load(s), b = load(s + 16), c = load(s + 32), e = load(s + 48);
    __m128i tail = load(s + n - 16);
    byte *last = d + n - 16, *to = d + n;
    const byte *from = s + n;
    size_t skip = (uintptr_t)to & 15;
    to -= skip;
    from -= skip;
    for (; to > d + 64; to -= 64, from -= 64) {
        __m128i w = load(from - 64), x = load(from - 48), y = load(from - 32), z = load(from - 16);
        _mm_store_si128((__m128i *)(void *)(to - 64), w);
        _mm_store_si128((__m128i *)(void *)(to - 48), x);
        _mm_store_si128((__m128i *)(void *)(to - 32), y);
        _mm_store_si128((__m128i *)(void *)(to - 16), z);
    }
    store(d, a);
    store(d + 16, b);
    store(d + 32, c);
    store(d + 48, e);
    store(last, tail);
}

void *memfn_move(void *to, const void *from, size_t n) {
    byte *d = to;
    const byte *s = from;
    if (n <= 16)
        copy_to_16(d, s, n);
    else if (n <= 64)
        copy_to_64(d, s, n);
    else if (n <= 128)
        copy_to_128(d, s, n);
    else if ((uintptr_t)d - (uintptr_t)s >= n)
        copy_up(d, s, n);
    else
        copy_down(d, s, n);
    return to;
}

void *memfn_copy(void *restrict to, const void *restrict from, size_t n) {
    return memfn_move(to, from, n);
}

/* ---- Fill ------------------------------------------------------------------------------------ */

static inline void fill_to_16(byte *d, uint64_t v, size_t n) {
    if (n >= 8) {
        *(u64_at *)d = v;
        *(u64_at *)(d + n - 8) = v;
    } else if (n >= 4) {
        *(u32_at *)d = (uint32_t)v;
        *(u32_at *)(d + n - 4) = (uint32_t)v;
    } else if (n >= 2) {
        *(u16_at *)d = (uint16_t)v;
        *(u16_at *)(d + n - 2) = (uint16_t)v;
    } else if (n) {
        *d = (byte)v;
    }
}

void *memfn_set(void *to, int value, size_t n) {
    byte *d = to, *end = d + n;
    if (n <= 16) {
        fill_to_16(d, 0x0101010101010101u * (byte)value, n);
        return to;
    }
    __m128i v = _mm_set1_epi8((char)value);
    store(d, v);
    store(end - 16, v);
    if (n <= 32) return to;
    store(d + 16, v);
    store(end - 32, v);
    if (n <= 64) return to;
    for (d += 16 - ((uintptr_t)d & 15); d + 64 <= end; d += 64) {
        _mm_store_si128((__m128i *)(void *)d, v);
        _mm_store_si128((__m128i *)(void *)(d + 16), v);
        _mm_store_si128((__m128i *)(void *)(d + 32), v);
        _mm_store_si128((__m128i *)(void *)(d + 48), v);
    }
    for (; d + 16 <= end; d += 16) _mm_store_si128((__m128i *)(void *)d, v);
    return to;
}

/* ---- Compare --------------------------------------------------------------------------------- */

static inline int order_of(uint64_t a, uint64_t b) {
    if (a == b) return 0;
    return __builtin_bswap64(a) < __builtin_bswap64(b) ? -1 : 1;
}

/* 0, or the order by the first byte of these 16 that differs. */
static inline int compare_16(const byte *a, const byte *b) {
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(load(a), load(b)));
    if (same == 0xffff) return 0;
    unsigned i = (unsigned)__builtin_ctz(~same);
    return a[i] - b[i];
}

int memfn_compare(const void *pa, const void *pb, size_t n) {
    const byte *a = pa, *b = pb;
    int order;
    if (n >= 16) {
        size_t i = 0;
        for (; i + 16 <= n; i += 16)
            if ((order = compare_16(a + i, b + i))) return order;
        return i < n ? compare_16(a + n - 16, b + n - 16) : 0;
    }
    if (n >= 8) {
        order = order_of(*(const u64_at *)a, *(const u64_at *)b);
        return order ? order : order_of(*(const u64_at *)(a + n - 8), *(const u64_at *)(b + n - 8));
    }
    if (n >= 4) {
        uint64_t x = *(const u32_at *)a, y = *(const u32_at *)b;
        order = order_of(x, y);
        x = *(const u32_at *)(a + n - 4), y = *(const u32_at *)(b + n - 4);
        return order ? order : order_of(x, y);
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return a[i] - b[i];
    return 0;
}

/* ---- Search ---------------------------------------------------------------------------------- */

READS_WORDS static inline unsigned hits_16(const byte *aligned, __m128i v) {
    __m128i there = _mm_load_si128((const __m128i *)(const void *)aligned);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(there, v));
}

READS_WORDS void *memfn_find(const void *p, int value, size_t n) {
    const byte *start = p, *end = start + n;
    if (!n) return NULL;
    if (end < start) end = (const byte *)UINTPTR_MAX; /* "any length": rawmemchr's way */
    __m128i v = _mm_set1_epi8((char)value);
    const byte *at = (const byte *)((uintptr_t)start & ~(uintptr_t)15);
    unsigned hits = hits_16(at, v) & (unsigned)(0xffff << ((uintptr_t)start & 15));
    while (!hits) {
        at += 16;
        if (at >= end) return NULL;
        hits = hits_16(at, v);
    }
    const byte *found = at + __builtin_ctz(hits);
    return found < end ? (void *)(uintptr_t)found : NULL;
}

READS_WORDS size_t memfn_length(const char *s) {
    const byte *start = (const byte *)s, *at = (const byte *)((uintptr_t)s & ~(uintptr_t)15);
    unsigned hits =
        hits_16(at, _mm_setzero_si128()) & (unsigned)(0xffff << ((uintptr_t)start & 15));
    while (!hits) hits = hits_16(at += 16, _mm_setzero_si128());
    return (size_t)(at + __builtin_ctz(hits) - start);
}

#ifndef __GLIBC__ /* the product: the linker takes these before it looks into libc.a */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
    __attribute__((alias("memfn_copy")));
void *memmove(void *to, const void *from, size_t n) __attribute__((alias("memfn_move")));
void *memset(void *to, int value, size_t n) __attribute__((alias("memfn_set")));
int memcmp(const void *a, const void *b, size_t n) __attribute__((alias("memfn_compare")));
void *memchr(const void *p, int value, size_t n) __attribute__((alias("memfn_find")));
size_t strlen(const char *s) __attribute__((alias("memfn_length")));
#endif

#endif
