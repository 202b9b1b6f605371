/* The channel between the two nodes' tools: what stands on the wire.
 *
 *     client                                  server
 *       hello: pair, node, a nonce    ->
 *                                     <-        hello: pair, node, a nonce
 *       proof                         ->
 *                                     <-        proof
 *       frames ...                    <->       frames ...
 *
 * A proof is the HMAC-SHA-256 of both hellos and of who gives it, by the pair's secret: neither side says or does
 * anything before the other one has shown that it knows the secret. Both nonces and the secret make one key for
 * each direction of this connection, so nothing of another connection fits into it. A frame is a head (type,
 * length, number), its bytes and an HMAC over both. Frames are numbered from 0; one that is missing, comes again,
 * comes late or was changed ends the connection. The bytes are authenticated, not hidden, like replication's.
 *
 * Pure codec: bytes in, bytes out; it knows no socket and no clock. */
#ifndef HACTL_CHANNEL_H
#define HACTL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_PORT          7800 /* TCP; had's heartbeats have the same number by UDP */
#define CHANNEL_KEY           32
#define CHANNEL_HELLO_BYTES   48
#define CHANNEL_PROOF_BYTES   32
#define CHANNEL_PAYLOAD_LIMIT (64 << 10)
#define CHANNEL_HEAD_BYTES    16
#define CHANNEL_FRAME_LIMIT   (CHANNEL_HEAD_BYTES + CHANNEL_PAYLOAD_LIMIT + 32)
#define CHANNEL_WORDS         32

struct buf;

/* Who one is. */
struct channel_id {
    uint8_t secret[CHANNEL_KEY];
    uint8_t also[CHANNEL_KEY]; /* while the secret is changed: a client may have this one */
    bool has_also;
    uint16_t pair;
    uint8_t node; /* 0 a, 1 b */
};

/* One connection's two hellos and what follows from them. */
struct channel {
    uint8_t hello[2][CHANNEL_HELLO_BYTES]; /* the client's, the server's */
    uint8_t send_key[CHANNEL_KEY], receive_key[CHANNEL_KEY];
    uint64_t sent, received; /* frames */
    bool server;             /* this side */
};

enum channel_type {
    CHANNEL_RUN = 1, /* client: the words of a verb, once, first */
    CHANNEL_IN,      /* client: standard input; empty: its end */
    CHANNEL_OUT,     /* server: standard output */
    CHANNEL_ERR,     /* server: standard error */
    CHANNEL_EXIT,    /* server: one byte, the exit status; the last frame */
};

struct channel_frame {
    enum channel_type type;
    const char *bytes; /* into the buffer it was read from */
    size_t len;
    size_t size; /* of the whole frame: what to eat */
};

/* Writes this side's hello. nonce: 32 bytes of chance. */
void channel_hello(struct channel *ch, const struct channel_id *id, bool server,
                   const uint8_t nonce[32]);
/* Takes the other side's hello; NULL, or why it is not the other node of this pair. */
const char *channel_take_hello(struct channel *ch, const struct channel_id *id,
                               const uint8_t hello[CHANNEL_HELLO_BYTES]);
/* Once both hellos are there: this side's proof (and both keys); and whether the other's is right. */
void channel_proof(struct channel *ch, const struct channel_id *id,
                   uint8_t out[CHANNEL_PROOF_BYTES]);
bool channel_proof_right(const struct channel *ch, const struct channel_id *id,
                         const uint8_t proof[CHANNEL_PROOF_BYTES]);

/* Appends a frame; len is at most CHANNEL_PAYLOAD_LIMIT. */
void channel_send(struct channel *ch, struct buf *out, enum channel_type type, const void *bytes,
                  size_t len);
enum channel_result { CHANNEL_MORE, CHANNEL_FRAME, CHANNEL_BAD };
/* The next frame of what has been read. CHANNEL_BAD: *why says it; nothing more may be believed. */
enum channel_result channel_next(struct channel *ch, const char *bytes, size_t len,
                                 struct channel_frame *f, const char **why);

/* The words of CHANNEL_RUN. Getting: pointers into bytes and a NULL behind them; -1 when it is no list of 1 to
 * CHANNEL_WORDS words. Putting: false when they are too many or too long. */
bool channel_words_put(struct buf *out, char *const *words, int count);
int channel_words_get(const char *bytes, size_t len, const char *words[CHANNEL_WORDS + 1]);

#endif
