/* What memory is used for, and how much there is of it: INFO memory, MEMORY, and the figure that maxmemory is
 * held against.
 *
 * Truth comes from the allocator, which takes a while to add it up (some 20 us); so it is asked ten times a second,
 * and between two samples what changes is the store's own count, which is exact. */
#ifndef DUET_SERVER_MEMORY_H
#define DUET_SERVER_MEMORY_H

#include <stddef.h>

struct buf;

/* Bytes allocated, of everything, now; O(1). */
size_t memory_used(void);
/* The part of it that counts against maxmemory: not what waits for slaves beyond the backlog's size, as far as it
 * is known, nor deleted values that are still being freed. */
size_t memory_counted(void);
/* Asks the allocator and the system; cron does it. The first call says what an empty server takes. */
void memory_sample(void);
/* The allocator's part of it, if the last sample is older than a millisecond: before anyone is evicted or refused. */
void memory_sample_again(void);
/* Bytes in use and bytes of the pages that they stand on, at the last sample. */
void memory_pages(size_t *used, size_t *pages);
/* INFO's section. */
void memory_info(struct buf *out);
void register_memory_commands(void);
/* CONFIG RESETSTAT: the peak begins anew. */
void memory_reset_peak(void);

#endif
