/* Blocks of the append-only log, as bytes. A block is a header and a run of stream bytes that
 * begins and ends between two units of the stream (a request, or MULTI to EXEC).
 *
 * `synced` is what makes a torn tail and damage two things: the stream offset up to which
 * everything was known to be on disk when this block was written. A bad block at an offset below
 * the `synced` of any later block was on disk once, so it is damage; a bad block that nobody
 * vouches for is a tail that was torn. */
#ifndef DUET_PROTO_LOGBLOCK_H
#define DUET_PROTO_LOGBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOGBLOCK_HEADER_BYTES = 68, LOGBLOCK_PAYLOAD_MAX = 0x7fffffff };

enum logblock_kind {
    LOGBLOCK_DATA = 1,
    LOGBLOCK_CLEAN_END = 2 /* no payload: the process ended cleanly here */
};

struct logblock {
    enum logblock_kind kind;
    uint32_t len;    /* of the payload, bytes */
    int32_t db;      /* selected in the stream at the payload's begin, -1: none yet */
    uint64_t offset; /* of the payload's begin in the stream */
    uint64_t wall_us;
    uint64_t synced;
    uint32_t payload_crc; /* crc32c */
    char id[41];
};

/* payload_crc must be set; writes LOGBLOCK_HEADER_BYTES. */
void logblock_put(char *out, const struct logblock *b);

enum logblock_state { LOGBLOCK_OK, LOGBLOCK_MORE, LOGBLOCK_BAD };
/* Reads a header; LOGBLOCK_MORE: fewer bytes than a header. */
enum logblock_state logblock_get(struct logblock *b, const char *data, size_t len);
bool logblock_payload_fits(const struct logblock *b, const char *payload);
/* Offset in data of the next valid header at or after `from`, or -1. */
long logblock_search(const char *data, size_t len, size_t from);

#endif
