/* Set values: members without order. Few integers are an intset; all else a table of elements that are one
 * allocation each. Contracts as in store.h; db is the entry's database. */
#ifndef DUET_STORE_SET_H
#define DUET_STORE_SET_H

#include "server/store/string.h"

/* Creates the key (which must not exist) with an empty set: the caller fills it before anyone else looks. */
struct entry *set_new(struct store *s, int db, struct bytes key, int64_t expiry_ms);
/* The same from an intset; false when the bytes are no sound one, or empty. */
bool set_new_packed(struct store *s, int db, struct bytes key, struct bytes intset,
                    int64_t expiry_ms);
/* As hash_reserve. */
bool set_reserve(struct store *s, int db, struct entry *e, size_t count);
size_t set_len(const struct entry *e);
bool set_has(const struct entry *e, struct bytes member);
/* True when the member is new. The bytes must not lie in the set. */
bool set_add(struct store *s, int db, struct entry *e, struct bytes member);
/* True when it was there. The key of a set that became empty is the caller's to delete. */
bool set_remove(struct store *s, int db, struct entry *e, struct bytes member);

/* Return false to stop. The set must not change meanwhile. */
typedef bool set_each_fn(void *arg, struct bytes member);
void set_each(const struct entry *e, set_each_fn *fn, void *arg);
/* A step of SSCAN, as store_scan. */
uint64_t set_scan(const struct entry *e, uint64_t cursor, set_each_fn *fn, void *arg);
/* Any member, all alike likely; d backs an integer. The set must not be empty. */
struct bytes set_random(struct store *s, const struct entry *e, struct digits *d);
/* The whole value as an intset, when it is one: RDB's form. p is NULL when it is not. */
struct bytes set_packed(const struct entry *e);

#endif
