/* X25519 (RFC 7748): two sides who show each other a number come to one that nobody else knows. */
#ifndef DUET_BASE_X25519_H
#define DUET_BASE_X25519_H

#include <stdbool.h>
#include <stdint.h>

enum { X25519_BYTES = 32 };

void x25519_public(const uint8_t hidden[X25519_BYTES], uint8_t shown[X25519_BYTES]);
/* False: the other side showed a number from which nothing secret can follow. */
bool x25519(const uint8_t hidden[X25519_BYTES], const uint8_t shown_by_other[X25519_BYTES],
            uint8_t out[X25519_BYTES]);

#endif
