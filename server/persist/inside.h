/* What the files of server/persist share. Nobody else includes this. */
#ifndef DUET_PERSIST_INSIDE_H
#define DUET_PERSIST_INSIDE_H

#include "server/persist/aof.h"
#include "server/persist/persist.h"

#include <pthread.h>

struct loop;
struct loop_timer;
struct loader;
struct room;
struct worker;
struct backup;
struct rollback;

/* Fsyncs of the log (durable.c). One is under way at a time. */
struct durable {
    bool running;
    uint64_t synced; /* stream offset on disk */
    uint64_t started_ns;
    uint64_t dirty_since_ns;   /* when the oldest unsynced byte was written; 0: none */
    uint64_t begun_dirty_ns;   /* what dirty_since_ns becomes when the running one ends */
    uint64_t last_us, took_ns; /* the last one; about the usual one */
    uint64_t delayed;          /* how often one took longer than a second */
    bool told_slow;
    struct waiter *waiters;
    bool failed; /* sticky: an fsync or a write failed for another reason than a full disk */
    bool dead;   /* it was a write: nothing is written any more */
    bool stuck;  /* the last write found the disk full */
    char failure[160];
    /* Group commit: the offset to wait for, and until when. */
    uint64_t plan, plan_until_ns;
    unsigned misses, leave_alone;
    int came;             /* eventfd: the running fsync need not wait any longer */
    pthread_mutex_t lock; /* what follows */
    bool told;
    uint64_t enough; /* the running fsync waits until the kernel has this offset; 0: it does not */
    uint64_t kernel;
    int kernel_fd;
};

/* The field of an RDB file that holds the store's note. */
#define PERSIST_NOTE_AUX "duet-import"

struct persist {
    struct persist_options o; /* strings point to the copies below */
    char *dir, *log_dir, *rdb_path, *tails_dir;
    int lock_fd;
    bool locked;
    struct store *store;
    struct loop *loop;
    struct persist_world world;
    void (*pos_now)(void *arg, struct persist_pos *pos);
    void *pos_arg;
    struct persist_pos last_pos; /* when the source went away */
    struct worker *sync_worker;  /* fsyncs of the log: nothing slow stands before them */
    struct worker *bulk_worker;  /* snapshots' bytes, unlinks */
    struct worker *aside_worker; /* backup sets, rollback: the log does not wait for it; or NULL */
    struct backup *backup;       /* the last one */
    struct rollback *rollback;   /* the last one */
    struct room *room;
    struct loop_timer *second; /* save points, growth */
    struct loop_timer *tick;   /* everysec */
    struct loop_timer *walk_timer;

    struct aof aof;
    /* The log on disk is whole: base (or none) and increments; false until a first rewrite ends. */
    bool log_ready;
    bool eager; /* fsync as `always` does, besides the policy */
    struct durable sync;

    struct loader *loader;                  /* while loading */
    uint64_t load_rest_us, load_step_bytes; /* persist_set_load_pace */
    struct persist_loaded loaded;
    bool loading, from_dump;

    struct loop_timer *load_timer;
    struct commit *replacing; /* a received file is about to become the data, or is being loaded */
    bool changing_base; /* its file is about to be the log's base: no fsync of the old log begins */
    struct beside *beside; /* a copy that is loaded beside the data, or was */

    struct persist_walk *walks; /* in order; the first one runs */
    bool walks_full;            /* its sink has no room */
    uint64_t walk_rest_us;      /* persist_set_walk_pace */
    uint64_t walk_longest_us;   /* the longest step of any so far */

    struct file_walk *saving, *rewriting;
    bool committing; /* the rewrite's manifest is on its way */
    uint64_t changes, changes_at_save;
    int64_t last_save_s, last_save_took_s, last_rewrite_took_s;
    int64_t last_try_s;
    bool last_save_ok, last_rewrite_ok;
    uint64_t saves, rewrites;
    uint64_t size_after_rewrite;
    uint64_t rewrite_ns; /* when the last one began */
    struct persist_pos rewrite_pos;
    unsigned rewrite_number; /* of the base that is being made */
};

static inline void persist_changed(struct persist *p) {
    if (p->world.changed) p->world.changed(p->world.arg);
}

/* A damaged log is not added to; a replace ends that. */
static inline bool log_active(const struct persist *p) {
    return p->o.log_on && !p->loaded.damaged;
}

/* durable.c */
void durable_wrote(struct persist *p);         /* bytes were appended: fsync as the policy says */
void durable_tick(struct persist *p);          /* some times a second: everysec */
bool durable_at_once(const struct persist *p); /* every write is fsynced */
/* Before the first part of a log that begins with no data: the manifest that says so. False with errno. */
bool durable_begin_log(struct persist *p, uint64_t offset);
void durable_open(struct persist *p);
void durable_close(struct persist *p);
void durable_start(struct persist *p); /* fsync now, if anything is unsynced and none runs */
void durable_restart(struct persist *p, uint64_t synced); /* the log begins anew at this offset */
void durable_fail(struct persist *p, const char *what, int error);
/* A part of `used` bytes up to stream offset `end` was closed: cut off its room, sync it, close. */
void durable_retire(struct persist *p, int old_fd, uint64_t end, uint64_t used);

/* walk.c */
void walks_open(struct persist *p);
void walks_close(struct persist *p);
/* A step of the first walk; false when there is none. */
bool walks_tick(struct persist *p);
/* The same for whoever waits for a walk's end without turning the loop: what the sinks wait for is waited for as well. */
void walks_push(struct persist *p);
/* Ends the walks whose sinks stand still while the loop does. */
void walks_give_up_sockets(struct persist *p);
void walks_status(const struct persist *p, struct persist_walk_status *s);
/* Whether a file of this RDB version can hold the first `limit` keys; false: why names one that it cannot. */
bool walks_can_write(const struct persist *p, int version, size_t limit, char *why,
                     size_t why_size);

/* filewalk.c: a walk into a file */
struct file_walk;
/* Begins (or queues) a walk into path + ".tmp"; when all is written and fsynced done is called
 * on the loop's thread with 0, or an errno (the file is gone then). reason: a sentence, or NULL.
 * begin may be NULL; false gives up. */
struct file_walk *file_walk_start(struct persist *p, const char *path, enum persist_walk_kind kind,
                                  int rdb_version,
                                  bool (*begin)(struct persist *p, const struct persist_pos *pos),
                                  void (*done)(struct persist *p, int error, const char *reason));
bool file_walk_running(const struct file_walk *f); /* else it is queued */
void file_walk_cancel(struct file_walk *f);

/* persist.c: makes the aside worker if it is not there yet */
void persist_open_aside(struct persist *p);

/* backup.c */
void backup_stop(struct persist *p, const char *reason);
void backup_close(struct persist *p);

/* rollback.c */
void rollback_close(struct persist *p);
/* Before the log is looked for: puts right what a crash left of a rollback. */
void rollback_recover(const char *dir, const char *log_dir);

/* save.c */
void save_second(struct persist *p);

/* replace.c */
void replace_open(struct persist *p);
void replace_close(struct persist *p);
bool beside_status(const struct persist *p, struct persist_load_status *s);

/* rewrite.c */
#define REWRITE_OFF_BASE "off.base" /* see persist_rewrite */
void rewrite_second(struct persist *p);
/* Removes what a rewrite that a crash ended left behind; after loading. */
void rewrite_clean(struct persist *p);

#endif
