/* Looking through a log's directory without loading it: for its times, for rollback, for `duet check`. Reads files only,
 * on any thread, also while a server writes them. */
#ifndef DUET_PERSIST_LOGSCAN_H
#define DUET_PERSIST_LOGSCAN_H

#include "server/base/buf.h"
#include "server/persist/manifest.h"
#include "server/proto/logblock.h"

/* What lies in the directory, by number. */
struct logdir_part {
    unsigned number;
    bool base, incr;
    uint64_t base_bytes, incr_bytes; /* of the files */
};
struct logdir {
    char *dir;
    enum manifest_state state;
    struct manifest m; /* when it is MANIFEST_OK */
    struct logdir_part *parts;
    size_t count;
    char error[700]; /* about the manifest */
};
void logdir_read(struct logdir *d, const char *dir);
void logdir_free(struct logdir *d);
void logdir_path(const struct logdir *d, char *out, size_t size, unsigned number, const char *kind);

/* One increment, block by block. */
struct logscan {
    char path[512];
    uint64_t at;      /* of the next block, or of what is wrong */
    uint64_t size;    /* of the file when it was opened */
    const char *what; /* after LOGSCAN_BAD and LOGSCAN_ERROR */
    /* inside */
    int fd;
    struct buf in;
    bool payloads;
    const char *payload;
};
enum logscan_state {
    LOGSCAN_BLOCK,
    LOGSCAN_END,  /* the file's end, or nothing but room made ahead (zeros) from `at` on */
    LOGSCAN_BAD,  /* no sound block at `at` */
    LOGSCAN_ERROR /* it cannot be read */
};
/* payloads: their checksums are verified, and logscan_payload gives the bytes; else they are passed over. False with
 * errno. */
bool logscan_open(struct logscan *s, const char *path, bool payloads);
enum logscan_state logscan_next(struct logscan *s, struct logblock *b);
/* Of the block that came last, until the next call. */
const char *logscan_payload(const struct logscan *s);
void logscan_close(struct logscan *s);
/* Does a block behind `from` in this part, or in a later one, say that `offset` was on disk? Then what is wrong
 * there is damage, else a tail that was torn. */
bool logscan_vouched(const char *log_dir, unsigned number, uint64_t from, uint64_t offset);

#endif
