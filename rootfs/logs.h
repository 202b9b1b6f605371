/* The bounded logs of a node: DIR/NAME.log, and DIR/NAME.log.1 when that was full. A thread writes them,
 * so that a disk that hangs never holds up who logs: what it cannot take in time is dropped and
 * counted. One set of logs per process. */
#ifndef DUET_ROOTFS_LOGS_H
#define DUET_ROOTFS_LOGS_H

#include <stdbool.h>
#include <stddef.h>

#define LOGS_FILE_LIMIT_BYTES  (4 << 20)
#define LOGS_QUEUE_LIMIT_BYTES (512 << 10)

struct logs;

/* dir is made when it is missing. NULL with errno. */
struct logs *logs_open(const char *dir, size_t file_limit_bytes);
/* Waits up to a second for the writer. NULL is fine. */
void logs_close(struct logs *l);
/* Appends bytes to NAME's log; lines are the caller's business. Never blocks. */
void logs_add(struct logs *l, const char *name, const void *p, size_t len);

#endif
