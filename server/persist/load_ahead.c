/* See load_ahead.h. */
#include "server/persist/load_ahead.h"

#include "server/base/clock.h"
#include "server/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCHES = 32,
    FAR = 8, /* batches: the other side has enough to do */
    ITEMS_FIRST = 512,
    CHUNK_BYTES = 64 * 1024,
    STACK_BYTES = 256 * 1024,
    KEEP_ITEMS = 4096 /* of a batch that is used again */
};

/* ---- Text ------------------------------------------------------------------------------------ */

struct ahead_chunk {
    struct ahead_chunk *next;
    size_t used, cap;
    char data[];
};

void *ahead_text_room(struct ahead_text *t, size_t n) {
    struct ahead_chunk *c = t->chunks;
    n = (n + 7) & ~(size_t)7;
    if (!c || c->cap - c->used < n) {
        size_t cap = n < CHUNK_BYTES ? CHUNK_BYTES : n;
        c = xmalloc(sizeof *c + cap);
        *c = (struct ahead_chunk){t->chunks, 0, cap};
        t->chunks = c;
        t->bytes += cap;
    }
    c->used += n;
    return c->data + c->used - n;
}

/* keep: one chunk of the usual size stays. */
static void text_clear(struct ahead_text *t, bool keep) {
    struct ahead_chunk *c = t->chunks, *kept = NULL;
    while (c) {
        struct ahead_chunk *next = c->next;
        if (keep && !kept && c->cap == CHUNK_BYTES) {
            kept = c;
            *kept = (struct ahead_chunk){NULL, 0, c->cap};
        } else {
            free(c);
        }
        c = next;
    }
    t->chunks = kept;
    t->bytes = kept ? kept->cap : 0;
}

/* ---- Blocks and batches ---------------------------------------------------------------------- */

struct ahead_block {
    unsigned users; /* batches, and the one who reads; under the lock */
    struct buf bytes;
};

struct ahead {
    struct load_source source;
    ahead_fill_fn *fill;
    void *arg;
    bool threaded;
    struct persist_world world;
    /* The maker's. */
    struct ahead_block *block;
    size_t block_at; /* the first byte that is not taken */
    uint64_t at;
    bool source_ended;
    char error[128];
    struct load_batch *making;
    /* Shared, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t made, room;
    struct load_batch *first, **last, *spare;
    unsigned batches;
    size_t held;
    bool ended, stop;
    pthread_t thread;
};

static void lock(struct ahead *a) {
    if (a->threaded) pthread_mutex_lock(&a->lock);
}

static void unlock(struct ahead *a) {
    if (a->threaded) pthread_mutex_unlock(&a->lock);
}

/* Under the lock. */
static void block_leave(struct ahead *a, struct ahead_block *k) {
    if (!k || --k->users) return;
    a->held -= k->bytes.cap;
    buf_free(&k->bytes);
    free(k);
}

struct load_item *load_batch_add(struct load_batch *b) {
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : ITEMS_FIRST;
        b->items = xrealloc(b->items, b->cap * sizeof *b->items);
    }
    struct load_item *i = &b->items[b->count++];
    memset(i, 0, sizeof *i);
    return i;
}

static void batch_free(struct load_batch *b) {
    text_clear(&b->text, false);
    free(b->items);
    free(b);
}

static struct load_batch *batch_empty(struct ahead *a) {
    struct load_batch *b = a->spare;
    if (b)
        a->spare = b->next;
    else
        b = xcalloc(1, sizeof *b);
    b->next = NULL;
    return b;
}

void ahead_give(struct ahead *a, struct load_batch *b) {
    for (size_t i = 0; i < b->count; i++) apart_free(b->items[i].made); /* nobody took it */
    text_clear(&b->text, true);
    if (b->cap > KEEP_ITEMS) {
        free(b->items);
        b->items = NULL;
        b->cap = 0;
    }
    b->count = 0;
    b->last = false;
    lock(a);
    block_leave(a, b->block);
    b->block = NULL;
    a->held -= b->held;
    b->held = 0;
    a->batches--;
    b->next = a->spare;
    a->spare = b;
    if (a->threaded) pthread_cond_signal(&a->room);
    unlock(a);
}

