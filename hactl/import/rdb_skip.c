/* Each type's form is a little program over the few things that RDB values are made of:
 *
 *     s  a string (plain, an integer, compressed)       l  a length
 *     8  eight bytes                                    f  a score as text
 *     n( ... )  a length, and so many times what stands between the parentheses
 *     m  a module's value: its id, then parts that tell what they are */
#include "hactl/import/rdb_skip.h"

#include <string.h>

#include "server/proto/rdb.h"
#include "server/proto/rdb_codes.h"

#define STRING_MAX (1ULL << 30) /* as server/proto/rdb_read.c */

static const char *const programs[] = {
    [RDB_STRING] = "s",
    [RDB_LIST] = "n(s)",
    [RDB_SET] = "n(s)",
    [RDB_ZSET] = "n(sf)",
    [RDB_HASH] = "n(ss)",
    [RDB_ZSET_2] = "n(s8)",
    [RDB_MODULE_2] = "m",
    [RDB_HASH_ZIPMAP] = "s",
    [RDB_LIST_ZIPLIST] = "s",
    [RDB_SET_INTSET] = "s",
    [RDB_ZSET_ZIPLIST] = "s",
    [RDB_HASH_ZIPLIST] = "s",
    [RDB_LIST_QUICKLIST] = "n(s)",
    [RDB_STREAM_LISTPACKS] = "n(ss)llln(slln(888l)n(s8n(88)))",
    [RDB_HASH_LISTPACK] = "s",
    [RDB_ZSET_LISTPACK] = "s",
    [RDB_LIST_QUICKLIST_2] = "n(ls)",
    [RDB_STREAM_LISTPACKS_2] = "n(ss)lllllllln(sllln(888l)n(s8n(88)))",
    [RDB_SET_LISTPACK] = "s",
    [RDB_STREAM_LISTPACKS_3] = "n(ss)lllllllln(sllln(888l)n(s88n(88)))",
    /* hashes whose fields expire: two forms before Redis 7.4 was released, two since */
    [RDB_HASH_EXPIRING_FIRST] = "n(lss)",
    [RDB_HASH_EXPIRING_FIRST + 1] = "s",
    [RDB_HASH_EXPIRING_FIRST + 2] = "8n(lss)",
    [RDB_HASH_EXPIRING_LAST] = "8s",
};
#define VALKEY_HASH "n(ss8)" /* what Valkey 9 means by the first of these */

bool rdb_skip_begin(struct rdb_skip *s, int type, int rdb_version) {
    memset(s, 0, sizeof *s);
    if (type < 0 || (size_t)type >= sizeof programs / sizeof *programs) return false;
    s->at = programs[type];
    if (type == RDB_HASH_EXPIRING_FIRST && rdb_version == RDB_VERSION_VALKEY_9) s->at = VALKEY_HASH;
    return s->at != NULL;
}

/* ---- bytes: each returns how many it takes, 0 when there are too few ---- */

size_t rdb_skip_length(const char *p, size_t n, uint64_t *v, bool *encoded) {
    unsigned first = n ? (unsigned char)*p : 0;
    size_t size = first >> 6 == RDB_LEN_14 ? 2
                  : first == RDB_LEN_32    ? 5
                  : first == RDB_LEN_64    ? 9
                                           : 1;
    *encoded = first >> 6 == RDB_ENCODED;
    if (n < size) return 0;
    switch (size) {
    case 2: *v = (uint64_t)(first & 63) << 8 | (unsigned char)p[1]; break;
    case 5: *v = __builtin_bswap32(bytes_load32(p + 1)); break;
    case 9: *v = __builtin_bswap64(bytes_load64(p + 1)); break;
    default: *v = first & 63;
    }
    return size;
}

/* A length that no encoding may stand for. */
static size_t plain_length(struct rdb_skip *s, const char *p, size_t n, uint64_t *v) {
    bool encoded;
    size_t size = rdb_skip_length(p, n, v, &encoded);
    if (size && (encoded || ((unsigned char)*p >> 6 == 2 && size == 1)))
        s->bad = "a count that is none";
    return s->bad ? 0 : size;
}

static size_t compressed_head(struct rdb_skip *s, const char *p, size_t n, uint64_t *packed,
                              uint64_t *plain) {
    size_t a = plain_length(s, p, n, packed), b = a ? plain_length(s, p + a, n - a, plain) : 0;
    return b ? a + b : 0;
}

