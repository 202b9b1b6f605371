/* See ring.h. */
#include "server/base/ring.h"

#include "server/base/buf.h"
#include "server/base/log.h"

#include <stdlib.h>

enum { CHUNK_ITEMS = 255 };

struct ring_chunk {
    struct ring_chunk *next; /* written before the items in it are put */
    uintptr_t unused;
    struct ring_item items[CHUNK_ITEMS];
};

void ring_init(struct ring *r) {
    *r = (struct ring){.tail = xcalloc(1, sizeof *r->tail)};
    r->head = r->tail;
}

void ring_free(struct ring *r) {
    while (r->head) {
        struct ring_chunk *next = r->head->next;
        free(r->head);
        r->head = next;
    }
    free(atomic_load(&r->spare));
    r->tail = NULL;
}

static void add_chunk(struct ring *r) {
    struct ring_chunk *k = atomic_exchange_explicit(&r->spare, NULL, memory_order_acquire);
    if (!k) k = xmalloc(sizeof *k);
    k->next = NULL;
    r->tail->next = k;
    r->tail = k;
    r->tail_at = 0;
}

void ring_put(struct ring *r, uintptr_t what, void *p) {
    if (r->tail_at == CHUNK_ITEMS) add_chunk(r);
    r->tail->items[r->tail_at++] = (struct ring_item){p, what};
    atomic_store_explicit(&r->put, ++r->written, memory_order_seq_cst);
}

/* Gives the emptied chunk back; a second one that waits already is one too many. */
static void next_chunk(struct ring *r) {
    struct ring_chunk *empty = r->head;
    must(empty->next, "items that were put stand in a chunk");
    r->head = empty->next;
    r->head_at = 0;
    free(atomic_exchange_explicit(&r->spare, empty, memory_order_acq_rel));
}

size_t ring_take(struct ring *r, struct ring_item *out, size_t max) {
    uint64_t there = atomic_load_explicit(&r->put, memory_order_acquire) - r->taken;
    size_t n = there < max ? (size_t)there : max;
    for (size_t i = 0; i < n; i++) {
        if (r->head_at == CHUNK_ITEMS) next_chunk(r);
        out[i] = r->head->items[r->head_at++];
    }
    r->taken += n;
    return n;
}
