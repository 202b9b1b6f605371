/* A string's bytes in an allocation of their own. Inside server/store only. */
#ifndef DUET_STORE_RAW_H
#define DUET_STORE_RAW_H

#include <string.h>

#include "server/store/mem.h"

struct raw {
    size_t len, cap;
    char data[];
};

static inline size_t raw_size(size_t cap) {
    return sizeof(struct raw) + cap;
}

static inline struct raw *raw_new(size_t *memory, const void *p, size_t len, size_t cap) {
    struct raw *raw = mem_new(memory, raw_size(cap));
    raw->len = len;
    raw->cap = cap;
    memcpy(raw->data, p, len);
    return raw;
}

#endif