/* The head of a string; what follows is passed over by s->left. */
static size_t string_head(struct rdb_skip *s, const char *p, size_t n) {
    uint64_t v, plain;
    bool encoded;
    size_t size = rdb_skip_length(p, n, &v, &encoded);
    if (!size) return 0;
    s->left = plain = v;
    if (encoded && v == RDB_ENC_LZF) {
        size_t more = compressed_head(s, p + size, n - size, &s->left, &plain);
        if (!more) return s->left = 0;
        size += more;
    } else if (encoded && v <= RDB_ENC_INT32) {
        s->left = plain = (uint64_t)1 << v;
    } else if (encoded || ((unsigned char)*p >> 6 == 2 && size == 1)) {
        s->bad = "a string in an unknown form";
    }
    if (plain > STRING_MAX || s->left > STRING_MAX) s->bad = "a string of more than 1 GB";
    if (s->bad) return s->left = 0;
    s->plain += plain;
    if (plain > s->longest) s->longest = plain;
    return size;
}

static size_t score_head(struct rdb_skip *s, const char *p, size_t n) {
    unsigned len = n ? (unsigned char)*p : 0;
    if (!n) return 0;
    s->left = len < RDB_SCORE_NAN ? len : 0;
    return 1;
}

/* ---- the program ---- */

static const char *behind_loop(const char *at) {
    int deep = 1;
    for (at += 2; deep; at++) deep += *at == '(' ? 1 : *at == ')' ? -1 : 0;
    return at;
}

static size_t begin_loop(struct rdb_skip *s, const char *p, size_t n) {
    uint64_t count;
    size_t size = plain_length(s, p, n, &count);
    if (!size) return 0;
    if (s->depth == 0 && !s->items) s->items = count;
    if (!count) {
        s->at = behind_loop(s->at);
    } else {
        s->at += 2;
        s->loop[s->depth].begin = s->at;
        s->loop[s->depth++].left = count;
    }
    return size;
}

static void end_loops(struct rdb_skip *s) {
    while (*s->at == ')') {
        if (--s->loop[s->depth - 1].left) {
            s->at = s->loop[s->depth - 1].begin;
        } else {
            s->depth--;
            s->at++;
        }
    }
}

/* A part of a module's value: its kind, and itself. */
static size_t module_part(struct rdb_skip *s, const char *p, size_t n) {
    uint64_t kind, v;
    size_t size = plain_length(s, p, n, &kind), more = 0;
    if (!size) return 0;
    switch (kind) {
    case RDB_PART_END: s->at++; return size;
    case RDB_PART_SINT:
    case RDB_PART_UINT: more = plain_length(s, p + size, n - size, &v); break;
    case RDB_PART_FLOAT: more = n - size >= 4 ? 4 : 0; break;
    case RDB_PART_DOUBLE: more = n - size >= 8 ? 8 : 0; break;
    case RDB_PART_STRING: more = string_head(s, p + size, n - size); break;
    default: s->bad = "a module's value with parts that are not known";
    }
    return more ? size + more : 0;
}

static size_t module_step(struct rdb_skip *s, const char *p, size_t n) {
    if (s->in_module) return module_part(s, p, n);
    size_t size = plain_length(s, p, n, &s->module);
    s->in_module = size > 0;
    return size;
}

static size_t step(struct rdb_skip *s, const char *p, size_t n) {
    uint64_t v;
    size_t size;
    switch (*s->at) {
    case 'n': return begin_loop(s, p, n);
    case 'm': return module_step(s, p, n);
    case 's': size = string_head(s, p, n); break;
    case 'f': size = score_head(s, p, n); break;
    case 'l': size = plain_length(s, p, n, &v); break;
    default: size = n >= 8 ? 8 : 0;
    }
    if (size) s->at++;
    return size;
}

size_t rdb_skip_feed(struct rdb_skip *s, const char *p, size_t n) {
    size_t used = 0;
    while (!s->done && !s->bad) {
        if (s->left) {
            size_t some = s->left < n - used ? s->left : n - used;
            s->left -= some;
            used += some;
            if (s->left) break;
        }
        end_loops(s);
        if (!*s->at) {
            s->done = true;
            if (!s->items) s->items = 1;
            break;
        }
        size_t size = step(s, p + used, n - used);
        if (!size && *s->at) break;
        used += size;
    }
    s->bytes += used;
    return used;
}
