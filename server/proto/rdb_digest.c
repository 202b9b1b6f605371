/* See rdb_digest.h. Keys, and elements without an order, are added up; what has an order is chained. */
#include "server/proto/rdb_digest.h"

#include "server/base/hash.h"
#include "server/base/num.h"
#include "server/proto/intset.h"
#include "server/proto/listpack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ODD_A 0x9216d5d98979fb1bULL
#define ODD_B 0xd1310ba698dfb5acULL
#define ODD_C 0x2ffd72dbd01adfb7ULL
#define ODD_D 0xb8e1afed6a267e97ULL

/* Strings are chained in blocks, so that a long one need not be held. */
enum { BLOCK_BYTES = 4096, LONG_BYTES = 65536, PACKED_NODE = 2 };
enum kind { OF_STRING = 1, OF_LIST, OF_SET, OF_ZSET, OF_HASH, OF_STREAM };

static uint64_t lane(struct bytes s, uint64_t seed) {
    uint64_t h = seed ^ s.len * ODD_A, last[2] = {0, 0};
    const char *p = s.p;
    size_t left = s.len;
    for (; left >= 16; left -= 16, p += 16)
        h = hash_fold(bytes_load64(p) ^ ODD_B, bytes_load64(p + 8) ^ h) + ODD_C;
    if (left) memcpy(last, p, left);
    return hash_fold(last[0] ^ ODD_D, last[1] ^ h) + h;
}

static struct rdb_mark of_bytes(struct bytes s) {
    return (struct rdb_mark){lane(s, ODD_C), lane(s, ODD_D)};
}

static void chain(struct rdb_mark *h, struct rdb_mark next) {
    h->a = hash_fold(h->a + ODD_A, next.a ^ ODD_B) + next.b;
    h->b = hash_fold(h->b + ODD_C, next.b ^ ODD_D) + next.a;
}

static void chain_bytes(struct rdb_mark *h, struct bytes s) {
    chain(h, of_bytes(s));
}

static void chain_number(struct rdb_mark *h, uint64_t n) {
    chain(h, (struct rdb_mark){n + ODD_A, n * ODD_B + ODD_C});
}

static void add(struct rdb_mark *sum, struct rdb_mark one) {
    sum->a += one.a;
    sum->b += one.b;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void of_element(struct rdb_digest *d, struct bytes s) {
    if (d->kind == OF_SET)
        add(&d->value, of_bytes(s));
    else
        chain_bytes(&d->value, s);
}

static void of_pair(struct rdb_digest *d, struct bytes field, struct bytes value) {
    struct rdb_mark one = of_bytes(field);
    chain_bytes(&one, value);
    add(&d->value, one);
}

static void of_member(struct rdb_digest *d, struct bytes member, double score) {
    uint64_t bits;
    if (score == 0) score = 0; /* there are two zeros */
    memcpy(&bits, &score, sizeof bits);
    struct rdb_mark one = of_bytes(member);
    chain_number(&one, bits);
    add(&d->value, one);
}

static double score_of(struct bytes text) {
    char copy[64];
    size_t n = text.len < sizeof copy ? text.len : sizeof copy - 1;
    memcpy(copy, text.p, n);
    copy[n] = '\0';
    return strtod(copy, NULL);
}

static bool of_listpack(struct rdb_digest *d, struct bytes blob) {
    const uint8_t *lp = (const uint8_t *)blob.p;
    char first_digits[LP_DIGITS], digits[LP_DIGITS];
    bool pairs = d->kind == OF_HASH || d->kind == OF_ZSET;
    if (!lp_valid(lp, blob.len)) return false;
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at)) {
        struct bytes s = lp_get(at, first_digits);
        if (!pairs) {
            of_element(d, s);
            continue;
        }
        at = lp_next(lp, at);
        if (!at) return false;
        if (d->kind == OF_HASH)
            of_pair(d, s, lp_get(at, digits));
        else
            of_member(d, s, score_of(lp_get(at, digits)));
    }
    return true;
}

static bool of_intset(struct rdb_digest *d, struct bytes blob) {
    const uint8_t *is = (const uint8_t *)blob.p;
    if (!intset_valid(is, blob.len)) return false;
    for (size_t i = 0; i < intset_count(is); i++) {
        char text[NUM_I64_CHARS];
        of_element(d, (struct bytes){text, num_format_i64(text, intset_at(is, i))});
    }
    return true;
}

/* ---- Streams --------------------------------------------------------------------------------- */

static uint64_t number_at(const uint8_t *at) {
    int64_t v = 0;
    if (at) lp_get_int(at, &v);
    return (uint64_t)v;
}

static const uint8_t *pass(const uint8_t *lp, const uint8_t *at, uint64_t n) {
    for (; at && n > 0; n--) at = lp_next(lp, at);
    return at;
}

