/* See crc32c.h. Eight tables, eight bytes a step; the tables are made at first use. */
#include "server/base/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0x82f63b78U : 0);
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n) {
    pthread_once(&once, make_tables);
    const unsigned char *s = p;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t v;
        memcpy(&v, s, 8); /* little-endian, as every machine that Duet runs on */
        v ^= c;
        c = table[7][v & 255] ^ table[6][v >> 8 & 255] ^ table[5][v >> 16 & 255] ^
            table[4][v >> 24 & 255] ^ table[3][v >> 32 & 255] ^ table[2][v >> 40 & 255] ^
            table[1][v >> 48 & 255] ^ table[0][v >> 56];
    }
    while (n--) c = c >> 8 ^ table[0][(c ^ *s++) & 255];
    return ~c;
}
