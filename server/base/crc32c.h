/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), for records and log blocks. */
#ifndef DUET_BASE_CRC32C_H
#define DUET_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc is 0 for the first piece, then the result so far. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The same on any processor; for tests. */
uint32_t crc32c_by_tables(uint32_t crc, const void *p, size_t n);

#endif
