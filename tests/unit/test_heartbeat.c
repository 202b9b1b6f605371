/* link: hactl/heartbeat.c server/base/hmac.c */
#include "hactl/heartbeat.h"

#include "server/base/hmac.h"
#include "tests/unit/tap.h"

static const uint8_t key[HEARTBEAT_KEY] = "a secret of thirty-two bytes...";
static const uint8_t other_key[HEARTBEAT_KEY] = "another one of thirty-two bytes";
static uint64_t state;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static struct heartbeat some(void) {
    return (struct heartbeat){
        .pair = 7,
        .node = 1,
        .state = (uint8_t)(next() % HA_STATES),
        .flags = (uint32_t)(next() & HB_KNOWN_FLAGS),
        .paths = (uint8_t)(next() & 15),
        .gateway_age_ms = (uint16_t)next(),
        .outside = (uint8_t)next(),
        .path = (uint8_t)(next() % HA_PATHS),
        .config = (uint32_t)next(),
        .config_parts = next(),
        .life = next() | 1,
        .seq = next() | 1,
        .echo_life = next(),
        .echo_seq = next(),
        .hello_life = next(),
        .hello_seq = next(),
        .epoch = next(),
        .known = next(),
        .claim = next(),
        .permit = next(),
        .permit_boot = next(),
        .outdate = next(),
        .said = next(),
        .data_offset = next(),
        .session = next(),
        .server_boot = next(),
        .link_boot = next(),
        .has = next(),
        .counts = next(),
    };
}

static void test_round_trip(void) {
    uint8_t wire[HEARTBEAT_BYTES];
    int good = 0;
    for (int i = 0; i < 1000; i++) {
        struct heartbeat in = some(), out = {0};
        heartbeat_encode(&in, key, wire);
        good += heartbeat_decode(wire, sizeof wire, key, 7, 0, &out) == HEARTBEAT_OK &&
                !memcmp(&in, &out, sizeof in);
    }
    is_int(good, 1000, "what is encoded is decoded, field by field");
    struct heartbeat in = some();
    in.epoch = 0x0102030405060708;
    heartbeat_encode(&in, key, wire);
    is_mem(wire, 5, "DuHB\004", 5, "it begins with its name and version, big-endian");
}

