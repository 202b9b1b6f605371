/* The request parser. Reads exactly what Redis 7.0's processMultibulkBuffer and
 * processInlineBuffer accept, and refuses with their sentences: a count line is judged only when
 * its CR LF is there, the LF itself is not looked at, and a NUL in a line hides what follows it. */
#include "server/proto/resp.h"

#include "server/base/buf.h"
#include "server/base/conf.h"
#include "server/base/log.h"
#include "server/base/num.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNAUTHENTICATED_ARGS = 10, UNAUTHENTICATED_BULK = 16384 };

void resp_args_free(struct resp_args *a) {
    free(a->v);
    *a = (struct resp_args){0};
}

void resp_parser_free(struct resp_parser *p) {
    resp_args_free(&p->saved);
    free(p->line);
    p->line = NULL;
}

static __attribute__((noinline)) void args_grow(struct resp_args *a, size_t more) {
    size_t cap = a->cap ? a->cap * 2 : 16;
    while (cap < a->count + more) cap *= 2;
    a->v = xrealloc(a->v, cap * sizeof *a->v);
    a->cap = cap;
}

static inline void args_add(struct resp_args *a, const char *p, size_t len) {
    if (__builtin_expect(a->count == a->cap, 0)) args_grow(a, 1);
    a->v[a->count++] = (struct bytes){p, len};
}

static enum resp_state bad(struct resp_parser *p, const char *what) {
    p->error_len = (size_t)snprintf(p->error, sizeof p->error, "Protocol error: %s", what);
    return RESP_BAD;
}

static enum resp_state more(struct resp_parser *p, size_t need) {
    p->need = need;
    return RESP_MORE;
}

enum line { LINE_NUMBER, LINE_MORE, LINE_TOO_BIG, LINE_NOT_A_NUMBER };

/* Reads the number after the type byte at s[0], up to CR LF; *taken counts both. */
static enum line read_number_slowly(const char *s, size_t n, int64_t *v, size_t *taken) {
    const char *cr = memchr(s, '\r', strnlen(s, n));
    if (!cr) return n > RESP_LINE_MAX ? LINE_TOO_BIG : LINE_MORE;
    size_t len = (size_t)(cr - s);
    if (len + 2 > n) return LINE_MORE;
    *taken = len + 2;
    if (len == 0 || !num_parse_i64(s + 1, len - 1, v)) return LINE_NOT_A_NUMBER;
    return LINE_NUMBER;
}

/* The common case: a few digits and CR LF, all there. */
static inline enum line read_number(const char *s, size_t n, int64_t *v, size_t *taken) {
    if (__builtin_expect(n >= 4, 1)) {
        unsigned d = (unsigned char)s[1] - (unsigned)'0';
        if (__builtin_expect(d - 1 < 9, 1)) {
            unsigned value = d;
            size_t i = 2, end = n < 10 ? n : 10;
            while (i < end && (d = (unsigned char)s[i] - (unsigned)'0') < 10) {
                value = value * 10 + d;
                i++;
            }
            if (i + 1 < n && s[i] == '\r') {
                *v = value;
                *taken = i + 2;
                return LINE_NUMBER;
            }
        }
    }
    return read_number_slowly(s, n, v, taken);
}

/* Puts the arguments of an unfinished request aside, without a copy when they are alone in out. */
static void stash(struct resp_parser *p, const char *data, struct resp_args *out, size_t first) {
    p->base = (uintptr_t)data;
    if (first == 0) {
        struct resp_args t = p->saved;
        p->saved = *out;
        *out = t;
        out->count = 0;
        return;
    }
    size_t n = out->count - first;
    p->saved.count = 0;
    if (n > p->saved.cap) args_grow(&p->saved, n);
    if (n) memcpy(p->saved.v, out->v + first, n * sizeof *out->v);
    p->saved.count = n;
    out->count = first;
}

