/* Allocation of the store's parts, counted. Sizes are rounded to the allocator's classes (steps of 8 bytes
 * up to 128, then eight steps a doubling: jemalloc as image/libs and image/patches build it), so that what rounding leaves over can be
 * used, and so that the count is near the truth. Whoever frees says the size. */
#ifndef DUET_STORE_MEM_H
#define DUET_STORE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#include "server/base/buf.h"

static inline size_t mem_class(size_t n) {
    if (n <= 128) return (n + 7) & ~(size_t)7;
    size_t step = (size_t)1 << (60 - __builtin_clzl(n - 1));
    return (n + step - 1) & ~(step - 1);
}

static inline void *mem_new(size_t *counter, size_t n) {
    size_t room = mem_class(n);
    *counter += room;
    return xmalloc(room);
}

static inline void mem_free(size_t *counter, void *p, size_t n) {
    *counter -= mem_class(n);
    free(p);
}

#endif
