/* See spool_threads.h. One thread of its own sends the file to the disk in steps while it grows, and closes it in the end. */
#include "server/repl/spool_threads.h"

#include "server/base/buf.h"
#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK_BYTES = 128 * 1024, PUSH_BYTES = 16 << 20 };

struct spool_shared {
    int fd;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t more;  /* for the reader */
    pthread_cond_t push;  /* for the pusher */
    uint64_t got;         /* bytes in the file */
    bool whole, stop, end;
    bool reader_waits;
    /* the reader's */
    uint64_t read;
};

/* ---- the reader --------------------------------------------------------------------------------- */

ssize_t spool_read(void *arg, void *p, size_t n) {
    const struct spool *s = arg;
    struct spool_shared *h = s->shared;
    pthread_mutex_lock(&h->lock);
    h->reader_waits = true;
    while (h->read == h->got && !h->whole && !h->stop) pthread_cond_wait(&h->more, &h->lock);
    h->reader_waits = false;
    uint64_t left = h->got - h->read;
    bool stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    if (stop) {
        errno = ECANCELED;
        return -1;
    }
    if (left < n) n = (size_t)left;
    ssize_t got = n ? pread(h->fd, p, n, (off_t)h->read) : 0;
    if (got > 0) h->read += (uint64_t)got;
    return got;
}

void spool_read_stop(void *arg) {
    const struct spool *s = arg;
    pthread_mutex_lock(&s->shared->lock);
    s->shared->stop = true;
    pthread_cond_signal(&s->shared->more);
    pthread_mutex_unlock(&s->shared->lock);
}

void spool_shared_grew(struct spool_shared *h, uint64_t bytes) {
    pthread_mutex_lock(&h->lock);
    bool push = bytes / PUSH_BYTES != h->got / PUSH_BYTES;
    h->got = bytes;
    if (h->reader_waits) pthread_cond_signal(&h->more);
    if (push) pthread_cond_signal(&h->push);
    pthread_mutex_unlock(&h->lock);
}

void spool_shared_whole(struct spool_shared *h) {
    pthread_mutex_lock(&h->lock);
    h->whole = true;
    pthread_cond_signal(&h->more);
    pthread_cond_signal(&h->push);
    pthread_mutex_unlock(&h->lock);
}

/* ---- the pusher --------------------------------------------------------------------------------- */

static void *push_main(void *arg) {
    struct spool_shared *h = arg;
    uint64_t pushed = 0;
    pthread_setname_np(pthread_self(), "spool");
    pthread_mutex_lock(&h->lock);
    while (!h->end) {
        uint64_t got = h->got;
        if (got - pushed < PUSH_BYTES && !(h->whole && got > pushed)) {
            pthread_cond_wait(&h->push, &h->lock);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        /* What it cannot write shows at the fsync that counts. */
        (void)sync_file_range(h->fd, (off_t)pushed, (off_t)(got - pushed),
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
        pushed = got;
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    close(h->fd);
    pthread_cond_destroy(&h->push);
    pthread_cond_destroy(&h->more);
    pthread_mutex_destroy(&h->lock);
    free(h);
    return NULL;
}

struct spool_shared *spool_shared_new(int fd) {
    struct spool_shared *h = xcalloc(1, sizeof *h);
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before; /* signals are the loop's */
    h->fd = fd;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    pthread_cond_init(&h->push, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attr, push_main, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (error) bug("no thread for a full copy: error %d", error);
    return h;
}

void spool_shared_end(struct spool_shared *h) {
    pthread_mutex_lock(&h->lock);
    h->end = true;
    pthread_cond_signal(&h->push);
    pthread_mutex_unlock(&h->lock);
}
