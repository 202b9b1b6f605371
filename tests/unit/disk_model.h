/* A disk that forgets: what a directory holds after a power cut.
 *
 * The calls that change files are taken in between the program and libc (this header defines them), and what they
 * do below a watched directory is noted in order. disk_cut() then makes, in another directory, what could be left when the
 * machine died before step `at`: everything that an fsync before it covers, and of the rest what the style keeps: writes
 * by whole or by sectors, in any order; creates, renames and unlinks that no fsync of their directory covers, in any order. A
 * killed process is the style that keeps everything. One watched directory at a time; any thread may write. */
#ifndef TESTS_UNIT_DISK_MODEL_H
#define TESTS_UNIT_DISK_MODEL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum disk_op_kind {
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_SYNC_DIR,
    DISK_CREATE,
    DISK_RENAME,
    DISK_LINK,
    DISK_UNLINK,
    DISK_NOTE
};

struct disk_op {
    enum disk_op_kind kind;
    int inode;
    uint64_t at; /* WRITE, TRUNCATE: bytes; SYNC: the step when it began; NOTE: the number */
    size_t len;
    char *data;
    char a[96], b[96]; /* names, relative to the watched directory */
};

enum { DISK_INODES = 512, DISK_FDS = 1024 };

static struct {
    pthread_mutex_t lock;
    bool on;
    char top[300];
    size_t top_len;
    struct disk_op *ops;
    size_t count, cap;
    int inodes, fds[DISK_FDS]; /* fd -> inode + 1; -1: a directory */
    char fd_dir[DISK_FDS][96];
    struct {
        char name[96];
        int inode;
    } names[DISK_INODES];
    int name_count;
    int (*fail)(enum disk_op_kind kind, const char *name); /* an errno for a call, or 0 */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *disk_relative(const char *path) {
    if (!disk.on || strncmp(path, disk.top, disk.top_len) != 0) return NULL;
    if (path[disk.top_len] == '\0') return ".";
    return path[disk.top_len] == '/' ? path + disk.top_len + 1 : NULL;
}

static int disk_find(const char *name) {
    for (int i = 0; i < disk.name_count; i++)
        if (!strcmp(disk.names[i].name, name)) return i;
    return -1;
}

static void disk_set(const char *name, int inode) {
    int i = disk_find(name);
    if (i < 0) i = disk.name_count++;
    if (i >= DISK_INODES) abort();
    snprintf(disk.names[i].name, sizeof disk.names[i].name, "%s", name);
    disk.names[i].inode = inode;
}

static void disk_unset(const char *name) {
    int i = disk_find(name);
    if (i >= 0) disk.names[i] = disk.names[--disk.name_count];
}

static struct disk_op *disk_add(enum disk_op_kind kind, int inode) {
    if (disk.count == disk.cap) {
        disk.cap = disk.cap ? disk.cap * 2 : 1024;
        disk.ops = realloc(disk.ops, disk.cap * sizeof *disk.ops);
    }
    struct disk_op *op = &disk.ops[disk.count++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->inode = inode;
    return op;
}

static void disk_add_write(int inode, uint64_t at, const void *p, size_t n) {
    struct disk_op *op = disk_add(DISK_WRITE, inode);
    op->at = at;
    op->len = n;
    op->data = malloc(n ? n : 1);
    memcpy(op->data, p, n);
}

static void disk_add_names(enum disk_op_kind kind, int inode, const char *a, const char *b) {
    struct disk_op *op = disk_add(kind, inode);
    snprintf(op->a, sizeof op->a, "%s", a);
    if (b) snprintf(op->b, sizeof op->b, "%s", b);
}

static bool disk_fails(enum disk_op_kind kind, const char *name) {
    int error = disk.on && disk.fail ? disk.fail(kind, name) : 0;
    if (error) errno = error;
    return error != 0;
}

static int disk_inode(int fd) {
    return disk.on && fd >= 0 && fd < DISK_FDS ? disk.fds[fd] - 1 : -1;
}

/* ---- the calls ------------------------------------------------------------------------------ */

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    pthread_mutex_lock(&disk.lock);
    const char *name = disk_relative(path);
    int fd = -1, i = name ? disk_find(name) : -1;
    bool creates = name && i < 0 && flags & O_CREAT;
    if (creates && disk_fails(DISK_CREATE, name)) goto out;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd < 0 || fd >= DISK_FDS || !name) goto out;
    disk.fds[fd] = 0;
    if (flags & O_DIRECTORY) {
        disk.fds[fd] = -1;
        snprintf(disk.fd_dir[fd], sizeof disk.fd_dir[fd], "%s", name);
    } else if (creates) {
        disk_set(name, disk.inodes);
        disk_add_names(DISK_CREATE, disk.inodes, name, NULL);
        disk.fds[fd] = ++disk.inodes;
    } else if (i >= 0) {
        if (flags & O_TRUNC) disk_add(DISK_TRUNCATE, disk.names[i].inode);
        disk.fds[fd] = disk.names[i].inode + 1;
    }
out:
    pthread_mutex_unlock(&disk.lock);
    return fd;
}

