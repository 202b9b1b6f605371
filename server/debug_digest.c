/* DEBUG DIGEST: SHA-1 over the data, mixed as redis-server mixes it, so that two servers with equal
 * data give equal digests: what has an order is chained, what has none is xored together. */
#include "server/cmd_debug.h"

#include "server/base/hmac.h"
#include "server/base/num.h"
#include "server/server.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/stream.h"
#include "server/store/zset.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST_BYTES = 20 };
struct digest {
    uint8_t b[DIGEST_BYTES];
};

static void xor_in(struct digest *d, const void *p, size_t n) {
    uint8_t one[DIGEST_BYTES];
    sha1(p, n, one);
    for (int i = 0; i < DIGEST_BYTES; i++) d->b[i] ^= one[i];
}

/* Order counts: the digest of the digest so far and this. */
static void mix(struct digest *d, const void *p, size_t n) {
    struct digest before;
    xor_in(d, p, n);
    before = *d;
    sha1(before.b, sizeof before.b, d->b);
}

static void mix_bytes(struct digest *d, struct bytes b) {
    mix(d, b.p, b.len);
}

static void mix_number(struct digest *d, uint32_t n) {
    uint32_t wire = htonl(n);
    mix(d, &wire, sizeof wire);
}

static void xor_pair(struct digest *d, struct bytes a, struct bytes b) {
    struct digest one = {{0}};
    mix_bytes(&one, a);
    mix_bytes(&one, b);
    xor_in(d, one.b, sizeof one.b);
}

static void of_string(struct digest *d, const struct entry *e) {
    struct digits digits;
    mix_bytes(d, string_bytes(e, &digits));
}

static void of_list(struct digest *d, const struct entry *e) {
    struct list_cursor at;
    for (bool more = list_seek(e, 0, &at); more; more = list_next(&at))
        mix_bytes(d, list_here(&at));
}

static bool of_member(void *arg, struct bytes member) {
    xor_in(arg, member.p, member.len);
    return true;
}

static void of_set(struct digest *d, const struct entry *e) {
    set_each(e, of_member, d);
}

static void of_zset(struct digest *d, const struct entry *e) {
    struct zset_cursor at;
    struct bytes member;
    double score;
    char text[64];
    zset_seek(e, 0, &at);
    while (zset_next(&at, &member, &score)) {
        int n = snprintf(text, sizeof text, "%.17g", score);
        xor_pair(d, member, (struct bytes){text, (size_t)n});
    }
}

static void of_field(void *arg, struct bytes field, struct bytes value) {
    xor_pair(arg, field, value);
}

static void of_hash(struct digest *d, const struct entry *e) {
    hash_each(e, of_field, d);
}

/* Entries only: groups are not part of it, as in Redis. */
static void of_stream(struct digest *d, const struct entry *e) {
    struct xstream_cursor at;
    struct bytes field, value;
    struct xid id;
    size_t fields;
    char text[48];
    xstream_seek(e, XID_MIN, XID_MAX, false, &at);
    while (xstream_next(&at, &id, &fields)) {
        int n = snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, id.ms, id.seq);
        mix(d, text, (size_t)n);
        for (; fields > 0; fields--) {
            xstream_field(&at, &field, &value);
            mix_bytes(d, field);
            mix_bytes(d, value);
        }
    }
}

static void of_value(struct digest *d, const struct entry *e) {
    /* Redis's number of the kind goes in first. */
    static const struct {
        uint32_t type;
        void (*mix)(struct digest *d, const struct entry *e);
    } kinds[KIND_COUNT] = {
        [KIND_STRING] = {0, of_string}, [KIND_LIST] = {1, of_list}, [KIND_SET] = {2, of_set},
        [KIND_ZSET] = {3, of_zset},     [KIND_HASH] = {4, of_hash}, [KIND_STREAM] = {6, of_stream},
    };
    enum value_kind kind = entry_kind(e);
    mix_number(d, kinds[kind].type);
    kinds[kind].mix(d, e);
    if (entry_expiry(e) != NO_EXPIRY) xor_in(d, "!!expire!!", 10);
}

static void of_entry(void *arg, struct entry *e) {
    struct digest one = {{0}};
    mix_bytes(&one, entry_key(e));
    of_value(&one, e);
    xor_in(arg, one.b, sizeof one.b);
}

static void reply_digest(struct call *c, const struct digest *d) {
    char hex[2 * DIGEST_BYTES + 1];
    num_to_hex(hex, d->b, sizeof d->b);
    reply_status(c, hex);
}

void debug_digest(struct call *c) {
    struct digest d = {{0}};
    for (int db = 0; db < store_databases(c->store); db++) {
        if (!store_count(c->store, db)) continue;
        mix_number(&d, (uint32_t)db);
        store_each(c->store, db, of_entry, &d);
    }
    reply_digest(c, &d);
}

void debug_digest_value(struct call *c) {
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        struct digest d = {{0}};
        const struct entry *e = store_find(c->store, c->db, c->argv[i]);
        if (e) of_value(&d, e);
        reply_digest(c, &d);
    }
}
