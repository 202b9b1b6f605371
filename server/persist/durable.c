/* When the log is on disk. Appends are in the kernel at once; the sync worker makes them
 * durable: one fsync serves everybody who waits (`always`, DUET FSYNC), and the next begins when
 * it ends. An fsync that fails is never repeated: the kernel may have dropped the pages, so a
 * second one that succeeds would prove nothing.
 *
 * Group commit: clients whose writes one fsync has served come back together. If the next fsync
 * began with the first of them, the others would wait for two; so it waits until about as many
 * bytes have come again, for the time of two fsyncs (and GATHER_MAX_NS) at most. Where they do
 * not come that soon it is not tried any more for a while. A single client never waits. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/room.h"
#include "server/persist/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct waiter {
    struct waiter *next;
    uint64_t target;
    persist_sync_fn *fn;
    void *arg;
};

enum {
    GATHER_MAX_NS = 2000000,
    GATHER_MISSES = 4, /* so many in a row, and it is left alone */
    GATHER_AGAIN = 64, /* for so many fsyncs */
    SLOW_SYNC_S = 1,
    DIRTY_MAX_NS = 500000000 /* everysec: the age at which bytes are sent to the disk */
};

struct sync_job {
    struct persist *p;
    int fd;
    bool close_it, sync_dir;
    uint64_t used; /* of the part that is closed */
    uint64_t target;
    uint64_t gather_until_ns;
    bool gathered; /* what was waited for came */
    uint64_t took_ns;
};

void durable_fail(struct persist *p, const char *what, int error) {
    struct durable *d = &p->sync;
    if (!d->failed) {
        snprintf(d->failure, sizeof d->failure,
                 "%s: %s; what was acknowledged is in doubt until the next start", what,
                 strerror(error));
        log_error("persistence: %s", d->failure);
    }
    d->failed = true;
}

bool durable_at_once(const struct persist *p) {
    return p->eager || p->o.fsync == PERSIST_FSYNC_ALWAYS;
}

static void answer_waiters(struct persist *p) {
    struct durable *d = &p->sync;
    for (struct waiter **at = &d->waiters, *w; (w = *at);) {
        if (!d->failed && w->target > d->synced) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->fn(w->arg, !d->failed);
        free(w);
    }
}

/* ---- on the worker ------------------------------------------------------------------------- */

/* Waits for what was promised; a clock that is set does not touch it. */
static void gather(struct sync_job *j) {
    static _Thread_local bool exact;
    struct durable *d = &j->p->sync;
    uint64_t now = clock_boot_ns(), count;
    struct pollfd came = {.fd = d->came, .events = POLLIN};
    if (!exact) prctl(PR_SET_TIMERSLACK, 1UL);
    exact = true;
    if (j->gather_until_ns > now) {
        struct timespec left = {0, (long)(j->gather_until_ns - now)};
        ppoll(&came, 1, &left, NULL);
    }
    pthread_mutex_lock(&d->lock);
    j->gathered = d->kernel >= d->enough;
    d->enough = 0;
    if (d->kernel_fd == j->fd) j->target = d->kernel;
    pthread_mutex_unlock(&d->lock);
    while (read(d->came, &count, sizeof count) > 0)
        continue; /* whoever told it holds the lock no more */
}

static int sync_work(void *arg) {
    struct sync_job *j = arg;
    int error = 0;
    if (j->gather_until_ns) gather(j);
    uint64_t start = clock_boot_ns();
    if (j->close_it && !file_truncate(j->fd, (off_t)j->used)) error = errno;
    if (!error && !file_sync(j->fd)) error = errno;
    if (!error && j->sync_dir && !file_sync_dir(j->p->log_dir)) error = errno;
    if (j->close_it) close(j->fd);
    j->took_ns = clock_boot_ns() - start;
    return error;
}

/* ---- on the loop's thread ------------------------------------------------------------------ */

/* What the next fsync may wait for: as many bytes as this one served, beside those that came
 * meanwhile. */
