/* A growable run of bytes that is filled at its end and eaten from its front.
 * The caller owns the struct; buf_free releases the bytes. Allocation never fails: out of memory
 * ends the process through bug() (a server without memory is a server that died). */
#ifndef DUET_BASE_BUF_H
#define DUET_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

struct buf {
    char *data;   /* first unread byte is data[start]; NULL while nothing was ever added */
    size_t start; /* eaten bytes */
    size_t end;   /* one past the last byte */
    size_t cap;
};

#define BUF_INIT                                                                                   \
    { NULL, 0, 0, 0 }

void buf_free(struct buf *b);
static inline size_t buf_len(const struct buf *b) {
    return b->end - b->start;
}
static inline char *buf_head(const struct buf *b) {
    return b->start ? b->data + b->start : b->data; /* NULL + 0 is not C */
}
/* Returns room for at least n more bytes at the end; buf_added() says how many were used. */
char *buf_grow(struct buf *b, size_t n); /* buf_room when there is no room yet */
static inline char *buf_room(struct buf *b, size_t n) {
    /* An exact fit goes the long way too, so that an empty buffer needs no look of its own. */
    return __builtin_expect(b->cap - b->end > n, 1) ? b->data + b->end : buf_grow(b, n);
}
static inline void buf_added(struct buf *b, size_t n) {
    b->end += n;
}
/* Free room at the end that needs no growth. */
static inline size_t buf_spare(const struct buf *b) {
    return b->cap - b->end;
}
void buf_add(struct buf *b, const void *p, size_t n);
/* buf_add for a few bytes: no call when there is room. */
static inline void buf_add_few(struct buf *b, const void *p, size_t n) {
    bytes_copy(buf_room(b, n), p, n);
    b->end += n;
}
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops n bytes from the front (n <= buf_len). */
void buf_eat(struct buf *b, size_t n);
static inline void buf_take_back(struct buf *b, size_t n) { /* off the end, n <= buf_len */
    b->end -= n;
}
void buf_clear(struct buf *b);
/* Gives memory back when the buffer is empty and holds more than keep_bytes. */
void buf_trim(struct buf *b, size_t keep_bytes);
/* Ends the bytes with a NUL that is not counted; returns buf_head. */
char *buf_cstr(struct buf *b);

/* malloc, calloc, realloc, strdup that never return NULL. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
