/* The increments of the log: appending blocks, and reading the stream back by offset. Files
 * only: what is fsynced when is durable.c's, what is loaded load.c's. */
#ifndef DUET_PERSIST_AOF_H
#define DUET_PERSIST_AOF_H

#include "server/persist/manifest.h"
#include "server/proto/logblock.h"

struct buf;

/* Where some block of a part begins, about every AOF_MARK_BYTES. */
struct aof_mark {
    uint64_t offset;
    uint64_t at; /* in the file */
};

struct aof_part {
    unsigned number;
    uint64_t first_offset; /* stream */
    uint64_t bytes;        /* good ones */
    struct aof_mark *marks;
    size_t mark_count;
};

struct aof {
    char *dir;
    struct manifest m;
    struct aof_part *parts; /* by number; the last one is written */
    size_t part_count;
    int fd;           /* of the last part, -1: none is open */
    bool fresh;       /* the last part's name is not on disk yet: its directory needs an fsync */
    bool torn;        /* a failed write left bytes behind the good ones */
    uint64_t ahead;   /* the last part's bytes that have blocks on the disk already (room.h) */
    bool ahead_zeros; /* and are written: an fsync of bytes there changes no metadata */
    unsigned next;    /* the next part's number */
    uint64_t written; /* stream offset behind the last block */
    uint64_t base_bytes;
    /* the last read's end, so that reading on needs no search */
    size_t read_part;
    uint64_t read_offset, read_at;
};

void aof_init(struct aof *a, const char *dir);
void aof_free(struct aof *a);
/* Adds a part that is there (loading knows its size), or a new one at this stream offset. A new
 * one closes the one before only in here: *old_fd is its descriptor (or -1), which the caller
 * syncs and closes. */
struct aof_part *aof_add_part(struct aof *a, unsigned number, uint64_t first_offset,
                              uint64_t bytes);
/* Notes where a block begins; blocks must come in order. */
void aof_mark(struct aof_part *p, uint64_t offset, uint64_t at);
bool aof_new_part(struct aof *a, uint64_t first_offset, int *old_fd);
/* Gives back the room behind the last part's good bytes. */
bool aof_give_back(struct aof *a);
/* Another descriptor of the last part, to write it; -1 with errno. */
int aof_open_again(const struct aof *a);
/* Where the last byte that is not zero ends, from `from` on; `from`: zeros only (room.h). */
uint64_t aof_end_of_data(const char *path, uint64_t from, uint64_t size);
/* Opens the last part for writing behind its good bytes, cutting off what stands there. False
 * with errno. */
bool aof_open_last(struct aof *a);
/* Forgets (and closes) all parts: the log begins anew behind a base. */
void aof_reset(struct aof *a);
/* Drops parts below the number from the list; the files are the caller's. */
void aof_forget_below(struct aof *a, unsigned number);

/* Appends one block; nothing of it counts when false is returned (errno). */
bool aof_append(struct aof *a, const struct persist_pos *at, uint64_t synced,
                enum logblock_kind kind, const struct iovec *iov, int count);

uint64_t aof_first_offset(const struct aof *a); /* UINT64_MAX: nothing is kept */
/* As persist_read. */
size_t aof_read(struct aof *a, uint64_t offset, size_t max, struct buf *out,
                struct persist_pos *block);
/* As persist_read_step (aof_read.c, like aof_read). */
struct persist_reader;
size_t aof_read_step(struct aof *a, struct persist_reader *r, uint64_t offset, size_t max,
                     struct buf *out);
/* -1 with errno. */
int aof_open_part(const struct aof *a, unsigned number, int flags);
/* Bytes of the increments from the base on, and of those before it. */
uint64_t aof_live_bytes(const struct aof *a);
uint64_t aof_kept_bytes(const struct aof *a);

#endif
