/* See hash.h. The hash multiplies 64 x 64 -> 128 bits and folds, a construction whose speed comes
 * from one multiplication for 16 bytes; the key makes it unpredictable to clients. */
#include "server/base/hash.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"

static uint64_t key0 = 0x243f6a8885a308d3ULL, key1 = 0x13198a2e03707344ULL; /* digits of pi */
#define ODD_A 0xa4093822299f31d1ULL
#define ODD_B 0x452821e638d01377ULL

void hash_set_key(const uint64_t key[2]) {
    key0 = key[0];
    key1 = key[1];
}

static inline uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t load64(const unsigned char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t load32(const unsigned char *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

uint64_t hash_bytes(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = key0 ^ n * ODD_A, a, b;
    size_t left = n;
    for (; left > 16; left -= 16, p += 16) h = fold(load64(p) ^ key1, load64(p + 8) ^ h);
    if (left >= 8) {
        a = load64(p);
        b = load64(p + left - 8);
    } else if (left >= 4) {
        a = load32(p);
        b = load32(p + left - 4);
    } else {
        a = left ? (uint64_t)p[0] << 16 | (uint64_t)p[left / 2] << 8 | p[left - 1] : 0;
        b = 0;
    }
    return fold(fold(a ^ key1, b ^ h) ^ ODD_B, h ^ ODD_A);
}

static inline unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

uint64_t hash_bytes_nocase(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = key0 ^ n * ODD_A;
    for (size_t i = 0; i < n; i++) h = fold(h ^ lower(p[i]), key1 ^ ODD_B);
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
