/* See reclaim.h. */
#include "server/reclaim.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/log.h"

enum { STACK_BYTES = 256 * 1024 };

struct doomed {
    struct doomed *next;
    void *value;
    void (*free_fn)(void *value);
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct doomed *first, **last = &first; /* under the lock */

static struct doomed *next_doomed(void) {
    pthread_mutex_lock(&lock);
    while (!first) pthread_cond_wait(&filled, &lock);
    struct doomed *d = first;
    first = d->next;
    if (!first) last = &first;
    pthread_mutex_unlock(&lock);
    return d;
}

static void *run(void *arg) {
    (void)arg;
    for (;;) {
        struct doomed *d = next_doomed();
        d->free_fn(d->value);
        free(d);
    }
    return NULL;
}

void reclaim_start(void) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attr, run, NULL);
    must(error == 0, "a thread for big values");
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void reclaim_later(void *arg, void *value, void (*free_fn)(void *value)) {
    struct doomed *d = xmalloc(sizeof *d);
    (void)arg;
    *d = (struct doomed){NULL, value, free_fn};
    pthread_mutex_lock(&lock);
    *last = d;
    last = &d->next;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
}
