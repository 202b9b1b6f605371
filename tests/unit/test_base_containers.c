/* link: server/base/buf.c server/base/hash.c server/base/log.c server/base/rand.c server/base/num.c server/base/crc32c.c */
#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/hash.h"
#include "server/base/rand.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

/* Random adds and eats against a plain array. */
static void buffer_model(uint64_t seed) {
    struct prng r;
    struct buf b = BUF_INIT;
    static char model[1 << 20];
    size_t head = 0, tail = 0;
    bool same = true;
    prng_seed(&r, seed);
    for (int i = 0; i < 20000 && same && tail < sizeof model - 300; i++) {
        char piece[300];
        size_t n = prng_below(&r, sizeof piece);
        for (size_t k = 0; k < n; k++) piece[k] = (char)prng_u64(&r);
        if (prng_below(&r, 2) && buf_len(&b) > 0) {
            n = prng_below(&r, buf_len(&b) + 1);
            buf_eat(&b, n);
            head += n;
        } else {
            buf_add(&b, piece, n);
            memcpy(model + tail, piece, n);
            tail += n;
        }
        same = buf_len(&b) == tail - head &&
               (tail == head || !memcmp(buf_head(&b), model + head, tail - head));
    }
    ok(same && tail > 100000, "a buffer holds what was added and not eaten (seed %llu)",
       (unsigned long long)seed);
    buf_clear(&b);
    buf_printf(&b, "%s-%d", "text", 42);
    ok(!strcmp(buf_cstr(&b), "text-42"), "formatted text is added whole");
    buf_free(&b);
}

/* Random puts and takes against an array indexed by the key's number. */
static void map_model(uint64_t seed) {
    enum { KEYS = 500 };
    struct prng r;
    struct map *m = map_new(true);
    static int values[KEYS];
    bool there[KEYS] = {false}, same = true;
    size_t count = 0;
    prng_seed(&r, seed);
    for (int i = 0; i < 50000 && same; i++) {
        size_t k = prng_below(&r, KEYS);
        char key[32];
        int n = snprintf(key, sizeof key, i & 1 ? "Key:%zu" : "kEY:%zu", k);
        if (prng_below(&r, 2)) {
            same = map_put(m, key, (size_t)n, &values[k]) == (there[k] ? &values[k] : NULL);
            count += !there[k];
            there[k] = true;
        } else {
            same = map_take(m, key, (size_t)n) == (there[k] ? &values[k] : NULL);
            count -= there[k];
            there[k] = false;
        }
        same = same && map_count(m) == count;
    }
    size_t cursor = 0, seen = 0;
    const char *key;
    void *value;
    while (map_next(m, &cursor, &key, NULL, &value)) seen += there[(int *)value - values];
    ok(same && seen == count, "a map holds what was put and not taken, case folded (seed %llu)",
       (unsigned long long)seed);
    map_free(m, NULL);
}

static void checksums(void) {
    ok(crc32c(0, "123456789", 9) == 0xe3069283, "CRC-32C of 123456789 is RFC 3720's check value");
    unsigned char zeros[32] = {0};
    ok(crc32c(0, zeros, 32) == 0x8a9136aa, "CRC-32C of 32 zeros is RFC 3720's");
    const char *text = "in pieces or at once, the same";
    uint32_t whole = crc32c(0, text, strlen(text));
    ok(crc32c(crc32c(0, text, 7), text + 7, strlen(text) - 7) == whole, "pieces add up");
}

static void chance(void) {
    struct prng a, b;
    prng_seed(&a, 7);
    prng_seed(&b, 7);
    bool same = true, inside = true;
    for (int i = 0; i < 1000; i++) {
        same = same && prng_u64(&a) == prng_u64(&b);
        inside = inside && prng_below(&a, 10) == prng_below(&b, 10) && prng_unit(&a) < 1 &&
                 prng_unit(&b) >= 0;
    }
    ok(same && inside, "one seed gives one sequence");
    char x[41], y[41];
    rand_hex(x, 40);
    rand_hex(y, 40);
    ok(strlen(x) == 40 && strcmp(x, y) != 0, "two random ids differ");
}

int main(void) {
    const char *given = getenv("DUET_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1;
    buffer_model(seed);
    map_model(seed);
    checksums();
    chance();
    return done();
}
