/* link: server/repl/hello.c server/base/hmac.c server/base/num.c server/base/log.c server/base/clock.c server/base/buf.c */
/* The pair's proofs: whatever they cover makes them others. */
#include "server/repl/hello.h"
#include "tests/unit/tap.h"

static const uint8_t key[HELLO_KEY_BYTES] = {1, 2, 3}, other_key[HELLO_KEY_BYTES] = {1, 2, 4};

static struct hello sample(void) {
    return (struct hello){.master = 'a',
                          .slave = 'b',
                          .master_nonce = "00112233445566778899aabbccddeeff",
                          .slave_nonce = "ffeeddccbbaa99887766554433221100",
                          .key = key};
}

static bool proves(const struct hello *h, const char *name, const char *text, const char *proof) {
    return hello_proven(h, name, text, (struct bytes){proof, strlen(proof)});
}

int main(void) {
    struct hello h = sample(), c;
    char proof[HELLO_PROOF_CHARS + 1], bad[HELLO_PROOF_CHARS + 1];
    hello_proof(&h, "slave", "? 0", proof);
    ok(proves(&h, "slave", "? 0", proof), "a proof proves");
    ok(!proves(&h, "master", "? 0", proof), "but not another thing");
    ok(!proves(&h, "slave", "? 1", proof), "nor another text");
    c = h, c.key = other_key;
    ok(!proves(&c, "slave", "? 0", proof), "nor with another key");
    c.key = NULL;
    ok(!proves(&c, "slave", "? 0", proof), "nor without one");
    c = h, c.master_nonce[5] = '0';
    ok(!proves(&c, "slave", "? 0", proof), "nor after another number of the master");
    c = h, c.slave_nonce[31] = '1';
    ok(!proves(&c, "slave", "? 0", proof), "or of the slave");
    c = h, c.master = 'b', c.slave = 'a';
    ok(!proves(&c, "slave", "? 0", proof), "nor for the nodes the other way round");
    c = h, c.channel[31] = 1;
    ok(!proves(&c, "slave", "? 0", proof), "nor over another channel");
    bool any = false;
    for (size_t i = 0; i < HELLO_PROOF_CHARS; i++) {
        memcpy(bad, proof, sizeof bad);
        bad[i] = bad[i] == '0' ? '1' : '0';
        any = any || proves(&h, "slave", "? 0", bad);
    }
    ok(!any, "every digit counts");
    proof[HELLO_PROOF_CHARS - 2] = '\0';
    ok(!proves(&h, "slave", "? 0", proof) && !proves(&h, "slave", "? 0", ""), "a part is none");
    ok(hello_is_nonce(BYTES("00112233445566778899aabbccddeeff")) &&
           !hello_is_nonce(BYTES("0011")) &&
           !hello_is_nonce(BYTES("00112233445566778899aabbccddeefg")),
       "a number is 32 digits");
    uint64_t m, s, m2, s2;
    hello_words(&h, &m, &s);
    c = h, c.slave_nonce[0] = '0';
    hello_words(&c, &m2, &s2);
    ok(m != s && m != m2 && s != s2, "the blocks' words differ by direction and by session");
    return done();
}
