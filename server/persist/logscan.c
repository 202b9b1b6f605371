/* See logscan.h. */
#include "server/persist/logscan.h"

#include "server/base/file.h"
#include "server/persist/aof.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

/* ---- the directory -------------------------------------------------------------------------- */

static struct logdir_part *part_of(struct logdir *d, unsigned number) {
    for (size_t i = 0; i < d->count; i++)
        if (d->parts[i].number == number) return &d->parts[i];
    d->parts = xrealloc(d->parts, (d->count + 1) * sizeof *d->parts);
    d->parts[d->count] = (struct logdir_part){.number = number};
    return &d->parts[d->count++];
}

static void take_name(struct logdir *d, const char *name) {
    unsigned number;
    char kind[8], path[600];
    int end = -1;
    struct stat st;
    if (sscanf(name, "%6u.%4[a-z]%n", &number, kind, &end) != 2 || name[end]) return;
    bool base = strcmp(kind, "base") == 0;
    if (!base && strcmp(kind, "incr") != 0) return;
    logdir_path(d, path, sizeof path, number, kind);
    if (stat(path, &st) != 0) return;
    struct logdir_part *p = part_of(d, number);
    *(base ? &p->base : &p->incr) = true;
    *(base ? &p->base_bytes : &p->incr_bytes) = (uint64_t)st.st_size;
}

static int by_number(const void *a, const void *b) {
    const struct logdir_part *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

void logdir_read(struct logdir *d, const char *dir) {
    memset(d, 0, sizeof *d);
    d->dir = xstrdup(dir);
    d->state = manifest_read(dir, &d->m, d->error, sizeof d->error);
    DIR *all = opendir(dir);
    for (struct dirent *e; all && (e = readdir(all));) take_name(d, e->d_name);
    if (all) closedir(all);
    if (d->count) qsort(d->parts, d->count, sizeof *d->parts, by_number);
}

void logdir_free(struct logdir *d) {
    free(d->dir);
    free(d->parts);
    memset(d, 0, sizeof *d);
}

void logdir_path(const struct logdir *d, char *out, size_t size, unsigned number,
                 const char *kind) {
    manifest_part_path(out, size, d->dir, number, kind);
}

/* ---- blocks --------------------------------------------------------------------------------- */

bool logscan_open(struct logscan *s, const char *path, bool payloads) {
    struct stat st;
    memset(s, 0, sizeof *s);
    snprintf(s->path, sizeof s->path, "%s", path);
    s->payloads = payloads;
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) return false;
    if (fstat(s->fd, &st) == 0) s->size = (uint64_t)st.st_size;
    return true;
}

void logscan_close(struct logscan *s) {
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    buf_free(&s->in);
}

/* Has n bytes from s->at on in s->in; false when the file ends before or cannot be read (what says so). */
static bool have(struct logscan *s, size_t n) {
    s->what = NULL;
    if (s->size - s->at < n) return false;
    while (buf_len(&s->in) < n) {
        size_t want = n - buf_len(&s->in) < READ_BYTES ? READ_BYTES : n - buf_len(&s->in);
        ssize_t got = pread(s->fd, buf_room(&s->in, want), want, (off_t)(s->at + buf_len(&s->in)));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) s->what = strerror(errno);
        if (got <= 0) return false;
        buf_added(&s->in, (size_t)got);
    }
    return true;
}

static void skip(struct logscan *s, uint64_t n) {
    s->at += n;
    if (n < buf_len(&s->in))
        buf_eat(&s->in, n);
    else
        buf_clear(&s->in);
}

static enum logscan_state bad(struct logscan *s, const char *what) {
    if (s->what) return LOGSCAN_ERROR;
    if (aof_end_of_data(s->path, s->at, s->size) == s->at) return LOGSCAN_END;
    s->what = what;
    return LOGSCAN_BAD;
}

enum logscan_state logscan_next(struct logscan *s, struct logblock *b) {
    if (s->at == s->size) return LOGSCAN_END;
    if (!have(s, LOGBLOCK_HEADER_BYTES)) return bad(s, "the file ends inside of a block's header");
    if (logblock_get(b, buf_head(&s->in), buf_len(&s->in)) != LOGBLOCK_OK)
        return bad(s, "this is no block of the log");
    uint64_t whole = LOGBLOCK_HEADER_BYTES + (uint64_t)b->len;
    if (s->size - s->at < whole || (s->payloads && !have(s, whole)))
        return bad(s, "the file ends inside of a block");
    if (!s->payloads) {
        skip(s, whole);
        return LOGSCAN_BLOCK;
    }
    if (!logblock_payload_fits(b, buf_head(&s->in) + LOGBLOCK_HEADER_BYTES))
        return bad(s, "a block's checksum does not fit its bytes");
    s->payload =
        buf_head(&s->in) + LOGBLOCK_HEADER_BYTES; /* eaten bytes stay until others are read */
    skip(s, whole);
    return LOGSCAN_BLOCK;
}

const char *logscan_payload(const struct logscan *s) {
    return s->payload;
}

/* ---- who vouches ---------------------------------------------------------------------------- */

static bool file_vouches(const char *path, uint64_t from, uint64_t offset) {
    struct buf b = BUF_INIT;
    bool yes = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = from; fd >= 0 && !yes;) {
        buf_clear(&b);
        ssize_t n = pread(fd, buf_room(&b, READ_BYTES), READ_BYTES, (off_t)at);
        if (n < LOGBLOCK_HEADER_BYTES) break;
        for (long i = -1;
             !yes && (i = logblock_search(buf_head(&b), (size_t)n, (size_t)(i + 1))) >= 0;) {
            struct logblock block;
            logblock_get(&block, buf_head(&b) + i, (size_t)(n - i));
            yes = block.synced > offset;
        }
        at += (uint64_t)n - (LOGBLOCK_HEADER_BYTES - 1); /* a header may lie over the edge */
    }
    if (fd >= 0) close(fd);
    buf_free(&b);
    return yes;
}

bool logscan_vouched(const char *log_dir, unsigned number, uint64_t from, uint64_t offset) {
    char path[512];
    for (;; from = 0, number++) {
        manifest_part_path(path, sizeof path, log_dir, number, "incr");
        if (!file_exists(path)) return false;
        if (file_vouches(path, from, offset)) return true;
    }
}
