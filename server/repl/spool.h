/* An RDB file on its way from the master, written to a file. Who loads it beside the data reads that file while it grows
 * (spool_read): the loader looks at every byte. Else it is looked through here (spool_check), so that the data that is there
 * is given up only for a copy that is whole, checked and of kinds that can be loaded. A thread of its own sends what was written
 * to the disk, so that the fsync at the end finds little to do. */
#ifndef DUET_REPL_SPOOL_H
#define DUET_REPL_SPOOL_H

#include "server/proto/rdb.h"
#include "server/proto/replline.h"

#include <sys/types.h>

struct spool_shared; /* with the threads */
struct spool {
    char *path;
    int fd;
    bool marked; /* ends with mark, else after left bytes */
    char mark[REPLLINE_MARK_BYTES];
    uint64_t total, left; /* total 0: not known */
    uint64_t got;
    struct buf window; /* bytes that may be part of the mark */
    struct spool_shared *shared;
    /* looking through it */
    bool check;
    uint64_t checked; /* bytes */
    struct rdb_reader reader;
    struct buf scan; /* bytes of an event that is not whole */
    bool ended;      /* the reader has seen the file's end */
    int databases;
    int db; /* repl-stream-db, -1; when it was looked through */
    char error[240];
};

enum spool_state { SPOOL_MORE, SPOOL_DONE, SPOOL_BAD };

/* line is the master's: LENGTH or MARK. check: it is looked through as it comes. False: error set. */
bool spool_open(struct spool *s, const char *path, const struct replline *line, int databases,
                bool check);
/* Takes bytes of the copy; *used may be less than len at its end. DONE: all bytes came. */
enum spool_state spool_add(struct spool *s, const char *data, size_t len, size_t *used);
/* Looks through some of what came and was not looked through yet, about a millisecond's worth. MORE: there may be more of it;
 * DONE: everything up to the copy's end is well (only after spool_add said DONE). */
enum spool_state spool_check(struct spool *s);
/* Closes; the file is unlinked unless keep. Nobody may be reading any more. A zeroed spool may be closed. */
void spool_close(struct spool *s, bool keep);

/* For another thread: as struct persist_copy's read and stop; arg: the spool. */
ssize_t spool_read(void *arg, void *p, size_t n);
void spool_read_stop(void *arg);

#endif
