/* The lines of the replication handshake, as bytes: what a slave sends is made by
 * replline_request, what a master answers is taken apart here; and RESP requests as the stream
 * carries them. No sockets, no state. */
#ifndef DUET_PROTO_REPLLINE_H
#define DUET_PROTO_REPLLINE_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum { REPLLINE_ID_CHARS = 40, REPLLINE_MAX_BYTES = 1024, REPLLINE_MARK_BYTES = 40 };

/* No stream comes near it: what is counted on from there never overflows. */
#define REPLLINE_OFFSET_MAX (1ULL << 62)

/* Appends one request: *argc, $len ... */
void replline_request(struct buf *out, int argc, const struct bytes *argv);
/* The same into memory of at least replline_request_size bytes; returns the byte behind. */
size_t replline_request_size(int argc, const struct bytes *argv);
char *replline_request_to(char *to, int argc, const struct bytes *argv);
void replline_words(struct buf *out, ...) __attribute__((sentinel)); /* C strings, ended by NULL */

enum replline_kind {
    REPLLINE_MORE,       /* the line is not whole yet */
    REPLLINE_BAD,        /* longer than REPLLINE_MAX_BYTES, or malformed where it may not be */
    REPLLINE_EMPTY,      /* a keepalive newline */
    REPLLINE_STATUS,     /* "+..." that is none of the following */
    REPLLINE_ERROR,      /* "-..." */
    REPLLINE_PONG,       /* "+PONG" */
    REPLLINE_CONTINUE,   /* "+CONTINUE" [id]; id "" when it is not named */
    REPLLINE_FULLRESYNC, /* "+FULLRESYNC id offset" */
    REPLLINE_HELLO,      /* Duet's answer to REPLCONF duet-hello: "+OK hello NODE NONCE PROOF" */
    REPLLINE_SESSION,    /* and to REPLCONF duet-pair: "+OK session N fork OFFSET|none PROOF" */
    REPLLINE_LENGTH,     /* "$N": N bytes of RDB follow */
    REPLLINE_MARK        /* "$EOF:" and 40 bytes: RDB up to these 40 bytes */
};
struct replline {
    enum replline_kind kind;
    size_t used;       /* bytes of the line with its end */
    struct bytes text; /* the line without its end, in the caller's bytes */
    char id[REPLLINE_ID_CHARS + 1];
    uint64_t offset; /* FULLRESYNC; SESSION: the fork (has_fork) */
    bool has_fork;
    uint64_t number; /* LENGTH: bytes; SESSION: the session */
    char mark[REPLLINE_MARK_BYTES];
    struct bytes node, nonce, proof; /* HELLO; SESSION: proof, "" when there is none */
};
/* Takes one line apart. */
void replline_parse(struct replline *l, const char *data, size_t len);

/* True for 40 hexadecimal digits. */
bool replline_is_id(struct bytes s);

#endif
