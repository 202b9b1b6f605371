/* A stream over another one whose bytes travel in blocks, both ways: what is read was checked as a whole
 * before a byte of it is handed up. For links where a flipped bit must never be taken for data (the
 * pair's replication link); over a plain stream or TLS, with stream.h's rules.
 *
 *   block   length (4 bytes), running number (4), check of these (4), check of the payload (4),
 *           1 to STREAM_BLOCK_MAX payload bytes. All numbers are little-endian.
 *
 * The checks are CRC-32C and cover a word of the session and the whole running number too: a block of
 * another session, of the other direction, repeated, left out or in another order is damage like a
 * flipped bit. It is no protection against somebody who wants to forge blocks: that is TLS's.
 *
 * Nothing is copied or kept when writing: what the socket does not take is offered again by the writer,
 * as stream.h says. A read with room for STREAM_BLOCK_MAX or more leaves nothing behind over a plain
 * stream; over TLS stream_pending tells. */
#ifndef DUET_BASE_STREAM_BLOCK_H
#define DUET_BASE_STREAM_BLOCK_H

#include <stddef.h>
#include <stdint.h>

struct stream;

enum {
    STREAM_BLOCK_MAX = 64 * 1024,
    STREAM_BLOCK_HEADER = 16,
    STREAM_BLOCK_ROOM = 2 * (STREAM_BLOCK_MAX + STREAM_BLOCK_HEADER)
};

/* Takes inner over, with its descriptor. The words of the session: out for what is written, in for what
 * is read (the peer has them the other way round). The first plain_bytes that are written go as they
 * are: the end of the conversation that led here. */
struct stream *stream_block(struct stream *inner, uint64_t out, uint64_t in, size_t plain_bytes);

/* Why reading ended, as a sentence about a block; NULL while nothing was wrong with one, and for streams
 * of other kinds. stream_read returns STREAM_FAILED then, with errno EBADMSG. stream_trouble says this
 * too. */
const char *stream_block_damage(const struct stream *s);

#endif
