/* A walk into a file: the bytes go to the bulk worker in chunks, so that the executor neither
 * waits for the disk nor for the kernel's write-back; at most IN_FLIGHT_BYTES of them are on
 * their way. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_FLIGHT_BYTES = 3 * 1024 * 1024, SYNC_EVERY_BYTES = 32 * 1024 * 1024 };

struct file_walk {
    struct persist *p;
    struct persist_walk *walk; /* NULL once it has ended */
    char *path, *tmp;
    int fd;
    bool begun, cancelled;
    bool gone; /* its name is free for the next one */
    size_t in_flight;
    uint64_t unsynced; /* the worker's */
    int error;         /* the first one; set on the loop's thread */
    char *reason;      /* NULL: none but the error's */
    bool (*begin)(struct persist *p, const struct persist_pos *pos);
    void (*done)(struct persist *p, int error, const char *reason);
};

struct chunk {
    struct file_walk *f;
    size_t len;
    char bytes[];
};

static void file_walk_free(struct file_walk *f) {
    free(f->path);
    free(f->tmp);
    free(f->reason);
    free(f);
}

/* Runs on the worker: pages are pushed out on the way, so that the fsync at the end finds little
 * to do. */
static int chunk_work(void *arg) {
    struct chunk *c = arg;
    struct file_walk *f = c->f;
    if (!file_write_all(f->fd, c->bytes, c->len)) return errno;
    f->unsynced += c->len;
    if (f->unsynced < SYNC_EVERY_BYTES) return 0;
    f->unsynced = 0;
    return file_sync(f->fd) ? 0 : errno;
}

static void chunk_done(void *arg, int error) {
    struct chunk *c = arg;
    c->f->in_flight -= c->len;
    if (error && !c->f->error) c->f->error = error;
    free(c);
}

static int close_work(void *arg) {
    struct file_walk *f = arg;
    int error = f->error || f->cancelled ? ECANCELED : 0;
    if (!error && !file_sync(f->fd)) error = errno;
    if (!error && rename(f->tmp, f->path) != 0) error = errno;
    if (!error && !file_sync_dir(f->p->dir)) error = errno;
    if (!error && !file_sync_dir(f->p->log_dir) && f->p->o.log_on) error = errno;
    if (error && f->fd >= 0 && !f->gone) unlink(f->tmp);
    if (f->fd >= 0) close(f->fd); /* which may take long when the file is gone */
    return error;
}

static void close_done(void *arg, int error) {
    struct file_walk *f = arg;
    if (f->error) error = f->error;
    if (!f->cancelled) f->done(f->p, error, f->reason);
    file_walk_free(f);
}

static void sink_begin(void *arg, const struct persist_pos *pos) {
    struct file_walk *f = arg;
    f->begun = true;
    if (f->begin && !f->begin(f->p, pos)) {
        f->error = errno;
        return;
    }
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (f->fd < 0) f->error = errno;
}

static void give_up(struct file_walk *f) {
    if (!f->walk) return;
    persist_walk_cancel(f->walk);
    f->walk = NULL;
    f->gone = f->fd >= 0 && unlink(f->tmp) == 0;
    worker_post(f->p->bulk_worker, close_work, close_done, f);
}

static void sink_bytes(void *arg, const void *p, size_t n) {
    struct file_walk *f = arg;
    if (f->error || f->cancelled) return;
    struct chunk *c = xmalloc(sizeof *c + n);
    c->f = f;
    c->len = n;
    memcpy(c->bytes, p, n);
    f->in_flight += n;
    worker_post(f->p->bulk_worker, chunk_work, chunk_done, c);
}

static size_t sink_room(void *arg) {
    struct file_walk *f = arg;
    if (f->error) {
        give_up(f);
        return 0;
    }
    return f->in_flight < IN_FLIGHT_BYTES ? IN_FLIGHT_BYTES - f->in_flight : 0;
}

static void sink_end(void *arg, bool ok, const char *reason) {
    struct file_walk *f = arg;
    f->walk = NULL;
    f->reason = reason ? xstrdup(reason) : NULL;
    if (!ok && !f->error) f->error = ECANCELED;
    worker_post(f->p->bulk_worker, close_work, close_done, f);
}

struct file_walk *file_walk_start(struct persist *p, const char *path, enum persist_walk_kind kind,
                                  int rdb_version,
                                  bool (*begin)(struct persist *p, const struct persist_pos *pos),
                                  void (*done)(struct persist *p, int error, const char *reason)) {
    struct file_walk *f = xcalloc(1, sizeof *f);
    *f = (struct file_walk){.p = p, .fd = -1, .begin = begin, .done = done};
    f->path = xstrdup(path);
    f->tmp = xasprintf("%s.tmp", path);
    struct persist_sink sink = {f,     sink_begin, sink_bytes,  sink_room, sink_end,
                                false, kind,       rdb_version, false,     NULL};
    f->walk = persist_walk_start(p, &sink);
    return f;
}

bool file_walk_running(const struct file_walk *f) {
    return f->begun;
}

void file_walk_cancel(struct file_walk *f) {
    f->cancelled = true;
    give_up(f);
}
