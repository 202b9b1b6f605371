/* Files that are imported: an RDB file, an append-only file, an append directory of Redis 7.0, one of these compressed, or
 * standard input. They are known by what is in them, never by their names. */
#ifndef HACTL_IMPORT_FILES_H
#define HACTL_IMPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

struct import_part {
    char *name; /* for people */
    int fd;
    uint64_t begin; /* where it begins when all parts stand one behind the other */
    uint64_t bytes;
    bool rdb; /* it begins as an RDB file */
    uint64_t
        rdb_end; /* where commands begin in it; known when it was read once, 0 before and when there is no RDB */
    int rdb_version;
};
struct import_files {
    struct import_part *parts;
    size_t count;
    uint64_t bytes;   /* of all */
    const char *kind; /* "RDB file", "append-only file", "append directory" */
    char error[400];
};

/* path "-": standard input. spool_dir: where what is compressed or comes from standard input is put until the end (files
 * without a name). False: error. */
bool import_files_open(struct import_files *f, const char *path, const char *spool_dir);
void import_files_close(struct import_files *f);

/* A file without a name there; -1 with errno. */
int import_spool(const char *dir);
/* Appends what stands compressed in from (zstd) to to. False: why. */
bool import_unzstd(int from, int to, char *why, size_t why_size);

#endif
