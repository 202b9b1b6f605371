#include "server/proto/crc64.h"

#include <string.h>

/* Reflected form of 0xad93d23594c935a9. */
#define POLY 0x95ac9329ac4bc9b5ULL

/* table[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are taken
 * at once. */
static uint64_t table[8][256];

__attribute__((constructor)) static void crc64_fill(void) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t c = b;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) ? POLY : 0);
        table[0][b] = c;
    }
    for (int k = 1; k < 8; k++) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t c = table[k - 1][b];
            table[k][b] = table[0][c & 0xff] ^ (c >> 8);
        }
    }
}

uint64_t crc64(uint64_t crc, const void *p, size_t n) {
    const unsigned char *s = p;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        crc ^= w; /* little-endian machines only, as the whole product is */
        crc = table[7][crc & 0xff] ^ table[6][(crc >> 8) & 0xff] ^ table[5][(crc >> 16) & 0xff] ^
              table[4][(crc >> 24) & 0xff] ^ table[3][(crc >> 32) & 0xff] ^
              table[2][(crc >> 40) & 0xff] ^ table[1][(crc >> 48) & 0xff] ^ table[0][crc >> 56];
    }
    for (; n; n--, s++) crc = table[0][(crc ^ *s) & 0xff] ^ (crc >> 8);
    return crc;
}
