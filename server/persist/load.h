/* Loading, in steps: one RDB file, or what a data directory holds (a base and the increments of its log). Inside
 * server/persist only.
 *
 *     loader_new       the log of p, at start
 *     loader_base      one RDB file
 *     loader_source    one RDB file that comes from anywhere
 *     then loader_step until it is not PERSIST_LOADING any more; p->loaded tells the result; loader_free
 *
 * load.c says what comes after what. load_ahead.c is a thread that reads, verifies and unpacks: load_base_read.c RDB files,
 * load_incr_read.c blocks of the log; load_base.c and load_incr.c make data of what it hands on. */
#ifndef DUET_PERSIST_LOAD_H
#define DUET_PERSIST_LOAD_H

#include "server/persist/persist.h"

#include <sys/types.h>

struct loader;

/* Bytes from elsewhere than a file. */
struct load_source {
    void *arg;
    /* Up to n of the next bytes; 0: the end; -1: errno says why not. Called on another thread than the loader's, one call at
     * a time, between the first step and the return of loader_free. */
    ssize_t (*read)(void *arg, void *p, size_t n);
    uint64_t size; /* bytes in all, for the progress; 0: not known */
    bool
        grows; /* read waits for bytes that are still to come: a thread of its own calls it, and no step waits for it */
    /* Bytes of it can be made data of: called on that thread. May be NULL. */
    void (*come)(void *arg);
    const char *name; /* in sentences; copied */
};

/* Which part of p's log comes behind an RDB file. */
struct load_range {
    unsigned number; /* of the first increment to look into, and then those that follow it */
    uint64_t
        offset; /* what the blocks hold before this place in the stream is passed over; there must be no gap */
    uint64_t until_us; /* blocks of a later wall time end it; UINT64_MAX: none does */
};

struct loader *loader_new(struct persist *p);
/* pos: what the file stands for, where its own words do not say it; or NULL. */
struct loader *loader_base(struct persist *p, const char *path, const struct persist_pos *pos);
struct loader *loader_source(struct persist *p, const struct load_source *source,
                             const struct persist_pos *pos);
/* Into the databases beside the data (store.h); what comes before an end that is none stays there. *result instead of p->loaded
 * tells how it went. */
struct loader *loader_beside(struct persist *p, const struct load_source *source,
                             struct persist_loaded *result);
/* Before the first step: what p->log_dir holds of that range is run behind the file. The log on disk and p's books of it
 * stay as they are; p->loaded.pos says how far it came. */
void loader_set_range(struct loader *l, const struct load_range *range);
/* A key that is there already gives way to the file's. */
void loader_set_merge(struct loader *l, bool merge);
/* The log is read a second time, beside the one that is being written. */
void loader_look_only(struct loader *l);
void loader_free(struct loader *l);
enum persist_load loader_step(struct loader *l, uint64_t budget_us);
/* The last step ended because a source that grows had nothing more. */
bool loader_is_dry(const struct loader *l);
double loader_progress(const struct loader *l);
void loader_status(const struct loader *l, struct persist_load_status *s);

#endif
