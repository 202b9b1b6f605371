/* See file.h. */
#include "server/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/buf.h"

static int (*fault)(char op, int fd);

void file_set_fault(int (*fn)(char op, int fd)) {
    fault = fn;
}

static bool faulty(char op, int fd) {
    int error = fault ? fault(op, fd) : 0;
    if (error) errno = error;
    return error != 0;
}

bool file_read_all(const char *path, struct buf *out, size_t limit_bytes) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t before = buf_len(out);
    ssize_t n;
    do {
        char *room = buf_room(out, 65536);
        n = read(fd, room, buf_spare(out));
        if (n > 0) buf_added(out, (size_t)n);
        if (buf_len(out) - before > limit_bytes) {
            n = -1;
            errno = EFBIG;
            break;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    int saved = errno;
    close(fd);
    errno = saved;
    return n == 0;
}

bool file_write_all(int fd, const void *p, size_t n) {
    const char *s = p;
    while (n) {
        if (faulty('w', fd)) return false;
        ssize_t done = write(fd, s, n);
        if (done < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        s += done;
        n -= (size_t)done;
    }
    return true;
}

bool file_pwrite_all(int fd, const void *p, size_t n, off_t at) {
    const char *s = p;
    while (n) {
        if (faulty('w', fd)) return false;
        ssize_t done = pwrite(fd, s, n, at);
        if (done < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        s += done;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

bool file_pread_all(int fd, void *p, size_t n, off_t at) {
    char *s = p;
    while (n) {
        ssize_t got = pread(fd, s, n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO;
        if (got <= 0) return false;
        s += got;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

bool file_sync(int fd) {
    return !faulty('s', fd) && fdatasync(fd) == 0;
}

bool file_allocate(int fd, off_t at, off_t n) {
    if (faulty('a', fd)) return false;
    while (fallocate(fd, FALLOC_FL_KEEP_SIZE, at, n) != 0)
        if (errno != EINTR) return false;
    return true;
}

bool file_truncate(int fd, off_t size) {
    while (ftruncate(fd, size) != 0)
        if (errno != EINTR) return false;
    return true;
}

bool file_sync_dir(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = !faulty('s', fd) && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

bool file_replace(const char *path, const void *data, size_t len, mode_t mode) {
    char *tmp = xasprintf("%s.tmp", path), *copy = xstrdup(path);
    bool done = false;
    int saved;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) goto out;
    done = file_write_all(fd, data, len) && file_sync(fd);
    saved = errno;
    if (close(fd) != 0) done = false;
    if (done) done = rename(tmp, path) == 0 && file_sync_dir(dirname(copy));
    if (!done) {
        if (saved) errno = saved;
        saved = errno;
        unlink(tmp);
        errno = saved;
    }
out:
    free(tmp);
    free(copy);
    return done;
}

bool file_make_dirs(const char *path, mode_t mode) {
    char *copy = xstrdup(path);
    bool done = true;
    for (char *slash = copy + 1; done && *slash; slash++) {
        if (*slash != '/') continue;
        *slash = '\0';
        done = mkdir(copy, mode) == 0 || errno == EEXIST;
        *slash = '/';
    }
    done = done && (mkdir(copy, mode) == 0 || errno == EEXIST);
    free(copy);
    return done;
}

bool file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_write_pid(const char *path) {
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    bool done = file_write_all(fd, text, (size_t)n);
    return close(fd) == 0 && done;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    remove(path);
    return 0;
}

void file_tree_remove(const char *dir) {
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
