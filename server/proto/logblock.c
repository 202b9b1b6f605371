#include "server/proto/logblock.h"

#include "server/base/crc32c.h"
#include "server/base/log.h"
#include "server/base/num.h"

#include <string.h>

/* Layout, little-endian: magic 4, version 1, kind 1, header length 2, payload length 4, db 4,
 * offset 8, wall 8, synced 8, id 20, payload crc 4, header crc 4 (over all before it). */
static const char magic[4] = {'D', 'L', 'B', '\x81'};
enum { VERSION = 1, ID_AT = 40, ID_BYTES = 20, PAYLOAD_CRC_AT = 60, HEADER_CRC_AT = 64 };

static void put32(char *p, uint32_t v) {
    memcpy(p, &v, 4);
}
static void put64(char *p, uint64_t v) {
    memcpy(p, &v, 8);
}
static uint32_t get32(const char *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static uint64_t get64(const char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

void logblock_put(char *out, const struct logblock *b) {
    memcpy(out, magic, 4);
    out[4] = VERSION;
    out[5] = (char)b->kind;
    out[6] = LOGBLOCK_HEADER_BYTES;
    out[7] = 0;
    put32(out + 8, b->len);
    put32(out + 12, (uint32_t)b->db);
    put64(out + 16, b->offset);
    put64(out + 24, b->wall_us);
    put64(out + 32, b->synced);
    memset(out + ID_AT, 0, ID_BYTES);
    must(b->id[0] == '\0' || num_from_hex(b->id, 40, out + ID_AT, ID_BYTES),
         "an id is 40 hex digits");
    put32(out + PAYLOAD_CRC_AT, b->payload_crc);
    put32(out + HEADER_CRC_AT, crc32c(0, out, HEADER_CRC_AT));
}

enum logblock_state logblock_get(struct logblock *b, const char *data, size_t len) {
    size_t have = len < 4 ? len : 4;
    if (memcmp(data, magic, have) != 0) return LOGBLOCK_BAD;
    if (len < LOGBLOCK_HEADER_BYTES) return LOGBLOCK_MORE;
    if (get32(data + HEADER_CRC_AT) != crc32c(0, data, HEADER_CRC_AT)) return LOGBLOCK_BAD;
    if (data[4] != VERSION || data[6] != LOGBLOCK_HEADER_BYTES || data[7] != 0) return LOGBLOCK_BAD;
    b->kind = (enum logblock_kind)data[5];
    b->len = get32(data + 8);
    b->db = (int32_t)get32(data + 12);
    b->offset = get64(data + 16);
    b->wall_us = get64(data + 24);
    b->synced = get64(data + 32);
    num_to_hex(b->id, data + ID_AT, ID_BYTES);
    b->payload_crc = get32(data + PAYLOAD_CRC_AT);
    if (b->kind != LOGBLOCK_DATA && b->kind != LOGBLOCK_CLEAN_END) return LOGBLOCK_BAD;
    if (b->len > LOGBLOCK_PAYLOAD_MAX) return LOGBLOCK_BAD;
    return LOGBLOCK_OK;
}

bool logblock_payload_fits(const struct logblock *b, const char *payload) {
    return crc32c(0, payload, b->len) == b->payload_crc;
}

long logblock_search(const char *data, size_t len, size_t from) {
    struct logblock b;
    while (from + LOGBLOCK_HEADER_BYTES <= len) {
        const char *p = memmem(data + from, len - from, magic, sizeof magic);
        if (!p) return -1;
        from = (size_t)(p - data);
        if (logblock_get(&b, p, len - from) == LOGBLOCK_OK) return (long)from;
        from++;
    }
    return -1;
}
