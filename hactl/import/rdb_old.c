#include "hactl/import/rdb_old.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/proto/crc64.h"

void rdb_old_begin(struct rdb_old *o, int version) {
    memset(o, 0, sizeof *o);
    o->version = version;
    rdb_keys_init(&o->keys);
}

void rdb_old_free(struct rdb_old *o) {
    rdb_keys_free(&o->keys);
    pieces_free(&o->pieces);
    buf_free(&o->in);
    buf_free(&o->body);
}

static bool fails(struct rdb_old *o, const char *why) {
    snprintf(o->error, sizeof o->error, "%s", why);
    return false;
}

/* Elements come as the words of commands; the score stands before the member there, and behind it here. */
static bool take_words(void *arg, int argc, const struct bytes *argv) {
    struct rdb_old *o = arg;
    char text[64];
    const int step = bytes_is(argv[0], "hmset") || bytes_is(argv[0], "zadd") ? 2 : 1;
    if (bytes_is(argv[0], "del")) return true;
    for (int i = 2; i + step <= argc; i += step) {
        o->elements++;
        if (!bytes_is(argv[0], "zadd")) {
            rdb_put_string(&o->body, argv[i], true);
            if (step == 2) rdb_put_string(&o->body, argv[i + 1], true);
            continue;
        }
        snprintf(text, sizeof text, "%.*s", (int)argv[i].len, argv[i].p);
        rdb_put_string(&o->body, argv[i + 1], true);
        rdb_put_score(&o->body, strtod(text, NULL));
    }
    return true;
}

static enum rdb_type old_type(int type) {
    switch (rdb_kind_of(type)) {
    case RDB_KIND_LIST: return RDB_LIST;
    case RDB_KIND_SET: return RDB_SET;
    case RDB_KIND_ZSET: return RDB_ZSET;
    case RDB_KIND_HASH: return RDB_HASH;
    default: return RDB_STRING;
    }
}

static bool key_begins(struct rdb_old *o) {
    const struct rdb_keys *k = &o->keys;
    enum rdb_kind kind = rdb_kind_of(k->type);
    buf_clear(&o->body);
    o->elements = 0;
    if (kind == RDB_KIND_STREAM || kind == RDB_KIND_OTHER) {
        snprintf(o->error, sizeof o->error,
                 "the key \"%.*s\" in database %d is a %s, which RDB version %d has no form for",
                 (int)(k->key.len < 80 ? k->key.len : 80), k->key.p, k->db,
                 kind == RDB_KIND_STREAM ? "stream" : rdb_type_name(k->type), o->version);
        return false;
    }
    return kind == RDB_KIND_STRING || pieces_begin(&o->pieces, k->type, k->key, take_words, o) ||
           fails(o, "a value of an unknown form");
}

static bool take_piece(struct rdb_old *o) {
    const struct bytes piece = o->keys.piece;
    if (o->keys.type == RDB_STRING) /* the same in all versions */
        buf_add(&o->body, piece.p, piece.len);
    else if (!pieces_feed(&o->pieces, piece.p, piece.len))
        return fails(o, o->pieces.error);
    return true;
}

static bool key_ends(struct rdb_old *o, struct buf *out) {
    const struct rdb_keys *k = &o->keys;
    enum rdb_type type = old_type(k->type);
    if (type != RDB_STRING && !pieces_end(&o->pieces)) return fails(o, o->pieces.error);
    rdb_put_key(out, type, k->key, k->expire_ms, true);
    if (type != RDB_STRING) rdb_put_len(out, o->elements);
    if (buf_len(&o->body)) buf_add(out, buf_head(&o->body), buf_len(&o->body));
    buf_clear(&o->body);
    buf_trim(&o->body, 1 << 20);
    return true;
}

static bool take_event(struct rdb_old *o, enum rdb_keys_event ev, struct buf *out) {
    switch (ev) {
    case RDB_KEYS_BAD: return fails(o, o->keys.error);
    case RDB_KEYS_START: rdb_put_magic(out, o->version); return true;
    case RDB_KEYS_DB: rdb_put_select(out, (uint64_t)o->keys.db); return true;
    case RDB_KEYS_ROOM:
        if (o->version >= RDB_VERSION_3_2)
            rdb_put_resize(out, o->keys.numbers[0], o->keys.numbers[1]);
        return true;
    case RDB_KEYS_OTHER: return fails(o, "it holds what no older version has a form for");
    case RDB_KEYS_KEY: return key_begins(o);
    case RDB_KEYS_PIECE: return take_piece(o);
    case RDB_KEYS_END: return key_ends(o, out);
    case RDB_KEYS_DONE: rdb_put_eof(out); return o->done = true;
    default: return true;
    }
}

bool rdb_old_feed(struct rdb_old *o, const void *p, size_t n, struct buf *out) {
    size_t from = buf_len(out), summed = from;
    buf_add(&o->in, p, n);
    while (!o->done && !o->error[0]) {
        size_t have = buf_len(&o->in);
        enum rdb_keys_event ev = rdb_keys_read(&o->keys, have ? buf_head(&o->in) : "", have);
        if (ev != RDB_KEYS_MORE && !take_event(o, ev, out)) return false;
        buf_eat(&o->in, o->keys.used);
        if (ev == RDB_KEYS_MORE) break;
    }
    if (buf_len(out) > summed)
        o->sum = crc64(o->sum, buf_head(out) + summed, buf_len(out) - summed);
    if (o->done) rdb_put_checksum(out, o->sum);
    return !o->error[0];
}
