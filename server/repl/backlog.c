#include "server/repl/backlog.h"

#include "server/base/buf.h"
#include "server/base/log.h"

#include <stdlib.h>
#include <string.h>

/* Chunks of one size in a ring of pointers: chunk i of the ring holds the bytes from
 * first_chunk_at + i * CHUNK_BYTES on. */
enum { CHUNK_BYTES = 64 * 1024 };

struct backlog {
    char **ring;
    size_t cap, head, count; /* cap is a power of two */
    uint64_t base;           /* offset of the first chunk's first byte */
    uint64_t first;          /* offset of the first byte held, >= base */
    uint64_t end;
    uint64_t keep_bytes;
};

static char *chunk(const struct backlog *b, size_t i) {
    return b->ring[(b->head + i) & (b->cap - 1)];
}

struct backlog *backlog_new(uint64_t keep_bytes, uint64_t offset) {
    struct backlog *b = xcalloc(1, sizeof *b);
    b->keep_bytes = keep_bytes;
    b->cap = 4;
    b->ring = xcalloc(b->cap, sizeof *b->ring);
    backlog_reset(b, offset);
    return b;
}

void backlog_reset(struct backlog *b, uint64_t offset) {
    for (size_t i = 0; i < b->count; i++) free(chunk(b, i));
    b->head = b->count = 0;
    b->base = b->first = b->end = offset;
}

void backlog_free(struct backlog *b) {
    if (!b) return;
    backlog_reset(b, 0);
    free(b->ring);
    free(b);
}

void backlog_set_keep(struct backlog *b, uint64_t keep_bytes) {
    b->keep_bytes = keep_bytes;
}

static void add_chunk(struct backlog *b) {
    if (b->count == b->cap) {
        char **ring = xcalloc(b->cap * 2, sizeof *ring);
        for (size_t i = 0; i < b->count; i++) ring[i] = chunk(b, i);
        free(b->ring);
        b->ring = ring;
        b->head = 0;
        b->cap *= 2;
    }
    b->ring[(b->head + b->count) & (b->cap - 1)] = xmalloc(CHUNK_BYTES);
    b->count++;
}

void backlog_add(struct backlog *b, const void *p, size_t n) {
    const char *s = p;
    while (n) {
        size_t at = (size_t)(b->end - b->base);
        if (at == b->count * CHUNK_BYTES) add_chunk(b);
        size_t in = at % CHUNK_BYTES, room = CHUNK_BYTES - in, take = n < room ? n : room;
        memcpy(chunk(b, at / CHUNK_BYTES) + in, s, take);
        b->end += take;
        s += take;
        n -= take;
    }
}

char *backlog_room(struct backlog *b, size_t n) {
    size_t at = (size_t)(b->end - b->base), in = at % CHUNK_BYTES;
    if (n > CHUNK_BYTES - in) return NULL;
    if (at == b->count * CHUNK_BYTES) add_chunk(b);
    return chunk(b, at / CHUNK_BYTES) + in;
}

void backlog_added(struct backlog *b, size_t n) {
    b->end += n;
}

void backlog_cut(struct backlog *b, uint64_t from) {
    must(from >= b->first && from <= b->end, "only bytes that are held can be taken off");
    b->end = from;
}

void backlog_skip(struct backlog *b, uint64_t n) {
    if (b->count)
        backlog_reset(b, b->end + n);
    else
        b->base = b->first = b->end += n;
}

uint64_t backlog_first(const struct backlog *b) {
    return b->first;
}

uint64_t backlog_end(const struct backlog *b) {
    return b->end;
}

int backlog_span_count(const struct backlog *b, uint64_t from, uint64_t to) {
    if (to <= from) return 0;
    return (int)((to - 1 - b->base) / CHUNK_BYTES - (from - b->base) / CHUNK_BYTES + 1);
}

int backlog_spans(const struct backlog *b, uint64_t from, uint64_t to, struct iovec *iov,
                  int count) {
    int n = 0;
    must(from >= b->first && to <= b->end, "only bytes that are held can be taken");
    for (; from < to && n < count; n++) {
        size_t at = (size_t)(from - b->base), in = at % CHUNK_BYTES;
        uint64_t len = CHUNK_BYTES - in < to - from ? CHUNK_BYTES - in : to - from;
        iov[n].iov_base = chunk(b, at / CHUNK_BYTES) + in;
        iov[n].iov_len = (size_t)len;
        from += len;
    }
    return n;
}

void backlog_trim(struct backlog *b, uint64_t need) {
    uint64_t keep_from = b->end - b->first > b->keep_bytes ? b->end - b->keep_bytes : b->first;
    if (need < keep_from) keep_from = need;
    while (b->count && b->base + CHUNK_BYTES <= keep_from) {
        free(chunk(b, 0));
        b->head = (b->head + 1) & (b->cap - 1);
        b->count--;
        b->base += CHUNK_BYTES;
        if (b->first < b->base) b->first = b->base;
    }
}

uint64_t backlog_memory(const struct backlog *b) {
    return b->count * CHUNK_BYTES + b->cap * sizeof *b->ring + sizeof *b;
}
