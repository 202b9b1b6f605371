/* Each name has a file with a buffer of what is still to be written. Locking: `lock` covers the list
 * and all fields of its files but fd and size, which only the writer touches. */
#include "rootfs/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/file.h"

#define NAMES 64

struct log_file {
    char name[48];
    struct buf waiting;
    size_t dropped;
    int fd;
    size_t size;
};

struct logs {
    char *dir;
    size_t limit;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    pthread_t writer;
    bool ending, busy;
    struct log_file files[NAMES];
    size_t count;
};

static bool open_file(struct logs *l, struct log_file *f) {
    struct stat st;
    char *path = xasprintf("%s/%s.log", l->dir, f->name);
    f->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    f->size = f->fd >= 0 && fstat(f->fd, &st) == 0 ? (size_t)st.st_size : 0;
    free(path);
    return f->fd >= 0;
}

static void rotate(struct logs *l, struct log_file *f) {
    char *path = xasprintf("%s/%s.log", l->dir, f->name);
    char *old = xasprintf("%s.1", path);
    close(f->fd);
    f->fd = -1;
    rename(path, old);
    free(path);
    free(old);
}

static void write_file(struct logs *l, struct log_file *f, const struct buf *b) {
    if (f->fd < 0 && !open_file(l, f)) return;
    if (f->size > 0 && f->size + buf_len(b) > l->limit) {
        rotate(l, f);
        if (!open_file(l, f)) return;
    }
    if (file_write_all(f->fd, buf_head(b), buf_len(b))) f->size += buf_len(b);
}

static struct log_file *next_work(struct logs *l) {
    for (size_t i = 0; i < l->count; i++) {
        if (buf_len(&l->files[i].waiting) > 0) return &l->files[i];
    }
    return NULL;
}

static void *writer(void *arg) {
    struct logs *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct log_file *f = next_work(l);
        if (!f) {
            l->busy = false;
            pthread_cond_signal(&l->idle);
            if (l->ending) break;
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        struct buf b = f->waiting;
        f->waiting = (struct buf)BUF_INIT;
        if (f->dropped) buf_printf(&b, "(%zu bytes were dropped here)\n", f->dropped);
        f->dropped = 0;
        l->busy = true;
        pthread_mutex_unlock(&l->lock);
        write_file(l, f, &b);
        buf_free(&b);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

struct logs *logs_open(const char *dir, size_t file_limit_bytes) {
    if (!file_make_dirs(dir, 0755)) return NULL;
    struct logs *l = xcalloc(1, sizeof *l);
    l->dir = xstrdup(dir);
    l->limit = file_limit_bytes;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->idle, NULL);
    int e = pthread_create(&l->writer, NULL, writer, l);
    if (e == 0) return l;
    free(l->dir);
    free(l);
    errno = e;
    return NULL;
}

void logs_close(struct logs *l) {
    struct timespec limit;
    if (!l) return;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 1;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->work);
    int e = 0;
    while ((l->busy || next_work(l)) && e == 0)
        e = pthread_cond_timedwait(&l->idle, &l->lock, &limit);
    pthread_mutex_unlock(&l->lock);
    if (e != 0) return; /* the disk hangs: the thread and its memory are left to it */
    pthread_join(l->writer, NULL);
    for (size_t i = 0; i < l->count; i++) {
        if (l->files[i].fd >= 0) close(l->files[i].fd);
    }
    free(l->dir);
    free(l);
}

static struct log_file *file_of(struct logs *l, const char *name) {
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->files[i].name, name) == 0) return &l->files[i];
    }
    if (l->count == NAMES) return NULL;
    struct log_file *f = &l->files[l->count++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->fd = -1;
    return f;
}

void logs_add(struct logs *l, const char *name, const void *p, size_t len) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    struct log_file *f = file_of(l, name);
    if (f && buf_len(&f->waiting) + len <= LOGS_QUEUE_LIMIT_BYTES) {
        buf_add(&f->waiting, p, len);
    } else if (f) {
        f->dropped += len;
    }
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
}
