#include "hactl/heartbeat_line.h"

#include <assert.h>

size_t line_frame(const uint8_t *payload, size_t len, uint8_t out[LINE_FRAME_LIMIT]) {
    size_t at = 1, code = at++; /* where the present block's code byte stands */
    uint8_t run = 1;
    assert(len > 0 && len <= LINE_PAYLOAD_LIMIT && "a frame has a bounded length");
    out[0] = 0;
    for (size_t i = 0; i < len; i++) {
        if (payload[i]) {
            out[at++] = payload[i];
            run++;
        }
        if (payload[i] && run < 255) continue;
        /* A block of 254 bytes that ends the payload needs no other one behind it. */
        if (run == 255 && i + 1 == len) break;
        out[code] = run;
        code = at++;
        run = 1;
    }
    out[code] = run;
    out[at++] = 0;
    assert(at <= LINE_FRAME_BYTES(len) && "a frame is no longer than it is said to be");
    return at;
}

unsigned line_ms(size_t len, int baud) {
    uint64_t bits = LINE_FRAME_BYTES(len) * LINE_BITS_A_BYTE;
    assert(baud > 0 && "a line has a speed");
    return (unsigned)((bits * 1000 + (unsigned)baud - 1) / (unsigned)baud);
}

static void begin(struct line_reader *r) {
    r->len = r->raw = 0;
    r->left = 0;
    r->zero = r->broken = r->began = false;
}

static bool put(struct line_reader *r, uint8_t byte) {
    if (r->len < LINE_PAYLOAD_LIMIT) {
        r->payload[r->len++] = byte;
        return true;
    }
    r->broken = true;
    return false;
}

bool line_reader_take(struct line_reader *r, uint8_t byte) {
    if (byte == 0) {
        bool whole = r->began && !r->broken && r->left == 0 && r->len > 0;
        size_t len = r->len;
        if (!whole) r->garbage += r->raw;
        begin(r);
        if (whole) r->len = len;
        return whole;
    }
    if (!r->began) begin(r);
    r->began = true;
    r->raw++;
    if (r->broken) return false;
    if (r->left == 0) {
        if (r->zero && !put(r, 0)) return false;
        r->left = (uint8_t)(byte - 1);
        r->zero = byte != 255;
        return false;
    }
    r->left--;
    put(r, byte);
    return false;
}
