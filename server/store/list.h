/* Lists. A small one is a listpack; a big one is a row of chunks, each a listpack within the limits of the settings
 * (list_chunk_bytes, list_chunk_count; an element beyond them has a chunk to itself), under a directory that counts
 * elements, so that any index is found in a few steps. Contracts as in store.h; db is the entry's database.
 *
 * Everything is named by index: 0 is the head. Both ends are as near as the middle of a chunk is far: pushing and
 * popping move no bytes but the element's.
 *
 * With list_open_ends set, chunks that are further from both ends than that many are kept closed (LZF), if they shrink.
 * Who changes a chunk opens it and closes it again; who reads looks at a copy. Another setting holds for what is changed
 * from then on.
 *
 * A walk takes the list of one instant out of it while it changes: see list_walk.c. */
#ifndef DUET_STORE_LIST_H
#define DUET_STORE_LIST_H

#include "server/proto/listpack.h"
#include "server/store/string.h"

/* No element is longer; the caller must see to it. (A chunk is one string of an RDB file, whose reader takes 1 GiB.) */
#define LIST_ELEMENT_MAX (((size_t)1 << 30) - 64)

/* What list-max-listpack-size means: entries when positive, -1 to -5 for 4 to 64 KB. */
void list_limits(int64_t setting, size_t *chunk_bytes, size_t *chunk_count);

/* Creates the key (which must not exist) with an empty list: the caller fills it before anyone else looks. */
struct entry *list_new(struct store *s, int db, struct bytes key, int64_t expiry_ms);
size_t list_len(const struct entry *e);

enum list_end { LIST_HEAD, LIST_TAIL };
/* Values must not lie in the list. */
void list_push(struct store *s, int db, struct entry *e, enum list_end end, struct bytes value);
/* Appends the elements of a listpack; false when it is not sound, or empty. */
bool list_push_packed(struct store *s, int db, struct entry *e, struct bytes listpack);
/* Makes the value the one of that index, which may be the length. */
void list_insert(struct store *s, int db, struct entry *e, size_t index, struct bytes value);
void list_set(struct store *s, int db, struct entry *e, size_t index, struct bytes value);
/* Removes `count` elements from `index` on; all of them must exist. The key of a list that became empty is the
 * caller's to delete. */
void list_remove(struct store *s, int db, struct entry *e, size_t index, size_t count);
/* Removes those that equal the value, at most `most` of them from the given end on; returns how many. */
size_t list_remove_equal(struct store *s, int db, struct entry *e, struct bytes value, size_t most,
                         enum list_end from);

/* A place on an element. The list must not change meanwhile, and no other cursor of the thread may move. */
struct list_cursor {
    const struct entry *e;
    const void *leaf; /* of the directory; NULL: the list is small */
    unsigned slot;
    const uint8_t *pack, *at;
    struct digits digits;
};
/* False when there is no such element. */
bool list_seek(const struct entry *e, size_t index, struct list_cursor *c);
/* The element's bytes; good until the next step. */
struct bytes list_here(struct list_cursor *c);
bool list_here_is(const struct list_cursor *c, const struct lp_value *value);
/* To the neighbour; false when there is none: the cursor is used up. */
bool list_next(struct list_cursor *c);
bool list_prev(struct list_cursor *c);

/* The listpacks that the list consists of, in order: RDB's form. Their bytes are good within fn. */
size_t list_chunks(const struct entry *e);
typedef void list_chunk_fn(void *arg, struct bytes listpack);
void list_each_chunk(const struct entry *e, list_chunk_fn *fn, void *arg);

#endif
