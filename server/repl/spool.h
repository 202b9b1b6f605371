/* An RDB file on its way from the master: written to a file and looked through at the same time,
 * so that the data that is there is given up only for a copy that is whole, checked and of kinds
 * that can be loaded. */
#ifndef DUET_REPL_SPOOL_H
#define DUET_REPL_SPOOL_H

#include "server/proto/rdb.h"
#include "server/proto/replline.h"

struct spool {
    char *path;
    int fd;
    bool marked; /* ends with mark, else after left bytes */
    char mark[REPLLINE_MARK_BYTES];
    uint64_t total, left; /* total 0: not known */
    uint64_t got;
    struct buf window; /* bytes that may be part of the mark */
    struct rdb_reader reader;
    struct buf scan; /* bytes of an event that is not whole */
    bool ended;      /* the reader has seen the file's end */
    int databases;
    int db; /* repl-stream-db, -1 */
    char error[240];
};

enum spool_state { SPOOL_MORE, SPOOL_DONE, SPOOL_BAD };

/* line is the master's: LENGTH or MARK. False: error set. */
bool spool_open(struct spool *s, const char *path, const struct replline *line, int databases);
/* Takes bytes of the copy; *used may be less than len at its end. */
enum spool_state spool_add(struct spool *s, const char *data, size_t len, size_t *used);
/* Closes; the file is unlinked unless keep. A zeroed spool may be closed. */
void spool_close(struct spool *s, bool keep);

#endif
