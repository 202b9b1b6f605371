/* A queue from one thread to one other, without locks: chunks of items that are linked as they fill
 * and come back to the writer when they are read, so that in steady use they go round in a ring.
 * Putting never fails and never waits. An item is a pointer and what it is about.
 *
 * Orders: what the writer wrote before ring_put is seen by the reader after ring_take. Whether the
 * reader must be woken is settled between ring_put and ring_is_empty, which are sequentially
 * consistent with the flag that the reader raises before it sleeps (struct sleeper). */
#ifndef DUET_BASE_RING_H
#define DUET_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_item {
    void *p;
    uintptr_t what;
};

struct ring_chunk;

enum { RING_LINE_BYTES = 64 };

struct ring {
    /* the writer's */
    struct ring_chunk *tail;
    size_t tail_at;
    uint64_t written;
    char apart1[RING_LINE_BYTES];
    /* shared */
    _Atomic uint64_t put;               /* items ever put */
    _Atomic(struct ring_chunk *) spare; /* an emptied chunk on its way back */
    char apart2[RING_LINE_BYTES];
    /* the reader's */
    struct ring_chunk *head;
    size_t head_at;
    uint64_t taken;
};

void ring_init(struct ring *r);
/* Both threads must be done with it; items left inside are the caller's. */
void ring_free(struct ring *r);
/* The writer. */
void ring_put(struct ring *r, uintptr_t what, void *p);
/* The reader: up to max items in order; returns how many. */
size_t ring_take(struct ring *r, struct ring_item *out, size_t max);
/* The reader. */
static inline bool ring_is_empty(const struct ring *r) {
    return atomic_load_explicit(&r->put, memory_order_seq_cst) == r->taken;
}

/* One a reading thread, whatever the number of its rings. The reader raises the flag, looks at its
 * rings once more, and only then sleeps; a writer that finds it raised after ring_put takes it down
 * and wakes the reader. So a wake is never lost, and a busy reader costs the writer one load. */
struct sleeper {
    _Atomic bool asleep;
};
static inline void sleeper_raise(struct sleeper *s) {
    atomic_store_explicit(&s->asleep, true, memory_order_seq_cst);
}
static inline void sleeper_lower(struct sleeper *s) {
    atomic_store_explicit(&s->asleep, false, memory_order_relaxed);
}
/* The writer, after ring_put: true when it has to wake the reader. */
static inline bool sleeper_must_wake(struct sleeper *s) {
    return atomic_load_explicit(&s->asleep, memory_order_seq_cst) &&
           atomic_exchange_explicit(&s->asleep, false, memory_order_seq_cst);
}

#endif