static const uint8_t *chain_element(struct rdb_mark *h, const uint8_t *lp, const uint8_t *at) {
    char digits[LP_DIGITS];
    if (!at) return NULL;
    chain_bytes(h, lp_get(at, digits));
    return lp_next(lp, at);
}

static uint64_t big_endian(const char *p) {
    return __builtin_bswap64(bytes_load64(p));
}

/* Its entries that are not deleted, in their order, as store/stream_node.h draws them. */
static bool of_node(struct rdb_digest *d, struct bytes id, struct bytes blob) {
    enum { MARKED = 1, SAME_FIELDS = 2 };
    const uint8_t *lp = (const uint8_t *)blob.p;
    if (id.len != 16 || !lp_valid(lp, blob.len)) return false;
    const uint8_t *count = pass(lp, lp_first(lp), 2);
    uint64_t fields = number_at(count);
    const uint8_t *names = count ? lp_next(lp, count) : NULL;
    const uint8_t *at = pass(lp, names, fields + 1); /* and the 0 */
    while (at) {
        const uint8_t *ms = lp_next(lp, at), *seq = pass(lp, at, 2);
        uint64_t flags = number_at(at), n = fields;
        const uint8_t *name = names;
        struct rdb_mark one = {0, 0};
        if (!seq) return false;
        chain_number(&one, big_endian(id.p) + number_at(ms));
        chain_number(&one, big_endian(id.p + 8) + number_at(seq));
        at = lp_next(lp, seq);
        if (!(flags & SAME_FIELDS)) {
            n = number_at(at);
            at = at ? lp_next(lp, at) : NULL;
        }
        for (; n > 0 && at; n--) {
            if (flags & SAME_FIELDS)
                name = chain_element(&one, lp, name);
            else
                at = chain_element(&one, lp, at);
            at = chain_element(&one, lp, at);
        }
        if (!at) return false;
        at = lp_next(lp, at); /* how long the entry is */
        if (!(flags & MARKED)) chain(&d->value, one);
    }
    return true;
}

