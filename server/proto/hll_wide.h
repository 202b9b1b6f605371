/* The registers of dense HyperLogLogs, many at a time: 32 where the processor has AVX2, else 8. For server/proto/hll.c only. */
#ifndef DUET_PROTO_HLL_WIDE_H
#define DUET_PROTO_HLL_WIDE_H

#include <stdint.h>

enum { HLL_WIDE_REGISTERS = 16384, HLL_WIDE_PACKED = 12288 };

/* Each register of `max` becomes the higher one of the two. */
void hll_wide_merge(uint8_t max[HLL_WIDE_REGISTERS], const uint8_t packed[HLL_WIDE_PACKED]);
void hll_wide_pack(uint8_t packed[HLL_WIDE_PACKED], const uint8_t registers[HLL_WIDE_REGISTERS]);
/* How many registers have each value. */
void hll_wide_histogram(unsigned histogram[64], const uint8_t registers[HLL_WIDE_REGISTERS]);
/* For tests: the way of processors without AVX2 from now on. */
void hll_wide_plain(void);

#endif
