/* Values between the store and RDB. Recipe for a new kind: its cases in value_type and value_save_body (value_save.c), a row for each of its
 * types in kind_load (value_load.c). */
#ifndef DUET_PERSIST_VALUE_H
#define DUET_PERSIST_VALUE_H

#include "server/proto/rdb.h"
#include "server/store/store.h"

/* Of a quicklist's piece: an element, a listpack. */
enum { CONTAINER_PLAIN = 1, CONTAINER_PACKED = 2 };

/* How values are written. Below RDB_VERSION they have the plain forms that every version reads (an integer set
 * is the one packed form that they all have); streams have none there. */
struct value_style {
    int version; /* RDB_VERSION, RDB_VERSION_3_2 or RDB_VERSION_2_8 */
    bool compress;
};
/* False: the version has no form for values of this kind. */
static inline bool value_has_form(enum value_kind kind, int version) {
    return kind != KIND_STREAM || version >= RDB_VERSION;
}

/* A sentence that says so of a key. */
void value_no_form(enum value_kind kind, struct bytes key, int version, char *why, size_t why_size);

/* Appends key, stamp and value. */
void value_save(struct buf *out, const struct entry *e, const struct value_style *style);
/* The value alone, and what type it has in that form. */
enum rdb_type value_type(const struct entry *e, int version);
void value_save_body(struct buf *out, const struct entry *e, const struct value_style *style);

/* A value that a walk hands out in items: its key, stamp and count, and then each of its items. A list's chunk that comes
 * in pieces must be put together for an old version. */
void value_save_begin(struct buf *out, const struct walked *v, const struct value_style *style);
void value_save_item(struct buf *out, const struct walked *v, const struct walk_item *i,
                     const struct value_style *style);

/* A key on its way from a reader into the store. */
struct value_load {
    struct store *store;
    int db;
    struct buf key;
    int64_t expire_ms;
    int type;
    bool merge;           /* a key that is there already gives way */
    int64_t now_ms;       /* wall time, for when keys were used last; 0: that is the caller's */
    int32_t idle_s, freq; /* as struct rdb_reader */
    struct entry *e;      /* a value that comes in items */
    uint64_t items;       /* so many */
    bool roomy;           /* there is room for them, or needs to be none */
    struct xgroup *group; /* of a stream, and what comes now in it */
    struct xconsumer *consumer;
    const char *why; /* what is wrong with an item, when it is something special */
};
bool value_loads_type(int rdb_type);
/* Makes the value that begins ready for so many items, about a megabyte with each call; false: call again before the first of
 * them. */
bool value_load_reserve(struct value_load *v, size_t items);
void value_load_free(struct value_load *v);
/* Takes the events from RDB_KEY to RDB_KEY_END. False: err says which key cannot be taken and
 * why. */
enum { LFU_AT_FIRST = 5 };
struct value_string {
    struct bytes key, value;
    int64_t expire_ms; /* -1: none */
    int32_t idle_s, freq;
};
/* The same for a string that is there as a whole. */
bool value_load_string(struct value_load *v, const struct value_string *s, char *err,
                       size_t err_size);
bool value_load_event(struct value_load *v, enum rdb_event ev, const struct rdb_reader *r,
                      char *err, size_t err_size);

#endif
