/* What the files of the loader share: load.c, load_base.c, load_incr.c, load_bytes.c. */
#ifndef DUET_PERSIST_LOAD_INSIDE_H
#define DUET_PERSIST_LOAD_INSIDE_H

#include "server/base/buf.h"
#include "server/persist/inside.h"
#include "server/persist/load.h"
#include "server/persist/value.h"
#include "server/proto/cmdstream.h"

enum load_stage { STAGE_BASE, STAGE_INCR, STAGE_DONE };

/* The bytes of one file or source, from the first unused one on. */
struct load_bytes {
    struct load_source source; /* read NULL: none is open */
    int fd;
    struct buf in;
    uint64_t at;   /* of the first byte in it */
    uint64_t size; /* 0: not known */
    bool ended;    /* the source has no more */
    char error[160];
};

struct loader {
    struct persist *p;
    enum load_stage stage;
    bool at_start;  /* the log is taken over; else nothing on disk is touched */
    bool look_only; /* the log goes on being written as it is */
    bool ranged;
    struct load_range range;
    char path[512]; /* of the open file */
    struct load_bytes bytes;
    struct rdb_reader rdb;
    struct value_load value;
    struct cmdstream stream;
    unsigned number; /* of the increment */
    struct aof_part *part;
    bool any;     /* a base or a block was seen: pos says where the next one must begin */
    bool stopped; /* the range's end was come to */
    struct persist_pos pos;
    uint64_t done_bytes, all_bytes, start_ns;
    char error[160];
};

/* ---- load_bytes.c */
bool load_bytes_open(struct load_bytes *b, const char *path);
void load_bytes_from(struct load_bytes *b, const struct load_source *source);
bool load_bytes_is_open(const struct load_bytes *b);
void load_bytes_close(struct load_bytes *b);
/* Has at least n bytes in b->in, unless the end comes before (false) or they cannot be read (false, b->error says why). */
bool load_bytes_have(struct load_bytes *b, size_t n);
void load_bytes_drop(struct load_bytes *b, size_t n);
uint64_t load_file_bytes(const char *path);

/* ---- One piece of work each. LOADED: the file's end. */
enum persist_load load_base_step(struct loader *l);
enum persist_load load_incr_step(struct loader *l);
/* Opens the next increment; false when there is none. */
bool load_incr_next(struct loader *l);

/* Nothing of what came is kept; p->loaded says what is wrong with which byte. */
enum persist_load load_damaged(struct loader *l, uint64_t at, const char *what);

#endif
