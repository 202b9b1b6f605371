#include "hactl/import/rdb_keys.h"

#include <stdio.h>
#include <string.h>

#include "server/proto/crc64.h"
#include "server/proto/lzf.h"
#include "server/proto/rdb_codes.h"

void rdb_keys_init(struct rdb_keys *k) {
    memset(k, 0, sizeof *k);
    rdb_reader_init(&k->reader);
    k->reader.keys_only = true;
}

void rdb_keys_from(struct rdb_keys *k, int version, int db, uint64_t at) {
    rdb_keys_init(k);
    rdb_reader_at_keys(&k->reader, version);
    k->reader.keys_only = true;
    k->reader.total = k->total = at;
    k->version = version;
    k->db = db;
}

void rdb_keys_free(struct rdb_keys *k) {
    rdb_reader_free(&k->reader);
    buf_free(&k->name_of_key);
}

static enum rdb_keys_event bad(struct rdb_keys *k, const char *what) {
    int n = (int)(k->key.len < 64 ? k->key.len : 64);
    if (k->in_value)
        snprintf(k->error, sizeof k->error, "the key \"%.*s\" (%s) holds %s, at byte %llu", n,
                 k->key.p, rdb_type_name(k->type), what, (unsigned long long)k->total);
    else
        snprintf(k->error, sizeof k->error, "%s", what);
    k->in_value = false;
    return RDB_KEYS_BAD;
}

static enum rdb_keys_event take_key(struct rdb_keys *k, uint64_t at) {
    const struct rdb_reader *r = &k->reader;
    buf_clear(&k->name_of_key);
    buf_add(&k->name_of_key, r->a.p, r->a.len);
    k->key = (struct bytes){r->a.len ? buf_head(&k->name_of_key) : "", r->a.len};
    k->type = r->type;
    k->expire_ms = r->expire_ms;
    k->idle_s = r->idle_s;
    k->freq = r->freq;
    k->at = at;
    k->in_value = true;
    k->value_done = false;
    if (!rdb_skip_begin(&k->value, k->type, k->version))
        return bad(k, k->type == RDB_MODULE
                          ? "a module's value of Redis 4.0's first form, whose end nobody can tell"
                          : "a value of a form that is not known");
    return RDB_KEYS_KEY;
}

static enum rdb_keys_event read_piece(struct rdb_keys *k, const char *data, size_t len) {
    if (k->value_done) {
        k->in_value = false;
        rdb_reader_pass(&k->reader, "", 0, true);
        return RDB_KEYS_END;
    }
    k->used = rdb_skip_feed(&k->value, data, len);
    if (k->value.bad) return bad(k, k->value.bad);
    rdb_reader_pass(&k->reader, data, k->used, false);
    k->total += k->used;
    k->value_done = k->value.done;
    k->piece = (struct bytes){data, k->used};
    k->need = len + 1;
    return k->used ? RDB_KEYS_PIECE : k->value_done ? read_piece(k, data, len) : RDB_KEYS_MORE;
}

static enum rdb_keys_event take_db(struct rdb_keys *k) {
    uint64_t n = k->reader.number;
    k->db = n < INT32_MAX ? (int)n : INT32_MAX;
    return RDB_KEYS_DB;
}

enum rdb_keys_event rdb_keys_read(struct rdb_keys *k, const char *data, size_t len) {
    struct rdb_reader *r = &k->reader;
    uint64_t at = k->total;
    k->used = 0;
    if (k->error[0]) return RDB_KEYS_BAD;
    if (k->in_value) return read_piece(k, data, len);
    enum rdb_event ev = rdb_read(r, data, len);
    k->used = r->used;
    k->need = r->need;
    k->total = r->total;
    k->sum = r->crc;
    k->name = r->a;
    k->text = r->b;
    switch (ev) {
    case RDB_MORE: return RDB_KEYS_MORE;
    case RDB_BAD: return bad(k, r->error);
    case RDB_START: k->version = r->version; return RDB_KEYS_START;
    case RDB_AUX: return RDB_KEYS_AUX;
    case RDB_SELECT: return take_db(k);
    case RDB_RESIZE:
        k->numbers[0] = r->number;
        k->numbers[1] = r->number2;
        return RDB_KEYS_ROOM;
    case RDB_KEY: return take_key(k, at);
    case RDB_SKIP: return RDB_KEYS_OTHER;
    case RDB_END: return RDB_KEYS_DONE;
    default: return bad(k, "an event that has no place here");
    }
}

/* ---- DUMP's form ---- */

