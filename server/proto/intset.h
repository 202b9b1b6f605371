/* Intsets: sorted integers of one width, in the form that Redis keeps and its RDB files carry: 4 bytes width (2, 4, 8),
 * 4 bytes count, the integers, all little-endian. Nothing here allocates: the caller owns the bytes. */
#ifndef DUET_PROTO_INTSET_H
#define DUET_PROTO_INTSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INTSET_EMPTY_BYTES = 8 };

void intset_init(uint8_t *is);
size_t intset_total(const uint8_t *is); /* bytes */
size_t intset_count(const uint8_t *is);
int64_t intset_at(const uint8_t *is, size_t i);
/* Whether v is there; *i is its place, or where it would go. */
bool intset_find(const uint8_t *is, int64_t v, size_t *i);
/* Bytes that the set will have with v added, which is not there yet. */
size_t intset_total_with(const uint8_t *is, int64_t v);
/* Adds v at place i, as intset_find said; the memory must have room. */
void intset_insert(uint8_t *is, size_t i, int64_t v);
void intset_remove(uint8_t *is, size_t i);
/* Whether size bytes are one whole, sorted set. */
bool intset_valid(const uint8_t *is, size_t size);

#endif
