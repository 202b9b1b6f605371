/* See intset.h. */
#include "server/proto/intset.h"

#include <string.h>

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static unsigned width_of(const uint8_t *is) {
    return get32(is);
}

static unsigned width_for(int64_t v) {
    return v < INT32_MIN || v > INT32_MAX ? 8 : v < INT16_MIN || v > INT16_MAX ? 4 : 2;
}

static int64_t get(const uint8_t *is, size_t i, unsigned width) {
    const uint8_t *p = is + INTSET_EMPTY_BYTES + i * width;
    uint64_t v = 0;
    for (unsigned b = 0; b < width; b++) v |= (uint64_t)p[b] << 8 * b;
    return (int64_t)(v << (64 - 8 * width)) >> (64 - 8 * width);
}

static void put(uint8_t *is, size_t i, unsigned width, int64_t v) {
    uint8_t *p = is + INTSET_EMPTY_BYTES + i * width;
    for (unsigned b = 0; b < width; b++) p[b] = (uint8_t)((uint64_t)v >> 8 * b);
}

void intset_init(uint8_t *is) {
    put32(is, 2);
    put32(is + 4, 0);
}

size_t intset_count(const uint8_t *is) {
    return get32(is + 4);
}

size_t intset_total(const uint8_t *is) {
    return INTSET_EMPTY_BYTES + intset_count(is) * width_of(is);
}

int64_t intset_at(const uint8_t *is, size_t i) {
    return get(is, i, width_of(is));
}

bool intset_find(const uint8_t *is, int64_t v, size_t *i) {
    size_t low = 0, high = intset_count(is);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t there = intset_at(is, middle);
        if (there == v) {
            *i = middle;
            return true;
        }
        if (there < v)
            low = middle + 1;
        else
            high = middle;
    }
    *i = low;
    return false;
}

static unsigned width_with(const uint8_t *is, int64_t v) {
    unsigned own = width_of(is), needed = width_for(v);
    return own > needed ? own : needed;
}

size_t intset_total_with(const uint8_t *is, int64_t v) {
    return INTSET_EMPTY_BYTES + (intset_count(is) + 1) * width_with(is, v);
}

void intset_insert(uint8_t *is, size_t i, int64_t v) {
    unsigned old = width_of(is), new = width_with(is, v);
    size_t count = intset_count(is);
    if (old == new) {
        uint8_t *at = is + INTSET_EMPTY_BYTES + i * new;
        memmove(at + new, at, (count - i) * new);
    } else { /* wider, from the end on, so that nothing is written over */
        for (size_t k = count; k-- > 0;) put(is, k < i ? k : k + 1, new, get(is, k, old));
        put32(is, new);
    }
    put(is, i, new, v);
    put32(is + 4, (uint32_t)count + 1);
}

void intset_remove(uint8_t *is, size_t i) {
    unsigned width = width_of(is);
    size_t count = intset_count(is);
    uint8_t *at = is + INTSET_EMPTY_BYTES + i * width;
    memmove(at, at + width, (count - i - 1) * width);
    put32(is + 4, (uint32_t)count - 1);
}

bool intset_valid(const uint8_t *is, size_t size) {
    if (size < INTSET_EMPTY_BYTES) return false;
    unsigned width = width_of(is);
    if ((width != 2 && width != 4 && width != 8) || intset_total(is) != size) return false;
    for (size_t i = 1; i < intset_count(is); i++)
        if (intset_at(is, i - 1) >= intset_at(is, i)) return false;
    return true;
}
