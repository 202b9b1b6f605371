/* A log's directory made from a backup set, or from a base of a log, and what the log holds behind it up to a moment: what
 * `duet server` then loads. It is a line of its own: base and blocks carry the new replication id, and it ends as after a clean
 * stop. Streams; memory stays flat. Blocks, for a thread or a program. */
#ifndef DUET_PERSIST_PREPARE_H
#define DUET_PERSIST_PREPARE_H

#include "server/persist/setfile.h"

enum prepare_stage { PREPARE_VERIFY, PREPARE_COPY };

struct prepare {
    /* asked for; the caller's */
    const char *set;     /* directory, archive or "-"; NULL: the log's own base */
    const char *log_dir; /* where the blocks come from; NULL: a set alone */
    uint64_t until_us;   /* blocks up to this wall time; 0: the set alone */
    const char *to;      /* the directory; must not be there, is removed on failure */
    char replid[41];     /* of the new line */
    /* made; result's strings are copies */
    struct setfile setfile; /* when a set was asked for */
    struct persist_pos pos; /* the end */
    uint64_t wall_us;       /* of the last block, or of the set's instant; 0: not known */
    uint64_t keys;          /* of the base; 0: not known */
    uint64_t base_bytes, log_bytes;
    char err[900];
    /* zeroed before; may be read, and stop set, from another thread, atomically */
    enum prepare_stage stage;
    struct setfile_progress seen; /* of the present stage */
};

/* True: everything is on disk in p->to. False: p->err, and p->to is gone. prepare_free in any case. */
bool prepare_run(struct prepare *p);
void prepare_free(struct prepare *p);

#endif
