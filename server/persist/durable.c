/* When the log is on disk. Appends are in the kernel at once; the sync worker makes them
 * durable: one fsync serves everybody who waits (`always`, DUET FSYNC), and the next begins when
 * it ends. An fsync that fails is never repeated: the kernel may have dropped the pages, so a
 * second one that succeeds would prove nothing. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct waiter {
    struct waiter *next;
    uint64_t target;
    persist_sync_fn *fn;
    void *arg;
};

struct sync_job {
    struct persist *p;
    int fd;
    bool close_it, sync_dir;
    uint64_t target;
    uint64_t took_us;
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

static bool at_once(const struct persist *p) {
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

static int sync_work(void *arg) {
    struct sync_job *j = arg;
    uint64_t start = clock_boot_ns();
    int error = file_sync(j->fd) ? 0 : errno;
    if (!error && j->sync_dir && !file_sync_dir(j->p->log_dir)) error = errno;
    if (j->close_it) close(j->fd);
    j->took_us = (clock_boot_ns() - start) / 1000;
    return error;
}

static void sync_done(void *arg, int error) {
    struct sync_job *j = arg;
    struct persist *p = j->p;
    struct durable *d = &p->sync;
    d->last_us = j->took_us;
    if (error)
        durable_fail(p, "fsync of the log", error);
    else if (j->target > d->synced)
        d->synced = j->target;
    if (!j->close_it) {
        d->running = false;
        d->dirty_since_ns = d->synced < p->aof.written ? d->begun_dirty_ns : 0;
    }
    free(j);
    answer_waiters(p);
    if (!d->running && !d->failed && (d->waiters || at_once(p))) durable_start(p);
    persist_changed(p);
}

static void post(struct persist *p, int fd, bool close_it, uint64_t target) {
    struct sync_job *j = xcalloc(1, sizeof *j);
    *j = (struct sync_job){
        .p = p, .fd = fd, .close_it = close_it, .sync_dir = p->aof.fresh, .target = target};
    p->aof.fresh = false;
    worker_post(p->sync_worker, sync_work, sync_done, j);
}

void durable_start(struct persist *p) {
    struct durable *d = &p->sync;
    if (d->running || d->failed || p->aof.fd < 0 || d->synced >= p->aof.written) return;
    d->running = true;
    d->target = p->aof.written;
    d->started_ns = d->begun_dirty_ns = clock_boot_ns();
    post(p, p->aof.fd, false, d->target);
}

void durable_retire(struct persist *p, int old_fd, uint64_t end) {
    if (old_fd < 0) return;
    /* The worker takes jobs in order, so an fsync of old_fd that is under way ends before this
     * closes it. */
    bool fresh = p->aof.fresh;
    post(p, old_fd, true, end);
    p->aof.fresh = fresh;
}

void durable_wrote(struct persist *p) {
    struct durable *d = &p->sync;
    if (!d->dirty_since_ns) d->dirty_since_ns = clock_boot_ns();
    if (at_once(p)) durable_start(p);
}

void durable_second(struct persist *p) {
    if (p->o.fsync != PERSIST_FSYNC_NO) durable_start(p);
}

void durable_restart(struct persist *p, uint64_t synced) {
    worker_wait(p->sync_worker);
    p->sync.synced = synced;
    p->sync.dirty_since_ns = 0;
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

/* The first part behind a base, or of a log that begins empty. */
static bool start_log(struct persist *p, uint64_t offset) {
    struct manifest m = p->aof.m;
    int old;
    if (m.first == 0 && p->log_ready) {
        m.first = p->aof.next;
        if (!manifest_write(p->log_dir, &m)) return false;
    }
    if (!aof_new_part(&p->aof, offset, &old)) return false;
    p->aof.m = m;
    p->sync.synced = offset;
    return true;
}

bool persist_append(struct persist *p, const struct persist_pos *at, const struct iovec *iov,
                    int count) {
    struct durable *d = &p->sync;
    if (!log_active(p)) return true;
    if (p->aof.fd < 0 && !start_log(p, at->offset)) goto failed;
    if (!aof_append(&p->aof, at, d->synced, LOGBLOCK_DATA, iov, count)) goto failed;
    if (d->stuck) log_notice("persistence: the log can be written again");
    d->stuck = false;
    durable_wrote(p);
    return true;
failed:
    if (!d->stuck) {
        snprintf(d->failure, sizeof d->failure, "writing the log in %s: %s", p->log_dir,
                 strerror(errno));
        log_error("persistence: %s; writes are refused until it can be written again", d->failure);
        d->stuck = true;
        persist_changed(p);
    }
    return false;
}

uint64_t persist_written_offset(const struct persist *p) {
    return log_active(p) ? p->aof.written : UINT64_MAX;
}

uint64_t persist_synced_offset(const struct persist *p) {
    return log_active(p) ? p->sync.synced : UINT64_MAX;
}

uint64_t persist_policy_offset(const struct persist *p) {
    return p->o.fsync == PERSIST_FSYNC_ALWAYS ? persist_synced_offset(p)
                                              : persist_written_offset(p);
}
