/* link: server/proto/crc64.c server/base/crc32c.c server/proto/lzf.c server/base/rand.c server/base/log.c server/base/clock.c server/base/buf.c server/base/num.c */
/* CRC-64 and LZF against known vectors, and LZF against itself over random and repetitive bytes. */
#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/rand.h"
#include "server/proto/crc64.h"
#include "server/proto/lzf.h"
#include "tests/unit/tap.h"

static void test_crc64(void) {
    ok(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9caULL, "CRC-64 of 123456789 is the known one");
    ok(crc64(0, "", 0) == 0, "CRC-64 of nothing is 0");
    /* The definition itself, bit by bit: bytes and result reflected, polynomial as it is
     * published. */
    static const char lorem[] = "This is a test of the emergency broadcast system.";
    uint64_t slow = 0, reflected = 0;
    for (size_t i = 0; i < 49 * 8; i++) {
        uint64_t bit = (uint64_t)(lorem[i / 8] >> (i % 8) & 1);
        slow = (slow << 1) ^ (((slow >> 63) ^ bit) ? 0xad93d23594c935a9ULL : 0);
    }
    for (int i = 0; i < 64; i++) reflected |= (slow >> i & 1) << (63 - i);
    ok(crc64(0, lorem, 49) == reflected, "CRC-64 by tables is CRC-64 by its definition");
    bool same = true;
    for (size_t cut = 0; cut <= 49; cut++)
        same = same && crc64(crc64(0, lorem, cut), lorem + cut, 49 - cut) == crc64(0, lorem, 49);
    ok(same, "CRC-64 in two pieces is the same wherever they are cut");
}

/* Any length, any place, any begin: the processor's instructions and the tables say the same. */
static void test_instructions(uint64_t seed) {
    enum { MOST = 5000 };
    static char bytes[MOST + 64];
    struct prng p;
    int wrong64 = 0, wrong32 = 0;
    prng_seed(&p, seed);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)prng_below(&p, 256);
    for (size_t n = 0; n < MOST; n += n < 700 ? 1 : 61) {
        const char *at = bytes + prng_below(&p, 64);
        uint64_t from = prng_u64(&p);
        wrong64 += crc64(from, at, n) != crc64_by_tables(from, at, n);
        wrong32 += crc32c((uint32_t)from, at, n) != crc32c_by_tables((uint32_t)from, at, n);
    }
    printf("# seed %llu\n", (unsigned long long)seed);
    is_int(wrong64, 0, "CRC-64 by the processor's multiplication is the one by tables");
    is_int(wrong32, 0, "CRC-32C by the processor's instruction is the one by tables");
    ok(crc32c_by_tables(0, "123456789", 9) == 0xe3069283U, "CRC-32C of 123456789 is the known one");
}

static void test_known_lzf(void) {
    /* "aaaaaaaaaa": one literal, then a copy of 9 from 1 back (length - 2 = 7: a second byte,
     * 0). */
    static const unsigned char packed[] = {0x00, 'a', 0xe0, 0x00, 0x00};
    char out[16];
    size_t n = lzf_decompress(packed, sizeof packed, out, sizeof out);
    ok(n == 10 && memcmp(out, "aaaaaaaaaa", 10) == 0, "a copy that overlaps itself is unpacked");
    ok(lzf_decompress(packed, sizeof packed, out, 9) == 0, "output that does not fit is refused");
    static const unsigned char before[] = {0x20, 0x05};
    ok(lzf_decompress(before, sizeof before, out, sizeof out) == 0,
       "a copy from before the begin is refused");
    static const unsigned char cut[] = {0x05, 'a'};
    ok(lzf_decompress(cut, sizeof cut, out, sizeof out) == 0,
       "literals that end too early are refused");
}

static void test_round_trip(uint64_t seed) {
    struct prng p;
    bool same = true, smaller = false, bounded = true;
    prng_seed(&p, seed);
    for (int round = 0; round < 500; round++) {
        size_t n = prng_below(&p, round < 400 ? 2000 : 100000);
        unsigned letters = 1 + (unsigned)prng_below(&p, 250);
        char *in = xmalloc(n + 1), *packed = xmalloc(n * 2 + 64), *back = xmalloc(n + 1);
        for (size_t i = 0; i < n; i++)
            in[i] = i > 20 && prng_below(&p, 3) ? in[i - 1 - prng_below(&p, 20)]
                                                : (char)prng_below(&p, letters);
        size_t len = lzf_compress(in, n, packed, n * 2 + 64);
        same = same && (n == 0 || len > 0) && lzf_decompress(packed, len, back, n) == n &&
               memcmp(in, back, n) == 0;
        smaller = smaller || len < n / 2;
        bounded = bounded && n <= lzf_expansion_max(len);
        if (n > 8) same = same && (lzf_compress(in, n, packed, 4) <= 4);
        free(in);
        free(packed);
        free(back);
    }
    ok(same, "what was packed unpacks to the same bytes (seed %llu)", (unsigned long long)seed);
    ok(smaller, "repetitive bytes become fewer");
    ok(bounded, "the bound on expansion holds");
}

int main(void) {
    const char *seed = getenv("DUET_SEED");
    uint64_t chance = seed ? strtoull(seed, NULL, 10) : 1;
    test_crc64();
    test_instructions(chance);
    test_known_lzf();
    test_round_trip(chance);
    return done();
}
