/* See hash.h. */
#include "server/base/hash.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"

uint64_t hash_key[2] = {0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL}; /* digits of pi */

void hash_set_key(const uint64_t key[2]) {
    hash_key[0] = key[0];
    hash_key[1] = key[1];
}

static inline unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

uint64_t hash_bytes_nocase(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = hash_key[0] ^ n * HASH_ODD_A;
    for (size_t i = 0; i < n; i++) h = hash_fold(h ^ lower(p[i]), hash_key[1] ^ HASH_ODD_B);
    return h;
}

struct slot {
    char *key; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

/* Open addressing, linear probing, at most three quarters full; taking out closes the gap. */
struct map {
    struct slot *slots;
    size_t mask, count;
    bool nocase;
};

struct map *map_new(bool nocase) {
    struct map *m = xcalloc(1, sizeof *m);
    m->mask = 7;
    m->slots = xcalloc(m->mask + 1, sizeof *m->slots);
    m->nocase = nocase;
    return m;
}

void map_free(struct map *m, void (*free_value)(void *)) {
    if (!m) return;
    for (size_t i = 0; i <= m->mask; i++) {
        if (!m->slots[i].key) continue;
        if (free_value) free_value(m->slots[i].value);
        free(m->slots[i].key);
    }
    free(m->slots);
    free(m);
}

size_t map_count(const struct map *m) {
    return m->count;
}

static uint64_t key_hash(const struct map *m, const void *key, size_t len) {
    return m->nocase ? hash_bytes_nocase(key, len) : hash_bytes(key, len);
}

static bool same_key(const struct map *m, const struct slot *s, const char *key, size_t len) {
    if (s->len != len) return false;
    if (!m->nocase) return memcmp(s->key, key, len) == 0;
    for (size_t i = 0; i < len; i++)
        if (lower((unsigned char)s->key[i]) != lower((unsigned char)key[i])) return false;
    return true;
}

/* The slot that holds the key, or the free one where it would go. */
static struct slot *find(const struct map *m, const void *key, size_t len, uint64_t hash) {
    size_t i = hash & m->mask;
    while (m->slots[i].key && (m->slots[i].hash != hash || !same_key(m, &m->slots[i], key, len)))
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

void *map_get(const struct map *m, const void *key, size_t len) {
    return find(m, key, len, key_hash(m, key, len))->value;
}

static void grow(struct map *m) {
    struct slot *old = m->slots;
    size_t old_slots = m->mask + 1;
    m->mask = 2 * old_slots - 1;
    m->slots = xcalloc(m->mask + 1, sizeof *m->slots);
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].key) *find(m, old[i].key, old[i].len, old[i].hash) = old[i];
    free(old);
}

void *map_put(struct map *m, const void *key, size_t len, void *value) {
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) grow(m);
    uint64_t hash = key_hash(m, key, len);
    struct slot *s = find(m, key, len, hash);
    void *before = s->value;
    if (!s->key) {
        char *copy = xmalloc(len + 1);
        memcpy(copy, key, len);
        copy[len] = '\0';
        *s = (struct slot){copy, len, hash, NULL};
        m->count++;
    }
    s->value = value;
    return before;
}

void *map_take(struct map *m, const void *key, size_t len) {
    struct slot *s = find(m, key, len, key_hash(m, key, len));
    if (!s->key) return NULL;
    void *value = s->value;
    free(s->key);
    size_t hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & m->mask; m->slots[i].key; i = (i + 1) & m->mask) {
        size_t home = m->slots[i].hash & m->mask;
        if (((i - home) & m->mask) < ((i - hole) & m->mask)) continue; /* it may stay */
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct slot){NULL, 0, 0, NULL};
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, const char **key, size_t *len, void **value) {
    for (; *cursor <= m->mask; (*cursor)++) {
        const struct slot *s = &m->slots[*cursor];
        if (!s->key) continue;
        *key = s->key;
        if (len) *len = s->len;
        if (value) *value = s->value;
        (*cursor)++;
        return true;
    }
    return false;
}
