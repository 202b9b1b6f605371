/* See ziplist.h. */
#include "server/proto/ziplist.h"

#include "server/base/num.h"

enum { HEADER = 10, END = 0xff, WIDE_BEFORE = 0xfe, COUNT_UNKNOWN = 0xffff };

static uint64_t get_le(const uint8_t *p, unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

void zl_open(struct ziplist *z, struct bytes blob) {
    const uint8_t *p = (const uint8_t *)blob.p;
    z->bad = blob.len <= HEADER || get_le(p, 4) != blob.len || p[blob.len - 1] != END;
    z->p = z->bad ? NULL : p + HEADER;
    z->end = z->bad ? NULL : p + blob.len - 1;
    z->last = HEADER;
    z->before = z->count = 0;
    z->start = p;
}

/* n bytes, or NULL when there are not as many. */
static const uint8_t *take(struct ziplist *z, uint64_t n) {
    if ((uint64_t)(z->end - z->p) < n) z->bad = true;
    if (z->bad) return NULL;
    z->p += n;
    return z->p - n;
}

static bool take_string(struct ziplist *z, uint8_t first, struct bytes *value) {
    const uint8_t *p;
    uint64_t len = first & 63;
    if (first >> 6 == 1) {
        if (!(p = take(z, 1))) return false;
        len = len << 8 | *p;
    } else if (first >> 6 == 2) {
        if (!(p = take(z, 4))) return false;
        len = __builtin_bswap32((uint32_t)get_le(p, 4));
    }
    if (!(p = take(z, len))) return false;
    *value = (struct bytes){(const char *)p, len};
    return true;
}

static unsigned int_bytes(uint8_t first) {
    switch (first) {
    case 0xc0: return 2;
    case 0xd0: return 4;
    case 0xe0: return 8;
    case 0xf0: return 3;
    case 0xfe: return 1;
    default: return 0;
    }
}

static bool take_int(struct ziplist *z, uint8_t first, struct bytes *value) {
    unsigned n = int_bytes(first);
    int64_t v = (first & 15) - 1;
    const uint8_t *p;
    if (n) {
        if (!(p = take(z, n))) return false;
        v = (int64_t)(get_le(p, n) << (64 - 8 * n)) >> (64 - 8 * n);
    } else if (first < 0xf1 || first > 0xfd) {
        z->bad = true;
        return false;
    }
    *value = (struct bytes){z->digits, num_format_i64(z->digits, v)};
    return true;
}

/* Header and elements must tell the same of the last one and of how many there are. */
static bool at_end(struct ziplist *z) {
    uint64_t count = get_le(z->start + 8, 2);
    z->bad = (z->count && get_le(z->start + 4, 4) != z->last) ||
             (count != COUNT_UNKNOWN && count != z->count);
    return false;
}

static bool take_before(struct ziplist *z) {
    const uint8_t *p = take(z, 1), *wide = NULL;
    if (!p || (*p == WIDE_BEFORE && !(wide = take(z, 4)))) return false;
    z->bad = *p == END || (wide ? get_le(wide, 4) : *p) != z->before;
    return !z->bad;
}

bool zl_next(struct ziplist *z, struct bytes *value) {
    const uint8_t *p, *from = z->p;
    if (z->bad) return false;
    if (z->p == z->end) return at_end(z);
    if (!take_before(z) || !(p = take(z, 1))) return false;
    if (!(*p >> 6 == 3 ? take_int(z, *p, value) : take_string(z, *p, value))) return false;
    z->before = (uint64_t)(z->p - from);
    z->last = (uint64_t)(from - z->start);
    z->count++;
    return true;
}
