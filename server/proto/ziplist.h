/* Ziplists: the small collections in RDB files of Redis 2.x to 6.x. Read only; every byte is checked on the way, so what
 * comes from outside may be given as it is.
 *
 *   4 bytes total, 4 bytes offset of the last element, 2 bytes count, elements, 0xff
 *   an element: the size of the one before it (1 or 5 bytes), encoding and length, data */
#ifndef DUET_PROTO_ZIPLIST_H
#define DUET_PROTO_ZIPLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"

enum { ZL_DIGITS = 24 };

struct ziplist {
    const uint8_t *p, *end; /* what is left; end: at the closing 0xff */
    const uint8_t *start;
    uint64_t before, last, count; /* bytes of the last element, where it begins, elements so far */
    bool bad;
    char digits[ZL_DIGITS]; /* backs an integer until the next one */
};
/* bad is set when the frame is not sound. */
void zl_open(struct ziplist *z, struct bytes blob);
/* The next element; false at the end, or with bad set where the bytes make no sense. */
bool zl_next(struct ziplist *z, struct bytes *value);

#endif
