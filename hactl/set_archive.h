/* A backup set as an archive (ustar: ID/, ID/set, ID/data.rdb.zst), out to a descriptor and in from any source. */
#ifndef HACTL_SET_ARCHIVE_H
#define HACTL_SET_ARCHIVE_H

#include <stdio.h>

#include "hactl/sets.h"
#include "hactl/ustar.h"

typedef void set_progress(void *arg, uint64_t done, uint64_t total);

/* Writes a set of this node to fd; its bytes are compared with its checksum on the way. False with why: what was
 * written is then of no use. */
bool set_export(const char *root, const struct stored_set *s, int fd, set_progress *progress,
                void *arg, char *why, size_t why_size);

/* Takes an archive in, in pieces of any size. */
struct set_import {
    const char *root;
    set_progress *progress;
    void *arg;
    struct backup_set set; /* known once its first file was read */
    char why[256];         /* what is wrong; nothing more is taken then */
    bool there_already;    /* the same set is here: nothing is written */
    /* Inside: */
    uint8_t head[USTAR_BLOCK];
    size_t head_len;
    struct ustar_head file;
    uint64_t left, padding; /* of the file being read */
    char text[BACKUP_SET_MAX_BYTES];
    size_t text_len;
    uint64_t taken; /* of the data */
    uint32_t crc;
    int fd; /* of the data; -1 */
    bool known, ended;
};

void set_import_begin(struct set_import *i, const char *root, set_progress *progress, void *arg);
/* False with why. */
bool set_import_take(struct set_import *i, const char *bytes, size_t len);
/* At the end of the input: the set is checked whole, is on disk and has its name; or nothing is left and why says it. */
bool set_import_end(struct set_import *i);

#endif
