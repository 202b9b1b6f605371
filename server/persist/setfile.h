/* Reading a backup set: its directory, or its archive (a ustar file, or a stream of one), one pass, memory flat. */
#ifndef DUET_PERSIST_SETFILE_H
#define DUET_PERSIST_SETFILE_H

#include "server/base/backup_set.h"
#include "server/persist/rdbscan.h"

/* Whether path looks like a set's directory, or like an archive of one. */
bool setfile_is_dir(const char *path);
bool setfile_is_archive(const char *path);

/* What another thread may look at and set meanwhile, atomically: see setfile_seen. */
struct setfile_progress {
    uint64_t done, all; /* bytes */
    bool stop;          /* set: gives up */
};
static inline uint64_t setfile_seen(const uint64_t *v) {
    return __atomic_load_n(v, __ATOMIC_RELAXED);
}

struct setfile {
    struct backup_set set; /* once known is true */
    bool known;
    struct rdbscan scan; /* of the data */
    uint64_t done, all;  /* bytes of the compressed file */
    /* what is wrong, and where: in the `set` file, in data.rdb.zst (byte `at` of it), or in the RDB inside */
    char what[500];
    const char *where; /* "set", "data.rdb.zst", "rdb", "archive"; NULL: nothing is wrong */
    uint64_t at;
    struct setfile_progress *seen; /* set before, or NULL */
    /* Is told the progress now and then; set before, or NULL. */
    void (*tell)(const char *what, uint64_t done, uint64_t all);
};

/* Reads the whole set from path ("-": an archive on standard input) and verifies everything: `set`, size and crc of the file, the
 * zstd frame's checksum, the RDB's structure and checksum, and that they fit together. out_fd: -1, or takes the RDB file's
 * bytes. deep: as rdbscan_begin. True: sound. setfile_free in any case. */
bool setfile_read(struct setfile *f, const char *path, int out_fd, bool deep);
void setfile_free(struct setfile *f);

#endif
