/* link: server/base/num.c */
#include "server/base/num.h"
#include "tests/unit/tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void integers(void) {
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = {{"0", true, 0},
                {"-1", true, -1},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999", false, 0},
                {"", false, 0},
                {"-", false, 0},
                {"-0", false, 0},
                {"01", false, 0},
                {"+1", false, 0},
                {" 1", false, 0},
                {"1 ", false, 0},
                {"1e3", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = 0;
        bool good = num_parse_i64(rows[i].text, strlen(rows[i].text), &v);
        ok(good == rows[i].good && v == rows[i].value, "\"%s\" is %s", rows[i].text,
           rows[i].good ? "an integer" : "refused");
    }
    bool same = true;
    uint64_t x = 1;
    for (int i = 0; i < 20000 && same; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        int64_t want = (int64_t)(x >> (i % 64)), got = 0;
        if (i & 1) want = (int64_t)(0 - (uint64_t)want);
        char mine[32], theirs[32];
        mine[num_format_i64(mine, want)] = '\0';
        snprintf(theirs, sizeof theirs, "%" PRId64, want);
        same = !strcmp(mine, theirs) && num_parse_i64(mine, strlen(mine), &got) && got == want;
    }
    ok(same, "integers of every length go to text and back as the C library writes them");
}

static void sizes_and_times(void) {
    uint64_t b = 0;
    int64_t ms = 0;
    ok(num_parse_bytes("1kb", &b) && b == 1024, "1kb is 1024 bytes");
    ok(num_parse_bytes("2G", &b) && b == 2000000000, "2G is 2 * 10^9 bytes");
    ok(num_parse_bytes("256mb", &b) && b == 256 << 20, "256mb is 2^28 bytes");
    ok(!num_parse_bytes("1kib", &b) && !num_parse_bytes("mb", &b) && !num_parse_bytes("-1", &b),
       "other sizes are refused");
    ok(!num_parse_bytes("99999999999999999tb", &b), "a size beyond 64 bits is refused");
    ok(num_parse_duration_ms("350ms", 1, &ms) && ms == 350, "350ms");
    ok(num_parse_duration_ms("10", 1000, &ms) && ms == 10000, "a bare 10 is in the unit given");
    ok(!num_parse_duration_ms("10 s", 1, &ms) && !num_parse_duration_ms("s", 1, &ms),
       "other durations are refused");
}

static void hexadecimal(void) {
    unsigned char bytes[3];
    char text[7];
    ok(num_from_hex("00fFa5", 6, bytes, 3) && bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 0xa5,
       "hexadecimal digits become bytes");
    num_to_hex(text, bytes, 3);
    ok(!strcmp(text, "00ffa5"), "and digits again");
    ok(!num_from_hex("00ffa", 5, bytes, 3) && !num_from_hex("00ffag", 6, bytes, 3),
       "a wrong length and a wrong digit are refused");
}

int main(void) {
    integers();
    sizes_and_times();
    hexadecimal();
    return done();
}
