/* An entry in memory. Inside server/store only; others use the functions of store.h.
 *
 *   kind_form  low 4 bits the kind, high 4 bits the form
 *   flags      ENTRY_...
 *   access[3]  LRU: seconds; LFU: 16 bits of minutes, then 8 of count
 *   key length      1, 2 or 4 bytes as the flags say
 *   value length    1 or 2 bytes, in FORM_EMBEDDED only
 *   stamp           8 bytes, with ENTRY_EXPIRES only
 *   key
 *   value           FORM_INT: 8 bytes; FORM_EMBEDDED: the bytes; all others: a pointer of 8 bytes
 *
 * So a key of 16 and a value of 64 bytes take 87 bytes, 95 with a stamp: classes of 88 and 96. */
#ifndef DUET_STORE_ENTRY_H
#define DUET_STORE_ENTRY_H

#include <string.h>

#include "server/store/mem.h"
#include "server/store/store.h"

enum value_form {
    FORM_INT,
    FORM_EMBEDDED,
    FORM_RAW,
    FORM_LISTPACK,
    FORM_INTSET,
    FORM_TABLE,
    FORM_CHUNKS,
    FORM_TREE,
    FORM_STREAM
};

enum {
    ENTRY_EXPIRES = 1 << 0, /* the lowest bit: entry_key_at counts on it */
    ENTRY_WALKED = 1 << 1,  /* not to be handed out by the running walk */
    ENTRY_KEY_2 = 1 << 2,   /* key length in 2 bytes */
    ENTRY_KEY_4 = 1 << 3,   /* in 4 bytes */
    ENTRY_LONG = 1 << 4,    /* value length in 2 bytes */
    ENTRY_EDITED = 1 << 5   /* a string changed in place: OBJECT ENCODING says raw */
};

enum { EMBED_MAX = 4096 }; /* longer strings have an allocation of their own */

struct entry {
    uint8_t kind_form;
    uint8_t flags;
    uint8_t access[3];
    unsigned char rest[];
};

/* The shape that an entry has or shall have. */
struct entry_shape {
    enum value_kind kind;
    enum value_form form;
    size_t key_len, value_len; /* value_len: of FORM_EMBEDDED only */
    bool expires;
};

static inline enum value_form entry_form(const struct entry *e) {
    return (enum value_form)(e->kind_form >> 4);
}
static inline size_t entry_key_width(const struct entry *e) {
    return 1u + (e->flags / ENTRY_KEY_2 & 1u) + 3u * (e->flags / ENTRY_KEY_4 & 1u);
}
static inline size_t entry_key_len(const struct entry *e) {
    if (__builtin_expect(!(e->flags & (ENTRY_KEY_2 | ENTRY_KEY_4)), 1)) return e->rest[0];
    uint32_t n = 0;
    memcpy(&n, e->rest, e->flags & ENTRY_KEY_2 ? 2 : 4);
    return n;
}
/* Bytes of the value's length. */
static inline size_t entry_len_width(const struct entry *e) {
    return entry_form(e) == FORM_EMBEDDED ? 1u + (e->flags / ENTRY_LONG & 1u) : 0;
}
static inline size_t entry_embedded_len(const struct entry *e) {
    const unsigned char *at = e->rest + entry_key_width(e);
    return e->flags & ENTRY_LONG ? (size_t)(at[0] | at[1] << 8) : at[0];
}
static inline unsigned char *entry_stamp_at(const struct entry *e) {
    return (unsigned char *)(uintptr_t)e->rest + entry_key_width(e) + entry_len_width(e);
}
static inline char *entry_key_at(const struct entry *e) {
    return (char *)entry_stamp_at(e) + 8 * (e->flags & ENTRY_EXPIRES);
}
static inline bool entry_key_is(const struct entry *e, struct bytes key) {
    return entry_key_len(e) == key.len && bytes_same(entry_key_at(e), key.p, key.len);
}
static inline char *entry_value_at(const struct entry *e) {
    return entry_key_at(e) + entry_key_len(e);
}
static inline int64_t entry_int(const struct entry *e) {
    int64_t v;
    memcpy(&v, entry_value_at(e), 8);
    return v;
}
static inline void entry_set_int(struct entry *e, int64_t v) {
    memcpy(entry_value_at(e), &v, 8);
}
static inline void *entry_pointer(const struct entry *e) {
    void *p;
    memcpy(&p, entry_value_at(e), 8);
    return p;
}
static inline void entry_set_pointer(struct entry *e, void *p) {
    memcpy(entry_value_at(e), &p, 8);
}

struct entry_shape entry_shape_of(const struct entry *e);
size_t entry_size(struct entry_shape s);
static inline size_t entry_own_size(const struct entry *e) {
    return entry_size(entry_shape_of(e));
}
/* A new entry: header, lengths and key are written, stamp and value are not. access is that of `like` when given. */
struct entry *entry_new(size_t *memory, struct entry_shape s, struct bytes key,
                        const struct entry *like);
/* Gives the entry another value length, form or stamp flag, in place when the allocation has room. Keeps
 * key, access, walk mark, the stamp (when both shapes have one) and as much of the value's bytes as both
 * have. Frees nothing that the value points to. */
struct entry *entry_reshape(size_t *memory, struct entry *e, struct entry_shape s);
static inline void entry_write_stamp(struct entry *e, int64_t expiry_ms) {
    memcpy(entry_stamp_at(e), &expiry_ms, 8);
}

static inline void entry_set_access(struct entry *e, uint32_t v) {
    e->access[0] = (uint8_t)v;
    e->access[1] = (uint8_t)(v >> 8);
    e->access[2] = (uint8_t)(v >> 16);
}
static inline uint32_t entry_lru_date(int64_t now_ms) {
    return (uint32_t)(now_ms / 1000) & 0xffffff;
}
/* Marks an access for LFU; random is for its chance. */
void entry_count_access(const struct store *s, struct entry *e, int64_t now_ms, uint64_t random);

#endif
