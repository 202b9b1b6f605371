/* link: server/base/pair_key.c server/base/x25519.c server/base/hmac.c server/base/num.c server/base/rand.c
   server/base/log.c server/base/clock.c */
/* What follows from the pair's secret; X25519 by the examples of RFC 7748. */
#include "server/base/num.h"
#include "server/base/pair_key.h"
#include "server/base/x25519.h"
#include "tests/unit/tap.h"

static void hex(const char *text, uint8_t out[32]) {
    ok(num_from_hex(text, 64, out, 32), "an example is 64 digits");
}

static void the_rfc(void) {
    uint8_t a[32], b[32], a_shown[32], b_shown[32], want[32], got[32];
    memset(a, 0x35, 32);
    memset(b, 0x77, 32);
    x25519_public(a, a_shown);
    x25519_public(b, b_shown);
    ok(x25519(a, b_shown, want) && x25519(b, a_shown, got) && !memcmp(want, got, 32),
       "both sides come to the same number");
    /* RFC 7748, 5.2, first vector */
    hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", a);
    hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", b);
    hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", want);
    ok(x25519(a, b, got) && !memcmp(got, want, 32), "the RFC's example");
    memset(b, 0, 32);
    ok(!x25519(a, b, got), "a number from which nothing secret follows is refused");
}

static void a_new_secret(void) {
    uint8_t now[32] = {1}, other[32] = {2}, a[32], b[32], a_shown[32], b_shown[32], x[32], y[32];
    pair_key_share(a, a_shown);
    pair_key_share(b, b_shown);
    ok(pair_key_agree(now, a, a_shown, b_shown, true, x) &&
           pair_key_agree(now, b, a_shown, b_shown, false, y) && !memcmp(x, y, 32),
       "both nodes come to the same new secret");
    ok(memcmp(x, now, 32) != 0, "which is another one");
    pair_key_agree(other, b, a_shown, b_shown, false, y);
    ok(memcmp(x, y, 32) != 0, "who has another secret now comes to another one");
}

static void names(void) {
    uint8_t secret[32] = {1}, other[32] = {2}, one[32], two[32];
    char a[PAIR_FINGERPRINT_CHARS + 1], b[PAIR_FINGERPRINT_CHARS + 1];
    pair_key_of_instance(secret, 1, one);
    pair_key_of_instance(secret, 2, two);
    ok(memcmp(one, two, 32) != 0, "each instance has its own key");
    pair_key_fingerprint(secret, a);
    pair_key_fingerprint(other, b);
    ok(strlen(a) == PAIR_FINGERPRINT_CHARS && strcmp(a, b) != 0, "fingerprints tell secrets apart");
}

int main(void) {
    the_rfc();
    a_new_secret();
    names();
    return done();
}
