/* link: hactl/heartbeat_line.c hactl/heartbeat.c server/base/hmac.c */
/* Any bytes on the line: no frame leads out of its bounds, what is no heartbeat of ours is never taken for one, and a
 * heartbeat behind any garbage is read whole as soon as a zero has come. */
#include <stdlib.h>
#include <string.h>

#include "hactl/heartbeat.h"
#include "hactl/heartbeat_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[HEARTBEAT_KEY] = "fuzz", other[HEARTBEAT_KEY] = "unknown to the fuzzer";

static void comes_back(const uint8_t *data, size_t size) {
    uint8_t frame[LINE_FRAME_LIMIT];
    struct line_reader r = {0};
    if (size == 0 || size > LINE_PAYLOAD_LIMIT) return;
    size_t len = line_frame(data, size, frame), whole = 0;
    for (size_t i = 0; i < len; i++)
        if (line_reader_take(&r, frame[i]))
            whole += r.len == size && memcmp(r.payload, data, size) == 0;
    if (whole != 1) abort();
}

static void behind_garbage(const uint8_t *data, size_t size) {
    struct heartbeat in = {.pair = 1, .node = 1, .life = 1, .seq = 1}, out;
    uint8_t wire[HEARTBEAT_BYTES], frame[LINE_FRAME_LIMIT];
    struct line_reader r = {0};
    int heard = 0;
    for (size_t i = 0; i < size; i++)
        if (line_reader_take(&r, data[i]) &&
            heartbeat_decode(r.payload, r.len, other, 1, 0, &out) == HEARTBEAT_OK)
            abort();
    heartbeat_encode(&in, key, wire);
    size_t len = line_frame(wire, sizeof wire, frame);
    for (size_t i = 0; i < len; i++)
        if (line_reader_take(&r, frame[i]))
            heard += heartbeat_decode(r.payload, r.len, key, 1, 0, &out) == HEARTBEAT_OK;
    if (heard != 1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    comes_back(data, size);
    behind_garbage(data, size);
    return 0;
}
