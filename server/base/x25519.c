#include "server/base/x25519.h"

#include <bearssl_ec.h>
#include <string.h>

/* BearSSL takes numbers as the RFC writes them, and sets the bits that it fixes. */
void x25519_public(const uint8_t hidden[X25519_BYTES], uint8_t shown[X25519_BYTES]) {
    br_ec_c25519_i31.mulgen(shown, hidden, X25519_BYTES, BR_EC_curve25519);
}

bool x25519(const uint8_t hidden[X25519_BYTES], const uint8_t shown_by_other[X25519_BYTES],
            uint8_t out[X25519_BYTES]) {
    static const uint8_t nothing[X25519_BYTES];
    memcpy(out, shown_by_other, X25519_BYTES);
    return br_ec_c25519_i31.mul(out, X25519_BYTES, hidden, X25519_BYTES, BR_EC_curve25519) == 1 &&
           memcmp(out, nothing, sizeof nothing) != 0;
}