static void plan_gathering(struct durable *d, const struct sync_job *j, uint64_t served,
                           uint64_t written) {
    d->took_ns = d->took_ns ? (7 * d->took_ns + j->took_ns) / 8 : j->took_ns;
    if (j->gather_until_ns) d->misses = j->gathered ? 0 : d->misses + 1;
    d->plan = 0;
    if (d->misses >= GATHER_MISSES) {
        d->misses = 0;
        d->leave_alone = GATHER_AGAIN;
    }
    if (d->leave_alone) {
        d->leave_alone--;
        return;
    }
    uint64_t limit = d->took_ns * 2;
    d->plan = written + served - served / 8;
    d->plan_until_ns = clock_boot_ns() + (limit < GATHER_MAX_NS ? limit : GATHER_MAX_NS);
}

static void sync_done(void *arg, int error) {
    struct sync_job *j = arg;
    struct persist *p = j->p;
    struct durable *d = &p->sync;
    uint64_t before = d->synced;
    d->last_us = j->took_ns / 1000;
    if (error)
        durable_fail(p, "fsync of the log", error);
    else if (j->target > d->synced)
        d->synced = j->target;
    if (!j->close_it) {
        d->running = false;
        d->dirty_since_ns = d->synced < p->aof.written ? d->begun_dirty_ns : 0;
        if (d->told_slow) log_notice("persistence: fsyncs of the log end again");
        d->told_slow = false;
        if (!error) plan_gathering(d, j, d->synced - before, p->aof.written);
    }
    free(j);
    answer_waiters(p);
    if (!d->running && !d->failed && (d->waiters || durable_at_once(p))) durable_start(p);
    persist_changed(p);
}

static struct sync_job *job_for(struct persist *p, int fd, uint64_t target) {
    struct sync_job *j = xcalloc(1, sizeof *j);
    *j = (struct sync_job){.p = p, .fd = fd, .target = target};
    return j;
}

void durable_start(struct persist *p) {
    struct durable *d = &p->sync;
    if (d->running || d->failed || p->changing_base || p->aof.fd < 0 || d->synced >= p->aof.written)
        return;
    d->running = true;
    d->started_ns = d->begun_dirty_ns = clock_boot_ns();
    struct sync_job *j = job_for(p, p->aof.fd, p->aof.written);
    j->sync_dir = p->aof.fresh;
    p->aof.fresh = false;
    if (durable_at_once(p) && !d->waiters && d->plan > p->aof.written) {
        j->gather_until_ns = d->plan_until_ns;
        pthread_mutex_lock(&d->lock);
        d->enough = d->plan;
        d->kernel = p->aof.written;
        d->kernel_fd = p->aof.fd;
        d->told = false;
        pthread_mutex_unlock(&d->lock);
    }
    d->plan = 0;
    worker_post(p->sync_worker, sync_work, sync_done, j);
}

/* The fsync that gathers takes what is written by then. */
static void tell_gatherer(struct persist *p, bool enough) {
    struct durable *d = &p->sync;
    pthread_mutex_lock(&d->lock);
    if (d->enough && d->kernel_fd == p->aof.fd) d->kernel = p->aof.written;
    if (d->enough && enough) d->enough = 1;
    if (d->enough && d->kernel >= d->enough && !d->told) {
        const uint64_t one = 1;
        d->told = write(d->came, &one, sizeof one) > 0;
    }
    pthread_mutex_unlock(&d->lock);
}

void durable_retire(struct persist *p, int old_fd, uint64_t end, uint64_t used) {
    if (old_fd < 0) return;
    /* The worker takes jobs in order, so an fsync of old_fd that is under way ends before this
     * closes it. */
    tell_gatherer(p, true);
    struct sync_job *j = job_for(p, old_fd, end);
    j->close_it = j->sync_dir = true; /* its name may not be on the disk yet */
    j->used = used;
    worker_post(p->sync_worker, sync_work, sync_done, j);
}

void durable_wrote(struct persist *p) {
    struct durable *d = &p->sync;
    if (!d->dirty_since_ns) d->dirty_since_ns = clock_boot_ns();
    if (!durable_at_once(p)) return;
    if (d->running)
        tell_gatherer(p, false);
    else
        durable_start(p);
}

/* An fsync that does not end: everysec promises a second. */
static void note_slow(struct persist *p, uint64_t now_ns) {
    struct durable *d = &p->sync;
    if (!d->running || now_ns - d->started_ns < SLOW_SYNC_S * NS_PER_S || d->failed) return;
    if (!d->told_slow) {
        d->delayed++;
        log_warning("persistence: an fsync of the log takes longer than a second; a power cut now "
                    "would lose what was written since it began");
    }
    d->told_slow = true;
}

