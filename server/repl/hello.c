#include "server/repl/hello.h"

#include "server/base/hmac.h"
#include "server/base/log.h"
#include "server/base/num.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 128 };

bool hello_is_nonce(struct bytes s) {
    uint8_t bytes[HELLO_NONCE_CHARS / 2];
    return num_from_hex(s.p, s.len, bytes, sizeof bytes);
}

static void mac(const struct hello *h, const char *name, const char *text,
                uint8_t out[HMAC_BYTES]) {
    char all[320], channel[2 * HELLO_CHANNEL + 1];
    num_to_hex(channel, h->channel, sizeof h->channel);
    int n = snprintf(all, sizeof all, "duet %s link %s|%c %s|%c %s|%s|%s", HELLO_VERSION, name,
                     h->master, h->master_nonce, h->slave, h->slave_nonce, channel, text);
    must(n > 0 && (size_t)n < sizeof all && strlen(text) <= TEXT_MAX, "a proof covers all of it");
    hmac_sha256(h->key ? (const void *)h->key : "", h->key ? HELLO_KEY_BYTES : 0, all, (size_t)n,
                out);
}

void hello_proof(const struct hello *h, const char *name, const char *text,
                 char out[HELLO_PROOF_CHARS + 1]) {
    uint8_t m[HMAC_BYTES];
    mac(h, name, text, m);
    num_to_hex(out, m, sizeof m);
}

bool hello_proven(const struct hello *h, const char *name, const char *text, struct bytes proof) {
    uint8_t theirs[HMAC_BYTES], ours[HMAC_BYTES];
    mac(h, name, text, ours);
    return num_from_hex(proof.p, proof.len, theirs, sizeof theirs) &&
           bytes_equal_ct(ours, theirs, sizeof ours);
}

void hello_words(const struct hello *h, uint64_t *master, uint64_t *slave) {
    uint8_t m[HMAC_BYTES];
    mac(h, "blocks", "", m);
    *master = bytes_load64(m);
    *slave = bytes_load64(m + 8);
}