int close(int fd) {
    if (fd >= 0 && fd < DISK_FDS) disk.fds[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    ssize_t done = -1;
    pthread_mutex_lock(&disk.lock);
    int inode = disk_inode(fd);
    if (inode < 0 || !disk_fails(DISK_WRITE, "")) done = syscall(SYS_pwrite64, fd, p, n, at);
    if (inode >= 0 && done > 0) disk_add_write(inode, (uint64_t)at, p, (size_t)done);
    pthread_mutex_unlock(&disk.lock);
    return done;
}

ssize_t write(int fd, const void *p, size_t n) {
    ssize_t done = -1;
    int inode = disk_inode(fd);
    if (inode < 0) return syscall(SYS_write, fd, p, n);
    pthread_mutex_lock(&disk.lock);
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (!disk_fails(DISK_WRITE, "")) done = syscall(SYS_write, fd, p, n);
    if (done > 0) disk_add_write(inode, (uint64_t)at, p, (size_t)done);
    pthread_mutex_unlock(&disk.lock);
    return done;
}

int ftruncate(int fd, off_t size) {
    pthread_mutex_lock(&disk.lock);
    int inode = disk_inode(fd), done = -1;
    if (inode < 0 || !disk_fails(DISK_TRUNCATE, "")) done = (int)syscall(SYS_ftruncate, fd, size);
    if (inode >= 0 && done == 0) disk_add(DISK_TRUNCATE, inode)->at = (uint64_t)size;
    pthread_mutex_unlock(&disk.lock);
    return done;
}

/* What was written before it began is on the disk when it ends. */
static int disk_sync(int fd) {
    struct disk_op *op = NULL;
    pthread_mutex_lock(&disk.lock);
    size_t from = disk.count;
    bool directory = disk.on && fd >= 0 && fd < DISK_FDS && disk.fds[fd] == -1;
    int inode = directory ? -1 : disk_inode(fd);
    bool fails = (directory || inode >= 0) && disk_fails(directory ? DISK_SYNC_DIR : DISK_SYNC, "");
    pthread_mutex_unlock(&disk.lock);
    if (fails) return -1;
    usleep(inode >= 0 ? 30 : 0);
    pthread_mutex_lock(&disk.lock);
    if (directory) {
        op = disk_add(DISK_SYNC_DIR, -1);
        snprintf(op->a, sizeof op->a, "%s", disk.fd_dir[fd]);
    } else if (inode >= 0) {
        op = disk_add(DISK_SYNC, inode);
    }
    if (op) op->at = from;
    pthread_mutex_unlock(&disk.lock);
    return 0;
}

int fdatasync(int fd) {
    return disk_sync(fd);
}

int fsync(int fd) {
    return disk_sync(fd);
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&disk.lock);
    const char *a = disk_relative(from), *b = disk_relative(to);
    int i = a ? disk_find(a) : -1, done = -1;
    if (i >= 0 && b && disk_fails(DISK_RENAME, b)) goto out;
    done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && i >= 0 && b) {
        int inode = disk.names[i].inode;
        disk_add_names(DISK_RENAME, inode, a, b);
        disk_unset(a);
        disk_set(b, inode);
    }
