/* link: server/base/hash.c server/base/buf.c server/base/log.c server/base/rand.c server/base/num.c server/base/clock.c */
/* The inline comparisons, copies and the hash of server/base: every length against the plain way to do it, with
 * nothing read or written beyond (the blocks are allocated to the byte); and that the hash spreads. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/rand.h"

#include <strings.h>

static struct prng prng;

static char *random_block(size_t n) {
    char *p = malloc(n ? n : 1);
    for (size_t i = 0; i < n; i++) p[i] = (char)prng_u64(&prng);
    return p;
}

static void comparing(void) {
    bool same = true, differs = true;
    for (size_t n = 0; n < 200; n++) {
        char *a = random_block(n), *b = random_block(n);
        if (n) memcpy(b, a, n);
        same &= bytes_same(a, b, n);
        for (size_t i = 0; i < n; i++) {
            b[i] ^= (char)(1 << i % 8);
            differs &= !bytes_same(a, b, n);
            b[i] = a[i];
        }
        free(a);
        free(b);
    }
    ok(same, "equal bytes are the same, at every length");
    ok(differs, "and one bit anywhere makes them differ");
    ok(!bytes_equal(BYTES("ab"), BYTES("abc")) && bytes_equal(BYTES(""), BYTES("")),
       "lengths count");
}

static void copying(void) {
    bool right = true;
    for (size_t n = 0; n < 200; n++) {
        char *from = random_block(n), *to = random_block(n);
        bytes_copy(to, from, n);
        right &= n == 0 || memcmp(to, from, n) == 0;
        free(from);
        free(to);
    }
    ok(right, "a copy of every length is the original");
}

static void loading(void) {
    bool right = true;
    for (size_t n = 0; n <= 8; n++) {
        char *p = random_block(n);
        uint64_t want = 0;
        for (size_t i = 0; i < n; i++) want |= (uint64_t)(unsigned char)p[i] << 8 * i;
        right &= bytes_load_upto8(p, n) == want;
        free(p);
    }
    ok(right, "up to eight bytes are one number, the rest zeros");
}

static void words(void) {
    bool right = true;
    for (int c = 1; c < 256; c++)
        for (int d = 1; d < 256; d++) {
            char sent = (char)c, word[2] = {(char)d, '\0'};
            bool fold = c == d || (c < 128 && d < 128 && strncasecmp(&sent, word, 1) == 0);
            right &= bytes_is((struct bytes){&sent, 1}, word) == fold;
        }
    ok(right, "words are compared with ASCII letters folded, and nothing else");
    ok(bytes_is(BYTES("KeepTTL"), "keepttl") && !bytes_is(BYTES("keepttl"), "keepttlx"),
       "whole words");
}

/* ---- The hash -------------------------------------------------------------------------------- */

/* How far from one half the chance is that an input bit turns an output bit. (Of one byte there are 256 keys only.) */
static void avalanche(void) {
    enum { ROUNDS = 600 };
    double worst = 0;
    static const size_t lens[] = {2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48};
    for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
        size_t n = lens[k], bits = n * 8;
        static unsigned turned[48 * 8][64];
        memset(turned, 0, sizeof turned);
        for (int r = 0; r < ROUNDS; r++) {
            char *p = random_block(n);
            uint64_t h = hash_bytes(p, n);
            for (size_t i = 0; i < bits; i++) {
                p[i / 8] ^= (char)(1 << i % 8);
                uint64_t x = h ^ hash_bytes(p, n);
                p[i / 8] ^= (char)(1 << i % 8);
                for (int o = 0; o < 64; o++) turned[i][o] += x >> o & 1;
            }
            free(p);
        }
        for (size_t i = 0; i < bits; i++)
            for (int o = 0; o < 64; o++) {
                double off = (double)turned[i][o] / ROUNDS - 0.5;
                if (off < 0) off = -off;
                if (off > worst) worst = off;
            }
    }
    printf("# the farthest of all pairs of bits is %.3f off one half\n", worst);
    ok(worst < 0.13, "each input bit turns each output bit half of the time"); /* 6 sigma */
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Pairs of keys whose hashes agree in the bits of mask. */
static double collisions(uint64_t *h, size_t n, uint64_t mask) {
    uint64_t *masked = malloc(n * sizeof *masked);
    double pairs = 0, run = 1;
    for (size_t i = 0; i < n; i++) masked[i] = h[i] & mask;
    qsort(masked, n, sizeof *masked, by_value);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && masked[i] == masked[i - 1]) {
            pairs += run++;
            continue;
        }
        run = 1;
    }
    free(masked);
    return pairs;
}

static void spreading(const char *before, const char *after, const char *what) {
    enum { N = 200000 };
    static const uint64_t masks[] = {0xffffffff, 0xffffffffull << 32, 0xffffff,
                                     0xfffull << 52 | 0xfff};
    uint64_t *h = malloc(N * sizeof *h);
    char text[64];
    for (unsigned i = 0; i < N; i++)
        h[i] = hash_bytes(text, (size_t)snprintf(text, sizeof text, "%s%u%s", before, i, after));
    bool fair = true;
    for (size_t k = 0; k < sizeof masks / sizeof *masks; k++) {
        double expected =
            (double)N * N / 2 / (double)((uint64_t)1 << __builtin_popcountll(masks[k]));
        double got = collisions(h, N, masks[k]);
        printf("# %s: bits %016" PRIx64 ": %.0f pairs, %.1f by chance\n", what, masks[k], got,
               expected);
        /* six standard deviations of a Poisson count */
        double off = got - expected;
        fair &= off * off <= 36 * (expected + 1);
    }
    ok(fair, "%s collide as chance would have them", what);
    free(h);
}

static void keyed(void) {
    uint64_t one = hash_bytes("key", 3), few = 0;
    for (uint64_t k = 0; k < 64; k++) {
        uint64_t key[2] = {prng_u64(&prng), prng_u64(&prng)};
        hash_set_key(key);
        uint64_t h = hash_bytes("key", 3);
        if (h == one) few++;
        /* Two lengths of the same bytes are two keys. */
        char zeros[64] = {0};
        for (size_t n = 1; n < 64; n++) few += hash_bytes(zeros, n) == hash_bytes(zeros, n - 1);
    }
    is_int((int64_t)few, 0, "the hash depends on the key and on the length");
    ok(hash_bytes_nocase("AbC-x", 5) == hash_bytes_nocase("aBc-X", 5) &&
           hash_bytes_nocase("a", 1) != hash_bytes_nocase("b", 1),
       "the folding hash folds");
}

int main(void) {
    const char *text = getenv("DUET_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    printf("# DUET_SEED=%" PRIu64 "\n", seed);
    prng_seed(&prng, seed);
    comparing();
    copying();
    loading();
    words();
    keyed();
    avalanche();
    spreading("key:000000", "", "numbered keys");
    spreading("", "", "plain numbers");
    spreading("user:", ":profile:settings:theme", "longer keys with a common end");
    return done();
}
