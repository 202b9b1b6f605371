/* See packed.h. */
#include "server/store/packed.h"

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
