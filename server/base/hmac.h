/* HMAC-SHA-256 and SHA-256 by BearSSL, constant-time comparison. No allocation. */
#ifndef DUET_BASE_HMAC_H
#define DUET_BASE_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HMAC_BYTES 32

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[HMAC_BYTES]);
void sha256(const void *data, size_t len, uint8_t out[32]);
void sha1(const void *data, size_t len, uint8_t out[20]);
/* True when equal; takes the same time wherever they differ. */
bool bytes_equal_ct(const void *a, const void *b, size_t n);

#endif
