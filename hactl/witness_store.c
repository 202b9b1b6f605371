#include "hactl/witness_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define LINE_LIMIT 128

struct job {
    struct job *next;
    uint16_t pair;
    uint64_t holder;
    bool ok;
};

struct job_list {
    struct job *first, **end;
};

struct witness_store {
    char dir[256];
    int lock_fd;
    struct loop_wake *wake;
    witness_saved_fn *saved;
    void *arg;
    pthread_t thread;
    bool threaded;
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job_list todo, done;
    bool stop;
};

/* ---- a file: one line for people, with a sum at its end ---------------------------------------- */

static const char *path_of(const struct witness_store *s, uint16_t pair, char out[300]) {
    snprintf(out, 300, "%s/pair-%u", s->dir, pair);
    return out;
}

static size_t line_of(uint16_t pair, uint64_t holder, char out[LINE_LIMIT]) {
    int n = snprintf(
        out, LINE_LIMIT, "duet witness 1: pair %u is held by epoch %llu of %c = %llu, sum ", pair,
        (unsigned long long)(holder >> 8), holder & 255 ? 'b' : 'a', (unsigned long long)holder);
    n += snprintf(out + n, LINE_LIMIT - (size_t)n, "%08x\n", crc32c(0, out, (size_t)n));
    return (size_t)n;
}

static bool understand(const char *text, size_t len, uint16_t pair, uint64_t *holder) {
    char again[LINE_LIMIT];
    const char *is = memchr(text, '=', len);
    if (!is || text[len] != 0) return false;
    *holder = strtoull(is + 1, NULL, 10);
    return line_of(pair, *holder, again) == len && memcmp(text, again, len) == 0;
}

enum witness_found witness_store_read(const struct witness_store *s, uint16_t pair,
                                      uint64_t *holder, struct witness_error *err) {
    char path[300];
    struct buf text = BUF_INIT;
    *holder = 0;
    bool read = file_read_all(path_of(s, pair, path), &text, LINE_LIMIT);
    int why = errno;
    bool good = read && understand(buf_cstr(&text), buf_len(&text), pair, holder);
    buf_free(&text);
    if (good) return *holder ? WITNESS_RECORD : WITNESS_NO_RECORD;
    *holder = 0;
    if (!read && why == ENOENT) return WITNESS_NO_RECORD;
    snprintf(
        err->text, sizeof err->text,
        "%s: %s; pair %u gets no answers until this file is gone: see with `hactl status` that one "
        "of its nodes serves and the other follows, then remove it",
        path, read ? "damaged" : strerror(why), pair);
    return WITNESS_DAMAGED;
}

/* ---- the thread -------------------------------------------------------------------------------- */

static void list_add(struct job_list *list, struct job *j) {
    j->next = NULL;
    *list->end = j;
    list->end = &j->next;
}

static struct job *list_take(struct job_list *list) {
    struct job *j = list->first;
    if (!j) return NULL;
    list->first = j->next;
    if (!list->first) list->end = &list->first;
    return j;
}

static bool write_down(const struct witness_store *s, const struct job *j) {
    char path[300], line[LINE_LIMIT];
    size_t len = line_of(j->pair, j->holder, line);
    if (file_replace(path_of(s, j->pair, path), line, len, 0600)) return true;
    log_error("%s could not be written: %s; check the disk. Pair %u gets no answer meanwhile", path,
              strerror(errno), j->pair);
    return false;
}

static void *writer(void *arg) {
    struct witness_store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct job *j = list_take(&s->todo);
        if (!j) {
            pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        j->ok = write_down(s, j);
        pthread_mutex_lock(&s->lock);
        list_add(&s->done, j);
        loop_wake(s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void on_wake(struct loop *l, void *arg) {
    struct witness_store *s = arg;
    (void)l;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct job *j = list_take(&s->done);
        pthread_mutex_unlock(&s->lock);
        if (!j) return;
        s->saved(s->arg, j->pair, j->ok);
        free(j);
    }
}

void witness_store_save(struct witness_store *s, uint16_t pair, uint64_t holder) {
    struct job *j = xcalloc(1, sizeof *j);
    j->pair = pair;
    j->holder = holder;
    pthread_mutex_lock(&s->lock);
    list_add(&s->todo, j);
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

/* ---- open and close ---------------------------------------------------------------------------- */

/* The lock goes with the process, however it ends. */
static bool lock_dir(struct witness_store *s, struct witness_error *err) {
    char path[300];
    snprintf(path, sizeof path, "%s/lock", s->dir);
    bool made = file_make_dirs(s->dir, 0700);
    if (made) s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK)
        snprintf(
            err->text, sizeof err->text,
            "another witness keeps its state in %s; end it, or give this one a --state of its own",
            s->dir);
    else
        snprintf(err->text, sizeof err->text,
                 "%s: %s; --state names a directory that can be written", made ? path : s->dir,
                 strerror(errno));
    return false;
}

static bool start_thread(struct witness_store *s) {
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->threaded = pthread_create(&s->thread, &attr, writer, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return s->threaded;
}

struct witness_store *witness_store_open(struct loop *l, const char *dir, witness_saved_fn *saved,
                                         void *arg, struct witness_error *err) {
    struct witness_store *s = xcalloc(1, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    s->lock_fd = -1;
    s->saved = saved;
    s->arg = arg;
    s->todo.end = &s->todo.first;
    s->done.end = &s->done.first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    s->wake = loop_wake_new(l, on_wake, s);
    if (lock_dir(s, err)) {
        if (start_thread(s)) return s;
        snprintf(err->text, sizeof err->text, "the thread that writes the state cannot start");
    }
    witness_store_close(s);
    return NULL;
}

void witness_store_close(struct witness_store *s) {
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (s->threaded) pthread_join(s->thread, NULL);
    for (struct job *j; (j = list_take(&s->todo));) free(j);
    for (struct job *j; (j = list_take(&s->done));) free(j);
    loop_wake_free(s->wake);
    if (s->lock_fd >= 0) close(s->lock_fd);
    free(s);
}
