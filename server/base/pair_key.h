/* What follows from the pair's secret: the key of each instance's replication link, a fingerprint that
 * people may compare, and the secret after this one, which the two nodes agree upon by X25519 so that not even
 * who knows the present one and listens learns it. */
#ifndef DUET_BASE_PAIR_KEY_H
#define DUET_BASE_PAIR_KEY_H

#include <stdbool.h>
#include <stdint.h>

enum { PAIR_SECRET_BYTES = 32, PAIR_FINGERPRINT_CHARS = 16 };

/* Of the servers of an instance (server/repl/hello.h). */
void pair_key_of_instance(const uint8_t secret[PAIR_SECRET_BYTES], int number,
                          uint8_t out[PAIR_SECRET_BYTES]);
/* Hexadecimal digits that tell nothing of the secret. */
void pair_key_fingerprint(const uint8_t secret[PAIR_SECRET_BYTES],
                          char out[PAIR_FINGERPRINT_CHARS + 1]);

/* One side's share of a new secret: hidden is chance and stays here, shown goes to the other node. */
void pair_key_share(uint8_t hidden[PAIR_SECRET_BYTES], uint8_t shown[PAIR_SECRET_BYTES]);
/* The new secret; both sides come to the same: first is the share shown by who began. False: the other
 * side's share is of no use. */
bool pair_key_agree(const uint8_t secret[PAIR_SECRET_BYTES],
                    const uint8_t hidden[PAIR_SECRET_BYTES], const uint8_t first[PAIR_SECRET_BYTES],
                    const uint8_t second[PAIR_SECRET_BYTES], bool began,
                    uint8_t out[PAIR_SECRET_BYTES]);

#endif
