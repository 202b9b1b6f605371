/* Values on their way out: the store's forms as RDB writes them. value_load.c is the way back. */
#include "server/persist/value.h"

#include "server/base/log.h"
#include "server/persist/value_stream.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

#include <stdio.h>

struct saving {
    struct buf *out;
    const struct value_style *style;
};

static bool is_old(const struct value_style *style) {
    return style->version < RDB_VERSION;
}

static void put(const struct saving *s, struct bytes string) {
    rdb_put_string(s->out, string, s->style->compress);
}

static void save_pair(void *arg, struct bytes field, struct bytes value) {
    put(arg, field);
    put(arg, value);
}

static void save_hash(const struct saving *s, const struct entry *e) {
    struct bytes packed = hash_packed(e);
    if (packed.p && !is_old(s->style)) {
        put(s, packed);
        return;
    }
    rdb_put_len(s->out, hash_len(e));
    hash_each(e, save_pair, (void *)(uintptr_t)s);
}

static bool save_member(void *arg, struct bytes member) {
    put(arg, member);
    return true;
}

static void save_set(const struct saving *s, const struct entry *e) {
    struct bytes packed = set_packed(e);
    if (packed.p) {
        put(s, packed);
        return;
    }
    rdb_put_len(s->out, set_len(e));
    set_each(e, save_member, (void *)(uintptr_t)s);
}

static void save_scored(const struct saving *s, struct bytes member, double score) {
    put(s, member);
    if (is_old(s->style))
        rdb_put_score(s->out, score);
    else
        rdb_put_double(s->out, score);
}

/* From the highest on, as Redis does it. */
static void save_zset(const struct saving *s, const struct entry *e) {
    struct bytes packed = zset_packed(e), member;
    struct zset_cursor c;
    double score;
    if (packed.p && !is_old(s->style)) {
        put(s, packed);
        return;
    }
    rdb_put_len(s->out, zset_len(e));
    for (zset_seek(e, zset_len(e), &c); zset_prev(&c, &member, &score);)
        save_scored(s, member, score);
}

static void save_elements(const struct saving *s, const uint8_t *lp) {
    char digits[LP_DIGITS];
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at)) put(s, lp_get(at, digits));
}

static void save_chunk(void *arg, struct bytes listpack) {
    const struct saving *s = arg;
    if (is_old(s->style)) {
        save_elements(s, (const uint8_t *)listpack.p);
        return;
    }
    rdb_put_len(s->out, CONTAINER_PACKED);
    put(s, listpack);
}

static void save_list(const struct saving *s, const struct entry *e) {
    rdb_put_len(s->out, is_old(s->style) ? list_len(e) : list_chunks(e));
    list_each_chunk(e, save_chunk, (void *)(uintptr_t)s);
}

/* The type of values that are no blob. */
static enum rdb_type type_in_items(enum value_kind kind, int version) {
    bool old = version < RDB_VERSION;
    switch (kind) {
    case KIND_STRING: return RDB_STRING;
    case KIND_LIST: return old ? RDB_LIST : RDB_LIST_QUICKLIST_2;
    case KIND_HASH: return RDB_HASH;
    case KIND_SET: return RDB_SET;
    case KIND_ZSET: return old ? RDB_ZSET : RDB_ZSET_2;
    case KIND_STREAM: return RDB_STREAM_LISTPACKS_2;
    default: bug("values of kind %s cannot be saved", kind_name(kind));
    }
}

enum rdb_type value_type(const struct entry *e, int version) {
    enum value_kind kind = entry_kind(e);
    if (kind == KIND_SET && set_packed(e).p) return RDB_SET_INTSET;
    if (version == RDB_VERSION && kind == KIND_HASH && hash_packed(e).p) return RDB_HASH_LISTPACK;
    if (version == RDB_VERSION && kind == KIND_ZSET && zset_packed(e).p) return RDB_ZSET_LISTPACK;
    return type_in_items(kind, version);
}

void value_no_form(enum value_kind kind, struct bytes key, int version, char *why,
                   size_t why_size) {
    snprintf(why, why_size, "the key \"%.*s\" is a %s, and RDB version %d has no form for that",
             (int)(key.len < 64 ? key.len : 64), key.p, kind_name(kind), version);
}

void value_save_body(struct buf *out, const struct entry *e, const struct value_style *style) {
    struct saving s = {out, style};
    struct digits d;
    must(value_has_form(entry_kind(e), style->version), "the version has a form for the value");
    switch (entry_kind(e)) {
    case KIND_STRING: put(&s, string_bytes(e, &d)); return;
    case KIND_LIST: save_list(&s, e); return;
    case KIND_HASH: save_hash(&s, e); return;
    case KIND_SET: save_set(&s, e); return;
    case KIND_ZSET: save_zset(&s, e); return;
    case KIND_STREAM: value_save_stream(out, e, style->compress); return;
    default: bug("values of kind %s cannot be saved", kind_name(entry_kind(e)));
    }
}

void value_save(struct buf *out, const struct entry *e, const struct value_style *style) {
    rdb_put_key(out, value_type(e, style->version), entry_key(e), entry_expiry(e), style->compress);
    value_save_body(out, e, style);
}

/* ---- In items -------------------------------------------------------------------------------- */

void value_save_begin(struct buf *out, const struct walked *v, const struct value_style *style) {
    rdb_put_key(out, type_in_items(v->kind, style->version), v->key, v->expiry_ms, style->compress);
    /* A list's items are chunks, an old file's are its elements. */
    rdb_put_len(out, v->kind == KIND_LIST && is_old(style) ? v->length : v->count);
}

void value_save_piece(struct buf *out, const struct walk_item *i, bool compress) {
    if (i->name.len == i->whole) {
        rdb_put_string(out, i->name, compress);
        return;
    }
    if (i->at == 0) rdb_put_len(out, i->whole);
    buf_add(out, i->name.p, i->name.len);
}

static void save_chunk_piece(const struct saving *s, const struct walk_item *i) {
    if (is_old(s->style)) {
        must(i->name.len == i->whole, "a chunk whose elements are wanted comes whole");
        save_chunk((void *)(uintptr_t)s, i->name);
        return;
    }
    if (i->at == 0) rdb_put_len(s->out, CONTAINER_PACKED);
    value_save_piece(s->out, i, s->style->compress);
}

void value_save_item(struct buf *out, const struct walked *v, const struct walk_item *i,
                     const struct value_style *style) {
    enum { COMPRESSED_MOST = 64 << 10 }; /* no step is to last longer for one element */
    struct value_style mine = *style;
    mine.compress &= i->name.len + i->value.len <= COMPRESSED_MOST;
    struct saving s = {out, &mine};
    switch (v->kind) {
    case KIND_STRING: buf_add(out, i->name.p, i->name.len); return;
    case KIND_LIST: save_chunk_piece(&s, i); return;
    case KIND_HASH: save_pair(&s, i->name, i->value); return;
    case KIND_SET: put(&s, i->name); return;
    case KIND_ZSET: save_scored(&s, i->name, i->score); return;
    case KIND_STREAM: value_save_stream_item(out, i, mine.compress); return;
    default: bug("values of kind %s are not saved in items", kind_name(v->kind));
    }
}
