/* See room.h. */
#include "server/persist/room.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/inside.h"
#include "server/persist/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    STEP_MIN_BYTES = 256 * 1024,
    STEP_MAX_BYTES = 8 * 1024 * 1024,
    PIECE_BYTES =
        256 * 1024, /* of zeros, each fsynced: an fsync of the log waits for one at most */
    SHORT_BYTES = 64 * 1024,
    GAP_BYTES = 64 * 1024, /* what may be appended meanwhile */
    PAGE_BYTES = 4096,
    LOW_PERCENT = 5
};

/* One step. Only `lock` and what it guards is shared while it runs. */
struct step {
    struct room *r;
    int fd; /* its own */
    unsigned number;
    uint64_t from, to;
    bool zeros;
    struct statvfs disk;
    bool disk_known;
};

struct room {
    struct persist *p;
    struct worker *worker;
    struct step *step; /* under way */
    bool full;         /* the last step found the disk full */
    bool told_short;
    uint64_t tried; /* bytes of the last step: a smaller one may fit */
    bool no_blocks; /* the file system cannot take blocks ahead */
    struct room_disk disk;
    pthread_mutex_t lock;
    bool stop; /* under lock: the running step writes nothing more */
};

struct room *room_new(struct persist *p, struct loop *loop) {
    struct room *r = xcalloc(1, sizeof *r);
    r->p = p;
    r->worker = worker_new(loop);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void room_free(struct room *r) {
    if (!r) return;
    worker_free(r->worker);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void room_wait(struct room *r) {
    worker_wait(r->worker);
}

/* ---- on the worker ------------------------------------------------------------------------- */

static int write_zeros(struct step *s) {
    static const char zeros[PIECE_BYTES];
    for (uint64_t at = s->from; at < s->to;) {
        uint64_t n = s->to - at < PIECE_BYTES ? s->to - at : PIECE_BYTES;
        pthread_mutex_lock(&s->r->lock);
        bool stop = s->r->stop, done = !stop && file_pwrite_all(s->fd, zeros, n, (off_t)at);
        int error = errno;
        pthread_mutex_unlock(&s->r->lock);
        if (stop) return ECANCELED;
        if (!done) return error;
        if (!file_sync(s->fd)) return errno;
        at += n;
    }
    return 0;
}

static int take_blocks(struct step *s) {
    if (file_allocate(s->fd, (off_t)s->from, (off_t)(s->to - s->from))) return 0;
    return errno;
}

static int step_work(void *arg) {
    struct step *s = arg;
    int error = 0;
    if (s->fd >= 0) {
        error = take_blocks(s);
        if (s->zeros && (!error || error == EOPNOTSUPP)) error = write_zeros(s);
    }
    s->disk_known = statvfs(s->r->p->dir, &s->disk) == 0;
    if (s->fd >= 0) close(s->fd);
    return error;
}

/* ---- on the loop's thread ------------------------------------------------------------------ */

static void look_at_disk(struct room *r, const struct statvfs *v) {
    struct room_disk *d = &r->disk;
    d->free_bytes = (uint64_t)v->f_bavail * v->f_frsize;
    d->all_bytes = (uint64_t)v->f_blocks * v->f_frsize;
    uint64_t few = d->all_bytes / 100 * LOW_PERCENT, base = r->p->aof.base_bytes;
    if (few < base) few = base; /* a rewrite could not write a new one */
    if (d->low) few += few / 8; /* it is not taken back at once */
    bool low = d->free_bytes < few;
    if (low && !d->low)
        log_warning("persistence: the disk is nearly full: %" PRIu64 " MB of %" PRIu64
                    " MB are free in %s; make room before writes are refused",
                    d->free_bytes >> 20, d->all_bytes >> 20, r->p->dir);
    if (!low && d->low) log_notice("persistence: there is room on the disk again");
    d->low = low;
}

static void tell_short(struct room *r) {
    bool now = room_is_short(r);
    if (now == r->told_short) return;
    r->told_short = now;
    if (now)
        log_error("persistence: no room is left for the log in %s: %s; writes are refused until "
                  "there is",
                  r->p->log_dir, strerror(ENOSPC));
    else
        log_notice("persistence: there is room for the log again");
    persist_changed(r->p);
}

static void make(struct room *r);

static void step_done(void *arg, int error) {
    struct step *s = arg;
    struct room *r = s->r;
    struct aof *a = &r->p->aof;
    bool ours = a->part_count && a->parts[a->part_count - 1].number == s->number && a->fd >= 0;
    r->step = NULL;
    if (s->disk_known) look_at_disk(r, &s->disk);
    if (s->fd >= 0 && error == EOPNOTSUPP) r->no_blocks = true;
    if (s->fd >= 0 && error == EIO) durable_fail(r->p, "taking room for the log", error);
    if (ours && !error && s->fd >= 0 && s->to > a->ahead) {
        a->ahead = s->to;
        a->ahead_zeros = s->zeros;
    }
    if (s->fd >= 0) r->full = error == ENOSPC || error == EDQUOT;
    free(s);
    if (r->full && r->tried > STEP_MIN_BYTES) make(r);
    tell_short(r);
}

static void start(struct room *r, int fd, uint64_t from, uint64_t to, bool zeros) {
    struct step *s = xcalloc(1, sizeof *s);
    *s = (struct step){.r = r, .fd = fd, .from = from, .to = to, .zeros = zeros};
    if (fd >= 0) s->number = r->p->aof.parts[r->p->aof.part_count - 1].number;
    r->step = s;
    r->stop = false; /* nothing runs that could look at it */
    worker_post(r->worker, step_work, step_done, s);
}

static uint64_t step_bytes(const struct room *r, uint64_t bytes) {
    uint64_t n = bytes / 4 / PAGE_BYTES * PAGE_BYTES;
    if (r->full || n < STEP_MIN_BYTES) return STEP_MIN_BYTES;
    return n < STEP_MAX_BYTES ? n : STEP_MAX_BYTES;
}

static bool usable(const struct room *r) {
    const struct aof *a = &r->p->aof;
    return !r->step && a->fd >= 0 && a->part_count && !a->torn && !r->p->sync.failed;
}

static void make(struct room *r) {
    struct aof *a = &r->p->aof;
    bool zeros = durable_at_once(r->p);
    if (!usable(r) || (r->no_blocks && !zeros)) return;
    uint64_t bytes = a->parts[a->part_count - 1].bytes, step = step_bytes(r, bytes);
    bool have = a->ahead > bytes && (a->ahead_zeros || !zeros);
    if (have && a->ahead - bytes > step / 2) return;
    uint64_t from = have ? a->ahead : (bytes + GAP_BYTES) / PAGE_BYTES * PAGE_BYTES;
    if (!zeros && !have) from = bytes / PAGE_BYTES * PAGE_BYTES; /* it writes nothing */
    /* Opened anew: the kernel reports a failed write-back once to each open file, and the log's
     * own must not miss it. */
    int fd = aof_open_again(a);
    r->tried = step;
    if (fd >= 0) start(r, fd, from, from + step, zeros);
}

void room_want(struct room *r) {
    if (r->full) tell_short(r);
    if (!r->step && (!r->full || r->tried > STEP_MIN_BYTES)) make(r);
}

void room_second(struct room *r) {
    make(r);
    if (!r->step) start(r, -1, 0, 0, false);
}

void room_clear(struct room *r, uint64_t end) {
    struct step *s = r->step;
    if (!s || !s->zeros || end <= s->from) return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_mutex_unlock(&r->lock);
}

bool room_is_short(const struct room *r) {
    const struct aof *a = &r->p->aof;
    if (!r->full || !a->part_count) return false;
    return a->ahead < a->parts[a->part_count - 1].bytes + SHORT_BYTES;
}

struct room_disk room_disk(const struct room *r) {
    return r->disk;
}
