/* A run of bytes that somebody else owns: an argument, a key, a value on its way. Comparing and copying
 * stand here as inline functions, because most runs are a few bytes long and a call costs more. */
#ifndef DUET_BASE_BYTES_H
#define DUET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const char *p; /* not ended by a NUL */
    size_t len;
};

#define BYTES(literal) ((struct bytes){"" literal, sizeof(literal) - 1})

/* Asks for the cache line of p. The empty asm keeps the optimiser from dropping calls of functions that do
 * nothing else: to it they have no effect. */
static inline void cache_ask(const void *p) {
    __builtin_prefetch(p);
    __asm__ volatile("");
}

/* Little-endian loads from any address. */
static inline uint64_t bytes_load64(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline uint32_t bytes_load32(const void *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
/* Up to 8 bytes as one number, the rest zeros. Reads nothing beyond them. */
static inline uint64_t bytes_load_upto8(const char *p, size_t n) {
    if (n >= 8) return bytes_load64(p);
    if (n >= 4) return bytes_load32(p) | (uint64_t)bytes_load32(p + n - 4) << (8 * (n - 4));
    if (n == 0) return 0;
    const unsigned char *u = (const unsigned char *)p;
    return u[0] | (uint64_t)u[n / 2] << (8 * (n / 2)) | (uint64_t)u[n - 1] << (8 * (n - 1));
}

/* Equality only: eight bytes at a time, the last ones overlapping. */
static inline bool bytes_same(const char *a, const char *b, size_t n) {
    if (n < 8) return bytes_load_upto8(a, n) == bytes_load_upto8(b, n);
    for (size_t i = 0; i + 8 < n; i += 8)
        if (bytes_load64(a + i) != bytes_load64(b + i)) return false;
    return bytes_load64(a + n - 8) == bytes_load64(b + n - 8);
}
static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && bytes_same(a.p, b.p, a.len);
}

/* memcpy, without a call up to 64 bytes. The runs must not overlap. */
static inline void bytes_copy(void *to, const void *from, size_t n) {
    char *t = to;
    const char *f = from;
    if (n > 64) {
        memcpy(t, f, n);
    } else if (n >= 16) { /* from both ends; the middle is written twice */
        if (n > 32) {
            memcpy(t + 16, f + 16, 16);
            memcpy(t + n - 32, f + n - 32, 16);
        }
        memcpy(t, f, 16);
        memcpy(t + n - 16, f + n - 16, 16);
    } else if (n >= 8) {
        memcpy(t, f, 8);
        memcpy(t + n - 8, f + n - 8, 8);
    } else if (n >= 4) {
        memcpy(t, f, 4);
        memcpy(t + n - 4, f + n - 4, 4);
    } else if (n) {
        t[0] = f[0];
        t[n / 2] = f[n / 2];
        t[n - 1] = f[n - 1];
    }
}

/* True when a spells word, ASCII letters folded: bytes_is(arg, "keepttl"). */
static inline bool bytes_is(struct bytes a, const char *word) {
    size_t n = strlen(word);
    if (a.len != n) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)(a.p[i] ^ word[i]), c = (unsigned char)(word[i] | 0x20);
        if (x && (x != 0x20 || c < 'a' || c > 'z')) return false;
    }
    return true;
}

#endif
