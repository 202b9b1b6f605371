/* A TLS stream in memory, and what its two files call of each other. Only tls.c and tls_shake.c include this. */
#ifndef DUET_BASE_TLS_STREAM_H
#define DUET_BASE_TLS_STREAM_H

#include "server/base/tls_inside.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/stream.h"

enum {
    SHAKE_BUFFER_PLAIN = 4096, /* a handshake's records are no longer, whatever data records are */
    SHAKE_IN_BYTES = SHAKE_BUFFER_PLAIN + 325,
    SHAKE_OUT_BYTES = SHAKE_BUFFER_PLAIN + 85,
    SHAKE_SEED_BYTES = 48
};

enum state { SHAKING, OPEN, CLOSED, FAILED };

struct run {
    unsigned char *data;
    uint32_t at, end;
};

struct tls_stream {
    struct stream base;
    enum state state;
    int error; /* errno of FAILED */
    uint16_t suite, plain_max;
    uint8_t odd_records;
    bool is_server, slow; /* the socket took less than was sealed for it */
    bool has_channel;
    const char *trouble;                         /* what went wrong, when it did */
    unsigned char channel[STREAM_CHANNEL_BYTES]; /* hash of the server's certificate */
    struct handshake *shake;                     /* while SHAKING */
    struct tls_ciphers ciphers;
    struct run held;
    uint32_t held_plain; /* of held, from its beginning */
    uint32_t owed;
    struct run unsent;
};

struct handshake {
    struct handshake *newer, *older; /* all that are under way, under shakes_lock */
    uint64_t began_ns;
    struct tls *tls;
    struct tls_stream *stream;
    br_ssl_engine_context *engine;
    bool found, saved, done, first_seen;
    _Atomic bool expired; /* set by the thread that watches over the time */
    unsigned char first;  /* byte: tells TLS from something else */
    struct tls_verifier verifier;
    unsigned char in[SHAKE_IN_BYTES], out[SHAKE_OUT_BYTES];
    union {
        br_ssl_server_context server;
        br_ssl_client_context client;
    };
};

/* ---- runs of bytes -------------------------------------------------------------------------- */

static inline uint32_t run_len(const struct run *r) {
    return r->end - r->at;
}

static inline void run_free(struct run *r) {
    if (r->data) explicit_bzero(r->data, r->end);
    free(r->data);
    *r = (struct run){0};
}

static inline void run_set(struct run *r, const unsigned char *p, size_t n) {
    run_free(r);
    if (n) *r = (struct run){xmemdup(p, n), 0, (uint32_t)n};
}

static inline void run_add(struct run *r, const unsigned char *p, size_t n) {
    r->data = xrealloc(r->data, r->end + n);
    memcpy(r->data + r->end, p, n);
    r->end += (uint32_t)n;
}

/* ---- tls.c */

extern const struct stream_kind tls_kind;

/* A line in the log at debug level, one a second at most. */
void tls_say_failure(struct tls_stream *t, const char *what);
/* Ends the stream; error: an errno. */
void tls_fail(struct tls_stream *t, int error);
/* A last word, when the socket takes it at once. */
void tls_send_alert(struct tls_stream *t, int level, int alert);
/* 0 when all went, or STREAM_AGAIN, STREAM_FAILED. */
long tls_flush_unsent(struct tls_stream *t);

/* ---- tls_shake.c */

/* Goes on with the handshake as far as the socket lets it. */
void tls_shake(struct tls_stream *t);
/* Gives up what only the handshake needs. */
void tls_end_shake(struct tls_stream *t);

#endif
