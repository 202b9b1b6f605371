#include "server/base/pair_key.h"

#include <stdio.h>
#include <string.h>

#include "server/base/hmac.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/base/x25519.h"

void pair_key_of_instance(const uint8_t secret[PAIR_SECRET_BYTES], int number,
                          uint8_t out[PAIR_SECRET_BYTES]) {
    char name[64];
    int n = snprintf(name, sizeof name, "duet replication instance %d", number);
    hmac_sha256(secret, PAIR_SECRET_BYTES, name, (size_t)n, out);
}

void pair_key_fingerprint(const uint8_t secret[PAIR_SECRET_BYTES],
                          char out[PAIR_FINGERPRINT_CHARS + 1]) {
    static const char name[] = "duet fingerprint of a secret";
    uint8_t mac[HMAC_BYTES];
    hmac_sha256(secret, PAIR_SECRET_BYTES, name, sizeof name - 1, mac);
    num_to_hex(out, mac, PAIR_FINGERPRINT_CHARS / 2);
}

void pair_key_share(uint8_t hidden[PAIR_SECRET_BYTES], uint8_t shown[PAIR_SECRET_BYTES]) {
    rand_bytes(hidden, PAIR_SECRET_BYTES);
    x25519_public(hidden, shown);
}

bool pair_key_agree(const uint8_t secret[PAIR_SECRET_BYTES],
                    const uint8_t hidden[PAIR_SECRET_BYTES], const uint8_t first[PAIR_SECRET_BYTES],
                    const uint8_t second[PAIR_SECRET_BYTES], bool began,
                    uint8_t out[PAIR_SECRET_BYTES]) {
    static const char name[] = "duet secret after this one";
    uint8_t all[sizeof name - 1 + 3 * PAIR_SECRET_BYTES], *p = all;
    memcpy(p, name, sizeof name - 1);
    p += sizeof name - 1;
    memcpy(p, first, PAIR_SECRET_BYTES);
    memcpy(p + PAIR_SECRET_BYTES, second, PAIR_SECRET_BYTES);
    if (!x25519(hidden, began ? second : first, p + 2 * PAIR_SECRET_BYTES)) return false;
    hmac_sha256(secret, PAIR_SECRET_BYTES, all, sizeof all, out);
    return true;
}
