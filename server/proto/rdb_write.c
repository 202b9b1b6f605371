#include "server/proto/rdb.h"

#include "server/base/decimal.h"
#include "server/base/num.h"
#include "server/proto/lzf.h"
#include "server/proto/rdb_codes.h"

#include <stdio.h>
#include <string.h>

static void put_byte(struct buf *out, unsigned v) {
    char c = (char)v;
    buf_add(out, &c, 1);
}

void rdb_put_magic(struct buf *out, int version) {
    buf_printf(out, "REDIS%04d", version);
}

void rdb_put_len(struct buf *out, uint64_t n) {
    if (n < 64) {
        put_byte(out, (unsigned)n);
    } else if (n < 16384) {
        put_byte(out, (unsigned)RDB_LEN_14 << 6 | (unsigned)(n >> 8));
        put_byte(out, n & 0xff);
    } else if (n <= UINT32_MAX) {
        uint32_t be = __builtin_bswap32((uint32_t)n);
        put_byte(out, RDB_LEN_32);
        buf_add(out, &be, sizeof be);
    } else {
        uint64_t be = __builtin_bswap64(n);
        put_byte(out, RDB_LEN_64);
        buf_add(out, &be, sizeof be);
    }
}

/* Integers stand in 1, 2 or 4 bytes, little-endian. */
static bool put_integer(struct buf *out, struct bytes s) {
    int64_t v;
    if (s.len == 0 || s.len > 11 || !num_parse_i64(s.p, s.len, &v)) return false;
    if (v < INT32_MIN || v > INT32_MAX) return false;
    if (v >= INT8_MIN && v <= INT8_MAX) {
        int8_t b = (int8_t)v;
        put_byte(out, RDB_ENCODED << 6 | RDB_ENC_INT8);
        buf_add(out, &b, sizeof b);
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        int16_t w = (int16_t)v;
        put_byte(out, RDB_ENCODED << 6 | RDB_ENC_INT16);
        buf_add(out, &w, sizeof w);
    } else {
        int32_t d = (int32_t)v;
        put_byte(out, RDB_ENCODED << 6 | RDB_ENC_INT32);
        buf_add(out, &d, sizeof d);
    }
    return true;
}

static bool put_compressed(struct buf *out, struct bytes s) {
    if (s.len <= 20 || s.len > UINT32_MAX) return false;
    size_t mark = buf_len(out);
    put_byte(out, RDB_ENCODED << 6 | RDB_ENC_LZF);
    /* The lengths stand before the bytes, so these are made in a place of their own. */
    struct buf tmp = BUF_INIT;
    char *room = buf_room(&tmp, s.len);
    size_t n = lzf_compress(s.p, s.len, room, s.len - 4);
    if (n) {
        rdb_put_len(out, n);
        rdb_put_len(out, s.len);
        buf_add(out, room, n);
    } else {
        out->end = out->start + mark;
    }
    buf_free(&tmp);
    return n != 0;
}

void rdb_put_string(struct buf *out, struct bytes s, bool compress) {
    if (put_integer(out, s)) return;
    if (compress && put_compressed(out, s)) return;
    rdb_put_len(out, s.len);
    buf_add(out, s.p, s.len);
}

void rdb_put_aux(struct buf *out, const char *key, const char *value) {
    put_byte(out, RDB_OP_AUX);
    rdb_put_string(out, (struct bytes){key, strlen(key)}, false);
    rdb_put_string(out, (struct bytes){value, strlen(value)}, false);
}

void rdb_put_aux_u64(struct buf *out, const char *key, uint64_t value) {
    char text[NUM_I64_CHARS];
    text[num_format_u64(text, value)] = '\0';
    rdb_put_aux(out, key, text);
}

void rdb_put_select(struct buf *out, uint64_t db) {
    put_byte(out, RDB_OP_SELECT);
    rdb_put_len(out, db);
}

void rdb_put_resize(struct buf *out, uint64_t keys, uint64_t with_expiry) {
    put_byte(out, RDB_OP_RESIZE);
    rdb_put_len(out, keys);
    rdb_put_len(out, with_expiry);
}

void rdb_put_key(struct buf *out, enum rdb_type type, struct bytes key, int64_t expire_ms,
                 bool compress) {
    if (expire_ms >= 0) {
        put_byte(out, RDB_OP_EXPIRE_MS);
        buf_add(out, &expire_ms, sizeof expire_ms);
    }
    put_byte(out, type);
    rdb_put_string(out, key, compress);
}

void rdb_put_ms(struct buf *out, int64_t ms) {
    buf_add(out, &ms, sizeof ms);
}

void rdb_put_id(struct buf *out, uint64_t ms, uint64_t seq) {
    uint64_t be[2] = {__builtin_bswap64(ms), __builtin_bswap64(seq)};
    buf_add(out, be, sizeof be);
}

void rdb_put_double(struct buf *out, double v) {
    buf_add(out, &v, sizeof v);
}

void rdb_put_score(struct buf *out, double v) {
    if (v - v != 0) { /* infinite; no score is no number */
        put_byte(out, v > 0 ? RDB_SCORE_INF : RDB_SCORE_MINUS_INF);
        return;
    }
    char *room = buf_room(out, 1 + DECIMAL_CHARS);
    size_t n = decimal_format(room + 1, v);
    room[0] = (char)n;
    buf_added(out, 1 + n);
}

void rdb_put_eof(struct buf *out) {
    put_byte(out, RDB_OP_EOF);
}

void rdb_put_checksum(struct buf *out, uint64_t crc) {
    buf_add(out, &crc, sizeof crc);
}