static void test_refused(void) {
    uint8_t wire[HEARTBEAT_MOST] = {0};
    struct heartbeat in = some(), out, before;
    memset(&out, 0x5a, sizeof out);
    before = out;
    heartbeat_encode(&in, key, wire);
    int refused = 0;
    for (size_t len = 0; len <= HEARTBEAT_BYTES + 1; len++)
        if (len != HEARTBEAT_BYTES)
            refused += heartbeat_decode(wire, len, key, 7, 0, &out) == HEARTBEAT_SHORT;
    is_int(refused, HEARTBEAT_BYTES + 1, "any other length is refused");
    int forged = 0;
    for (unsigned bit = 5 * 8; bit < HEARTBEAT_BYTES * 8; bit++) {
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        forged += heartbeat_decode(wire, HEARTBEAT_BYTES, key, 7, 0, &out) == HEARTBEAT_FORGED;
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    is_int(forged, (HEARTBEAT_BYTES - 5) * 8, "one changed bit anywhere is a forgery");
    is_int(heartbeat_decode(wire, HEARTBEAT_BYTES, other_key, 7, 0, &out), HEARTBEAT_FORGED,
           "another secret is a forgery");
    is_int(heartbeat_decode(wire, HEARTBEAT_BYTES, key, 8, 0, &out), HEARTBEAT_FOREIGN,
           "another pair is named as such");
    is_int(heartbeat_decode(wire, HEARTBEAT_BYTES, key, 7, 1, &out), HEARTBEAT_SELF,
           "our own node name is named as such");
    wire[0] ^= 1;
    is_int(heartbeat_decode(wire, HEARTBEAT_BYTES, key, 7, 0, &out), HEARTBEAT_ALIEN,
           "what does not begin so is no heartbeat");
    wire[0] ^= 1;
    wire[4]++;
    is_int(heartbeat_decode(wire, HEARTBEAT_BYTES, key, 7, 0, &out), HEARTBEAT_FORGED,
           "another version that is not signed is a forgery");
    hmac_sha256(key, HEARTBEAT_KEY, wire, 100, wire + 100);
    is_int(heartbeat_decode(wire, 100 + HMAC_BYTES, key, 7, 0, &out), HEARTBEAT_OLD,
           "another version, signed, is named as such, whatever its length");
    struct heartbeat_label label = heartbeat_label(wire, 100 + HMAC_BYTES);
    ok(label.version == HEARTBEAT_VERSION + 1 && label.node == 1 && label.pair == 7,
       "its label says version, node and pair");
    ok(heartbeat_label("DuHB", 4).version == 0, "what is too short has none");
    ok(!memcmp(&out, &before, sizeof out), "nothing is written when it is refused");
}

/* A signed datagram with one byte that no node sends. */
static enum heartbeat_result nonsense(size_t at, uint8_t value) {
    uint8_t wire[HEARTBEAT_BYTES];
    struct heartbeat in = some(), out;
    heartbeat_encode(&in, key, wire);
    wire[at] = value;
    hmac_sha256(key, HEARTBEAT_KEY, wire, HEARTBEAT_BYTES - HMAC_BYTES,
                wire + HEARTBEAT_BYTES - HMAC_BYTES);
    return heartbeat_decode(wire, sizeof wire, key, 7, 0, &out);
}

static void test_nonsense(void) {
    is_int(nonsense(5, 2), HEARTBEAT_NONSENSE, "a third node is nonsense, even signed");
    is_int(nonsense(8, HA_STATES), HEARTBEAT_NONSENSE, "an unknown state is nonsense");
    is_int(nonsense(9, 16), HEARTBEAT_NONSENSE, "an unknown path is nonsense");
    is_int(nonsense(15, HA_PATHS), HEARTBEAT_NONSENSE, "nor can it come by an unknown path");
    is_int(nonsense(10, 0x80), HEARTBEAT_NONSENSE, "an unknown flag is nonsense");
}

#define MY_LIFE 500

static enum heartbeat_result judge(struct heartbeat_window *w, uint64_t life, uint64_t seq,
                                   uint64_t echo_life, uint64_t echo_seq, enum ha_path path) {
    struct heartbeat hb = {.life = life, .seq = seq, .echo_life = echo_life, .echo_seq = echo_seq};
    return heartbeat_judge(w, &hb, path, MY_LIFE, 100, 16);
}

static void test_freshness(void) {
    struct heartbeat_window w = {0};
    is_int(judge(&w, 9, 1, 0, 0, 0), HEARTBEAT_STRANGER,
           "a life that echoes nothing is a stranger");
    is_int(w.hello_life, 9, "a stranger is greeted");
    is_int(judge(&w, 9, 2, MY_LIFE, 84, 0), HEARTBEAT_STRANGER, "an old echo proves nothing");
    is_int(judge(&w, 9, 2, MY_LIFE, 101, 0), HEARTBEAT_STRANGER,
           "nor does one that was never sent");
    is_int(judge(&w, 9, 2, 4, 100, 0), HEARTBEAT_STRANGER, "nor does one of another life of ours");
    is_int(judge(&w, 9, 3, MY_LIFE, 99, 0), HEARTBEAT_OK, "a fresh echo is believed");
    is_int(judge(&w, 9, 3, MY_LIFE, 99, 0), HEARTBEAT_REPLAY, "once");
    is_int(judge(&w, 9, 3, MY_LIFE, 99, 1), HEARTBEAT_OK, "and once on each other path");
    is_int(judge(&w, 9, 2, MY_LIFE, 99, 1), HEARTBEAT_REPLAY, "an earlier one is late");
    is_int(judge(&w, 9, 9, 0, 0, 1), HEARTBEAT_OK, "within a life the sequence is enough");
    struct heartbeat greeting = {.life = 10, .seq = 1, .hello_life = MY_LIFE, .hello_seq = 100};
    is_int(heartbeat_judge(&w, &greeting, 0, MY_LIFE, 100, 16), HEARTBEAT_OK,
           "a greeting of ours, echoed, proves a new life");
    is_int(judge(&w, 9, 50, MY_LIFE, 100, 0), HEARTBEAT_REPLAY,
           "a life that ended is never believed again");
    is_int(w.life, 10, "and the window stays with the new one");
}

int main(void) {
    state = tap_seed() | 1;
    test_round_trip();
    test_refused();
    test_nonsense();
    test_freshness();
    int named = 0;
    for (int r = HEARTBEAT_OK; r <= HEARTBEAT_STRANGER; r++)
        named += heartbeat_result_name(r)[0] != '?';
    is_int(named, HEARTBEAT_STRANGER + 1, "every result has a sentence");
    return done();
}