out:
    pthread_mutex_unlock(&disk.lock);
    return done;
}

int link(const char *from, const char *to) {
    pthread_mutex_lock(&disk.lock);
    const char *a = disk_relative(from), *b = disk_relative(to);
    int i = a ? disk_find(a) : -1, done = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && i >= 0 && b) {
        disk_add_names(DISK_LINK, disk.names[i].inode, a, b);
        disk_set(b, disk.names[i].inode);
    }
    pthread_mutex_unlock(&disk.lock);
    return done;
}

int unlink(const char *path) {
    pthread_mutex_lock(&disk.lock);
    const char *name = disk_relative(path);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (done == 0 && name && disk_find(name) >= 0) {
        disk_add_names(DISK_UNLINK, -1, name, NULL);
        disk_unset(name);
    }
    pthread_mutex_unlock(&disk.lock);
    return done;
}

/* ---- watching ------------------------------------------------------------------------------- */

static void disk_take(const char *dir, const char *prefix) {
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[600], name[96];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        snprintf(name, sizeof name, "%s%.60s", prefix, e->d_name);
        if (stat(path, &st) != 0) continue;
        if (S_ISDIR(st.st_mode)) {
            char deeper[96];
            snprintf(deeper, sizeof deeper, "%.90s/", name);
            disk_take(path, deeper);
            continue;
        }
        char *all = malloc((size_t)st.st_size + 1);
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
        if (pread(fd, all, (size_t)st.st_size, 0) != st.st_size) abort();
        syscall(SYS_close, fd);
        disk_add_names(DISK_CREATE, disk.inodes, name, NULL);
        disk_add_write(disk.inodes, 0, all, (size_t)st.st_size);
        disk_set(name, disk.inodes++);
        free(all);
    }
    if (d) closedir(d);
}

static size_t disk_begun; /* steps before this are what was there */

/* Begins to watch a directory; what is there is on the disk. */
static void disk_watch(const char *dir) {
    for (size_t i = 0; i < disk.count; i++) free(disk.ops[i].data);
    disk.count = 0;
    disk.inodes = disk.name_count = 0;
    memset(disk.fds, 0, sizeof disk.fds);
    snprintf(disk.top, sizeof disk.top, "%s", dir);
    disk.top_len = strlen(dir);
    disk_take(dir, "");
    disk_begun = disk.count;
    disk.on = true;
}

/* Something that was promised by now. */
__attribute__((unused)) static void disk_note(uint64_t number) {
    pthread_mutex_lock(&disk.lock);
    disk_add(DISK_NOTE, -1)->at = number;
    pthread_mutex_unlock(&disk.lock);
}

/* The last number noted before step `at`. */
__attribute__((unused)) static uint64_t disk_noted(size_t at) {
    while (at-- > 0)
        if (disk.ops[at].kind == DISK_NOTE) return disk.ops[at].at;
    return 0;
}

/* ---- the cut -------------------------------------------------------------------------------- */

struct disk_style {
    int names;     /* of a hundred changes of names that may be lost, so many are kept */
    int writes;    /* the same of sectors */
    bool in_order; /* names are lost from one moment on, as a journal loses them */
    unsigned sector;
    unsigned seed;
};

struct disk_file {
    char *p;
    size_t len, cap;
};

