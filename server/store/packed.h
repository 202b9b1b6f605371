/* Values that are one listpack, in an allocation that an entry points to. Inside server/store only. */
#ifndef DUET_STORE_PACKED_H
#define DUET_STORE_PACKED_H

#include "server/proto/listpack.h"
#include "server/store/inside.h"

/* An empty one, or a copy of a sound one. */
uint8_t *packed_new(struct store *s);
uint8_t *packed_copy(struct store *s, const uint8_t *lp);
void packed_free(struct store *s, uint8_t *lp);
static inline const uint8_t *packed_of(const struct entry *e) {
    return entry_pointer(e);
}
static inline struct bytes packed_bytes(const struct entry *e) {
    return (struct bytes){(const char *)packed_of(e), lp_total(packed_of(e))};
}
/* As lp_splice, finding the room; `at` NULL: at the end. */
void packed_splice(struct store *s, struct entry *e, const uint8_t *at, size_t old_count,
                   const struct bytes *values, size_t n);
/* Whether a listpack of pairs names one of them twice; for what comes from outside. */
bool packed_has_twins(const uint8_t *lp);
/* Whether another pair with so many bytes is too much for a small form. */
static inline bool packed_overflows(const struct entry *e, size_t more_bytes) {
    return lp_total(packed_of(e)) + more_bytes > PACKED_MAX_BYTES;
}
static inline size_t packed_memory(const struct entry *e) {
    return mem_class(lp_total(packed_of(e)));
}

#endif
