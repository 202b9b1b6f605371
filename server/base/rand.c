/* See rand.h. The seeded generator is xoshiro256** (Blackman and Vigna, 2018), seeded by
 * splitmix64. */
#include "server/base/rand.h"

#include <errno.h>
#include <sys/random.h>

#include "server/base/log.h"
#include "server/base/num.h"

void rand_bytes(void *out, size_t n) {
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            bug("the kernel gives no random bytes: %m");
        }
        p += got;
        n -= (size_t)got;
    }
}

void rand_hex(char *out, size_t n) {
    unsigned char bytes[32];
    while (n) {
        size_t take = n / 2 < sizeof bytes ? n / 2 : sizeof bytes;
        must(n % 2 == 0, "an even number of digits");
        rand_bytes(bytes, take);
        num_to_hex(out, bytes, take);
        out += 2 * take;
        n -= 2 * take;
    }
    *out = '\0';
}

void prng_seed(struct prng *p, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        p->s[i] = z ^ z >> 31;
    }
}

static uint64_t rotate_left(uint64_t x, int n) {
    return x << n | x >> (64 - n);
}

uint64_t prng_u64(struct prng *p) {
    uint64_t *s = p->s, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t n) {
    must(n > 0, "a range that is not empty");
    return (uint64_t)((unsigned __int128)prng_u64(p) * n >> 64);
}

double prng_unit(struct prng *p) {
    return (double)(prng_u64(p) >> 11) * 0x1p-53;
}
