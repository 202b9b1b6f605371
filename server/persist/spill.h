/* Bytes that have to wait and may be many: queues that share a bound of memory, and beyond it one
 * file without a name in a directory. Whoever fills a queue bears the write (of whole pieces, into
 * the kernel's cache); nothing is ever fsynced, nothing outlives the process.
 *
 * Failure sticks to the pool (the first one wins): from then on what is added is dropped, and the
 * owner must look at spill_failure before it trusts what it takes out. One thread. */
#ifndef DUET_PERSIST_SPILL_H
#define DUET_PERSIST_SPILL_H

#include "server/base/buf.h"

#include <stdbool.h>

enum { SPILL_PIECE_BYTES = 64 * 1024 }; /* what is written and read at once */

struct spill_pool;
struct spill_piece;

/* A queue. Its fields are spill.c's; { 0 } and spill_init make it empty. */
struct spill {
    struct spill_pool *pool;
    struct spill_piece *first, *last;
    uint64_t bytes;
};

/* dir is copied. memory_bytes: of all queues together; a queue keeps up to SPILL_LEAST_BYTES in
 * memory whatever the others hold. file_bytes: the most that may wait in the file. */
enum { SPILL_LEAST_BYTES = 1024 };
struct spill_pool *spill_pool_new(const char *dir, size_t memory_bytes, uint64_t file_bytes);
/* Its queues must have been freed. Returns the file, to be closed where that may take long, or -1: there is none. NULL is fine. */
int spill_pool_free(struct spill_pool *pool);
/* A sentence that says what happened, where, and why; NULL: nothing did. */
const char *spill_failure(const struct spill_pool *pool);
size_t spill_memory(const struct spill_pool *pool);          /* bytes held now */
uint64_t spill_file_bytes(const struct spill_pool *pool);    /* bytes waiting in the file now */
uint64_t spill_written_bytes(const struct spill_pool *pool); /* bytes ever written to it */

void spill_init(struct spill *s, struct spill_pool *pool);
void spill_free(struct spill *s); /* drops what is in it; good to be filled again */
void spill_add(struct spill *s, const void *p, size_t n);
static inline bool spill_empty(const struct spill *s) {
    return s->bytes == 0;
}
/* Moves bytes from the front to the end of out: at least one when there are any, at most
 * SPILL_PIECE_BYTES; returns how many. 0 with bytes left: the pool has failed. */
size_t spill_take(struct spill *s, struct buf *out);

#endif
