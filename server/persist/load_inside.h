/* What the files of the loader share: load.c, load_base.c, load_incr.c, and what runs ahead of these:
 * load_base_read.c, load_incr_read.c. */
#ifndef DUET_PERSIST_LOAD_INSIDE_H
#define DUET_PERSIST_LOAD_INSIDE_H

#include "server/base/buf.h"
#include "server/persist/inside.h"
#include "server/persist/load_ahead.h"
#include "server/persist/value.h"
#include "server/proto/cmdstream.h"
#include "server/store/store.h"

enum load_stage { STAGE_BASE, STAGE_INCR, STAGE_DONE };

/* What reads an RDB file ahead. */
struct base_reader {
    struct rdb_reader rdb;
    int64_t now_ms; /* about: for when keys were used last */
    bool lfu;
};

/* What reads increments ahead knows of what was before. */
struct incr_reader {
    struct cmdstream stream;
    bool any;
    uint64_t offset; /* where the next block must begin, when any */
    int db;          /* selected there */
    bool ranged;
    struct load_range range;
    int64_t now_ms; /* as base_reader's */
    bool lfu;
};

struct loader {
    struct persist *p;
    struct persist_loaded *result; /* p's, or that of who loads beside the data */
    int first_db;                  /* the number of the databases that are filled */
    bool dry; /* nothing more could be done in this step: a source that grows */
    enum load_stage stage;
    bool at_start;  /* the log is taken over; else nothing on disk is touched */
    bool look_only; /* the log goes on being written as it is */
    bool ranged;
    struct load_range range;
    struct load_source source; /* of the base, when it is no file */
    char path[512];            /* of the open file */
    int fd;
    uint64_t size;       /* of the open file, 0: not known */
    struct ahead *ahead; /* reads the open file; NULL: none is open */
    struct load_batch *batch;
    size_t item;             /* of the batch: the next one */
    uint64_t batch_end;      /* of the last batch, in the file */
    uint64_t step_ns;        /* when this step ends */
    struct base_reader base; /* the reading thread's, as is incr */
    struct incr_reader incr;
    struct rdb_reader told;
    struct value_load value;
    bool inside;     /* value.e is being filled */
    unsigned number; /* of the increment */
    struct aof_part *part;
    bool any;     /* a base or a block was seen: pos says where the next one must begin */
    bool stopped; /* the range's end was come to */
    struct persist_pos pos;
    uint64_t done_bytes, all_bytes, start_ns;
    int64_t start_s;
    uint64_t rest_until_ns; /* persist_set_load_pace */
    char error[160];
    char note[STORE_NOTE_CHARS + 1]; /* the base's; the store's once all of the base is there */
};

/* ---- load.c */
uint64_t load_file_bytes(const char *path);
bool load_open(struct loader *l, const char *path, ahead_fill_fn *fill, void *arg);
/* The batch that has items left; NULL: there is none yet. */
struct load_batch *load_batch_now(struct loader *l);

/* ---- On the reading thread. */
void load_base_fill(void *arg, struct ahead *a, struct load_batch *b); /* arg: struct base_reader */
void load_incr_fill(void *arg, struct ahead *a, struct load_batch *b); /* arg: struct incr_reader */
/* The last item of all: LOAD_BAD or LOAD_TORN. */
void load_bad_item(struct load_batch *b, enum load_what what, uint64_t at, const char *text);

/* ---- One piece of work each. LOADED: the file's end. */
enum persist_load load_base_step(struct loader *l);
enum persist_load load_incr_step(struct loader *l);
/* Opens the next increment; false when there is none. */
bool load_incr_next(struct loader *l);

/* Nothing of what came is kept; p->loaded says what is wrong with which byte. */
enum persist_load load_damaged(struct loader *l, uint64_t at, const char *what);

#endif
