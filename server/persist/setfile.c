/* See setfile.h. */
#include "server/persist/setfile.h"

#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/zframe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, TAR_BLOCK = 512 };

static bool wrong(struct setfile *f, const char *where, uint64_t at, const char *what) {
    if (f->where) return false;
    f->where = where;
    f->at = at;
    snprintf(f->what, sizeof f->what, "%s", what);
    return false;
}

/* ---- what kind of thing is it --------------------------------------------------------------- */

bool setfile_is_dir(const char *path) {
    char *set = xasprintf("%s/" BACKUP_SET_FILE, path),
         *data = xasprintf("%s/" BACKUP_DATA_FILE, path);
    bool yes = file_exists(set) || file_exists(data);
    free(set);
    free(data);
    return yes;
}

bool setfile_is_archive(const char *path) {
    char block[TAR_BLOCK];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool yes = fd >= 0 && file_pread_all(fd, block, sizeof block, 0) &&
               memcmp(block + 257, "ustar", 5) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* As many as there are up to n; -1: errno. */
static ssize_t read_some(int fd, char *p, size_t n) {
    ssize_t got;
    do got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool read_exactly(int fd, char *p, size_t n) {
    while (n) {
        ssize_t got = read_some(fd, p, n);
        if (got == 0) errno = EPIPE;
        if (got <= 0) return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* ---- the archive ---------------------------------------------------------------------------- */

/* Octal digits, or (first bit set) a binary number, highest byte first. */
static uint64_t tar_number(const char *p, size_t n) {
    uint64_t v = 0;
    if ((unsigned char)*p & 0x80) {
        for (size_t i = n - 8; i < n; i++) v = v << 8 | (unsigned char)p[i];
        return v;
    }
    for (size_t i = 0; i < n && (p[i] == ' ' || (p[i] >= '0' && p[i] <= '7')); i++)
        if (p[i] != ' ') v = v << 3 | (uint64_t)(p[i] - '0');
    return v;
}

static bool tar_sum_fits(const char *block) {
    uint64_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
    return sum == tar_number(block + 148, 8);
}

/* The next file's header; its name without directories. */
static bool tar_next(struct setfile *f, int fd, char *name, size_t name_size, uint64_t *size) {
    char block[TAR_BLOCK], whole[101];
    do {
        if (!read_exactly(fd, block, sizeof block))
            return wrong(f, "archive", 0, "the archive ends too early");
        if (memcmp(block + 257, "ustar", 5) != 0 || !tar_sum_fits(block))
            return wrong(f, "archive", 0,
                         "this is no archive of a backup set: a header of it is damaged");
    } while (block[156] == '5'); /* a directory */
    if (block[156] != '0' && block[156] != '\0')
        return wrong(f, "archive", 0,
                     "this is no archive of a backup set: it holds more than plain files");
    memcpy(whole, block, 100);
    whole[100] = '\0';
    const char *slash = strrchr(whole, '/');
    snprintf(name, name_size, "%s", slash ? slash + 1 : whole);
    *size = tar_number(block + 124, 12);
    return true;
}

static bool tar_set(struct setfile *f, int fd) {
    char name[101], text[BACKUP_SET_MAX_BYTES + TAR_BLOCK];
    uint64_t size;
    if (!tar_next(f, fd, name, sizeof name, &size)) return false;
    if (strcmp(name, BACKUP_SET_FILE) != 0 || size > BACKUP_SET_MAX_BYTES)
        return wrong(f, "archive", 0,
                     "this is no archive of a backup set: `set` does not stand first");
    if (!read_exactly(fd, text, (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK))
        return wrong(f, "archive", 0, "the archive ends too early");
    const char *why = backup_set_parse(&f->set, text, size);
    if (why) return wrong(f, "set", 0, why);
    f->known = true;
    if (!tar_next(f, fd, name, sizeof name, &f->all)) return false;
    if (strcmp(name, BACKUP_DATA_FILE) != 0)
        return wrong(f, "archive", 0, "data.rdb.zst does not stand behind `set`");
    return true;
}

/* ---- the data ------------------------------------------------------------------------------- */

struct pass {
    struct setfile *f;
    int out_fd;
    struct zframe_reader *z;
    struct buf raw;
    uint32_t crc;
    uint64_t raw_bytes;
    enum zframe_state state;
};

static bool take_raw(struct pass *p) {
    struct setfile *f = p->f;
    size_t n = buf_len(&p->raw);
    if (n == 0) return true;
    if (rdbscan_feed(&f->scan, buf_head(&p->raw), n) == RDBSCAN_BAD)
        return wrong(f, "rdb", f->scan.bad_at, f->scan.what);
    if (p->out_fd >= 0 && !file_write_all(p->out_fd, buf_head(&p->raw), n))
        return wrong(f, "out", 0, strerror(errno));
    p->raw_bytes += n;
    buf_clear(&p->raw);
    return true;
}

static bool take_packed(struct pass *p, const char *bytes, size_t n) {
    size_t used;
    p->crc = crc32c(p->crc, bytes, n);
    while (n || p->state == ZFRAME_MORE) {
        size_t before = buf_len(&p->raw);
        if (p->state == ZFRAME_END)
            return wrong(p->f, "data.rdb.zst", p->f->done, "bytes stand behind the frame's end");
        p->state = zframe_read(p->z, bytes, n, &used, &p->raw, READ_BYTES);
        if (p->state == ZFRAME_BAD) {
            char why[300];
            snprintf(why, sizeof why, "the compressed data is damaged: %s", zframe_error(p->z));
            return wrong(p->f, "data.rdb.zst", p->f->done, why);
        }
        bool idle = used == 0 && buf_len(&p->raw) == before;
        if (!take_raw(p)) return false;
        bytes += used;
        n -= used;
        p->f->done += used;
        if (idle && n == 0) break;
    }
    return true;
}

static bool fits_together(struct pass *p) {
    struct setfile *f = p->f;
    const struct backup_set *s = &f->set;
    if (p->state != ZFRAME_END) return wrong(f, "data.rdb.zst", f->done, "it ends too early");
    if (rdbscan_cut(&f->scan) == RDBSCAN_BAD) return wrong(f, "rdb", f->scan.bad_at, f->scan.what);
    if (f->done != s->bytes) return wrong(f, "data.rdb.zst", 0, "its size is not what `set` says");
    if (p->crc != s->crc) return wrong(f, "data.rdb.zst", 0, "its checksum is not what `set` says");
    if (p->raw_bytes != s->raw_bytes)
        return wrong(f, "data.rdb.zst", 0, "its unpacked size is not what `set` says");
    return true;
}

static bool stopped(struct setfile *f) {
    if (!f->seen) return false;
    __atomic_store_n(&f->seen->done, f->done, __ATOMIC_RELAXED);
    __atomic_store_n(&f->seen->all, f->all, __ATOMIC_RELAXED);
    return __atomic_load_n(&f->seen->stop, __ATOMIC_RELAXED);
}

static bool read_data(struct setfile *f, int fd, int out_fd) {
    struct pass p = {.f = f, .out_fd = out_fd, .z = zframe_reader_new(), .raw = BUF_INIT};
    char *in = xmalloc(READ_BYTES);
    uint64_t left = f->all;
    bool ok = true;
    while (ok && left) {
        ssize_t n = read_some(fd, in, left < READ_BYTES ? left : READ_BYTES);
        if (n < 0) ok = wrong(f, "data.rdb.zst", f->done, strerror(errno));
        if (n == 0) ok = wrong(f, "data.rdb.zst", f->done, "it ends too early");
        if (ok && stopped(f)) ok = wrong(f, "stopped", 0, "it was stopped");
        if (ok) ok = take_packed(&p, in, (size_t)n);
        if (n > 0) left -= (uint64_t)n;
        if (f->tell) f->tell("the backup set", f->done, f->all);
    }
    ok = ok && fits_together(&p);
    zframe_reader_free(p.z);
    buf_free(&p.raw);
    free(in);
    return ok;
}

static int open_dir(struct setfile *f, const char *path) {
    struct stat st;
    char err[500];
    f->known = backup_set_read(&f->set, path, err, sizeof err);
    if (!f->known) return wrong(f, "set", 0, err), -1;
    char *data = xasprintf("%s/" BACKUP_DATA_FILE, path);
    int fd = open(data, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        wrong(f, "data.rdb.zst", 0, strerror(errno));
        if (fd >= 0) close(fd);
        fd = -1;
    } else {
        f->all = (uint64_t)st.st_size;
    }
    free(data);
    return fd;
}

bool setfile_read(struct setfile *f, const char *path, int out_fd, bool deep) {
    struct stat st;
    int fd;
    *f = (struct setfile){.tell = f->tell, .seen = f->seen};
    rdbscan_begin(&f->scan, deep);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fd = open_dir(f, path);
    } else {
        fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) wrong(f, "archive", 0, strerror(errno));
        if (fd >= 0) tar_set(f, fd);
    }
    bool ok = !f->where && read_data(f, fd, out_fd);
    if (fd >= 0) close(fd);
    return ok;
}

void setfile_free(struct setfile *f) {
    rdbscan_free(&f->scan);
}
