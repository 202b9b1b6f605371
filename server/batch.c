/* See batch.h. */
#include "server/batch.h"

#include "server/base/log.h"
#include "server/cmd/table.h"
#include "server/push.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_REQUESTS = 8 };

struct batch *batch_new(void) {
    return xcalloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b) {
    if (!b) return;
    batch_clear(b, 0);
    free(b->v);
    buf_free(&b->bytes);
    buf_free(&b->out);
    resp_args_free(&b->words);
    free(b);
}

void batch_clear(struct batch *b, size_t keep_bytes) {
    free(b->line);
    free(b->error);
    b->line = b->error = NULL;
    b->client = NULL;
    b->count = b->done = 0;
    b->answers = b->needs_lease = b->last = false;
    b->words.count = 0;
    buf_clear(&b->bytes);
    buf_trim(&b->bytes, keep_bytes);
    shared_release(b->shared);
    b->shared = NULL;
    buf_clear(&b->out);
    buf_trim(&b->out, keep_bytes);
    if (b->words.cap * sizeof *b->words.v > keep_bytes) resp_args_free(&b->words);
    if (b->cap * sizeof *b->v <= keep_bytes) return;
    free(b->v);
    b->v = NULL;
    b->cap = 0;
}

static void grow(struct batch *b) {
    b->cap = b->cap ? b->cap * 2 : FIRST_REQUESTS;
    b->v = xrealloc(b->v, b->cap * sizeof *b->v);
}

enum resp_state batch_parse(struct batch *b, struct resp_parser *p, const struct batch_rules *rules,
                            const char *data, size_t len, size_t *at) {
    enum resp_state st = RESP_MORE;
    while (b->count < rules->most && *at < len) {
        if (__builtin_expect(b->count == b->cap, 0)) grow(b);
        struct request *r = &b->v[b->count];
        bool is_inline = data[*at] != '*' && !p->started;
        r->begin = *at;
        r->first = (uint32_t)b->words.count;
        st = resp_parse(p, data + *at, len - *at, &rules->limits, &b->words);
        if (st == RESP_MORE || st == RESP_BAD) break;
        *at += p->used;
        if (st == RESP_EMPTY) continue;
        r->argc = (int)(b->words.count - r->first);
        r->bad_subcommand = false;
        r->cmd =
            command_resolve(r->argc, b->words.v + r->first, rules->edition, &r->bad_subcommand);
        b->count++;
        if (is_inline) break;
    }
    return st;
}

/* An inline request's words do not stand in the input; they leave the parser with the batch. */
static void take_line(struct batch *b, struct resp_parser *p) {
    const struct request *r = b->count ? &b->v[b->count - 1] : NULL;
    if (!r || !p->line || !r->argc) return;
    if (b->words.v[r->first].p != p->line) return;
    b->line = p->line;
    p->line = NULL;
}

void batch_keep(struct batch *b, struct resp_parser *p, const char *data, size_t used) {
    take_line(b, p);
    buf_add(&b->bytes, data, used);
    const char *to = buf_head(&b->bytes);
    size_t n = b->line ? b->v[b->count - 1].first : b->words.count;
    for (size_t i = 0; i < n; i++) b->words.v[i].p = to + (b->words.v[i].p - data);
}

void batch_take(struct batch *b, struct resp_parser *p, struct buf *in, size_t used) {
    must(!buf_len(&b->bytes), "a batch takes bytes once");
    size_t rest = buf_len(in) - used;
    struct buf empty = b->bytes;
    take_line(b, p);
    b->bytes = *in;
    *in = empty;
    buf_add(in, buf_head(&b->bytes) + used, rest);
    b->bytes.end -= rest;
}

void batch_unread(const struct batch *b, size_t skip, struct buf *out) {
    if (b->done + skip >= b->count) return;
    size_t from = b->v[b->done + skip].begin;
    buf_add(out, buf_head(&b->bytes) + from, buf_len(&b->bytes) - from);
}

size_t batch_memory(const struct batch *b) {
    return sizeof *b + b->cap * sizeof *b->v + b->words.cap * sizeof *b->words.v + b->bytes.cap +
           b->out.cap;
}
