#include "hactl/import/answer.h"

#include "server/base/log.h"
#include "server/base/num.h"

#define DEPTH_MAX 16
#define LINE_MAX_ (64 << 10)

/* The line's end behind its sign; its length without CR LF in *len. NULL: not there yet. */
static const char *line_end(const char *p, size_t n, size_t *len) {
    const char *nl = memchr(p, '\n', n);
    if (!nl) return NULL;
    *len = (size_t)(nl - p) - 1;
    if (*len && nl[-1] == '\r') --*len;
    return nl + 1;
}

static long size_at(const char *p, size_t n, int depth) {
    size_t len;
    int64_t v = 0;
    if (!n) return 0;
    if (depth > DEPTH_MAX || !memchr("+-:$*", *p, 5)) return -1;
    const char *next = line_end(p, n, &len);
    if (!next) return n > LINE_MAX_ ? -1 : 0;
    size_t at = (size_t)(next - p);
    if (*p == '+' || *p == '-') return (long)at;
    if (!num_parse_i64(p + 1, len, &v) || (*p != ':' && (v < -1 || v > INT32_MAX))) return -1;
    if (*p == '$' && v >= 0) at += (size_t)v + 2;
    for (int64_t i = 0; *p == '*' && i < v; i++) {
        long one = size_at(p + at, n - at, depth + 1);
        if (one <= 0) return one;
        at += (size_t)one;
    }
    return at <= n ? (long)at : 0;
}

long answer_size(const char *p, size_t n) {
    return size_at(p, n, 0);
}

struct answer_item answer_item(const char *p, size_t n) {
    struct answer_item i = {.type = n ? *p : '_'};
    size_t len = 0;
    const char *next = n ? line_end(p, n, &len) : NULL;
    must(next != NULL, "an answer is taken apart when answer_size said that it is there");
    i.text = (struct bytes){p + 1, len};
    i.head = (size_t)(next - p);
    if (*p == '+' || *p == '-') return i;
    num_parse_i64(p + 1, len, &i.number);
    if (*p == ':') return i;
    i.text = (struct bytes){next, 0};
    if (i.number < 0) i.type = '_';
    if (*p == '*' || i.number < 0) return i;
    i.text.len = (size_t)i.number;
    i.head += i.text.len + 2;
    return i;
}

struct answer_item answer_next(const char **at, const char *end) {
    struct answer_item i = answer_item(*at, (size_t)(end - *at));
    *at += i.head;
    return i;
}

void answer_pass(const char **at, const char *end) {
    struct answer_item i = answer_next(at, end);
    for (int64_t n = 0; i.type == '*' && n < i.number; n++) answer_pass(at, end);
}