static bool of_stream(struct rdb_digest *d) {
    const struct rdb_reader *r = &d->reader;
    const uint64_t *n = r->numbers;
    struct rdb_mark one;
    switch (r->part) {
    case RDB_STREAM_NODE: return of_node(d, r->a, r->b);
    case RDB_STREAM_FACTS: /* length, last id, highest deleted one, entries added */
        for (int i = 0; i < RDB_STREAM_NUMBERS; i++)
            if (i != 3 && i != 4) chain_number(&d->value, n[i]);
        return true;
    case RDB_STREAM_GROUP:
        d->group = of_bytes(r->a);
        one = d->group;
        chain_number(&one, n[0]);
        chain_number(&one, n[1]);
        add(&d->value, one);
        return true;
    case RDB_STREAM_CONSUMER: d->consumer = of_bytes(r->a); return true;
    case RDB_STREAM_OWNED:
        one = d->group;
        chain(&one, d->consumer);
        chain_number(&one, n[0]);
        chain_number(&one, n[1]);
        add(&d->value, one);
        return true;
    default: return true;
    }
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static enum kind kind_of(int type) {
    switch (type) {
    case RDB_STRING: return OF_STRING;
    case RDB_LIST:
    case RDB_LIST_QUICKLIST_2: return OF_LIST;
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return OF_SET;
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_LISTPACK: return OF_ZSET;
    case RDB_HASH:
    case RDB_HASH_LISTPACK: return OF_HASH;
    default: return rdb_type_is_stream(type) ? OF_STREAM : 0;
    }
}

static bool fail(struct rdb_digest *d, const char *what) {
    snprintf(d->error, sizeof d->error, "%s", what);
    return false;
}

static bool begin_key(struct rdb_digest *d) {
    const struct rdb_reader *r = &d->reader;
    d->kind = kind_of(r->type);
    if (!d->kind) return fail(d, "a value of a type that has no fingerprint");
    d->over = r->expire_ms != -1 && r->expire_ms <= d->instant_ms;
    d->key = of_bytes(r->a);
    chain_number(&d->key, d->kind);
    chain_number(&d->key, (uint64_t)r->expire_ms);
    d->value = (struct rdb_mark){0, 0};
    d->open_next = d->kind == OF_STRING;
    return true;
}

static void end_key(struct rdb_digest *d) {
    if (d->over || d->at_db >= (uint64_t)d->databases) return;
    chain(&d->key, d->value);
    add(&d->db[d->at_db].sum, d->key);
    d->db[d->at_db].keys++;
}

static void of_block(struct rdb_digest *d, const char *p, size_t n) {
    for (size_t at = 0; at < n; at += BLOCK_BYTES)
        chain_bytes(&d->value, (struct bytes){p + at, n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES});
}

static bool whole_value(struct rdb_digest *d) {
    const struct rdb_reader *r = &d->reader;
    bool sound = true;
    if (d->kind == OF_STRING)
        of_block(d, r->a.p, r->a.len);
    else
        sound = r->type == RDB_SET_INTSET ? of_intset(d, r->a) : of_listpack(d, r->a);
    return sound || fail(d, "a value that is not sound");
}

static bool item(struct rdb_digest *d) {
    const struct rdb_reader *r = &d->reader;
    bool sound = true;
    if (d->kind == OF_STREAM)
        sound = of_stream(d);
    else if (d->kind == OF_LIST && r->type == RDB_LIST_QUICKLIST_2 && r->number == PACKED_NODE)
        sound = of_listpack(d, r->a);
    else if (d->kind == OF_ZSET)
        of_member(d, r->a, r->score);
    else if (d->kind == OF_HASH)
        of_pair(d, r->a, r->b);
    else
        of_element(d, r->a);
    return sound || fail(d, "an element that is not sound");
}

static bool event(struct rdb_digest *d, enum rdb_event ev) {
    switch (ev) {
    case RDB_SELECT: d->at_db = d->reader.number; return true;
    case RDB_KEY: return begin_key(d);
    case RDB_VALUE: return whole_value(d);
    case RDB_ITEM: return item(d);
    case RDB_KEY_END: end_key(d); return true;
    case RDB_END: d->ended = true; return true;
    default: return true;
    }
}

/* ---- Long strings, whose bytes are taken as they come ------------------------------------------ */

/* A string begins. False: its length is not whole yet. */
static bool open_string(struct rdb_digest *d) {
    const char *p = buf_head(&d->rest);
    size_t n = buf_len(&d->rest), head = 0;
    uint64_t len = 0;
    if (n == 0) return false;
    if ((uint8_t)*p == 0x80) head = 5;
    if ((uint8_t)*p == 0x81) head = 9;
    if (head > n) return false;
    d->open_next = false;
    for (size_t i = 1; i < head; i++) len = len << 8 | (uint8_t)p[i];
    if (len < LONG_BYTES) return true;
    rdb_reader_pass(&d->reader, p, head, false);
    buf_eat(&d->rest, head);
    d->left = len;
    return true;
}

/* False: more bytes are to come. */
static bool take_long(struct rdb_digest *d) {
    size_t n = buf_len(&d->rest);
    if (n >= d->left)
        n = (size_t)d->left;
    else
        n -= n % BLOCK_BYTES;
    if (n == 0) return false;
    of_block(d, buf_head(&d->rest), n);
    d->left -= n;
    rdb_reader_pass(&d->reader, buf_head(&d->rest), n, d->left == 0);
    buf_eat(&d->rest, n);
    if (d->left == 0) end_key(d);
    return d->left == 0;
}

/* ---- Outside --------------------------------------------------------------------------------- */

void rdb_digest_init(struct rdb_digest *d, int databases, int64_t instant_ms) {
    memset(d, 0, sizeof *d);
    d->databases = databases;
    d->db = xcalloc((size_t)databases, sizeof *d->db);
    d->instant_ms = instant_ms;
    rdb_reader_init(&d->reader);
    d->reader.check = false; /* they come straight from memory */
}

void rdb_digest_free(struct rdb_digest *d) {
    free(d->db);
    buf_free(&d->rest);
    rdb_reader_free(&d->reader);
    memset(d, 0, sizeof *d);
}

bool rdb_digest_add(struct rdb_digest *d, const void *p, size_t n) {
    buf_add(&d->rest, p, n);
    if (!d->left && !d->open_next && d->reader.need > buf_len(&d->rest)) return true;
    while (buf_len(&d->rest) && !d->ended) {
        if (d->open_next && !open_string(d)) return true;
        if (d->left && !take_long(d)) return true;
        if (buf_len(&d->rest) == 0) return true;
        enum rdb_event ev = rdb_read(&d->reader, buf_head(&d->rest), buf_len(&d->rest));
        if (ev == RDB_BAD) return fail(d, d->reader.error);
        if (!event(d, ev)) return false;
        buf_eat(&d->rest, d->reader.used);
        if (ev == RDB_MORE) return true;
        d->reader.need = 0;
    }
    buf_trim(&d->rest, LONG_BYTES);
    return true;
}

static struct rdb_mark of_all(const struct rdb_digest *d) {
    struct rdb_mark all = {0, 0};
    for (int i = 0; i < d->databases; i++) {
        struct rdb_mark one = d->db[i].sum;
        if (!d->db[i].keys) continue;
        chain_number(&one, (uint64_t)i);
        add(&all, one);
    }
    return all;
}

void rdb_digest_text(const struct rdb_digest *d, int db, char *text) {
    struct rdb_mark m = db < 0 ? of_all(d) : d->db[db].sum;
    snprintf(text, RDB_DIGEST_CHARS + 1, "%016" PRIx64 "%016" PRIx64, m.a, m.b);
}

uint64_t rdb_digest_keys(const struct rdb_digest *d) {
    uint64_t n = 0;
    for (int i = 0; i < d->databases; i++) n += d->db[i].keys;
    return n;
}
