#include "hactl/ustar.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"

/* Where the fields of a head stand. */
enum {
    NAME = 0,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    SUM = 148,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_BYTES = 155
};

static void octal(uint8_t *to, int digits, uint64_t v) {
    for (int i = digits - 1; i >= 0; i--, v >>= 3) to[i] = (uint8_t)('0' + (v & 7));
    to[digits] = 0;
}

static void put_size(uint8_t *to, uint64_t v) {
    if (v < 1ULL << 33) {
        octal(to, 11, v);
        return;
    }
    memset(to, 0, 12);
    to[0] = 0x80;
    for (int i = 11; i >= 4; i--, v >>= 8) to[i] = (uint8_t)v;
}

static bool get_number(const uint8_t *from, int bytes, uint64_t *v) {
    int i = 0;
    *v = 0;
    if (from[0] == 0x80) {
        for (i = 1; i < bytes; i++) {
            if (*v >> 55) return false;
            *v = *v << 8 | from[i];
        }
        return true;
    }
    while (i < bytes && from[i] == ' ') i++;
    for (; i < bytes && from[i] >= '0' && from[i] <= '7'; i++)
        *v = *v << 3 | (uint64_t)(from[i] - '0');
    return i == bytes || from[i] == 0 || from[i] == ' ';
}

/* The sum of all bytes, its own field taken as spaces. */
static unsigned sum_of(const uint8_t *head) {
    unsigned sum = 0;
    for (int i = 0; i < USTAR_BLOCK; i++) sum += i >= SUM && i < SUM + 8 ? ' ' : head[i];
    return sum;
}

void ustar_put(const struct ustar_head *h, uint8_t out[USTAR_BLOCK]) {
    memset(out, 0, USTAR_BLOCK);
    if (h->end) return;
    must(strlen(h->name) < USTAR_NAME_LIMIT, "the name fits into a head");
    memcpy(out + NAME, h->name, strlen(h->name));
    octal(out + MODE, 7, h->directory ? 0755 : 0644);
    octal(out + UID, 7, 0);
    octal(out + GID, 7, 0);
    put_size(out + SIZE, h->directory ? 0 : h->size);
    octal(out + MTIME, 11, (uint64_t)h->mtime_s);
    out[TYPE] = h->directory ? '5' : '0';
    memcpy(out + MAGIC, "ustar\00000", 8);
    octal(out + SUM, 6, sum_of(out));
    out[SUM + 7] = ' ';
}

const char *ustar_get(const uint8_t in[USTAR_BLOCK], struct ustar_head *h) {
    uint64_t sum, mtime;
    memset(h, 0, sizeof *h);
    for (int i = 0; i < USTAR_BLOCK && !in[i]; i++) h->end = i == USTAR_BLOCK - 1;
    if (h->end) return NULL;
    if (memcmp(in + MAGIC, "ustar", 5) != 0) return "it is no tar archive";
    if (!get_number(in + SUM, 8, &sum) || sum != sum_of(in))
        return "a head's checksum does not fit";
    if (in[PREFIX]) return "a name in it is longer than ours are";
    if (!memchr(in + NAME, 0, USTAR_NAME_LIMIT)) return "a name in it does not end";
    memcpy(h->name, in + NAME, USTAR_NAME_LIMIT);
    h->directory = in[TYPE] == '5';
    if (!h->directory && in[TYPE] != '0' && in[TYPE] != 0)
        return "it holds something that is neither file nor directory";
    if (!get_number(in + SIZE, 12, &h->size) || !get_number(in + MTIME, 12, &mtime))
        return "a number in a head is none";
    h->mtime_s = (int64_t)mtime;
    return NULL;
}