/* Brings them back, moved to where data stands now. */
static void unstash(struct resp_parser *p, const char *data, struct resp_args *out) {
    size_t n = p->saved.count;
    if (n == 0) return;
    if ((uintptr_t)data != p->base) {
        for (size_t i = 0; i < n; i++)
            p->saved.v[i].p = data + ((uintptr_t)p->saved.v[i].p - p->base);
    }
    if (out->count == 0) {
        struct resp_args t = p->saved;
        p->saved = *out;
        *out = t;
    } else {
        if (out->count + n > out->cap) args_grow(out, n);
        memcpy(out->v + out->count, p->saved.v, n * sizeof *out->v);
        out->count += n;
    }
    p->saved.count = 0;
    if (p->saved.cap > 64) resp_args_free(&p->saved);
}

static enum resp_state parse_inline(struct resp_parser *p, const char *data, size_t len,
                                    struct resp_args *out) {
    const char *nl = memchr(data, '\n', strnlen(data, len));
    if (!nl) {
        if (len > RESP_LINE_MAX) return bad(p, "too big inline request");
        return more(p, 1);
    }
    size_t n = (size_t)(nl - data);
    p->used = n + 1;
    if (n && data[n - 1] == '\r') n--;
    char **words;
    size_t *lens, total = 0;
    int argc = conf_split(data, n, &words, &lens);
    if (argc < 0) return bad(p, "unbalanced quotes in request");
    for (int i = 0; i < argc; i++) total += lens[i];
    p->line = xrealloc(p->line, total + 1);
    char *to = p->line;
    for (int i = 0; i < argc; i++) {
        memcpy(to, words[i], lens[i]);
        args_add(out, to, lens[i]);
        to += lens[i];
    }
    conf_words_free(words, lens, argc);
    return argc ? RESP_DONE : RESP_EMPTY;
}

/* Reads *COUNT. Returns RESP_DONE when arguments follow. */
static enum resp_state begin(struct resp_parser *p, const char *data, size_t len,
                             const struct resp_limits *limits) {
    int64_t n = 0;
    size_t taken = 0;
    switch (read_number(data, len, &n, &taken)) {
    case LINE_MORE: return more(p, 1);
    case LINE_TOO_BIG: return bad(p, "too big mbulk count string");
    case LINE_NOT_A_NUMBER: return bad(p, "invalid multibulk length");
    case LINE_NUMBER: break;
    }
    if (n > INT_MAX) return bad(p, "invalid multibulk length");
    if (n > UNAUTHENTICATED_ARGS && limits->unauthenticated)
        return bad(p, "unauthenticated multibulk length");
    p->used = p->at = taken;
    if (n <= 0) return RESP_EMPTY;
    p->left = (uint32_t)n;
    p->in_bulk = false;
    return RESP_DONE;
}

/* Reads $LENGTH of the next argument. */
static enum resp_state begin_bulk(struct resp_parser *p, const char *data, size_t len,
                                  const struct resp_limits *limits) {
    int64_t n = 0;
    size_t taken = 0;
    enum line got = LINE_MORE;
    if (len > p->at) got = read_number(data + p->at, len - p->at, &n, &taken);
    if (got == LINE_MORE) return more(p, 1);
    if (got == LINE_TOO_BIG) return bad(p, "too big bulk count string");
    if (data[p->at] != '$') {
        p->error_len = (size_t)snprintf(p->error, sizeof p->error,
                                        "Protocol error: expected '$', got '%c'", data[p->at]);
        return RESP_BAD;
    }
    if (got == LINE_NOT_A_NUMBER || n < 0 || (uint64_t)n > limits->bulk_max)
        return bad(p, "invalid bulk length");
    if (n > UNAUTHENTICATED_BULK && limits->unauthenticated)
        return bad(p, "unauthenticated bulk length");
    p->at += taken;
    p->bulk_len = (size_t)n;
    p->in_bulk = true;
    return RESP_DONE;
}

