/* CRC-64 as RDB files carry it: polynomial 0xad93d23594c935a9 ("Jones"), reflected, no final
 * inversion. Check value: crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9ca. */
#ifndef DUET_PROTO_CRC64_H
#define DUET_PROTO_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* crc is 0 for the first piece, then the result so far. */
uint64_t crc64(uint64_t crc, const void *p, size_t n);
/* The same on any processor; for tests. */
uint64_t crc64_by_tables(uint64_t crc, const void *p, size_t n);

#endif
