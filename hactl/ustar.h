/* ustar heads (POSIX 1003.1, pax format without extensions): 512 bytes before each file of an archive, two zeroed blocks at
 * its end. A size beyond 8 GiB is written in base 256, as GNU tar, bsdtar and busybox read it. Pure codec. */
#ifndef HACTL_USTAR_H
#define HACTL_USTAR_H

#include <stdbool.h>
#include <stdint.h>

#define USTAR_BLOCK      512
#define USTAR_NAME_LIMIT 100 /* with its NUL: longer names are not written */

struct ustar_head {
    char name[USTAR_NAME_LIMIT];
    uint64_t size;
    int64_t mtime_s;
    bool directory;
    bool end; /* a zeroed block: the end of the archive */
};

void ustar_put(const struct ustar_head *h, uint8_t out[USTAR_BLOCK]);
/* NULL, or what is wrong. Anything but files and directories is refused. */
const char *ustar_get(const uint8_t in[USTAR_BLOCK], struct ustar_head *h);
/* Zeros behind a file of that size. */
static inline unsigned ustar_padding(uint64_t size) {
    return (unsigned)((USTAR_BLOCK - size % USTAR_BLOCK) % USTAR_BLOCK);
}

#endif