static enum resp_state parse_multibulk(struct resp_parser *p, const char *data, size_t len,
                                       const struct resp_limits *limits, struct resp_args *out) {
    while (p->left) {
        if (!p->in_bulk) {
            enum resp_state st = begin_bulk(p, data, len, limits);
            if (st != RESP_DONE) return st;
        }
        size_t have = len - p->at;
        if (have < p->bulk_len + 2) return more(p, p->bulk_len + 2 - have);
        args_add(out, data + p->at, p->bulk_len);
        p->at += p->bulk_len + 2;
        p->in_bulk = false;
        p->left--;
    }
    p->used = p->at;
    return RESP_DONE;
}

/* ---- The short way -------------------------------------------------------------------------- */

enum { SHORT_ARGS = 1024 };

/* TYPE, one to four digits without a leading zero, CR LF, of which seven bytes at s may be read. Returns the byte
 * behind, or NULL. */
static inline const char *short_number(const char *s, char type, uint32_t *v) {
    const uint32_t end = (uint32_t)'\r' << 16 | (uint32_t)'\n' << 24;
    uint32_t w = bytes_load32(s), n = (w >> 8 & 255) - (uint32_t)'0',
             d = (w >> 16 & 255) - (uint32_t)'0';
    if ((char)w != type || n - 1 > 8) return NULL;
    if ((w & 0xffff0000) == end) {
        *v = n;
        return s + 4;
    }
    n = n * 10 + d;
    if (d > 9) return NULL;
    for (s += 3;; s++) {
        if (s[0] == '\r' && s[1] == '\n') break;
        d = (unsigned char)s[0] - (uint32_t)'0';
        if (d > 9 || n > 999) return NULL;
        n = n * 10 + d;
    }
    *v = n;
    return s + 2;
}

/* A request that is there as a whole, in the form that every client writes. Returns its length, or 0: then nothing
 * was changed, and the long way will tell what it is. */
static inline size_t parse_whole(const char *data, size_t len, const struct resp_limits *limits,
                                 struct resp_args *out) {
    uint32_t n, bulk;
    if (len < 7 || limits->unauthenticated) return 0;
    const char *s = data, *last = data + len - 7; /* where a number may begin at the latest */
    if (!(s = short_number(s, '*', &n)) || n > SHORT_ARGS) return 0;
    if (__builtin_expect(out->cap - out->count < n, 0)) args_grow(out, n);
    struct bytes *v = out->v + out->count, *behind = v + n;
    for (; v < behind; v++) {
        if (s > last || !(s = short_number(s, '$', &bulk)) || bulk > limits->bulk_max) return 0;
        if ((size_t)(data + len - s) < bulk + 2) return 0;
        *v = (struct bytes){s, bulk};
        s += bulk + 2;
    }
    out->count += n;
    return (size_t)(s - data);
}

static __attribute__((noinline)) enum resp_state parse_long(struct resp_parser *p, const char *data,
                                                            size_t len,
                                                            const struct resp_limits *limits,
                                                            struct resp_args *out) {
    size_t first = out->count;
    if (p->started) {
        must(len >= p->at, "unparsed bytes are presented again from the request's first byte");
        unstash(p, data, out);
    } else {
        if (len == 0) return more(p, 1);
        if (data[0] != '*') return parse_inline(p, data, len, out);
        enum resp_state st = begin(p, data, len, limits);
        if (st != RESP_DONE) return st;
    }
    enum resp_state st = parse_multibulk(p, data, len, limits, out);
    p->started = st == RESP_MORE;
    if (st == RESP_MORE) stash(p, data, out, first);
    if (st == RESP_BAD) out->count = first;
    return st;
}

enum resp_state resp_parse(struct resp_parser *p, const char *data, size_t len,
                           const struct resp_limits *limits, struct resp_args *out) {
    if (p->started || !(p->used = parse_whole(data, len, limits, out)))
        return parse_long(p, data, len, limits, out);
    return RESP_DONE;
}
