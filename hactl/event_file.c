/* Locking: `lock` covers waiting, events, lost, ready, last, ending and busy; all else is the thread's. */
#include "hactl/event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hactl/event.h"
#include "server/base/buf.h"
#include "server/base/file.h"

struct event_file {
    char *dirs[2];
    size_t limit;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    pthread_t thread;
    struct buf waiting;
    uint64_t events, lost, last;
    bool ready, ending, busy;
    /* the thread's */
    char *path; /* NULL: no folder yet */
    int fd;
    size_t size;
    bool torn; /* the last write ended inside a line */
};

/* ---- the thread ---- */

static uint64_t highest_in(const char *path, size_t limit) {
    struct buf text = BUF_INIT;
    uint64_t highest = 0;
    struct event e;
    if (file_read_all(path, &text, limit)) {
        const char *p = buf_head(&text), *end = p + buf_len(&text), *nl;
        for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
            if (event_read(p, (size_t)(nl - p), &e) && e.number > highest) highest = e.number;
    }
    buf_free(&text);
    return highest;
}

static bool ends_torn(const char *path, off_t size) {
    char c = '\n';
    int fd = size > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return false;
    if (!file_pread_all(fd, &c, 1, size - 1)) c = 0;
    close(fd);
    return c != '\n';
}

static bool open_file(struct event_file *f) {
    struct stat st;
    for (int i = 0; !f->path && i < 2; i++)
        if (file_make_dirs(f->dirs[i], 0755)) f->path = xasprintf("%s/events.log", f->dirs[i]);
    if (!f->path) return false;
    f->fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (f->fd < 0) return false;
    f->size = fstat(f->fd, &st) == 0 ? (size_t)st.st_size : 0;
    f->torn = ends_torn(f->path, (off_t)f->size);
    return true;
}

static void rotate(struct event_file *f) {
    char *old = xasprintf("%s.1", f->path);
    close(f->fd);
    f->fd = -1;
    rename(f->path, old);
    free(old);
}

static bool put_out(struct event_file *f, const struct buf *b) {
    if (f->fd < 0 && !open_file(f)) return false;
    if (f->size > 0 && f->size + buf_len(b) > f->limit) {
        rotate(f);
        if (!open_file(f)) return false;
    }
    if (f->torn && !file_write_all(f->fd, "\n", 1)) return false;
    f->torn = !file_write_all(f->fd, buf_head(b), buf_len(b));
    f->size += buf_len(b);
    return !f->torn && file_sync(f->fd);
}

static void look_back(struct event_file *f) {
    uint64_t last = 0;
    if (open_file(f)) {
        char *old = xasprintf("%s.1", f->path);
        uint64_t before = highest_in(old, 2 * f->limit);
        last = highest_in(f->path, 2 * f->limit);
        if (before > last) last = before;
        free(old);
    }
    pthread_mutex_lock(&f->lock);
    f->last = last;
    f->ready = true;
    pthread_cond_broadcast(&f->idle);
    pthread_mutex_unlock(&f->lock);
}

static void *writer(void *arg) {
    struct event_file *f = arg;
    pthread_setschedparam(pthread_self(), SCHED_OTHER, &(struct sched_param){0});
    look_back(f);
    pthread_mutex_lock(&f->lock);
    for (;;) {
        if (!buf_len(&f->waiting)) {
            f->busy = false;
            pthread_cond_broadcast(&f->idle);
            if (f->ending) break;
            pthread_cond_wait(&f->work, &f->lock);
            continue;
        }
        struct buf b = f->waiting;
        uint64_t events = f->events;
        f->waiting = (struct buf)BUF_INIT;
        f->events = 0;
        f->busy = true;
        pthread_mutex_unlock(&f->lock);
        bool good = put_out(f, &b);
        buf_free(&b);
        pthread_mutex_lock(&f->lock);
        if (!good) f->lost += events;
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- for had ---- */

struct event_file *event_file_new(const char *dir, const char *other, size_t limit_bytes) {
    struct event_file *f = xcalloc(1, sizeof *f);
    f->dirs[0] = xstrdup(dir);
    f->dirs[1] = xstrdup(other);
    f->limit = limit_bytes;
    f->fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->work, NULL);
    pthread_cond_init(&f->idle, NULL);
    int e = pthread_create(&f->thread, NULL, writer, f);
    if (e == 0) return f;
    free(f->dirs[0]);
    free(f->dirs[1]);
    free(f);
    errno = e;
    return NULL;
}

static struct timespec in_ms(int ms) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

bool event_file_last(struct event_file *f, int wait_ms, uint64_t *number) {
    struct timespec limit = in_ms(wait_ms);
    int e = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->ready && e == 0) e = pthread_cond_timedwait(&f->idle, &f->lock, &limit);
    bool ready = f->ready;
    *number = f->last;
    pthread_mutex_unlock(&f->lock);
    return ready;
}

void event_file_add(struct event_file *f, const char *line, size_t len) {
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    if (buf_len(&f->waiting) + len < EVENT_QUEUE_LIMIT_BYTES) {
        buf_add(&f->waiting, line, len);
        buf_add(&f->waiting, "\n", 1);
        f->events++;
    } else {
        f->lost++;
    }
    pthread_cond_signal(&f->work);
    pthread_mutex_unlock(&f->lock);
}

uint64_t event_file_lost(struct event_file *f) {
    if (!f) return 0;
    pthread_mutex_lock(&f->lock);
    uint64_t n = f->lost;
    pthread_mutex_unlock(&f->lock);
    return n;
}

void event_file_free(struct event_file *f) {
    struct timespec limit = in_ms(1000);
    int e = 0;
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->ending = true;
    pthread_cond_signal(&f->work);
    while ((!f->ready || f->busy || buf_len(&f->waiting)) && e == 0)
        e = pthread_cond_timedwait(&f->idle, &f->lock, &limit);
    pthread_mutex_unlock(&f->lock);
    if (e != 0) return;
    pthread_join(f->thread, NULL);
    if (f->fd >= 0) close(f->fd);
    buf_free(&f->waiting);
    free(f->path);
    free(f->dirs[0]);
    free(f->dirs[1]);
    free(f);
}
