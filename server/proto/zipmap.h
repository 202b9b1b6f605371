/* Zipmaps: the small hashes in RDB files of Redis 2.2 and 2.4. Read only; every byte is checked on the way.
 *
 *   1 byte count (254: more), pairs, 0xff
 *   a pair: length and bytes of the field, length of the value, bytes unused behind it (1 byte), the value's bytes, those unused
 *   a length: 1 byte up to 253, or 254 and 4 bytes little-endian */
#ifndef DUET_PROTO_ZIPMAP_H
#define DUET_PROTO_ZIPMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"

struct zipmap {
    const uint8_t *p, *end; /* what is left; end: behind the closing 0xff */
    bool bad;
};
void zipmap_open(struct zipmap *z, struct bytes blob);
/* The next pair; false at the end, or with bad set where the bytes make no sense. */
bool zipmap_next(struct zipmap *z, struct bytes *field, struct bytes *value);

#endif
