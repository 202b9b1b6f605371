/* The big form of hashes, sets and sorted sets: a dict of elements that are one allocation each, and know their
 * own size. Inside server/store only.
 *
 * Recipe for a new kind: an elem_type, a function that makes an element (elem_new, elem_put_len), and the kind's
 * own reading of it. All else, from finding to taking apart, is here. */
#ifndef DUET_STORE_TABLE_H
#define DUET_STORE_TABLE_H

#include "server/store/inside.h"

struct table {
    struct dict dict;
    size_t bytes; /* of the elements, as the allocator rounds */
    struct value_walk
        *walked; /* of a hash or set while a walk hands it out in pieces (walk_inside.h) */
};

/* ---- Elements -------------------------------------------------------------------------------- */

/* A length inside an element: a byte, or 255 and four bytes. */
static inline size_t elem_len_width(size_t len) {
    return len < 255 ? 1 : 5;
}
static inline unsigned char *elem_put_len(unsigned char *p, size_t len) {
    uint32_t wide = (uint32_t)len;
    *p = (unsigned char)(len < 255 ? len : 255);
    if (len >= 255) memcpy(p + 1, &wide, 4);
    return p + elem_len_width(len);
}
static inline const unsigned char *elem_get_len(const unsigned char *p, size_t *len) {
    uint32_t wide;
    if (*p < 255) {
        *len = *p;
        return p + 1;
    }
    memcpy(&wide, p + 1, 4);
    *len = wide;
    return p + 5;
}
static inline void *elem_new(struct store *s, size_t size) {
    return mem_new(&s->memory, size);
}

/* ---- A walk inside (table_walk.c) ------------------------------------------------------------- */

/* Hands the element out if the walk has still to come to it, and marks it. */
void table_walk_before_change(struct store *s, struct table *t, uint64_t hash, struct dict_place at,
                              const void *elem);
/* Whether an element that comes now must be marked. */
bool table_walk_skips_new(const struct table *t, uint64_t hash);

/* ---- Tables ---------------------------------------------------------------------------------- */

struct table *table_new(struct store *s, const struct elem_type *type);
/* The elements go too, in steps of store_work when they are many. */
void table_free(struct store *s, struct table *t);
/* Takes time in proportion to the elements. */
struct table *table_copy(struct store *s, const struct table *t);
static inline size_t table_len(const struct table *t) {
    return t->dict.count;
}
/* Bytes of the table and its elements; does not look at the elements. */
size_t table_memory(const struct table *t);
void table_verify(const struct table *t);

static inline void *table_find(const struct table *t, struct bytes key, uint64_t hash,
                               struct dict_place *at) {
    return dict_find(&t->dict, key, hash, at);
}
/* The element becomes the table's. Its key must not be there. */
void table_add(struct table *t, void *elem, uint64_t hash);
/* The element at that place gives way to another one with the same key, and is freed. */
void table_replace(struct store *s, struct table *t, uint64_t hash, struct dict_place at, void *old,
                   void *elem);
/* Takes the element out and frees it. */
void table_remove(struct store *s, struct table *t, uint64_t hash, struct dict_place at,
                  void *elem);
/* A step of SCAN: calls fn for some elements, returns the next cursor. */
uint64_t table_scan(const struct table *t, uint64_t cursor, dict_each_fn *fn, void *arg);
/* A step of compaction; moved (may be NULL) is told before the old element is freed. */
typedef void table_moved_fn(void *arg, void *old, void *elem);
uint64_t table_compact(struct table *t, uint64_t from, struct store_mover *m, table_moved_fn *moved,
                       void *arg);
/* The element is about to change where it stands; adding, replacing and removing see to it themselves. */
static inline void table_before_change(struct store *s, struct table *t, uint64_t hash,
                                       struct dict_place at, const void *elem) {
    if (__builtin_expect(t->walked != NULL, 0)) table_walk_before_change(s, t, hash, at, elem);
}
/* Any element; there must be one. */
void *table_random(struct store *s, const struct table *t);

#endif
