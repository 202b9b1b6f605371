/* How the pair's two servers recognise each other before a replication link carries anything: each
 * proves by HMAC-SHA-256 over both sides' fresh numbers that it has the pair's key. No sockets.
 *
 *   slave   REPLCONF duet-hello 1 NODE NONCE
 *   master  +OK hello NODE NONCE PROOF               the proof of "master"
 *   slave   REPLCONF duet-pair NODE ID OFFSET PROOF  of "slave" and "ID OFFSET"
 *   master  +OK session N fork F PROOF               of "session" and "N F"
 *
 * From there on both directions are blocks (base/stream_block.h) with words of the same key. What every
 * proof covers: its own name, both nodes, both nonces, the channel (base/tls.h: tls_binding). So
 * nothing of an old link can be said again, nothing be said back to where it came from, and nobody can
 * sit between two TLS connections. Without a key the proofs are only checksums. */
#ifndef DUET_REPL_HELLO_H
#define DUET_REPL_HELLO_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum { HELLO_KEY_BYTES = 32, HELLO_NONCE_CHARS = 32, HELLO_PROOF_CHARS = 64, HELLO_CHANNEL = 32 };

#define HELLO_VERSION "1"

struct hello {
    char master, slave; /* 'a' or 'b' */
    char master_nonce[HELLO_NONCE_CHARS + 1], slave_nonce[HELLO_NONCE_CHARS + 1];
    uint8_t channel[HELLO_CHANNEL]; /* zeros: not TLS */
    const uint8_t *key;             /* HELLO_KEY_BYTES; NULL: none. The caller's. */
};

bool hello_is_nonce(struct bytes s);
/* Lower-case hexadecimal, ended by a NUL. */
void hello_proof(const struct hello *h, const char *name, const char *text,
                 char out[HELLO_PROOF_CHARS + 1]);
/* Takes the same time wherever they differ. */
bool hello_proven(const struct hello *h, const char *name, const char *text, struct bytes proof);
/* For stream_block: what the master writes, and what the slave writes. */
void hello_words(const struct hello *h, uint64_t *master, uint64_t *slave);

#endif
