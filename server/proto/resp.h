/* The Redis protocol (RESP2 and RESP3): a parser of requests that is fed bytes, and a writer of
 * replies into a buffer. Nothing here knows descriptors or time.
 *
 * Requests: the parser points into the bytes that it is given and copies nothing. A request may
 * arrive in any number of pieces; the caller presents the unparsed bytes again from the request's
 * first byte, wherever they stand in memory by then, and the parser goes on where it was. */
#ifndef DUET_PROTO_RESP_H
#define DUET_PROTO_RESP_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A vector of arguments that several requests share, one after the other. */
struct resp_args {
    struct bytes *v;
    size_t count, cap;
};
void resp_args_free(struct resp_args *a);

enum { RESP_LINE_MAX = 64 * 1024 }; /* an inline request, or a count, is at most this long */

struct resp_limits {
    uint64_t bulk_max;    /* proto-max-bulk-len, in bytes */
    bool unauthenticated; /* only small requests are taken: 10 arguments, 16 KiB each */
};

enum resp_state {
    RESP_DONE,  /* one request: its arguments were appended, parser.used bytes were taken */
    RESP_EMPTY, /* an empty line or *0: parser.used bytes were taken, nothing to answer */
    RESP_MORE,  /* the request is not whole yet; parser.need more bytes at least */
    RESP_BAD    /* parser.error says what Redis says; the connection must be closed after it */
};

/* The state of one connection. Zeroed memory is a fresh parser. */
struct resp_parser {
    size_t used;   /* after DONE and EMPTY: bytes from the request's first byte to its end */
    size_t need;   /* after MORE: at least this many bytes are still to come (a hint for room) */
    bool started;  /* inside a request that is not whole yet */
    bool in_bulk;  /* its next argument's length is known: bulk_len */
    uint32_t left; /* arguments still to come */
    size_t at;     /* offset of the next unparsed byte */
    size_t bulk_len;
    uintptr_t base;         /* where the request began when saved was filled */
    struct resp_args saved; /* arguments of an unfinished request */
    char error[80];
    size_t error_len; /* it may hold a NUL, as Redis's message may */
    /* Inline requests are unquoted into here, because quotes cannot be undone in place. */
    char *line;
};
void resp_parser_free(struct resp_parser *p);

/* Parses the request that begins at data. On RESP_DONE its arguments stand in out->v from the old
 * out->count on, valid as long as data stays where it is (an inline request's: until the next
 * call). */
enum resp_state resp_parse(struct resp_parser *p, const char *data, size_t len,
                           const struct resp_limits *limits, struct resp_args *out);

/* Replies. Each appends one element to out. resp is the protocol version, 2 or 3. */
void resp_status(struct buf *out, const char *text);     /* resp_status(out, "OK") */
void resp_raw(struct buf *out, const void *p, size_t n); /* bytes that are RESP already */
/* "-" text CRLF; CR and LF inside become spaces. text begins with its code: "ERR no such key". */
void resp_error(struct buf *out, const char *text);
void resp_error_n(struct buf *out, const char *text, size_t n);
void resp_errorf(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void resp_int(struct buf *out, int64_t v);
void resp_bulk(struct buf *out, const void *p, size_t n);
void resp_bulk_str(struct buf *out, const char *s);
void resp_bulk_int(struct buf *out, int64_t v); /* the digits as a bulk string */
void resp_bulkf(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void resp_null(struct buf *out, int resp);       /* $-1 or _ */
void resp_null_array(struct buf *out, int resp); /* *-1 or _ */
void resp_array(struct buf *out, size_t n);
void resp_map(struct buf *out, int resp, size_t pairs); /* RESP2: an array of 2 * pairs */
void resp_set(struct buf *out, int resp, size_t n);
void resp_push(struct buf *out, int resp, size_t n);
void resp_bool(struct buf *out, int resp, bool v);
/* A double as %.17g writes it, inf, -inf; RESP2 as a bulk string. */
void resp_double(struct buf *out, int resp, double v);
void resp_verbatim(struct buf *out, int resp, const char *kind3, const void *p, size_t n);

/* A place for an array's header whose count is known only at the end. */
size_t resp_array_later(struct buf *out); /* returns the mark */
void resp_array_count(struct buf *out, size_t mark, size_t n);
/* The same for a map whose pairs are, in RESP2, arrays of their own (XREAD). */
void resp_map_count(struct buf *out, int resp, size_t mark, size_t pairs);

#endif
