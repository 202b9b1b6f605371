/* The last good configuration in the state partition: two copies, each a header and the text of
 * duet.conf. Written one after the other, so that one of them is whole at every moment; read back as
 * the newest that is whole. Offsets in server/base/state_layout.h. */
#ifndef DUET_ROOTFS_CONF_AREA_H
#define DUET_ROOTFS_CONF_AREA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

enum conf_copy_state {
    CONF_COPY_EMPTY, /* never written */
    CONF_COPY_WHOLE,
    CONF_COPY_DAMAGED,
    CONF_COPY_UNREADABLE, /* an error of the disk, or the file ends before */
};

struct conf_copy {
    enum conf_copy_state state;
    uint64_t sequence; /* of a whole copy: which one is newer */
    uint32_t length;
};

/* Looks at both copies below base (the partition's first byte in fd). text, when not NULL, gets the newest whole one.
 * Returns which that is, 0 or 1; -1: there is none. */
int conf_area_read(int fd, off_t base, struct conf_copy copies[2], struct buf *text);
/* Writes both copies, the worse one first, each followed by a sync. False with errno; EFBIG: the text does not fit. */
bool conf_area_write(int fd, off_t base, const void *text, size_t len);

#endif
