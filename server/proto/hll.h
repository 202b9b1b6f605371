/* HyperLogLog values: an estimate of how many distinct elements were added, in the bytes that Redis keeps in a string.
 *
 *   "HYLL", encoding, 3 zero bytes, cached estimate (8 bytes little-endian; its highest bit set: not valid), registers
 *
 * Dense: 16384 registers of 6 bits. Sparse: runs, in the order of the registers:
 *   00nnnnnn            n + 1 registers of zero
 *   01nnnnnn nnnnnnnn   the same, up to 16384
 *   1vvvvvnn            n + 1 registers of v + 1
 *
 * Nothing here allocates. What is read may be damaged: every function stays inside the bytes that it was given. */
#ifndef DUET_PROTO_HLL_H
#define DUET_PROTO_HLL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"

enum {
    HLL_REGISTERS = 16384,
    HLL_HEADER_BYTES = 16,
    HLL_EMPTY_BYTES = 18,
    HLL_DENSE_BYTES = HLL_HEADER_BYTES + HLL_REGISTERS * 6 / 8,
    HLL_ROOM_BYTES = 3 /* more than that a sparse one does not grow by a register */
};

/* Whether header and length are those of a HyperLogLog; the runs of a sparse one may still be damaged. */
bool hll_is(struct bytes b);
static inline bool hll_is_dense(const uint8_t *hll) {
    return hll[4] == 0;
}
/* An empty one, sparse, of HLL_EMPTY_BYTES. */
void hll_init(uint8_t *hll);
bool hll_cached(const uint8_t *hll, uint64_t *estimate);
void hll_cache(uint8_t *hll, uint64_t estimate);
void hll_uncache(uint8_t *hll);

/* The register that an element belongs to and what it raises it to, by murmur64a. */
unsigned hll_rank(struct bytes element, unsigned *reg);

enum hll_change {
    HLL_SAME,
    HLL_RAISED,
    HLL_TOO_BIG, /* nothing was changed: it has to become dense */
    HLL_DAMAGED
};
/* Where in a sparse one the last register was found; zero it first. For registers in rising order. */
struct hll_place {
    size_t at;
    unsigned first;
    bool known;
};
/* Raises a register of a sparse one of *len bytes that has HLL_ROOM_BYTES behind it. place may be NULL. */
enum hll_change hll_sparse_raise(uint8_t *hll, size_t *len, unsigned reg, unsigned rank,
                                 uint64_t max_bytes, struct hll_place *place);
/* What it would come to, SAME or RAISED (which may mean TOO_BIG) or DAMAGED. */
enum hll_change hll_sparse_look(struct bytes hll, unsigned reg, unsigned rank);
unsigned hll_dense_get(const uint8_t *hll, unsigned reg);
void hll_dense_set(uint8_t *hll, unsigned reg, unsigned rank);

/* Each register of `max` becomes the higher one of the two. False: damaged. */
bool hll_merge(uint8_t max[HLL_REGISTERS], struct bytes hll);
/* The dense form with these registers; the header keeps what it has but the encoding. */
void hll_pack(uint8_t hll[HLL_DENSE_BYTES], const uint8_t registers[HLL_REGISTERS]);

/* The estimate; false: damaged. */
bool hll_count(struct bytes hll, uint64_t *estimate);
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);

/* One run of a sparse one: how many registers, their value, bytes it takes. `at` is below the end. */
struct hll_run {
    unsigned registers, value, bytes;
};
struct hll_run hll_run_at(const uint8_t *at, const uint8_t *end);

#endif
