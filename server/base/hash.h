/* Hashing of bytes, and a small table from byte strings to pointers for configuration, command
 * names and the like. (The keyspace has a table of its own in server/store.) */
#ifndef DUET_BASE_HASH_H
#define DUET_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A keyed 64-bit hash, good against chosen keys once hash_set_key was given random bytes. */
void hash_set_key(const uint64_t key[2]);
uint64_t hash_bytes(const void *p, size_t n);
/* The same with ASCII letters folded. */
uint64_t hash_bytes_nocase(const void *p, size_t n);

struct map; /* keys are copied, values belong to the caller */
struct map *map_new(bool nocase);
/* free_value is called for each value, may be NULL. */
void map_free(struct map *m, void (*free_value)(void *));
size_t map_count(const struct map *m);
void *map_get(const struct map *m, const void *key, size_t len);
/* Returns the value replaced, or NULL. */
void *map_put(struct map *m, const void *key, size_t len, void *value);
/* Returns the value taken out, or NULL. */
void *map_take(struct map *m, const void *key, size_t len);
/* Walks in no order: *cursor starts at 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *cursor, const char **key, size_t *len, void **value);

#endif
