#include "server/proto/rdb.h"

#include "server/base/num.h"
#include "server/proto/crc64.h"
#include "server/proto/lzf.h"
#include "server/proto/rdb_codes.h"
#include "server/proto/rdb_cut.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A string in a file of ours or of Redis is at most 512 MB; a blob of a damaged or hostile file
 * must not make the caller wait for, or us allocate, more than this. */
#define STRING_MAX (1ULL << 30)

enum state { AT_MAGIC, AT_TOP, AT_VALUE, AT_ITEMS, AT_KEY_END, AT_CHECKSUM, AT_END, AT_BAD };

/* What follows a key of each type. */
enum shape {
    SHAPE_NONE,        /* not readable: refused by name */
    SHAPE_WHOLE,       /* one string */
    SHAPE_ONE,         /* a count, then one string an item */
    SHAPE_TWO,         /* a count, then two */
    SHAPE_TEXT_SCORE,  /* a count, then string and score as text */
    SHAPE_SCORE,       /* a count, then string and binary score */
    SHAPE_NUMBER_BLOB, /* a count, then container number and string */
    SHAPE_STREAM       /* rdb_read_stream.c */
};

static const struct {
    const char *name;
    enum shape shape;
} types[] = {
    [RDB_STRING] = {"string", SHAPE_WHOLE},
    [RDB_LIST] = {"list", SHAPE_ONE},
    [RDB_SET] = {"set", SHAPE_ONE},
    [RDB_ZSET] = {"sorted set (text scores)", SHAPE_TEXT_SCORE},
    [RDB_HASH] = {"hash", SHAPE_TWO},
    [RDB_ZSET_2] = {"sorted set", SHAPE_SCORE},
    [RDB_MODULE] = {"module value", SHAPE_NONE},
    [RDB_MODULE_2] = {"module value", SHAPE_NONE},
    [RDB_HASH_ZIPMAP] = {"hash (zipmap)", SHAPE_WHOLE},
    [RDB_LIST_ZIPLIST] = {"list (ziplist)", SHAPE_WHOLE},
    [RDB_SET_INTSET] = {"set (intset)", SHAPE_WHOLE},
    [RDB_ZSET_ZIPLIST] = {"sorted set (ziplist)", SHAPE_WHOLE},
    [RDB_HASH_ZIPLIST] = {"hash (ziplist)", SHAPE_WHOLE},
    [RDB_LIST_QUICKLIST] = {"list (quicklist)", SHAPE_ONE},
    [RDB_STREAM_LISTPACKS] = {"stream (1)", SHAPE_STREAM},
    [RDB_HASH_LISTPACK] = {"hash (listpack)", SHAPE_WHOLE},
    [RDB_ZSET_LISTPACK] = {"sorted set (listpack)", SHAPE_WHOLE},
    [RDB_LIST_QUICKLIST_2] = {"list (quicklist 2)", SHAPE_NUMBER_BLOB},
    [RDB_STREAM_LISTPACKS_2] = {"stream (2)", SHAPE_STREAM},
    [RDB_SET_LISTPACK] = {"set (listpack)", SHAPE_WHOLE},
    [RDB_STREAM_LISTPACKS_3] = {"stream (3)", SHAPE_STREAM},
    [RDB_HASH_EXPIRING_FIRST... RDB_HASH_EXPIRING_LAST] = {"hash whose fields expire", SHAPE_NONE},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const char *rdb_type_name(int type) {
    static char unknown[24];
    if (type >= 0 && type < TYPE_COUNT && types[type].name) return types[type].name;
    snprintf(unknown, sizeof unknown, "type %d", type);
    return unknown;
}

static void complain(struct cut *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct cut *c, const char *fmt, ...) {
    if (rdb_stopped(c)) return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(c->r->error, sizeof c->r->error, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof c->r->error)
        snprintf(c->r->error + n, sizeof c->r->error - (size_t)n, " at byte %llu",
                 (unsigned long long)(c->r->total + (uint64_t)(c->p - c->start)));
    c->bad = true;
}

const char *rdb_take(struct cut *c, size_t n) {
    static const char zeros[16];
    if (rdb_stopped(c)) return zeros;
    if ((size_t)(c->end - c->p) < n) {
        c->short_by = n - (size_t)(c->end - c->p);
        return zeros; /* callers that take more than 16 bytes check rdb_stopped() first */
    }
    const char *at = c->p;
    c->p += n;
    return at;
}

static unsigned take_byte(struct cut *c) {
    return (unsigned char)*rdb_take(c, 1);
}

/* A length, or with *encoded set the number of an encoding. */
uint64_t rdb_take_len(struct cut *c, bool *encoded) {
    unsigned first = take_byte(c);
    if (encoded) *encoded = false;
    switch (first >> 6) {
    case RDB_LEN_6: return first & 63;
    case RDB_LEN_14: return (uint64_t)(first & 63) << 8 | take_byte(c);
    case RDB_ENCODED:
        if (encoded)
            *encoded = true;
        else
            complain(c, "a string's encoding where a count must stand");
        return first & 63;
    default: break;
    }
    if (first == RDB_LEN_32) {
        uint32_t be;
        memcpy(&be, rdb_take(c, sizeof be), sizeof be);
        return __builtin_bswap32(be);
    }
    if (first == RDB_LEN_64) {
        uint64_t be;
        memcpy(&be, rdb_take(c, sizeof be), sizeof be);
        return __builtin_bswap64(be);
    }
    complain(c, "unknown length form 0x%02x", first);
    return 0;
}

char *rdb_room(struct cut *c, struct buf *scratch, size_t n) {
    if (c->r->room) return c->r->room(c->r->room_arg, n);
    buf_clear(scratch);
    return buf_room(scratch, n);
}

static struct bytes integer_text(struct cut *c, struct buf *scratch, int64_t v) {
    char *to = rdb_room(c, scratch, NUM_I64_CHARS);
    return (struct bytes){to, num_format_i64(to, v)};
}

static struct bytes take_lzf(struct cut *c, struct buf *scratch) {
    struct bytes none = {"", 0};
    uint64_t packed = rdb_take_len(c, NULL), whole = rdb_take_len(c, NULL);
    if (packed > STRING_MAX || whole > STRING_MAX || whole > lzf_expansion_max(packed)) {
        complain(c, "a compressed string's lengths cannot be right (%llu to %llu bytes)",
                 (unsigned long long)packed, (unsigned long long)whole);
        return none;
    }
    const char *from = rdb_take(c, packed);
    if (rdb_stopped(c)) return none;
    char *to = rdb_room(c, scratch, whole ? whole : 1);
    if (lzf_decompress(from, packed, to, whole) != whole) {
        complain(c, "a compressed string is damaged");
        return none;
    }
    return (struct bytes){to, whole};
}

struct bytes rdb_take_string(struct cut *c, struct buf *scratch) {
    bool encoded;
    uint64_t n = rdb_take_len(c, &encoded);
    if (rdb_stopped(c)) return (struct bytes){"", 0};
    if (!encoded) {
        if (n > STRING_MAX) {
            complain(c, "a string of %llu bytes", (unsigned long long)n);
            return (struct bytes){"", 0};
        }
        const char *p = rdb_take(c, n);
        return (struct bytes){p, rdb_stopped(c) ? 0 : n};
    }
    int8_t b;
    int16_t w;
    int32_t d;
    switch (n) {
    case RDB_ENC_INT8:
        memcpy(&b, rdb_take(c, sizeof b), sizeof b);
        return integer_text(c, scratch, b);
    case RDB_ENC_INT16:
        memcpy(&w, rdb_take(c, sizeof w), sizeof w);
        return integer_text(c, scratch, w);
    case RDB_ENC_INT32:
        memcpy(&d, rdb_take(c, sizeof d), sizeof d);
        return integer_text(c, scratch, d);
    case RDB_ENC_LZF: return take_lzf(c, scratch);
    default:
        complain(c, "unknown string encoding %llu", (unsigned long long)n);
        return (struct bytes){"", 0};
    }
}

static double take_text_score(struct cut *c) {
    unsigned n = take_byte(c);
    if (rdb_stopped(c)) return 0;
    if (n == 255) return -INFINITY;
    if (n == 254) return INFINITY;
    if (n == 253) return NAN;
    const char *p = rdb_take(c, n);
    if (rdb_stopped(c)) return 0;
    char text[256];
    memcpy(text, p, n);
    text[n] = '\0';
    char *end;
    double v = strtod(text, &end);
    if (end == text || end != text + n) complain(c, "a score that is no number");
    return v;
}

/* The letters that the file begins with, and the digits behind them. */
static int version_behind(const char *p, const char *letters) {
    size_t n = strlen(letters);
    int version = 0;
    if (memcmp(p, letters, n) != 0) return 0;
    for (size_t i = n; i < RDB_MAGIC_BYTES; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        version = version * 10 + (p[i] - '0');
    }
    return version;
}

static enum rdb_event read_magic(struct cut *c) {
    const char *p = rdb_take(c, RDB_MAGIC_BYTES);
    if (rdb_stopped(c)) return RDB_MORE;
    int redis = version_behind(p, "REDIS"), valkey = version_behind(p, "VALKEY");
    c->p = c->start;
    if (!redis && !valkey)
        complain(c, "this is no RDB file: it does not begin with REDIS and a version");
    else if (redis > RDB_VERSION_REDIS_8 || (valkey && valkey != RDB_VERSION_VALKEY_9))
        complain(c, "RDB version %.9s is too new: it cannot be read (REDIS0001 to REDIS%04d can)",
                 p, RDB_VERSION_REDIS_8);
    c->p = c->start + RDB_MAGIC_BYTES;
    c->r->version = redis ? redis : valkey;
    c->r->state = AT_TOP;
    return RDB_START;
}

static void refuse_key(struct cut *c, unsigned type) {
    struct bytes key = c->r->a;
    int n = (int)(key.len < 64 ? key.len : 64);
    char module[RDB_MODULE_NAME + 1];
    if (type == RDB_MODULE || type == RDB_MODULE_2) {
        rdb_module_name(rdb_take_len(c, NULL), module);
        complain(c, "the key \"%.*s\" is a value of the module %s, which cannot be read", n, key.p,
                 module);
    }
    complain(c, "the key \"%.*s\" is a %s, which cannot be read", n, key.p, types[type].name);
}

static enum rdb_event read_key(struct cut *c, unsigned type) {
    struct rdb_reader *r = c->r;
    if (type >= TYPE_COUNT || !types[type].name) {
        complain(c, "unknown opcode or value type %u", type);
        return RDB_BAD;
    }
    r->a = rdb_take_string(c, &r->scratch[0]);
    if (types[type].shape == SHAPE_NONE && !r->keys_only) refuse_key(c, type);
    r->type = (int)type;
    r->state = AT_VALUE;
    return RDB_KEY;
}

/* Prefixes of a key (expiry, idle time, frequency) are taken together with it, so that one event
 * says all. */
static enum rdb_event read_top(struct cut *c) {
    struct rdb_reader *r = c->r;
    r->expire_ms = -1;
    r->idle_s = r->freq = -1;
    for (;;) {
        unsigned op = take_byte(c);
        if (rdb_stopped(c)) return RDB_MORE;
        switch (op) {
        case RDB_OP_EXPIRE_MS: memcpy(&r->expire_ms, rdb_take(c, 8), 8); continue;
        case RDB_OP_EXPIRE_S: {
            int32_t s;
            memcpy(&s, rdb_take(c, 4), 4);
            r->expire_ms = (int64_t)s * 1000;
            continue;
        }
        case RDB_OP_IDLE: {
            uint64_t s = rdb_take_len(c, NULL);
            r->idle_s = s > INT32_MAX ? INT32_MAX : (int32_t)s;
            continue;
        }
        case RDB_OP_FREQ: r->freq = (int32_t)take_byte(c); continue;
        case RDB_OP_AUX:
            r->a = rdb_take_string(c, &r->scratch[0]);
            r->b = rdb_take_string(c, &r->scratch[1]);
            return RDB_AUX;
        case RDB_OP_SELECT: r->number = rdb_take_len(c, NULL); return RDB_SELECT;
        case RDB_OP_RESIZE:
            r->number = rdb_take_len(c, NULL);
            r->number2 = rdb_take_len(c, NULL);
            return RDB_RESIZE;
        case RDB_OP_FUNCTION_2:
            r->b = rdb_take_string(c, &r->scratch[0]);
            r->a = BYTES("function");
            return RDB_SKIP;
        case RDB_OP_MODULE_AUX:
            if (!rdb_pass_module_aux(c)) complain(c, "a module's section is damaged");
            return RDB_SKIP;
        case RDB_OP_SLOT_INFO: rdb_pass_slot_info(c); continue;
        case RDB_OP_SLOT_IMPORT:
            if (r->version != RDB_VERSION_VALKEY_9)
                complain(c, "a section that cannot be read (opcode %u)", op);
            rdb_pass_slot_import(c);
            r->a = BYTES("slot import");
            return RDB_SKIP;
        case RDB_OP_FUNCTION:
            complain(c, "functions of a pre-release of Redis 7.0 (opcode %u)", op);
            return RDB_BAD;
        case RDB_OP_EOF: r->state = r->version >= 5 ? AT_CHECKSUM : AT_END; return RDB_END;
        default: return read_key(c, op);
        }
    }
}

static enum rdb_event read_value(struct cut *c) {
    struct rdb_reader *r = c->r;
    if (types[r->type].shape == SHAPE_WHOLE) {
        r->a = rdb_take_string(c, &r->scratch[0]);
        r->state = AT_KEY_END;
        return RDB_VALUE;
    }
    r->number = r->left = rdb_take_len(c, NULL);
    r->state = r->left ? AT_ITEMS : AT_KEY_END;
    if (types[r->type].shape == SHAPE_STREAM) {
        rdb_stream_begin(r, r->left);
        r->state = AT_ITEMS;
    }
    return RDB_BEGIN;
}

static enum rdb_event read_item(struct cut *c) {
    struct rdb_reader *r = c->r;
    enum shape shape = types[r->type].shape;
    if (shape == SHAPE_STREAM) {
        if (!rdb_stream_item(c) && !rdb_stopped(c)) r->state = AT_KEY_END;
        return RDB_ITEM;
    }
    r->b = (struct bytes){"", 0};
    if (shape == SHAPE_NUMBER_BLOB) r->number = rdb_take_len(c, NULL);
    r->a = rdb_take_string(c, &r->scratch[0]);
    if (shape == SHAPE_TWO) r->b = rdb_take_string(c, &r->scratch[1]);
    if (shape == SHAPE_TEXT_SCORE) r->score = take_text_score(c);
    if (shape == SHAPE_SCORE) memcpy(&r->score, rdb_take(c, 8), 8);
    if (!rdb_stopped(c) && --r->left == 0) r->state = AT_KEY_END;
    return RDB_ITEM;
}

static enum rdb_event read_checksum(struct cut *c) {
    uint64_t crc;
    memcpy(&crc, rdb_take(c, sizeof crc), sizeof crc);
    if (!rdb_stopped(c) && c->r->check && crc != 0 && crc != c->r->crc) {
        c->p = c->start;
        complain(c, "the checksum does not fit the bytes before it");
    }
    c->r->state = AT_END;
    return RDB_END;
}

static enum rdb_event read_any(struct cut *c) {
    switch ((enum state)c->r->state) {
    case AT_MAGIC: return read_magic(c);
    case AT_TOP: return read_top(c);
    case AT_VALUE: return read_value(c);
    case AT_ITEMS: return read_item(c);
    case AT_KEY_END: c->r->state = AT_TOP; return RDB_KEY_END;
    case AT_CHECKSUM: return read_checksum(c);
    case AT_END: return RDB_END;
    case AT_BAD: break;
    }
    return RDB_BAD;
}

void rdb_reader_init(struct rdb_reader *r) {
    memset(r, 0, sizeof *r);
    r->check = true;
    r->expire_ms = -1;
}

bool rdb_reader_at_value(struct rdb_reader *r, int type) {
    if (type < 0 || type >= TYPE_COUNT || types[type].shape == SHAPE_NONE) return false;
    rdb_reader_init(r);
    r->check = false;
    r->type = type;
    r->state = AT_VALUE;
    return true;
}

void rdb_reader_pass(struct rdb_reader *r, const void *p, size_t n, bool end) {
    if (r->check && !r->sum_apart) r->crc = crc64(r->crc, p, n);
    r->total += n;
    if (end) r->state = AT_TOP;
}

void rdb_reader_at_keys(struct rdb_reader *r, int version) {
    rdb_reader_init(r);
    r->check = false;
    r->version = version;
    r->state = AT_TOP;
}

void rdb_reader_free(struct rdb_reader *r) {
    buf_free(&r->scratch[0]);
    buf_free(&r->scratch[1]);
}

enum rdb_event rdb_read(struct rdb_reader *r, const char *data, size_t len) {
    struct cut c = {.r = r, .p = data, .end = data + len, .start = data};
    int state = r->state;
    uint64_t left = r->left;
    struct rdb_nest nest = r->nest;
    enum rdb_event ev = read_any(&c);
    r->used = 0;
    if (c.bad || ev == RDB_BAD) {
        r->state = AT_BAD;
        return RDB_BAD;
    }
    if (c.short_by) {
        r->state = state;
        r->left = left;
        r->nest = nest;
        r->need = len + c.short_by;
        return RDB_MORE;
    }
    size_t n = (size_t)(c.p - c.start);
    if (r->check && !r->sum_apart && state != AT_CHECKSUM) r->crc = crc64(r->crc, data, n);
    r->total += n;
    r->used = n;
    if (ev != RDB_END || r->state != AT_CHECKSUM) return ev;
    /* The opcode of the end was taken, so it is in the crc; opcode and checksum are one event
     * for the caller, who may have to present the checksum's bytes first (RDB_MORE with used >
     * 0). */
    if (r->check && r->sum_apart) {
        r->need = RDB_CHECKSUM_BYTES;
        return RDB_MORE;
    }
    ev = rdb_read(r, data + n, len - n);
    r->used += n;
    return ev;
}
