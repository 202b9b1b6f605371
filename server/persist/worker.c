#include "server/persist/worker.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

enum { STACK_BYTES = 256 * 1024 }; /* musl's own 128 KiB is short for printf and friends */

struct job {
    struct job *next;
    int (*work)(void *arg);
    void (*done)(void *arg, int error);
    void *arg;
    int error;
};

struct queue {
    struct job *first, **last;
};

struct worker {
    pthread_t thread;
    sem_t more;           /* counts jobs to do; cheaper than a condition: one fsync is one job */
    pthread_mutex_t lock; /* todo, finished, running, stop, waiting */
    pthread_cond_t idle;
    struct queue todo, finished;
    bool running, stop;
    bool waiting; /* for idle */
    struct loop_wake *wake;
};

static void queue_init(struct queue *q) {
    q->first = NULL;
    q->last = &q->first;
}

static void queue_put(struct queue *q, struct job *j) {
    j->next = NULL;
    *q->last = j;
    q->last = &j->next;
}

static struct job *queue_take(struct queue *q) {
    struct job *j = q->first;
    if (!j) return NULL;
    q->first = j->next;
    if (!q->first) q->last = &q->first;
    return j;
}

static struct job *next_job(struct worker *w) {
    while (sem_wait(&w->more) != 0) continue;
    pthread_mutex_lock(&w->lock);
    struct job *j = queue_take(&w->todo);
    w->running = j != NULL;
    must(j || w->stop, "a worker is woken for a job or to end");
    pthread_mutex_unlock(&w->lock);
    return j;
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    for (struct job *j; (j = next_job(w));) {
        j->error = j->work(j->arg);
        pthread_mutex_lock(&w->lock);
        w->running = false;
        queue_put(&w->finished, j);
        bool tell = w->waiting;
        pthread_mutex_unlock(&w->lock);
        if (tell) pthread_cond_signal(&w->idle);
        loop_wake(w->wake);
    }
    return NULL;
}

static void finish(struct loop *l, void *arg) {
    (void)l;
    struct worker *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct job *j = queue_take(&w->finished);
        pthread_mutex_unlock(&w->lock);
        if (!j) return;
        if (j->done) j->done(j->arg, j->error);
        free(j);
    }
}

struct worker *worker_new(struct loop *loop) {
    struct worker *w = xcalloc(1, sizeof *w);
    queue_init(&w->todo);
    queue_init(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    sem_init(&w->more, 0, 0);
    pthread_cond_init(&w->idle, NULL);
    w->wake = loop_wake_new(loop, finish, w);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigset_t all, before; /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, &attr, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) bug("no thread for persistence: error %d", error);
    pthread_attr_destroy(&attr);
    return w;
}

void worker_post(struct worker *w, int (*work)(void *arg), void (*done)(void *arg, int error),
                 void *arg) {
    struct job *j = xcalloc(1, sizeof *j);
    j->work = work;
    j->done = done;
    j->arg = arg;
    pthread_mutex_lock(&w->lock);
    queue_put(&w->todo, j);
    pthread_mutex_unlock(&w->lock);
    sem_post(&w->more);
}

void worker_wait(struct worker *w) {
    pthread_mutex_lock(&w->lock);
    w->waiting = true;
    while (w->todo.first || w->running || w->finished.first) {
        if (w->finished.first) {
            pthread_mutex_unlock(&w->lock);
            finish(NULL, w);
            pthread_mutex_lock(&w->lock);
            continue;
        }
        pthread_cond_wait(&w->idle, &w->lock);
    }
    w->waiting = false;
    pthread_mutex_unlock(&w->lock);
}

bool worker_idle(struct worker *w) {
    pthread_mutex_lock(&w->lock);
    bool idle = !w->todo.first && !w->running && !w->finished.first;
    pthread_mutex_unlock(&w->lock);
    return idle;
}

void worker_free(struct worker *w) {
    if (!w) return;
    worker_wait(w);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_mutex_unlock(&w->lock);
    sem_post(&w->more);
    pthread_join(w->thread, NULL);
    loop_wake_free(w->wake);
    sem_destroy(&w->more);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
