/* Heartbeats on a serial line: frames out of a stream of bytes that may hold anything.
 *
 * A frame is COBS: no byte of it is zero, and a zero stands before and after it. So a reader that comes in
 * the middle, or meets noise, a login prompt, or half a frame, is right again at the next zero. What a
 * frame holds is believed for its HMAC only (heartbeat.h); here nothing is judged but length and form.
 *
 * Pure codec: bytes in, bytes out. */
#ifndef HACTL_HEARTBEAT_LINE_H
#define HACTL_HEARTBEAT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_PAYLOAD_LIMIT 512
/* What a payload of n bytes, or a frame, takes on the line. */
#define LINE_FRAME_BYTES(n) ((n) + (n) / 254 + 1 + 2)
#define LINE_BITS_A_BYTE    10 /* with start and stop bit */
#define LINE_FRAME_LIMIT    LINE_FRAME_BYTES(LINE_PAYLOAD_LIMIT)

/* Writes a frame; len is 1 to LINE_PAYLOAD_LIMIT. Its length, at most LINE_FRAME_BYTES(len). */
size_t line_frame(const uint8_t *payload, size_t len, uint8_t out[LINE_FRAME_LIMIT]);

/* How long a payload takes on a line of so many bit/s, in ms, rounded up. */
unsigned line_ms(size_t len, int baud);

/* All zero is the start. Owned by the caller. */
struct line_reader {
    uint8_t payload[LINE_PAYLOAD_LIMIT]; /* of the frame that is being read, or was just read */
    size_t len;
    uint8_t left;     /* bytes to come until the next code byte */
    bool zero;        /* a zero is due before the next block's bytes */
    bool broken;      /* not a frame: everything up to the next zero is skipped */
    bool began;       /* bytes of a frame have come */
    uint64_t garbage; /* bytes that belonged to no frame */
    size_t raw;       /* bytes of the present frame as they stand on the line */
};

/* Takes one byte. True: a frame is complete; it is in r->payload, r->len bytes, until the next call. */
bool line_reader_take(struct line_reader *r, uint8_t byte);

#endif
