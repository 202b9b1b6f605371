/* See buf.h. */
#include "server/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"

void *xmalloc(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) bug("out of memory: %zu bytes", n);
    return p;
}

void *xcalloc(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p) bug("out of memory: %zu x %zu bytes", n, size);
    return p;
}

void *xrealloc(void *p, size_t n) {
    void *q = realloc(p, n ? n : 1);
    if (!q) bug("out of memory: %zu bytes", n);
    return q;
}

void *xmemdup(const void *p, size_t n) {
    void *q = xmalloc(n);
    if (n) memcpy(q, p, n);
    return q;
}

char *xstrdup(const char *s) {
    return xmemdup(s, strlen(s) + 1);
}

char *xasprintf(const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return buf_cstr(&b);
}

void buf_free(struct buf *b) {
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

char *buf_grow(struct buf *b, size_t n) {
    if (b->data && b->cap - b->end >= n) return b->data + b->end;
    size_t len = buf_len(b);
    /* Sliding pays only when it frees at least as much as it moves; else growth stays linear. */
    if (b->start >= len && b->cap - len >= n) {
        if (len) memmove(b->data, b->data + b->start, len);
    } else {
        must(n <= SIZE_MAX / 2 - len, "a buffer of a possible size");
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < len + n) cap *= 2;
        char *data = xmalloc(cap);
        if (len) memcpy(data, b->data + b->start, len);
        free(b->data);
        b->data = data;
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return b->data + b->end;
}

void buf_add(struct buf *b, const void *p, size_t n) {
    if (!n) return;
    memcpy(buf_room(b, n), p, n);
    b->end += n;
}

void buf_add_str(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    size_t spare = buf_spare(b);
    int n = vsnprintf(spare ? b->data + b->end : NULL, spare, fmt, ap);
    must(n >= 0, "a format that can be printed");
    if ((size_t)n >= spare) vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    b->end += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_eat(struct buf *b, size_t n) {
    must(n <= buf_len(b), "no more is eaten than there is");
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
}

void buf_clear(struct buf *b) {
    b->start = b->end = 0;
}

void buf_trim(struct buf *b, size_t keep_bytes) {
    if (b->start == b->end && b->cap > keep_bytes) buf_free(b);
}

char *buf_cstr(struct buf *b) {
    *buf_room(b, 1) = '\0';
    return buf_head(b);
}