void rdb_dump_footer(char footer[RDB_DUMP_FOOTER], int type, struct bytes value, int rdb_version) {
    char head = (char)type;
    footer[0] = (char)rdb_version;
    footer[1] = (char)(rdb_version >> 8);
    uint64_t sum = crc64(crc64(crc64(0, &head, 1), value.p, value.len), footer, 2);
    memcpy(footer + 2, &sum, sizeof sum);
}

static bool integer_of(struct bytes v, unsigned form, struct buf *scratch, struct bytes *out) {
    int8_t b = 0;
    int16_t w = 0;
    int32_t d = 0;
    char *digits = buf_room(scratch, 24);
    if (v.len != 1 + ((size_t)1 << form)) return false;
    if (form == RDB_ENC_INT8) memcpy(&b, v.p + 1, sizeof b);
    if (form == RDB_ENC_INT16) memcpy(&w, v.p + 1, sizeof w);
    if (form == RDB_ENC_INT32) memcpy(&d, v.p + 1, sizeof d);
    *out = (struct bytes){digits, (size_t)snprintf(digits, 24, "%d", b + w + d)};
    return true;
}

static bool unpacked(struct bytes v, struct buf *scratch, struct bytes *out) {
    uint64_t packed, plain;
    bool encoded;
    size_t head = rdb_skip_length(v.p + 1, v.len - 1, &packed, &encoded) + 1;
    size_t more = rdb_skip_length(v.p + head, v.len - head, &plain, &encoded);
    head += more;
    if (!more || packed != v.len - head || plain > lzf_expansion_max(packed)) return false;
    char *to = buf_room(scratch, plain + 1);
    *out = (struct bytes){to, plain};
    return lzf_decompress(v.p + head, packed, to, plain) == plain;
}

bool rdb_string_of(struct bytes v, struct buf *scratch, struct bytes *out) {
    uint64_t n;
    bool encoded;
    size_t head = rdb_skip_length(v.p, v.len, &n, &encoded);
    if (!head) return false;
    buf_clear(scratch);
    if (encoded && n == RDB_ENC_LZF) return unpacked(v, scratch, out);
    if (encoded) return n <= RDB_ENC_INT32 && integer_of(v, (unsigned)n, scratch, out);
    *out = (struct bytes){v.p + head, v.len - head};
    return n == out->len;
}

int rdb_type_since(int type) {
    static const unsigned char since[] = {
        [RDB_STRING] = 1,
        [RDB_LIST] = 1,
        [RDB_SET] = 1,
        [RDB_ZSET] = 1,
        [RDB_HASH] = 2,
        [RDB_ZSET_2] = 8,
        [RDB_MODULE] = 8,
        [RDB_MODULE_2] = 8,
        [RDB_HASH_ZIPMAP] = 2,
        [RDB_LIST_ZIPLIST] = 2,
        [RDB_SET_INTSET] = 2,
        [RDB_ZSET_ZIPLIST] = 2,
        [RDB_HASH_ZIPLIST] = 4,
        [RDB_LIST_QUICKLIST] = 7,
        [RDB_STREAM_LISTPACKS] = 9,
        [RDB_HASH_LISTPACK] = 10,
        [RDB_ZSET_LISTPACK] = 10,
        [RDB_LIST_QUICKLIST_2] = 10,
        [RDB_STREAM_LISTPACKS_2] = 10,
        [RDB_SET_LISTPACK] = 11,
        [RDB_STREAM_LISTPACKS_3] = 11,
    };
    bool known = type >= 0 && (size_t)type < sizeof since && since[type];
    return known ? since[type] : RDB_VERSION_REDIS_8;
}

bool rdb_type_taken(int type) {
    return rdb_kind_of(type) != RDB_KIND_OTHER;
}

enum rdb_kind rdb_kind_of(int type) {
    switch (type) {
    case RDB_STRING: return RDB_KIND_STRING;
    case RDB_LIST:
    case RDB_LIST_ZIPLIST:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2: return RDB_KIND_LIST;
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return RDB_KIND_SET;
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK: return RDB_KIND_ZSET;
    case RDB_HASH:
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK: return RDB_KIND_HASH;
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3: return RDB_KIND_STREAM;
    default: return RDB_KIND_OTHER;
    }
}

const char *rdb_kind_name(enum rdb_kind kind) {
    static const char *const names[RDB_KIND_COUNT] = {"string", "list",   "set",  "sorted set",
                                                      "hash",   "stream", "other"};
    return names[kind];
}
