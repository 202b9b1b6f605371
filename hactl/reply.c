#include "hactl/reply.h"

#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"

/* The line that starts at p, without its sign and CR LF. False while its end is not there. */
static bool line_at(const char *p, size_t n, const char **text, size_t *len) {
    const char *end = memchr(p, '\n', n);
    if (!end) return false;
    size_t used = (size_t)(end - p);
    *text = p + 1;
    *len = used >= 2 && p[used - 1] == '\r' ? used - 2 : used - 1;
    return true;
}

/* A count after '$' or '*': -1 to limit. */
static bool count_of(const char *text, size_t len, int64_t limit, int64_t *out) {
    return num_parse_i64(text, len, out) && *out >= -1 && *out <= limit;
}

static long size_at(const char *p, size_t n, int depth);

static long array_size(const char *p, size_t n, size_t head, int64_t count, int depth) {
    size_t at = head;
    for (int64_t i = 0; i < count; i++) {
        long one = size_at(p + at, n - at, depth + 1);
        if (one <= 0) return one;
        at += (size_t)one;
    }
    return (long)at;
}

static long size_at(const char *p, size_t n, int depth) {
    const char *text;
    size_t len;
    int64_t count;
    if (n == 0) return 0;
    if (depth > REPLY_DEPTH_LIMIT || !strchr("+-:$*", *p) || *p == 0) return -1;
    if (!line_at(p, n, &text, &len)) return n > REPLY_BULK_LIMIT ? -1 : 0;
    size_t head = (size_t)((const char *)memchr(p, '\n', n) - p) + 1;
    if (*p == '+' || *p == '-') return (long)head;
    if (*p == ':') return num_parse_i64(text, len, &count) ? (long)head : -1;
    if (!count_of(text, len, *p == '$' ? REPLY_BULK_LIMIT : REPLY_ARRAY_LIMIT, &count)) return -1;
    if (*p == '*') return array_size(p, n, head, count, depth);
    size_t whole = head + (count < 0 ? 0 : (size_t)count + 2);
    return n < whole ? 0 : (long)whole;
}

long reply_size(const char *p, size_t n) {
    return size_at(p, n, 0);
}

size_t reply_read(const char *p, size_t n, struct reply *out) {
    bool whole = line_at(p, n, &out->text, &out->len);
    must(whole, "a reply is read only after reply_size said that it is there");
    size_t head = (size_t)(out->text - p) + out->len + (p[1 + out->len] == '\r' ? 2 : 1);
    out->type = *p;
    out->number = 0;
    if (*p == '+' || *p == '-') return head;
    num_parse_i64(out->text, out->len, &out->number);
    if (*p == ':') return head;
    if (out->number < 0) {
        out->type = '_';
        out->len = 0;
        return head;
    }
    if (*p == '*') return head;
    out->text = p + head;
    out->len = (size_t)out->number;
    must(head + out->len + 2 <= n, "a bulk lies whole in its bytes");
    return head + out->len + 2;
}

void reply_request(struct buf *out, int argc, const char *const *argv) {
    buf_printf(out, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        size_t len = strlen(argv[i]);
        buf_printf(out, "$%zu\r\n", len);
        buf_add(out, argv[i], len);
        buf_add(out, "\r\n", 2);
    }
}