bool ahead_is_far(struct ahead *a) {
    lock(a);
    bool far = a->threaded && a->batches > FAR;
    unlock(a);
    return far;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

struct bytes ahead_bytes(const struct ahead *a) {
    if (!a->block || a->block_at == buf_len(&a->block->bytes)) return (struct bytes){"", 0};
    return (struct bytes){buf_head(&a->block->bytes) + a->block_at,
                          buf_len(&a->block->bytes) - a->block_at};
}

uint64_t ahead_at(const struct ahead *a) {
    return a->at;
}

void ahead_used(struct ahead *a, size_t n) {
    a->block_at += n;
    a->at += n;
}

/* What is left of the old block begins a new one. */
static void next_block(struct ahead *a) {
    struct bytes rest = ahead_bytes(a);
    struct ahead_block *k = xcalloc(1, sizeof *k);
    k->users = 1;
    buf_room(&k->bytes, (rest.len < AHEAD_BLOCK_BYTES / 2 ? 0 : rest.len) + AHEAD_BLOCK_BYTES);
    buf_add(&k->bytes, rest.p, rest.len);
    lock(a);
    block_leave(a, a->block);
    a->held += k->bytes.cap;
    unlock(a);
    a->block = k;
    a->block_at = 0;
}

/* One read; false at the end and on errors. */
static bool read_more(struct ahead *a, size_t want) {
    struct buf *to = &a->block->bytes;
    size_t cap = to->cap;
    char *room = buf_room(to, want);
    ssize_t got;
    do got = a->source.read(a->source.arg, room, want);
    while (got < 0 && errno == EINTR);
    if (got < 0) snprintf(a->error, sizeof a->error, "%s", strerror(errno));
    if (got <= 0) a->source_ended = true;
    if (got > 0) buf_added(to, (size_t)got);
    lock(a);
    a->held += to->cap - cap;
    unlock(a);
    return got > 0;
}

bool ahead_have(struct ahead *a, size_t n, const char **error) {
    size_t rest = ahead_bytes(a).len, want = n;
    *error = NULL;
    if (rest >= n) return true;
    if (!a->source_ended) next_block(a);
    /* What is longer than a block and still not whole is looked at anew only when twice as much is there. */
    if (rest > AHEAD_BLOCK_BYTES && want < 2 * rest) want = 2 * rest;
    while (!a->source_ended && ahead_bytes(a).len < want) {
        size_t spare = buf_spare(&a->block->bytes);
        if (!read_more(a, spare > AHEAD_BLOCK_BYTES / 4 ? spare - 1 : AHEAD_BLOCK_BYTES)) break;
    }
    *error = a->error[0] ? a->error : NULL;
    return ahead_bytes(a).len >= n;
}

/* ---- Making and taking ----------------------------------------------------------------------- */

/* A batch that stays empty only when it is the last one. */
static struct load_batch *make(struct ahead *a) {
    lock(a);
    struct load_batch *b = batch_empty(a);
    a->batches++;
    unlock(a);
    do a->fill(a->arg, a, b);
    while (!b->count && !b->last);
    b->end = a->at;
    lock(a);
    b->block = a->block;
    if (b->block) b->block->users++;
    b->held = b->text.bytes + b->cap * sizeof *b->items;
    a->held += b->held;
    unlock(a);
    return b;
}

static void *ahead_main(void *arg) {
    struct ahead *a = arg;
    pthread_setname_np(pthread_self(), "load");
    if (a->world.maker_begins) a->world.maker_begins(a->world.arg);
    for (;;) {
        pthread_mutex_lock(&a->lock);
        while (!a->stop && a->batches && (a->batches >= BATCHES || a->held >= AHEAD_BYTES))
            pthread_cond_wait(&a->room, &a->lock);
        bool stop = a->stop;
        pthread_mutex_unlock(&a->lock);
        if (stop) return NULL;
        struct load_batch *b = make(a);
        bool last = b->last;
        pthread_mutex_lock(&a->lock);
        *a->last = b;
        a->last = &b->next;
        pthread_cond_signal(&a->made);
        pthread_mutex_unlock(&a->lock);
        if (a->source.come) a->source.come(a->source.arg);
        if (last) return NULL;
    }
}

/* Under the lock: waits until there is one. */
static void await(struct ahead *a, uint64_t until_ns) {
    while (!a->first && !a->ended) {
        uint64_t now = clock_boot_ns();
        if (now >= until_ns) return;
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        uint64_t ns = (uint64_t)t.tv_nsec + (until_ns - now);
        t.tv_sec += (time_t)(ns / NS_PER_S);
        t.tv_nsec = (long)(ns % NS_PER_S);
        pthread_cond_timedwait(&a->made, &a->lock, &t);
    }
}

struct load_batch *ahead_take(struct ahead *a, uint64_t until_ns) {
    struct load_batch *b = NULL;
    if (!a->threaded) {
        if (!a->ended) b = make(a);
    } else {
        pthread_mutex_lock(&a->lock);
        await(a, until_ns);
        if ((b = a->first)) {
            a->first = b->next;
            if (!a->first) a->last = &a->first;
            b->next = NULL;
        }
        pthread_mutex_unlock(&a->lock);
    }
    if (b && b->last) a->ended = true;
    return b;
}

bool ahead_pays(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

static void begin_thread(struct ahead *a) {
    pthread_condattr_t clock;
    pthread_attr_t attr;
    sigset_t all, before; /* signals are the loop's */
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&a->made, &clock);
    pthread_cond_init(&a->room, NULL);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&a->thread, &attr, ahead_main, a) != 0) a->threaded = false;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

struct ahead *ahead_start(const struct load_source *source, ahead_fill_fn *fill, void *arg,
                          const struct persist_world *world) {
    struct ahead *a = xcalloc(1, sizeof *a);
    a->source = *source;
    a->fill = fill;
    a->arg = arg;
    a->last = &a->first;
    a->threaded = world != NULL;
    if (world) a->world = *world;
    if (world) begin_thread(a);
    return a;
}

void ahead_stop(struct ahead *a) {
    if (!a) return;
    if (a->threaded) {
        pthread_mutex_lock(&a->lock);
        a->stop = true;
        pthread_cond_signal(&a->room);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
        pthread_cond_destroy(&a->made);
        pthread_cond_destroy(&a->room);
        pthread_mutex_destroy(&a->lock);
        a->threaded = false;
    }
    while (a->first) {
        struct load_batch *b = a->first;
        a->first = b->next;
        ahead_give(a, b);
    }
    while (a->spare) {
        struct load_batch *b = a->spare;
        a->spare = b->next;
        batch_free(b);
    }
    block_leave(a, a->block);
    free(a);
}
