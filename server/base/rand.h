/* Chance. rand_bytes is the kernel's generator (ids, keys, salts); prng is a seeded generator for
 * sampling and tests, replayable from its seed. */
#ifndef DUET_BASE_RAND_H
#define DUET_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *out, size_t n);
/* n hexadecimal digits and a NUL (replication ids: 40). */
void rand_hex(char *out, size_t n);

struct prng {
    uint64_t s[4];
};
void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_u64(struct prng *p);
/* Uniform in [0, n), n > 0. */
uint64_t prng_below(struct prng *p, uint64_t n);
/* Uniform in [0, 1). */
double prng_unit(struct prng *p);

#endif