static void disk_put(struct disk_file *f, uint64_t at, const char *p, size_t n) {
    if (f->cap < at + n) f->p = realloc(f->p, f->cap = 2 * (at + n));
    if (f->len < at + n) {
        memset(f->p + f->len, 0, at + n - f->len);
        f->len = at + n;
    }
    memcpy(f->p + at, p, n);
}

static void disk_apply(struct disk_file *f, const struct disk_op *op, bool sure,
                       struct disk_style *s) {
    if (op->kind == DISK_TRUNCATE) {
        if (!sure && (int)(rand_r(&s->seed) % 100) >= s->writes) return;
        if (op->at < f->len) f->len = op->at;
        if (op->at > f->len) disk_put(f, op->at - 1, "", 1);
        return;
    }
    for (size_t i = 0; i < op->len;) {
        size_t n = s->sector - (op->at + i) % s->sector;
        if (n > op->len - i) n = op->len - i;
        if (sure || (int)(rand_r(&s->seed) % 100) < s->writes)
            disk_put(f, op->at + i, op->data + i, n);
        i += n;
    }
}

static size_t disk_dir_synced(const char *name, size_t at) {
    const char *slash = strrchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : 1, synced = disk_begun;
    for (size_t i = 0; i < at; i++)
        if (disk.ops[i].kind == DISK_SYNC_DIR && strlen(disk.ops[i].a) == len &&
            !memcmp(disk.ops[i].a, slash ? name : ".", len) && disk.ops[i].at > synced)
            synced = disk.ops[i].at;
    return synced;
}

static void disk_cut_names(size_t at, struct disk_style *s) {
    bool lost = false;
    disk.name_count = 0;
    for (size_t i = 0; i < at; i++) {
        const struct disk_op *op = &disk.ops[i];
        if (op->kind < DISK_CREATE || op->kind == DISK_NOTE) continue;
        bool keep = (int)(rand_r(&s->seed) % 100) < s->names;
        if (i >= disk_dir_synced(op->a, at)) {
            if (!keep) lost = true;
            if (!keep || (lost && s->in_order)) continue;
        }
        int from = op->kind == DISK_CREATE ? 0 : disk_find(op->a);
        if (from < 0) continue;
        if (op->kind == DISK_UNLINK || op->kind == DISK_RENAME) disk_unset(op->a);
        if (op->kind == DISK_CREATE) disk_set(op->a, op->inode);
        if (op->kind == DISK_RENAME || op->kind == DISK_LINK) disk_set(op->b, op->inode);
    }
}

/* Makes in `dir` (with its subdirectory log) what is left when the machine dies before step `at`. */
__attribute__((unused)) static void disk_cut(size_t at, struct disk_style s, const char *dir) {
    disk.on = false;
    struct disk_file *files = calloc((size_t)disk.inodes, sizeof *files);
    size_t *synced = calloc((size_t)disk.inodes, sizeof *synced);
    for (int i = 0; i < disk.inodes; i++) synced[i] = disk_begun;
    for (size_t i = 0; i < at; i++)
        if (disk.ops[i].kind == DISK_SYNC && disk.ops[i].at > synced[disk.ops[i].inode])
            synced[disk.ops[i].inode] = disk.ops[i].at;
    for (size_t i = 0; i < at; i++)
        if (disk.ops[i].kind == DISK_WRITE || disk.ops[i].kind == DISK_TRUNCATE)
            disk_apply(&files[disk.ops[i].inode], &disk.ops[i], i < synced[disk.ops[i].inode], &s);
    disk_cut_names(at, &s);
    for (int i = 0; i < disk.name_count; i++) {
        char path[600];
        const struct disk_file *f = &files[disk.names[i].inode];
        snprintf(path, sizeof path, "%s/%s", dir, disk.names[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
        if (fd < 0 || (f->len && pwrite(fd, f->p, f->len, 0) != (ssize_t)f->len)) abort();
        close(fd);
    }
    for (int i = 0; i < disk.inodes; i++) free(files[i].p);
    free(files);
    free(synced);
}

#endif
