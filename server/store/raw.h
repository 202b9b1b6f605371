/* A string's bytes in an allocation of their own. Inside server/store only. */
#ifndef DUET_STORE_RAW_H
#define DUET_STORE_RAW_H

#include <string.h>

#include "server/store/mem.h"

struct value_walk;
struct raw {
    size_t len, cap;
    struct value_walk *walked; /* a walk that has not handed out all of it; NULL: none */
    char data[];
};

/* Those bytes are about to change: what a walk needs of them is kept (string_walk.c). */
void string_keep_part(struct raw *raw, size_t from, size_t n);
static inline void string_keep(struct raw *raw, size_t from, size_t n) {
    if (raw->walked) string_keep_part(raw, from, n);
}
/* The raw stands elsewhere now. */
void string_moved(struct raw *raw);

static inline size_t raw_size(size_t cap) {
    return sizeof(struct raw) + cap;
}

static inline struct raw *raw_new(size_t *memory, const void *p, size_t len, size_t cap) {
    struct raw *raw = mem_new(memory, raw_size(cap));
    raw->len = len;
    raw->cap = cap;
    raw->walked = NULL;
    memcpy(raw->data, p, len);
    return raw;
}

#endif