void durable_tick(struct persist *p) {
    struct durable *d = &p->sync;
    uint64_t now = clock_boot_ns();
    note_slow(p, now);
    if (p->o.fsync == PERSIST_FSYNC_NO || !d->dirty_since_ns) return;
    if (durable_at_once(p) || now - d->dirty_since_ns >= DIRTY_MAX_NS) durable_start(p);
}

void durable_open(struct persist *p) {
    p->sync.came = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->sync.came < 0) bug("no eventfd for the log: %s", strerror(errno));
    pthread_mutex_init(&p->sync.lock, NULL);
}

void durable_close(struct persist *p) {
    close(p->sync.came);
    pthread_mutex_destroy(&p->sync.lock);
}

void durable_restart(struct persist *p, uint64_t synced) {
    worker_wait(p->sync_worker);
    p->sync.synced = synced;
    p->sync.dirty_since_ns = p->sync.plan = 0;
    /* What they waited for is no part of this log any more; all of it that there is was fsynced. */
    for (struct waiter *w = p->sync.waiters; w; w = w->next) w->target = synced;
    answer_waiters(p);
}

void persist_sync(struct persist *p, persist_sync_fn *fn, void *arg) {
    struct durable *d = &p->sync;
    if (d->failed || d->stuck || !log_active(p) || d->synced >= p->aof.written) {
        fn(arg, !d->failed && !d->stuck);
        return;
    }
    struct waiter *w = xcalloc(1, sizeof *w);
    *w = (struct waiter){.next = d->waiters, .target = p->aof.written, .fn = fn, .arg = arg};
    d->waiters = w;
    durable_start(p);
}

static bool full_disk(int error) {
    return error == ENOSPC || error == EDQUOT;
}

bool durable_begin_log(struct persist *p, uint64_t offset) {
    struct manifest m = p->aof.m;
    if (m.first != 0 || !p->log_ready) return true;
    m.first = p->aof.next;
    m.start = offset;
    m.starts = true;
    if (!manifest_write(p->log_dir, &m)) return false;
    p->aof.m = m;
    return true;
}

/* The first part behind a base, or of a log that begins empty. */
static bool start_log(struct persist *p, uint64_t offset) {
    int old;
    if (!durable_begin_log(p, offset) || !aof_new_part(&p->aof, offset, &old)) return false;
    p->sync.synced = offset;
    return true;
}

static void stuck(struct persist *p, int error) {
    struct durable *d = &p->sync;
    if (!full_disk(error)) {
        durable_fail(p, "writing the log", error);
        d->dead = true;
    } else if (!d->stuck) {
        snprintf(d->failure, sizeof d->failure, "writing the log in %s: %s", p->log_dir,
                 strerror(error));
        log_error("persistence: %s; writes are refused until it can be written again", d->failure);
        d->stuck = true;
    } else {
        return;
    }
    persist_changed(p);
}

bool persist_append(struct persist *p, const struct persist_pos *at, const struct iovec *iov,
                    int count) {
    struct durable *d = &p->sync;
    size_t len = LOGBLOCK_HEADER_BYTES;
    if (!log_active(p)) return true;
    if (d->dead) return false; /* what the kernel dropped once is not written behind its back */
    for (int i = 0; i < count; i++) len += iov[i].iov_len;
    if (p->aof.part_count) room_clear(p->room, p->aof.parts[p->aof.part_count - 1].bytes + len);
    if ((p->aof.fd < 0 && !start_log(p, at->offset)) ||
        !aof_append(&p->aof, at, d->synced, LOGBLOCK_DATA, iov, count)) {
        stuck(p, errno);
        return false;
    }
    if (d->stuck) {
        log_notice("persistence: the log can be written again");
        d->stuck = false;
        persist_changed(p);
    }
    durable_wrote(p);
    room_want(p->room);
    return true;
}

uint64_t persist_written_offset(const struct persist *p) {
    return log_active(p) ? p->aof.written : UINT64_MAX;
}

uint64_t persist_synced_offset(const struct persist *p) {
    return log_active(p) ? p->sync.synced : UINT64_MAX;
}

bool persist_failed(const struct persist *p) {
    return p->sync.failed;
}

uint64_t persist_policy_offset(const struct persist *p) {
    return p->o.fsync == PERSIST_FSYNC_ALWAYS ? persist_synced_offset(p)
                                              : persist_written_offset(p);
}
