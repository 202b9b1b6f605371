/* See io.h: the executor's side. */
#include "server/io.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/batch.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/io_inside.h"
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STACK_BYTES =
        256 * 1024,   /* musl's own choice is 128 KiB; a command table lookup and printf fit */
    GROUP = 16,       /* items that are brought into the cache together */
    TAKE_A_TURN = 128 /* items of one thread, before replies go out */
};

struct io_shared io_shared;
static struct io_thread *threads;
static int count;

static void on_wake(struct loop *l, void *arg) {
    (void)l, (void)arg; /* the turn's end takes what has come */
}

static void start_one(struct io_thread *t) {
    pthread_attr_t attr;
    sigset_t all, old;
    char name[16];
    io_thread_prepare(t);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are the executor's */
    int failed = pthread_create(&t->id, &attr, io_thread_run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (failed) bug("I/O thread %d cannot be started: %s", t->number, strerror(failed));
    snprintf(name, sizeof name, "duet-io-%d", t->number);
    pthread_setname_np(t->id, name);
}

void io_start(int n) {
    if (n <= 0) return;
    if (n > IO_THREADS_MAX) n = IO_THREADS_MAX;
    io_shared.executor_wake = loop_wake_new(server.loop, on_wake, NULL);
    io_shared.edition = server.edition;
    io_refresh_limits();
    threads = xcalloc((size_t)n, sizeof *threads);
    for (int i = 0; i < n; i++) {
        threads[i].number = i + 1;
        start_one(&threads[i]);
    }
    count = n;
    log_notice("%d I/O thread%s beside the executor", n, n == 1 ? "" : "s");
}

int io_threads(void) {
    return count;
}

static void tell(struct io_thread *t, enum io_down what, void *p) {
    ring_put(&t->down, what, p);
    t->told = true;
}

void io_wake(void) {
    for (int i = 0; i < count; i++) {
        struct io_thread *t = &threads[i];
        if (t->told && sleeper_must_wake(&t->sleeper)) loop_wake(t->wake);
        t->told = false;
    }
}

/* --- connections --- */

bool io_give(struct client *c) {
    if (!count) return false;
    struct io_thread *t = &threads[0];
    for (int i = 1; i < count; i++) {
        if (threads[i].connections < t->connections) t = &threads[i];
    }
    t->connections++;
    c->thread = t;
    c->at_thread = true;
    c->conn.authenticated = c->authenticated;
    tell(t, DOWN_CONNECTION, c);
    return true;
}

void io_send(struct client *c, struct batch *b) {
    b->client = c;
    b->authenticated = c->authenticated;
    tell(c->thread, DOWN_BATCH, b);
}

void io_close(struct client *c) {
    tell(c->thread, DOWN_CLOSE, c);
}

void io_take_back(struct client *c) {
    tell(c->thread, DOWN_GIVE_BACK, c);
}

/* --- what comes up --- */

static void take_one(struct io_thread *t, const struct ring_item *item) {
    struct client *c = item->p;
    switch ((enum io_up)item->what) {
    case UP_BATCH: client_take_batch(item->p); break;
    case UP_ENDED: client_ended(c); break;
    case UP_LET_GO:
        t->connections--;
        c->at_thread = false;
        break;
    case UP_GIVEN_BACK:
        t->connections--;
        client_came_back(c);
        break;
    }
}

static void prefetch(const struct ring_item *items, size_t n) {
    struct batch *batches[GROUP];
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].what != UP_BATCH) continue;
        __builtin_prefetch(items[i].p);
        batches[k++] = items[i].p;
    }
    dispatch_prefetch(batches, k);
}

/* What was taken from a ring and is still to be looked at. A slow script that one of them began takes up the
 * others from inside it, in their order. */
static struct {
    struct ring_item items[GROUP];
    size_t at, n;
} taken[IO_THREADS_MAX];

static void take_from(struct io_thread *t) {
    struct ring_item *items = taken[t->number - 1].items;
    size_t *at = &taken[t->number - 1].at, *n = &taken[t->number - 1].n;
    for (int turn = 0; turn < TAKE_A_TURN; turn += GROUP) {
        if (*at == *n) {
            *at = 0;
            *n = ring_take(&t->up, items, GROUP);
            prefetch(items, *n);
        }
        bool last = *n < GROUP;
        while (*at < *n && !server.stopping) {
            struct ring_item item = items[(*at)++];
            take_one(t, &item);
        }
        if (last || server.stopping) break;
    }
}

void io_take(void) {
    static int first; /* each thread is the first one in its turn */
    if (!count) return;
    sleeper_lower(&io_shared.executor);
    first = (first + 1) % count;
    for (int i = 0; i < count && !server.stopping; i++) take_from(&threads[(first + i) % count]);
}

bool io_may_sleep(void) {
    if (!count) return true;
    sleeper_raise(&io_shared.executor);
    for (int i = 0; i < count; i++) {
        if (ring_is_empty(&threads[i].up)) continue;
        sleeper_lower(&io_shared.executor);
        return false;
    }
    return true;
}

/* --- the rest --- */

void io_refresh_limits(void) {
    const struct config *c = &server.config;
    atomic_store_explicit(&io_shared.bulk_limit_bytes, c->bulk_limit_bytes, memory_order_relaxed);
    atomic_store_explicit(&io_shared.query_limit_bytes, c->query_limit_bytes, memory_order_relaxed);
}

static uint64_t since(_Atomic uint64_t *now, uint64_t *seen) {
    uint64_t n = atomic_load_explicit(now, memory_order_relaxed), grown = n - *seen;
    *seen = n;
    return grown;
}

void io_collect_stats(void) {
    struct server_stats *s = &server.stats;
    for (int i = 0; i < count; i++) {
        struct io_thread *t = &threads[i];
        uint64_t reads = since(&t->reads, &t->seen_reads);
        uint64_t writes = since(&t->writes, &t->seen_writes);
        s->reads += reads;
        s->threaded_reads += reads;
        s->writes += writes;
        s->threaded_writes += writes;
        s->net_in += since(&t->bytes_in, &t->seen_in);
        s->net_out += since(&t->bytes_out, &t->seen_out);
    }
}

static void drop_what_came(struct io_thread *t) {
    struct ring_item item;
    while (ring_take(&t->up, &item, 1))
        if (item.what == UP_BATCH) batch_free(item.p);
}

void io_stop(void) {
    for (int i = 0; i < count; i++) tell(&threads[i], DOWN_STOP, NULL);
    io_wake();
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i].id, NULL);
        drop_what_came(&threads[i]);
        io_thread_release(&threads[i]);
    }
    if (count) loop_wake_free(io_shared.executor_wake);
    free(threads);
    threads = NULL;
    count = 0;
}
