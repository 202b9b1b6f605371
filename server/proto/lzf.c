#include "server/proto/lzf.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    HASH_BITS = 13, /* at most; a table larger than the input only costs its clearing */
    HASH_BITS_LEAST = 6,
    SKIP_SHIFT = 6, /* the longer nothing was found, the longer the steps */
    DISTANCE_MAX = 1 << 13,
    MATCH_MAX = 264, /* 2 + 7 + 255 */
    LITERALS_MAX = 32
};

static uint32_t hash3(const uint8_t *p, int bits) {
    uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return (v * 2654435761U) >> (32 - bits);
}

struct out {
    uint8_t *p, *end;
};

static bool put_literals(struct out *o, const uint8_t *from, size_t n) {
    while (n) {
        size_t run = n < LITERALS_MAX ? n : LITERALS_MAX;
        if ((size_t)(o->end - o->p) < run + 1) return false;
        *o->p++ = (uint8_t)(run - 1);
        memcpy(o->p, from, run);
        o->p += run;
        from += run;
        n -= run;
    }
    return true;
}

static bool put_copy(struct out *o, size_t distance, size_t len) {
    size_t d = distance - 1, l = len - 2;
    if (o->end - o->p < 3) return false;
    if (l < 7) {
        *o->p++ = (uint8_t)(l << 5 | d >> 8);
    } else {
        *o->p++ = (uint8_t)(7 << 5 | d >> 8);
        *o->p++ = (uint8_t)(l - 7);
    }
    *o->p++ = (uint8_t)d;
    return true;
}

size_t lzf_compress(const void *in, size_t in_len, void *out, size_t out_len) {
    const uint8_t *base = in, *p = base, *end = base + in_len, *literals = base;
    struct out o = {out, (uint8_t *)out + out_len};
    uint32_t seen[1 << HASH_BITS]; /* offset + 1 of the last place with this hash */
    int bits = HASH_BITS_LEAST;
    while (bits < HASH_BITS && in_len >> bits) bits++;
    memset(seen, 0, sizeof *seen << bits);
    while (end - p > 2) {
        uint32_t *slot = &seen[hash3(p, bits)];
        size_t at = (size_t)(p - base), before = *slot;
        *slot = (uint32_t)(at + 1);
        if (!before || at - (before - 1) > DISTANCE_MAX || memcmp(base + before - 1, p, 3) != 0) {
            p += 1 + ((size_t)(p - literals) >> SKIP_SHIFT);
            continue;
        }
        const uint8_t *from = base + before - 1;
        size_t len = 3, most = (size_t)(end - p) < MATCH_MAX ? (size_t)(end - p) : MATCH_MAX;
        while (len < most && from[len] == p[len]) len++;
        if (!put_literals(&o, literals, (size_t)(p - literals)) ||
            !put_copy(&o, (size_t)(p - from), len))
            return 0;
        p += len;
        literals = p;
    }
    if (!put_literals(&o, literals, (size_t)(end - literals))) return 0;
    return (size_t)(o.p - (uint8_t *)out);
}

/* n bytes, of which up to 31 too many are copied where there is room for them on both sides. */
static void copy_run(uint8_t *to, const uint8_t *from, size_t n, bool roomy) {
    if (!roomy) {
        memcpy(to, from, n);
        return;
    }
    memcpy(to, from, 16);
    memcpy(to + 16, from + 16, 16);
}

/* A copy may overlap what it makes: the steps are no longer than it reaches back. */
static void copy_back(uint8_t *to, size_t distance, size_t n, size_t room) {
    const uint8_t *from = to - distance;
    if (distance >= 8 && room >= n + 8) {
        for (size_t i = 0; i < n; i += 8) memcpy(to + i, from + i, 8);
        return;
    }
    for (; n; n--) *to++ = *from++;
}

size_t lzf_decompress(const void *in, size_t in_len, void *out, size_t out_len) {
    const uint8_t *p = in, *end = p + in_len;
    uint8_t *o = out, *o_end = o + out_len;
    while (p < end) {
        size_t ctrl = *p++;
        if (ctrl < LITERALS_MAX) {
            size_t run = ctrl + 1;
            if ((size_t)(end - p) < run || (size_t)(o_end - o) < run) return 0;
            copy_run(o, p, run, end - p >= LITERALS_MAX && o_end - o >= LITERALS_MAX);
            p += run;
            o += run;
            continue;
        }
        size_t len = ctrl >> 5, distance = (ctrl & 31) << 8;
        if (len == 7) {
            if (p == end) return 0;
            len += *p++;
        }
        len += 2;
        if (p == end) return 0;
        distance += (size_t)*p++ + 1;
        if (distance > (size_t)(o - (uint8_t *)out) || (size_t)(o_end - o) < len) return 0;
        copy_back(o, distance, len, (size_t)(o_end - o));
        o += len;
    }
    return (size_t)(o - (uint8_t *)out);
}
