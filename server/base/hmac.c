/* See hmac.h. */
#include "server/base/hmac.h"

#include <bearssl_hash.h>
#include <bearssl_hmac.h>

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[HMAC_BYTES]) {
    br_hmac_key_context kc;
    br_hmac_context c;
    br_hmac_key_init(&kc, &br_sha256_vtable, key, key_len);
    br_hmac_init(&c, &kc, HMAC_BYTES);
    br_hmac_update(&c, data, len);
    br_hmac_out(&c, out);
}

void sha256(const void *data, size_t len, uint8_t out[32]) {
    br_sha256_context c;
    br_sha256_init(&c);
    br_sha256_update(&c, data, len);
    br_sha256_out(&c, out);
}

void sha1(const void *data, size_t len, uint8_t out[20]) {
    br_sha1_context c;
    br_sha1_init(&c);
    br_sha1_update(&c, data, len);
    br_sha1_out(&c, out);
}

bool bytes_equal_ct(const void *a, const void *b, size_t n) {
    const volatile unsigned char *x = a, *y = b;
    unsigned char different = 0;
    for (size_t i = 0; i < n; i++) different |= (unsigned char)(x[i] ^ y[i]);
    return different == 0;
}
