/* link: server/proto/resp_parse.c server/base/buf.c server/base/conf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* Feeds bytes to the request parser twice: whole, and in pieces whose memory moves each time. Both
 * must find the same requests and the same error. The first byte chooses the size of the pieces. */
#include "server/proto/resp.h"
#include "server/base/buf.h"
#include "server/base/log.h"

#include <stdlib.h>

static const struct resp_limits limits[2] = {{512 << 20, false}, {512 << 20, true}};

static void note(struct buf *out, const struct resp_args *args) {
    buf_printf(out, "%zu:", args->count);
    for (size_t i = 0; i < args->count; i++) {
        buf_printf(out, "%zu=", args->v[i].len);
        buf_add(out, args->v[i].p, args->v[i].len);
    }
}

/* Parses what data holds; returns the bytes taken, or -1 after an error. */
static long eat(struct resp_parser *p, const char *data, size_t len, const struct resp_limits *l,
                struct buf *seen) {
    struct resp_args args = {0};
    size_t at = 0;
    long result = -1;
    for (;;) {
        args.count = 0;
        enum resp_state st = resp_parse(p, data + at, len - at, l, &args);
        if (st == RESP_MORE) {
            must(p->need > 0, "more means at least a byte");
            result = (long)at;
            break;
        }
        if (st == RESP_BAD) {
            buf_add(seen, p->error, p->error_len);
            break;
        }
        must(p->used > 0 && p->used <= len - at, "a request has bytes");
        if (st == RESP_DONE) note(seen, &args);
        at += p->used;
    }
    resp_args_free(&args);
    return result;
}

static void in_pieces(const char *data, size_t len, size_t piece, const struct resp_limits *l,
                      struct buf *seen) {
    struct resp_parser p = {0};
    char *held = NULL;
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        size_t add = len - at < piece ? len - at : piece;
        char *moved = malloc(n + add);
        if (n) memcpy(moved, held, n);
        memcpy(moved + n, data + at, add);
        free(held);
        held = moved;
        n += add;
        at += add;
        long used = eat(&p, held, n, l, seen);
        if (used < 0) break;
        char *rest = malloc(n - (size_t)used + 1);
        memcpy(rest, held + used, n - (size_t)used);
        free(held);
        held = rest;
        n -= (size_t)used;
    }
    free(held);
    resp_parser_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const struct resp_limits *l = &limits[data[0] >> 7];
    size_t piece = 1 + (data[0] & 0x7f);
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    struct resp_parser p = {0};
    eat(&p, (const char *)data + 1, size - 1, l, &whole);
    resp_parser_free(&p);
    in_pieces((const char *)data + 1, size - 1, piece, l, &parts);
    must(buf_len(&whole) == buf_len(&parts), "pieces change nothing");
    must(buf_len(&whole) == 0 || memcmp(buf_head(&whole), buf_head(&parts), buf_len(&whole)) == 0,
         "pieces change nothing");
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
