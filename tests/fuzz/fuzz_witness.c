/* link: hactl/witness_wire.c hactl/witness_pair.c server/base/hmac.c */
/* Datagrams of any bytes at a witness and at a node, and the same bytes correctly signed: no field may lead astray. The
 * pair's state stays one that the rules allow. */
#include <stdlib.h>
#include <string.h>

#include "hactl/witness_pair.h"
#include "server/base/hmac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[WITNESS_KEY] = "fuzz", secret[WITNESS_SECRET] = "secret";

static void step(struct witness_pair *p, const struct witness_ask *ask, struct witness_now *t) {
    struct witness_answer out;
    uint8_t wire[WITNESS_BYTES], again[WITNESS_BYTES];
    struct witness_ask same;
    uint64_t before = p->holder;
    witness_put_ask(ask, key, wire);
    if (witness_get_ask(wire, sizeof wire, key, &same) != WITNESS_OK) abort();
    witness_put_ask(&same, key, again);
    if (memcmp(wire, again, sizeof wire) != 0) abort();
    enum witness_do todo = witness_pair_ask(p, ask, t, &out);
    if (p->holder != before) abort(); /* nothing changes before it is on disk */
    if (todo == WITNESS_SAVE) todo = witness_pair_saved(p, ask->seq % 7 != 0, t, &out);
    if (todo != WITNESS_REPLY) return;
    if (out.verdict == WITNESS_GRANTED && out.holder != ask->epoch) abort();
    if (out.verdict == WITNESS_REFUSED && p->holder != before) abort();
    witness_put_answer(&out, key, wire);
    if (witness_get_answer(wire, sizeof wire, key, &out) != WITNESS_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct witness_pair p = {.number = 1};
    struct witness_now t = {.now = 1000000000000, .secret = secret};
    struct witness_ask ask;
    struct witness_answer answer;
    uint8_t wire[WITNESS_BYTES];
    witness_pair_begin(&p, size ? data[0] : 0);
    while (size >= 48) {
        (void)witness_pair_of(data, size);
        (void)witness_get_ask(data, size, key, &ask);
        memcpy(wire, data, 48);
        memcpy(wire, "DuWi\001", 5);
        wire[6] = 0;
        wire[7] = 1;
        hmac_sha256(key, WITNESS_KEY, wire, 48, wire + 48);
        if (witness_get_ask(wire, sizeof wire, key, &ask) == WITNESS_OK) {
            t.now += (int64_t)data[47] * 5000000;
            step(&p, &ask, &t);
            ask.nonce = 0;
            step(&p, &ask, &t);
        }
        (void)witness_get_answer(wire, sizeof wire, key, &answer);
        data += 48;
        size -= 48;
    }
    return 0;
}
