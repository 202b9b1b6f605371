#include "server/repl/overrun.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/repl/backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* A file is given back when all of it has been dropped: the disk holds at most one file more than is needed. */
enum { STRETCH_BYTES = 16 << 20, SPANS = 16, RESERVE_LEAST_BYTES = 64 << 20, RESERVE_PART = 32 };

struct stretch {
    int fd;
    uint64_t first, end;
};

struct overrun {
    char *dir;
    void (*close_fd)(void *arg, int fd);
    void *arg;
    struct stretch *v; /* in order, without gaps; the last one is being filled */
    size_t count, cap;
    bool failed;
    char failure[256];
};

struct overrun *overrun_new(const char *dir, void (*close_fd)(void *arg, int fd), void *arg) {
    struct overrun *o = xcalloc(1, sizeof *o);
    o->dir = xstrdup(dir);
    o->close_fd = close_fd;
    o->arg = arg;
    return o;
}

static void close_stretch(struct overrun *o, const struct stretch *s) {
    if (o->close_fd)
        o->close_fd(o->arg, s->fd);
    else
        close(s->fd);
}

void overrun_reset(struct overrun *o) {
    for (size_t i = 0; i < o->count; i++) close_stretch(o, &o->v[i]);
    o->count = 0;
    o->failed = false;
}

void overrun_free(struct overrun *o) {
    if (!o) return;
    overrun_reset(o);
    free(o->v);
    free(o->dir);
    free(o);
}

uint64_t overrun_first(const struct overrun *o) {
    return o->count ? o->v[0].first : 0;
}

uint64_t overrun_end(const struct overrun *o) {
    return o->count ? o->v[o->count - 1].end : 0;
}

uint64_t overrun_bytes(const struct overrun *o) {
    return overrun_end(o) - overrun_first(o);
}

const char *overrun_failure(const struct overrun *o) {
    return o->failed ? o->failure : NULL;
}

static bool fail(struct overrun *o, const char *why) {
    if (!o->failed)
        snprintf(o->failure, sizeof o->failure,
                 "what it lacks could not be put aside in %.120s: %s", o->dir, why);
    o->failed = true;
    return false;
}

/* ---- Filling --------------------------------------------------------------------------------- */

static bool disk_has_room(int fd) {
    struct statvfs v;
    if (fstatvfs(fd, &v) != 0) return true;
    uint64_t all = (uint64_t)v.f_blocks * v.f_frsize, reserve = all / RESERVE_PART;
    if (reserve < RESERVE_LEAST_BYTES) reserve = RESERVE_LEAST_BYTES;
    return (uint64_t)v.f_bavail * v.f_frsize >= reserve + STRETCH_BYTES;
}

static bool add_stretch(struct overrun *o, uint64_t at) {
    int fd = open(o->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return fail(o, strerror(errno));
    if (!disk_has_room(fd)) {
        close(fd);
        return fail(o, "the disk is nearly full");
    }
    if (o->count == o->cap) {
        o->cap = o->cap ? 2 * o->cap : 8;
        o->v = xrealloc(o->v, o->cap * sizeof *o->v);
    }
    o->v[o->count++] = (struct stretch){fd, at, at};
    return true;
}

static bool has_room(const struct stretch *s) {
    return s->end - s->first < STRETCH_BYTES;
}

/* Writes one span; it may end in the next file. */
static bool add(struct overrun *o, const char *p, size_t n) {
    while (n) {
        struct stretch *s = &o->v[o->count - 1];
        if (!has_room(s)) {
            if (!add_stretch(o, s->end)) return false;
            s = &o->v[o->count - 1];
        }
        size_t room = (size_t)(STRETCH_BYTES - (s->end - s->first)), now = n < room ? n : room;
        if (!file_pwrite_all(s->fd, p, now, (off_t)(s->end - s->first)))
            return fail(o, strerror(errno));
        s->end += now;
        p += now;
        n -= now;
    }
    return true;
}

bool overrun_take(struct overrun *o, const struct backlog *b, uint64_t from, uint64_t until,
                  uint64_t most_bytes) {
    struct iovec iov[SPANS];
    if (o->failed) return false;
    if (o->count) from = overrun_end(o);
    if (from >= until) return true;
    if (!o->count && !add_stretch(o, from)) return false;
    must(from >= backlog_first(b), "what goes into the file follows what is there");
    if (most_bytes && until - overrun_first(o) > most_bytes) {
        char why[80];
        snprintf(why, sizeof why, "it is more than %llu MB",
                 (unsigned long long)(most_bytes >> 20));
        return fail(o, why);
    }
    while (from < until) {
        int count = backlog_spans(b, from, until, iov, SPANS);
        for (int i = 0; i < count; i++) {
            if (!add(o, iov[i].iov_base, iov[i].iov_len)) return false;
            from += iov[i].iov_len;
        }
    }
    return true;
}

/* ---- Taking out ------------------------------------------------------------------------------ */

size_t overrun_read(struct overrun *o, uint64_t offset, size_t max, struct buf *out) {
    for (size_t i = 0; i < o->count; i++) {
        const struct stretch *s = &o->v[i];
        if (offset < s->first || offset >= s->end) continue;
        size_t n = s->end - offset < max ? (size_t)(s->end - offset) : max;
        if (!file_pread_all(s->fd, buf_room(out, n), n, (off_t)(offset - s->first))) return 0;
        buf_added(out, n);
        return n;
    }
    return 0;
}

void overrun_drop(struct overrun *o, uint64_t need) {
    size_t gone = 0;
    while (gone < o->count && o->v[gone].end <= need) close_stretch(o, &o->v[gone++]);
    if (!gone) return;
    o->count -= gone;
    memmove(o->v, o->v + gone, o->count * sizeof *o->v);
}
