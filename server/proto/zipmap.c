/* See zipmap.h. */
#include "server/proto/zipmap.h"

#include <string.h>

enum { WIDE = 254, END = 255 };

void zipmap_open(struct zipmap *z, struct bytes blob) {
    z->p = (const uint8_t *)blob.p;
    z->end = z->p + blob.len;
    z->bad = blob.len < 2;
    if (!z->bad) z->p++;
}

static const uint8_t *take(struct zipmap *z, uint64_t n) {
    if ((uint64_t)(z->end - z->p) < n) z->bad = true;
    if (z->bad) return NULL;
    z->p += n;
    return z->p - n;
}

static bool take_length(struct zipmap *z, uint32_t *n) {
    const uint8_t *p = take(z, 1);
    if (p && *p == END) z->bad = true;
    if (z->bad) return false;
    *n = *p;
    if (*n != WIDE) return true;
    if (!(p = take(z, 4))) return false;
    memcpy(n, p, 4);
    return true;
}

bool zipmap_next(struct zipmap *z, struct bytes *field, struct bytes *value) {
    const uint8_t *p, *unused;
    uint32_t n;
    if (z->bad) return false;
    if (z->p < z->end && *z->p == END) {
        z->bad = z->p + 1 != z->end;
        return false;
    }
    if (!take_length(z, &n) || !(p = take(z, n))) return false;
    *field = (struct bytes){(const char *)p, n};
    if (!take_length(z, &n) || !(unused = take(z, 1)) || !(p = take(z, n))) return false;
    *value = (struct bytes){(const char *)p, n};
    return take(z, *unused) != NULL;
}
