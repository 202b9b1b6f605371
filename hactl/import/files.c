#include "hactl/import/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/proto/append_dir.h"
#include "server/base/file.h"
#include "server/base/zframe.h"

#define READ_BYTES     (256 << 10)
#define MANIFEST_BYTES (1 << 20)
#define HEAD_BYTES     8

static bool complain(struct import_files *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static bool complain(struct import_files *f, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->error, sizeof f->error, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- what it is ---- */

enum what { IS_EMPTY, IS_RDB, IS_COMMANDS, IS_MANIFEST, IS_ZSTD, IS_GZIP, IS_LOG, IS_OTHER };

static enum what look_at(int fd) {
    char head[HEAD_BYTES] = "";
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n <= 0) return n ? IS_OTHER : IS_EMPTY;
    if (memcmp(head, "REDIS", 5) == 0 || memcmp(head, "VALKEY", 6) == 0) return IS_RDB;
    if (*head == '*' || memcmp(head, "#TS:", 4) == 0) return IS_COMMANDS;
    if (memcmp(head, "file ", 5) == 0 || *head == '#') return IS_MANIFEST;
    if (memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0) return IS_ZSTD;
    if (memcmp(head, "\x1f\x8b", 2) == 0) return IS_GZIP;
    if (memcmp(head, "DLB\x81", 4) == 0) return IS_LOG;
    return IS_OTHER;
}

static bool no_source(struct import_files *f, const char *name, enum what what) {
    if (what == IS_EMPTY) return complain(f, "%s is empty", name);
    if (what == IS_GZIP)
        return complain(f,
                        "%s is compressed by gzip: give its content, for example gzip -dc %s | "
                        "hactl import -",
                        name, name);
    if (what == IS_LOG)
        return complain(f,
                        "%s is a piece of a Duet log: `duet restore` and `hactl clone` take "
                        "those",
                        name);
    return complain(f, "%s is no RDB file, no append-only file and no manifest of one", name);
}

/* ---- parts ---- */

static void add_part(struct import_files *f, const char *name, int fd, uint64_t bytes, bool rdb) {
    f->parts = xrealloc(f->parts, (f->count + 1) * sizeof *f->parts);
    f->parts[f->count++] = (struct import_part){
        .name = xstrdup(name), .fd = fd, .begin = f->bytes, .bytes = bytes, .rdb = rdb};
    f->bytes += bytes;
}

static bool cannot_read(struct import_files *f, const char *path, int fd) {
    complain(f, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return false;
}

int import_spool(const char *dir) {
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    char *path = xasprintf("%s/import-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    free(path);
    return fd;
}

bool import_unzstd(int from, int to, char *why, size_t why_size) {
    struct zframe_reader *z = zframe_reader_new();
    struct buf in = BUF_INIT, out = BUF_INIT;
    enum zframe_state st = ZFRAME_MORE;
    ssize_t n = 1;
    bool well = true;
    while (well && st == ZFRAME_MORE && n > 0) {
        n = read(from, buf_room(&in, READ_BYTES), READ_BYTES);
        if (n > 0) buf_added(&in, (size_t)n);
        for (bool more = n > 0; more && well && st == ZFRAME_MORE;) {
            size_t used, had = buf_len(&in);
            st = zframe_read(z, had ? buf_head(&in) : "", had, &used, &out, READ_BYTES);
            more = used < had || buf_len(&out);
            buf_eat(&in, used);
            well = !buf_len(&out) || file_write_all(to, buf_head(&out), buf_len(&out));
            buf_clear(&out);
        }
    }
    if (!well || n < 0)
        snprintf(why, why_size, "%s", strerror(errno));
    else if (st != ZFRAME_END)
        snprintf(why, why_size, "%s", st == ZFRAME_BAD ? zframe_error(z) : "its end is missing");
    zframe_reader_free(z);
    buf_free(&in);
    buf_free(&out);
    return well && n >= 0 && st == ZFRAME_END;
}

static bool unpacked(struct import_files *f, const char *name, int fd, const char *spool_dir) {
    char why[200] = "";
    int to = import_spool(spool_dir);
    if (to < 0) return complain(f, "cannot write to %s: %s", spool_dir, strerror(errno));
    lseek(fd, 0, SEEK_SET);
    bool well = import_unzstd(fd, to, why, sizeof why);
    off_t bytes = lseek(to, 0, SEEK_END);
    enum what what = look_at(to);
    if (well && (what == IS_RDB || what == IS_COMMANDS)) {
        add_part(f, name, to, (uint64_t)bytes, what == IS_RDB);
        return true;
    }
    close(to);
    return well ? no_source(f, name, what) : complain(f, "%s cannot be unpacked: %s", name, why);
}

/* A file of its own; fd is closed or becomes a part's. */
static bool take_file(struct import_files *f, const char *name, int fd, const char *spool_dir,
                      bool may_be_empty) {
    struct stat st;
    if (fstat(fd, &st) != 0) return cannot_read(f, name, fd);
    enum what what = look_at(fd);
    if (what == IS_RDB || what == IS_COMMANDS || (what == IS_EMPTY && may_be_empty)) {
        add_part(f, name, fd, (uint64_t)st.st_size, what == IS_RDB);
        return true;
    }
    bool well = what == IS_ZSTD ? unpacked(f, name, fd, spool_dir) : no_source(f, name, what);
    close(fd);
    return well;
}

/* ---- an append directory ---- */

static bool take_listed(struct import_files *f, const char *dir, const struct append_file *a,
                        const char *spool_dir) {
    char *path = xasprintf("%s/%s", dir, a->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool well = false;
    if (fd < 0)
        complain(f, "the manifest names %s, which cannot be read: %s", path, strerror(errno));
    else
        well = take_file(f, path, fd, spool_dir, !a->base);
    free(path);
    return well;
}

static bool take_manifest(struct import_files *f, const char *path, const char *spool_dir) {
    struct buf text = BUF_INIT;
    struct append_dir d = {.count = 0};
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrdup(path) : xstrdup(".");
    if (slash) dir[slash == path ? 1 : slash - path] = 0;
    bool well = file_read_all(path, &text, MANIFEST_BYTES);
    if (!well)
        cannot_read(f, path, -1);
    else if (!(well = append_dir_read(&d, buf_len(&text) ? buf_head(&text) : "", buf_len(&text))))
        complain(f, "%s: %s", path, d.error);
    for (size_t i = 0; well && i < d.count; i++) well = take_listed(f, dir, &d.files[i], spool_dir);
    f->kind = "append directory";
    append_dir_free(&d);
    buf_free(&text);
    free(dir);
    return well;
}

/* The only NAME.manifest of a directory. */
static char *manifest_in(const char *dir) {
    static const char ending[] = ".manifest";
    char *found = NULL;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        size_t n = strlen(e->d_name), m = sizeof ending - 1;
        if (n <= m || strcmp(e->d_name + n - m, ending) != 0) continue;
        free(found);
        found = xasprintf("%s/%s", dir, e->d_name);
    }
    if (d) closedir(d);
    return found;
}

static bool take_dir(struct import_files *f, const char *dir, const char *spool_dir) {
    char *inner = xasprintf("%s/appendonlydir", dir), *path = manifest_in(dir);
    if (!path) path = manifest_in(inner);
    bool well = path ? take_manifest(f, path, spool_dir)
                     : complain(f,
                                "%s is a directory without the manifest of an append-only file; "
                                "name the file that is meant",
                                dir);
    free(inner);
    free(path);
    return well;
}

/* ---- all ---- */

static bool take_stdin(struct import_files *f, const char *spool_dir) {
    char *bytes = xmalloc(READ_BYTES);
    int to = import_spool(spool_dir);
    ssize_t n = 1;
    bool well = to >= 0;
    while (well && n > 0) {
        n = read(STDIN_FILENO, bytes, READ_BYTES);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            well = file_write_all(to, bytes, (size_t)n);
    }
    free(bytes);
    if (!well || n < 0) {
        complain(f, "what comes from standard input cannot be kept in %s: %s", spool_dir,
                 strerror(errno));
        if (to >= 0) close(to);
        return false;
    }
    return take_file(f, "standard input", to, spool_dir, false);
}

bool import_files_open(struct import_files *f, const char *path, const char *spool_dir) {
    struct stat st;
    bool well;
    memset(f, 0, sizeof *f);
    if (strcmp(path, "-") == 0) {
        well = take_stdin(f, spool_dir);
    } else if (stat(path, &st) != 0) {
        well = cannot_read(f, path, -1);
    } else if (S_ISDIR(st.st_mode)) {
        well = take_dir(f, path, spool_dir);
    } else {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return cannot_read(f, path, -1);
        bool manifest = look_at(fd) == IS_MANIFEST;
        if (manifest) close(fd);
        well =
            manifest ? take_manifest(f, path, spool_dir) : take_file(f, path, fd, spool_dir, false);
    }
    if (well && !f->kind) f->kind = f->parts[0].rdb ? "RDB file" : "append-only file";
    if (!well) import_files_close(f);
    return well;
}

void import_files_close(struct import_files *f) {
    for (size_t i = 0; i < f->count; i++) {
        close(f->parts[i].fd);
        free(f->parts[i].name);
    }
    free(f->parts);
    f->parts = NULL;
    f->count = 0;
}
