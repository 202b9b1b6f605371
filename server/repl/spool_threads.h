/* What the files of the spool share: spool.c takes the bytes, spool_check.c looks through them, spool_threads.c is what other
 * threads see of the file. Nobody else includes this. */
#ifndef DUET_REPL_SPOOL_THREADS_H
#define DUET_REPL_SPOOL_THREADS_H

#include "server/repl/spool.h"

/* Owns the descriptor from now on. */
struct spool_shared *spool_shared_new(int fd);
void spool_shared_grew(struct spool_shared *h, uint64_t bytes); /* in the file by now */
void spool_shared_whole(struct spool_shared *h);
/* Nobody reads any more: closes and frees, on a thread. */
void spool_shared_end(struct spool_shared *h);

/* spool_check.c. False: error. */
bool spool_look_through(struct spool *s, const char *data, size_t len);
void spool_check_free(struct spool *s);

#endif
