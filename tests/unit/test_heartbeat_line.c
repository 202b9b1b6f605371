/* link: hactl/heartbeat_line.c hactl/heartbeat.c server/base/hmac.c */
/* Frames of heartbeats out of a line that may carry anything. */
#include "hactl/heartbeat.h"
#include "hactl/heartbeat_line.h"
#include "tests/unit/tap.h"

static const uint8_t key[HEARTBEAT_KEY] = "a secret of thirty-two bytes...";
static uint64_t state;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Frames that came whole out of the bytes. */
static int feed(struct line_reader *r, const uint8_t *bytes, size_t len) {
    int frames = 0;
    for (size_t i = 0; i < len; i++) frames += line_reader_take(r, bytes[i]);
    return frames;
}

static int heartbeats(struct line_reader *r, const uint8_t *bytes, size_t len) {
    struct heartbeat hb;
    int heard = 0;
    for (size_t i = 0; i < len; i++)
        if (line_reader_take(r, bytes[i]))
            heard += heartbeat_decode(r->payload, r->len, key, 7, 0, &hb) == HEARTBEAT_OK;
    return heard;
}

static void test_every_length(void) {
    uint8_t in[LINE_PAYLOAD_LIMIT], frame[LINE_FRAME_LIMIT];
    struct line_reader r = {0};
    int good = 0, zeros = 0;
    for (size_t len = 1; len <= sizeof in; len++)
        for (int kind = 0; kind < 3; kind++) {
            for (size_t i = 0; i < len; i++)
                in[i] = kind == 0 ? (uint8_t)next() : kind == 1 ? 0 : (uint8_t)(i % 255 + 1);
            size_t size = line_frame(in, len, frame);
            for (size_t i = 1; i + 1 < size; i++) zeros += frame[i] == 0;
            good += feed(&r, frame, size) == 1 && r.len == len && !memcmp(r.payload, in, len);
        }
    is_int(good, 3 * LINE_PAYLOAD_LIMIT, "whatever is framed comes back, at every length");
    is_int(zeros, 0, "there is no zero inside of a frame");
    is_int(r.garbage, 0, "and nothing of it counts as garbage");
}

static size_t one_heartbeat(uint64_t seq, uint8_t frame[LINE_FRAME_LIMIT]) {
    struct heartbeat hb = {.pair = 7, .node = 1, .life = 3, .seq = seq, .path = HA_PATH_SERIAL};
    uint8_t wire[HEARTBEAT_BYTES];
    heartbeat_encode(&hb, key, wire);
    return line_frame(wire, sizeof wire, frame);
}

static void test_garbage(void) {
    static const char login[] = "\r\n\r\nDebian GNU/Linux 12 duet ttyS1\r\n\r\nduet login: ";
    uint8_t frame[LINE_FRAME_LIMIT], noise[1000];
    struct line_reader r = {0};
    size_t len = one_heartbeat(1, frame);
    is_int(heartbeats(&r, (const uint8_t *)login, sizeof login - 1), 0,
           "a login prompt is no heartbeat");
    is_int(heartbeats(&r, frame, len), 1, "and the one behind it is heard");
    is_int(r.garbage, sizeof login - 1, "the prompt was garbage, every byte of it");
    is_int(heartbeats(&r, frame, len / 2), 0, "half a frame is none");
    is_int(heartbeats(&r, frame, len), 1, "and the whole one behind it is heard");
    is_int(heartbeats(&r, frame + 7, len - 7), 0, "one whose beginning is missing is none");
    int heard = 0, frames = 0;
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < sizeof noise; k++) noise[k] = (uint8_t)next();
        frames += feed(&r, noise, sizeof noise);
        heard += heartbeats(&r, frame, len);
    }
    is_int(heard, 200, "behind any noise a heartbeat is heard");
    ok(frames > 0, "although noise holds what looks like frames (%d)", frames);
    int believed = 0;
    for (size_t i = 1; i + 1 < len; i++) {
        uint8_t was = frame[i];
        frame[i] = (uint8_t)(was ^ (1u << next() % 8));
        believed += heartbeats(&r, frame, len);
        frame[i] = was;
    }
    is_int(believed, 0, "one turned bit anywhere, and it is not believed");
}

static void test_times(void) {
    is_int(line_ms(HEARTBEAT_BYTES, 115200), 19, "a heartbeat's time at 115200 baud, in ms");
    is_int(line_ms(HEARTBEAT_BYTES, 9600), 225, "and at 9600");
}

int main(void) {
    state = tap_seed() | 1;
    test_every_length();
    test_garbage();
    test_times();
    return done();
}
