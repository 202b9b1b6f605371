/* The reply writer: every form that Redis 7.0 sends, byte for byte. */
#include "server/proto/resp.h"

#include "server/base/buf.h"
#include "server/base/decimal.h"
#include "server/base/log.h"
#include "server/base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADER_MAX = 24 }; /* type byte, 20 digits, CR LF */

static inline char *put_crlf(char *to) {
    to[0] = '\r';
    to[1] = '\n';
    return to + 2;
}

/* TYPE digits CR LF, written at to. */
static inline char *put_header(char *to, char type, uint64_t n) {
    *to++ = type;
    if (n < 10) {
        *to++ = (char)('0' + n);
    } else if (n < 100) { /* most bulks */
        *to++ = (char)('0' + n / 10);
        *to++ = (char)('0' + n % 10);
    } else {
        to += num_format_u64(to, n);
    }
    return put_crlf(to);
}

static void header(struct buf *out, char type, uint64_t n) {
    char *at = buf_room(out, HEADER_MAX);
    buf_added(out, (size_t)(put_header(at, type, n) - at));
}

void resp_raw(struct buf *out, const void *p, size_t n) {
    buf_add(out, p, n);
}

void resp_status(struct buf *out, const char *text) {
    size_t n = strlen(text);
    char *at = buf_room(out, n + 3);
    at[0] = '+';
    memcpy(at + 1, text, n);
    put_crlf(at + 1 + n);
    buf_added(out, n + 3);
}

void resp_error_n(struct buf *out, const char *text, size_t n) {
    while (n && (text[n - 1] == '\r' || text[n - 1] == '\n')) n--;
    char *at = buf_room(out, n + 3);
    at[0] = '-';
    for (size_t i = 0; i < n; i++) at[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    put_crlf(at + 1 + n);
    buf_added(out, n + 3);
}

void resp_error(struct buf *out, const char *text) {
    resp_error_n(out, text, strlen(text));
}

void resp_errorf(struct buf *out, const char *fmt, ...) {
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    must(n >= 0, "an error's format is sound");
    if ((size_t)n < sizeof small) {
        resp_error_n(out, small, (size_t)n);
        return;
    }
    struct buf b = BUF_INIT;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    resp_error_n(out, buf_head(&b), buf_len(&b));
    buf_free(&b);
}

void resp_int(struct buf *out, int64_t v) {
    char *at = buf_room(out, HEADER_MAX), *to = at;
    *to++ = ':';
    if (v >= 0 && v < 10)
        *to++ = (char)('0' + v);
    else
        to += num_format_i64(to, v);
    buf_added(out, (size_t)(put_crlf(to) - at));
}

void resp_bulk(struct buf *out, const void *p, size_t n) {
    char *at = buf_room(out, n + HEADER_MAX + 2);
    char *to = put_header(at, '$', n);
    bytes_copy(to, p, n);
    buf_added(out, (size_t)(put_crlf(to + n) - at));
}

void resp_bulk_str(struct buf *out, const char *s) {
    resp_bulk(out, s, strlen(s));
}

void resp_bulk_int(struct buf *out, int64_t v) {
    char digits[NUM_I64_CHARS];
    resp_bulk(out, digits, num_format_i64(digits, v));
}

void resp_bulkf(struct buf *out, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    resp_bulk(out, buf_head(&b), buf_len(&b));
    buf_free(&b);
}

void resp_null(struct buf *out, int resp) {
    if (resp == 2)
        buf_add_few(out, "$-1\r\n", 5);
    else
        buf_add_few(out, "_\r\n", 3);
}

void resp_null_array(struct buf *out, int resp) {
    if (resp == 2)
        buf_add_few(out, "*-1\r\n", 5);
    else
        buf_add_few(out, "_\r\n", 3);
}

void resp_array(struct buf *out, size_t n) {
    header(out, '*', n);
}

void resp_map(struct buf *out, int resp, size_t pairs) {
    header(out, resp == 2 ? '*' : '%', resp == 2 ? pairs * 2 : pairs);
}

void resp_set(struct buf *out, int resp, size_t n) {
    header(out, resp == 2 ? '*' : '~', n);
}

void resp_push(struct buf *out, int resp, size_t n) {
    header(out, resp == 2 ? '*' : '>', n);
}

void resp_bool(struct buf *out, int resp, bool v) {
    if (resp == 2)
        resp_int(out, v);
    else
        resp_raw(out, v ? "#t\r\n" : "#f\r\n", 4);
}

void resp_double(struct buf *out, int resp, double v) {
    char text[DECIMAL_CHARS];
    size_t n = decimal_format(text, v);
    if (resp == 2) {
        resp_bulk(out, text, n);
        return;
    }
    char *at = buf_room(out, n + 3);
    at[0] = ',';
    memcpy(at + 1, text, n);
    put_crlf(at + 1 + n);
    buf_added(out, n + 3);
}

void resp_verbatim(struct buf *out, int resp, const char *kind3, const void *p, size_t n) {
    if (resp == 2) {
        resp_bulk(out, p, n);
        return;
    }
    char *at = buf_room(out, n + 4 + HEADER_MAX + 2);
    char *to = put_header(at, '=', n + 4);
    memcpy(to, kind3, 3);
    to[3] = ':';
    if (n) memcpy(to + 4, p, n);
    buf_added(out, (size_t)(put_crlf(to + 4 + n) - at));
}

size_t resp_array_later(struct buf *out) {
    return buf_len(out);
}

static void insert_header(struct buf *out, size_t mark, char kind, size_t n) {
    char head[HEADER_MAX];
    size_t len = (size_t)(put_header(head, kind, n) - head);
    size_t tail = buf_len(out) - mark;
    buf_room(out, len);
    char *at = buf_head(out) + mark;
    memmove(at + len, at, tail);
    memcpy(at, head, len);
    buf_added(out, len);
}

void resp_array_count(struct buf *out, size_t mark, size_t n) {
    insert_header(out, mark, '*', n);
}

void resp_map_count(struct buf *out, int resp, size_t mark, size_t pairs) {
    insert_header(out, mark, resp == 2 ? '*' : '%', pairs);
}
