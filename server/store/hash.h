/* Hash values: fields with values. A small hash is a listpack of field, value, field, value in the order of their
 * coming; a big one, by the limits in the settings, a table of elements that are one allocation each. Contracts as in
 * store.h; db is the entry's database. */
#ifndef DUET_STORE_HASH_H
#define DUET_STORE_HASH_H

#include "server/store/string.h"

/* Creates the key (which must not exist) with an empty hash: the caller fills it before anyone else looks. */
struct entry *hash_new(struct store *s, int db, struct bytes key, int64_t expiry_ms);
/* The same from a listpack that lp_valid holds for and that has pairs; false when a field stands twice. */
bool hash_new_packed(struct store *s, int db, struct bytes key, struct bytes listpack,
                     int64_t expiry_ms);
/* Makes an empty hash ready for so many fields, which come in any order (dict_reserve says why), by about a megabyte with each
 * call; false: call again. Who has the count from outside compares it with the bytes that are there. */
bool hash_reserve(struct store *s, int db, struct entry *e, size_t count);
size_t hash_len(const struct entry *e);
/* d backs a value that is kept as an integer. */
bool hash_get(const struct entry *e, struct bytes field, struct bytes *value, struct digits *d);
/* True when the field is new. The bytes must not lie in the hash. */
bool hash_set(struct store *s, int db, struct entry *e, struct bytes field, struct bytes value);
/* True when it was there. The key of a hash that became empty is the caller's to delete. */
bool hash_delete(struct store *s, int db, struct entry *e, struct bytes field);

/* The hash must not change meanwhile. */
typedef void hash_each_fn(void *arg, struct bytes field, struct bytes value);
void hash_each(const struct entry *e, hash_each_fn *fn, void *arg);
/* A step of HSCAN, as store_scan. */
uint64_t hash_scan(const struct entry *e, uint64_t cursor, hash_each_fn *fn, void *arg);
/* Any field, all alike likely; df and dv back integers. The hash must not be empty. */
void hash_random(struct store *s, const struct entry *e, struct bytes *field, struct bytes *value,
                 struct digits *df, struct digits *dv);
/* The whole value as a listpack, when it is one: RDB's form. p is NULL when it is not. */
struct bytes hash_packed(const struct entry *e);

#endif
