/* Reading ahead of the executor: a thread takes bytes, verifies and unpacks them, and hands on batches of items; the
 * executor's thread makes them into data. Where there is one processor only, the executor's thread makes the batches
 * too, one when it wants one. Inside server/persist only.
 *
 * Memory. A batch's items point into its block (bytes as they came; batches that follow one another may share it) and
 * into its text (what had to be unpacked). Batches under way hold AHEAD_BYTES together, or are one alone that is bigger. */
#ifndef DUET_PERSIST_LOAD_AHEAD_H
#define DUET_PERSIST_LOAD_AHEAD_H

#include "server/base/buf.h"
#include "server/persist/load.h"
#include "server/proto/logblock.h"
#include "server/proto/rdb.h"
#include "server/store/apart.h"

enum { AHEAD_BYTES = 4 << 20, AHEAD_BLOCK_BYTES = 128 * 1024 };

/* Bytes that stay where they are until the batch is given back. */
struct ahead_text {
    struct ahead_chunk *chunks; /* the first one has room */
    size_t bytes;               /* of all of them */
};
void *ahead_text_room(struct ahead_text *t, size_t n);

enum load_what {
    LOAD_EVENT,   /* of an RDB file */
    LOAD_STRING,  /* a key and its string value whole */
    LOAD_COMMAND, /* of an increment */
    LOAD_BLOCK,   /* a block's end: all of its commands came */
    LOAD_END,     /* of the file */
    LOAD_BAD,     /* a: what is wrong; nothing follows */
    LOAD_TORN     /* the same, and it may be a tail that was torn */
};

struct load_item {
    uint8_t what, event, type, part;
    int db;        /* of commands */
    uint64_t at;   /* in the file */
    uint64_t hash; /* of the key, when there is one */
    struct bytes a, b;
    uint64_t number; /* commands: how many words there are; else as in struct rdb_reader */
    union {
        int64_t expire_ms; /* RDB_KEY, LOAD_STRING */
        uint64_t number2;  /* RDB_RESIZE */
        double score;
        const uint64_t *numbers;      /* streams */
        const struct bytes *argv;     /* LOAD_COMMAND */
        const struct logblock *block; /* LOAD_BLOCK */
    };
    int32_t idle_s, freq; /* RDB_KEY, LOAD_STRING; -1: not told */
    struct apart made;    /* LOAD_STRING, LOAD_COMMAND (SET): the entry, when it was made here */
    uint64_t left;
};

struct ahead_block;
struct load_batch {
    struct load_batch *next;
    struct ahead_block *block;
    struct load_item *items;
    size_t count, cap;
    struct ahead_text text;
    uint64_t end; /* in the file: all before it is in this batch or in those before */
    size_t held;  /* bytes, once it is made */
    bool last;
};
/* A zeroed one at the end, good until the next one is added. */
struct load_item *load_batch_add(struct load_batch *b);

/* What makes batches: fills b from the source; b->last when nothing follows. Runs on the thread. */
struct ahead;
typedef void ahead_fill_fn(void *arg, struct ahead *a, struct load_batch *b);

/* On a thread of its own; world NULL: all is done in ahead_take. */
struct ahead *ahead_start(const struct load_source *source, ahead_fill_fn *fill, void *arg,
                          const struct persist_world *world);
/* Ends the thread, frees all. */
void ahead_stop(struct ahead *a);
/* The next batch; NULL when there is none until that time (CLOCK_BOOTTIME), or after the last one. */
struct load_batch *ahead_take(struct ahead *a, uint64_t until_ns);
/* The batch is done with. */
void ahead_give(struct ahead *a, struct load_batch *b);
/* More processors than one are there for this process. */
bool ahead_pays(void);

/* ---- For those who make batches. */

/* The other side is behind: there is time to do some of its work. */
bool ahead_is_far(struct ahead *a);

/* The bytes that no batch has taken yet. */
struct bytes ahead_bytes(const struct ahead *a);
uint64_t ahead_at(const struct ahead *a); /* of the first of them, in the source */
void ahead_used(struct ahead *a, size_t n);
/* Has at least n of them; a batch whose items point into the block must be ended before. False: the source ends before, or
 * *error is its sentence. Lengths may be lies: no more room is taken than bytes come. */
bool ahead_have(struct ahead *a, size_t n, const char **error);

#endif
