/* Hashing of bytes, and a small table from byte strings to pointers for configuration, command
 * names and the like. (The keyspace has a table of its own in server/store.) */
#ifndef DUET_BASE_HASH_H
#define DUET_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

/* A keyed 64-bit hash, good against chosen keys once hash_set_key was given random bytes. It
 * multiplies 64 x 64 -> 128 bits and folds, a construction whose speed comes from one multiplication
 * for 16 bytes; the key makes it unpredictable to clients. */
void hash_set_key(const uint64_t key[2]);

extern uint64_t hash_key[2]; /* hash_set_key's; read by hash_bytes alone */
#define HASH_ODD_A 0xa4093822299f31d1ULL
#define HASH_ODD_B 0x452821e638d01377ULL

static inline uint64_t hash_fold(uint64_t a, uint64_t b) {
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_bytes(const void *data, size_t n) {
    const char *p = data;
    uint64_t h = hash_key[0] ^ n * HASH_ODD_A, a, b = 0;
    size_t left = n;
    for (; left > 16; left -= 16, p += 16)
        h = hash_fold(bytes_load64(p) ^ hash_key[1], bytes_load64(p + 8) ^ h);
    if (left >= 8) {
        a = bytes_load64(p);
        b = bytes_load64(p + left - 8);
    } else if (left >= 4) {
        a = bytes_load32(p);
        b = bytes_load32(p + left - 4);
    } else {
        const unsigned char *u = (const unsigned char *)p;
        a = left ? (uint64_t)u[0] << 16 | (uint64_t)u[left / 2] << 8 | u[left - 1] : 0;
    }
    return hash_fold(hash_fold(a ^ hash_key[1], b ^ h) ^ HASH_ODD_B, h ^ HASH_ODD_A);
}
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
