/* Values on their way out: the store's forms as RDB writes them. value_load.c is the way back. */
#include "server/persist/value.h"

#include "server/base/log.h"
#include "server/persist/value_stream.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

struct saving {
    struct buf *out;
    bool compress;
};

static void save_pair(void *arg, struct bytes field, struct bytes value) {
    const struct saving *s = arg;
    rdb_put_string(s->out, field, s->compress);
    rdb_put_string(s->out, value, s->compress);
}

static void save_hash(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    struct bytes packed = hash_packed(e);
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, hash_len(e));
    hash_each(e, save_pair, &s);
}

static bool save_member(void *arg, struct bytes member) {
    const struct saving *s = arg;
    rdb_put_string(s->out, member, s->compress);
    return true;
}

static void save_set(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    struct bytes packed = set_packed(e);
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, set_len(e));
    set_each(e, save_member, &s);
}

/* From the highest on, as Redis does it. */
static void save_zset(struct buf *out, const struct entry *e, bool compress) {
    struct bytes packed = zset_packed(e), member;
    struct zset_cursor c;
    double score;
    if (packed.p) {
        rdb_put_string(out, packed, compress);
        return;
    }
    rdb_put_len(out, zset_len(e));
    for (zset_seek(e, zset_len(e), &c); zset_prev(&c, &member, &score);) {
        rdb_put_string(out, member, compress);
        rdb_put_double(out, score);
    }
}

static void save_chunk(void *arg, struct bytes listpack) {
    const struct saving *s = arg;
    rdb_put_len(s->out, CONTAINER_PACKED);
    rdb_put_string(s->out, listpack, s->compress);
}

static void save_list(struct buf *out, const struct entry *e, bool compress) {
    struct saving s = {out, compress};
    rdb_put_len(out, list_chunks(e));
    list_each_chunk(e, save_chunk, &s);
}

enum rdb_type value_type(const struct entry *e) {
    switch (entry_kind(e)) {
    case KIND_STRING: return RDB_STRING;
    case KIND_LIST: return RDB_LIST_QUICKLIST_2;
    case KIND_HASH: return hash_packed(e).p ? RDB_HASH_LISTPACK : RDB_HASH;
    case KIND_SET: return set_packed(e).p ? RDB_SET_INTSET : RDB_SET;
    case KIND_ZSET: return zset_packed(e).p ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
    case KIND_STREAM: return RDB_STREAM_LISTPACKS_2;
    default: bug("values of kind %s cannot be saved yet", kind_name(entry_kind(e)));
    }
}

void value_save_body(struct buf *out, const struct entry *e, bool compress) {
    struct digits d;
    switch (entry_kind(e)) {
    case KIND_STRING: rdb_put_string(out, string_bytes(e, &d), compress); return;
    case KIND_LIST: save_list(out, e, compress); return;
    case KIND_HASH: save_hash(out, e, compress); return;
    case KIND_SET: save_set(out, e, compress); return;
    case KIND_ZSET: save_zset(out, e, compress); return;
    case KIND_STREAM: value_save_stream(out, e, compress); return;
    default: bug("values of kind %s cannot be saved yet", kind_name(entry_kind(e)));
    }
}

void value_save(struct buf *out, const struct entry *e, bool compress) {
    rdb_put_key(out, value_type(e), entry_key(e), entry_expiry(e), compress);
    value_save_body(out, e, compress);
}
