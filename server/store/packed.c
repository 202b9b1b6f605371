/* See packed.h. */
#include "server/store/packed.h"

#include "server/base/hash.h"
#include "server/base/log.h"

uint8_t *packed_new(struct store *s) {
    uint8_t *lp = mem_new(&s->memory, LP_EMPTY_BYTES);
    lp_init(lp);
    return lp;
}

uint8_t *packed_copy(struct store *s, const uint8_t *lp) {
    return memcpy(mem_new(&s->memory, lp_total(lp)), lp, lp_total(lp));
}

void packed_free(struct store *s, uint8_t *lp) {
    mem_free(&s->memory, lp, lp_total(lp));
}

void packed_splice(struct store *s, struct entry *e, const uint8_t *at, size_t old_count,
                   const struct bytes *values, size_t n) {
    uint8_t *lp = entry_pointer(e);
    size_t total = lp_total(lp), old_bytes = 0, new_bytes = 0;
    size_t offset = at ? (size_t)(at - lp) : total - 1;
    for (size_t i = 0; i < old_count; i++) old_bytes += lp_size(lp + offset + old_bytes);
    for (size_t i = 0; i < n; i++) new_bytes += lp_size_of(values[i]);
    size_t new_total = total - old_bytes + new_bytes;
    size_t before = mem_class(total), after = mem_class(new_total);
    s->memory += after - before;
    if (after > before) entry_set_pointer(e, lp = xrealloc(lp, after));
    lp_splice(lp, offset, old_bytes, old_count, values, n);
    if (after < before) entry_set_pointer(e, xrealloc(lp, after));
}

/* A hash table for one pass: where a name stands (0: free) and the upper half of its hash. */
struct seen {
    uint32_t offset, hash;
};

static bool seen_before(struct seen *table, size_t mask, const uint8_t *lp, const uint8_t *at) {
    char ours[LP_DIGITS], theirs[LP_DIGITS];
    struct bytes name = lp_get(at, ours);
    uint64_t hash = hash_bytes(name.p, name.len);
    uint32_t upper = (uint32_t)(hash >> 32);
    size_t i = hash & mask;
    for (; table[i].offset; i = (i + 1) & mask)
        if (table[i].hash == upper && bytes_equal(lp_get(lp + table[i].offset, theirs), name))
            return true;
    table[i] = (struct seen){(uint32_t)(at - lp), upper};
    return false;
}

bool packed_has_twins(const uint8_t *lp) {
    enum { FEW = 512 };
    struct seen few[FEW], *table = few;
    size_t cap = 16, pairs = lp_count(lp) / 2;
    while (cap < 2 * pairs) cap *= 2;
    if (cap > FEW) table = xmalloc(cap * sizeof *table);
    memset(table, 0, cap * sizeof *table);
    const uint8_t *at = lp_first(lp);
    while (at && !seen_before(table, cap - 1, lp, at)) at = lp_next(lp, lp_next(lp, at));
    if (table != few) free(table);
    return at != NULL;
}
