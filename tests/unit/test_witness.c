/* link: hactl/witness_wire.c hactl/witness_pair.c server/base/hmac.c */
/* The witness's codec and its rules for one pair. */
#include "hactl/witness_pair.h"

#include "hactl/ha_setup.h"
#include "tests/unit/tap.h"

static const uint8_t key[WITNESS_KEY] = "the witness's key of this pair.";
static const uint8_t other_key[WITNESS_KEY] = "that of another pair, also known";
static const uint8_t secret[WITNESS_SECRET] = "one start of the witness";

#define LEASE 500

/* One pair, its witness's clock, and both nodes' lives. */
struct scene {
    struct witness_pair pair;
    struct witness_now t;
    uint64_t life[2], seq[2], nonce[2];
    struct witness_answer got;
};

static struct scene scene(uint64_t holder) {
    struct scene s = {.pair = {.number = 7},
                      .t = {.now = 100000 * HA_MS, .secret = secret},
                      .life = {1001, 2001}};
    witness_pair_begin(&s.pair, holder);
    return s;
}

static void pass(struct scene *s, int64_t ms) {
    s->t.now += ms * HA_MS;
}

static struct witness_ask made(struct scene *s, unsigned node, enum witness_kind kind,
                               uint64_t epoch) {
    return (struct witness_ask){.kind = (uint8_t)kind,
                                .node = (uint8_t)node,
                                .pair = 7,
                                .lease_ms = LEASE,
                                .life = s->life[node],
                                .seq = ++s->seq[node],
                                .nonce = s->nonce[node],
                                .epoch = epoch};
}

/* The verdict, with a disk that obeys at once; 0: silence. A challenge is met, as the nodes do. */
static int ask(struct scene *s, unsigned node, enum witness_kind kind, uint64_t epoch) {
    for (int tries = 0; tries < 2; tries++) {
        struct witness_ask a = made(s, node, kind, epoch);
        enum witness_do todo = witness_pair_ask(&s->pair, &a, &s->t, &s->got);
        if (todo == WITNESS_SAVE) todo = witness_pair_saved(&s->pair, true, &s->t, &s->got);
        if (todo == WITNESS_SILENT) return 0;
        s->nonce[node] = s->got.nonce;
        if (s->got.verdict != WITNESS_CHALLENGE) break;
    }
    return s->got.verdict;
}

static uint64_t E(uint64_t number, unsigned node) {
    return ha_epoch(number, node);
}

/* ---- codec ---- */

static void test_codec(void) {
    struct witness_ask a = {.kind = WITNESS_TAKE,
                            .node = 1,
                            .pair = 7,
                            .lease_ms = 500,
                            .life = 0x1122334455667788,
                            .seq = 3,
                            .nonce = 9,
                            .epoch = E(4, 1)},
                       back;
    struct witness_answer r = {.verdict = WITNESS_REFUSED,
                               .reason = WITNESS_HELD,
                               .node = 1,
                               .pair = 7,
                               .age_ms = WITNESS_AGE_NEVER,
                               .life = 5,
                               .seq = 6,
                               .nonce = 8,
                               .holder = E(3, 0)},
                          again;
    uint8_t wire[WITNESS_BYTES], answer[WITNESS_BYTES], bad[WITNESS_BYTES];
    witness_put_ask(&a, key, wire);
    witness_put_answer(&r, key, answer);
    memset(&back, 0, sizeof back);
    memset(&again, 0, sizeof again);
    ok(witness_get_ask(wire, sizeof wire, key, &back) == WITNESS_OK && back.epoch == a.epoch &&
           back.life == a.life && back.seq == 3 && back.nonce == 9 && back.kind == WITNESS_TAKE &&
           back.node == 1 && back.lease_ms == 500,
       "an ask comes back as it was");
    ok(witness_get_answer(answer, sizeof answer, key, &again) == WITNESS_OK &&
           again.verdict == r.verdict && again.reason == r.reason && again.holder == r.holder &&
           again.age_ms == r.age_ms && again.life == 5 && again.seq == 6 && again.nonce == 8,
       "an answer comes back as it was");
    is_int(witness_pair_of(wire, sizeof wire), 7, "whose ask it is shows before its key is known");
    is_int(witness_get_ask(wire, sizeof wire, other_key, &back), WITNESS_FORGED,
           "another key: forged");
    is_int(witness_get_answer(wire, sizeof wire, key, &again), WITNESS_NONSENSE,
           "an ask that is sent back is no answer");
    is_int(witness_get_ask(answer, sizeof answer, key, &back), WITNESS_NONSENSE,
           "an answer is no ask");
    int believed = 0;
    for (size_t i = 0; i < 8 * sizeof wire; i++) {
        memcpy(bad, wire, sizeof bad);
        bad[i / 8] ^= (uint8_t)(1 << i % 8);
        believed += witness_get_ask(bad, sizeof bad, key, &back) == WITNESS_OK;
    }
    is_int(believed, 0, "no ask with one bit changed is believed");
    for (size_t len = 0; len < sizeof wire; len++)
        believed += witness_get_ask(wire, len, key, &back) != WITNESS_SHORT;
    is_int(believed, 0, "nor one of another length");
}

/* ---- the lease ---- */

static void test_take(void) {
    struct scene s = scene(E(3, 0));
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED, "the holder renews");
    pass(&s, LEASE);
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_REFUSED,
           "exactly its lease later nobody takes it");
    is_int(s.got.reason, WITNESS_HELD, "because clocks drift");
    pass(&s, 7);
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_GRANTED,
           "a margin later the claim is granted");
    is_int(s.pair.holder, E(4, 1), "and is the holder");
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_GRANTED,
           "also when the first answer was lost");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_REFUSED,
           "the old master is refused from now on");
    ok(s.got.reason == WITNESS_ABOVE && s.got.holder == E(4, 1), "and is told by whom");
    is_int(ask(&s, 0, WITNESS_TAKE, E(5, 0)), WITNESS_REFUSED, "it cannot take it back at once");
    pass(&s, 400);
    is_int(ask(&s, 1, WITNESS_RENEW, E(4, 1)), WITNESS_GRANTED, "the new master renews");
    pass(&s, 400);
    is_int(ask(&s, 0, WITNESS_TAKE, E(5, 0)), WITNESS_REFUSED, "and while it does, it keeps it");
    is_int(ask(&s, 0, WITNESS_TAKE, E(5, 1)), 0, "nobody takes an epoch of the other node's");
}

static void test_renew_above(void) {
    struct scene s = scene(E(3, 0));
    ask(&s, 0, WITNESS_RENEW, E(3, 0));
    is_int(ask(&s, 1, WITNESS_RENEW, E(4, 1)), WITNESS_GRANTED,
           "a master of a higher epoch (a switchover) is believed at once");
    is_int(s.pair.holder, E(4, 1), "and is the holder");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_REFUSED, "the former one is refused");
}

static void test_reset(void) {
    struct scene s = scene(E(3, 0));
    ask(&s, 0, WITNESS_RENEW, E(3, 0));
    pass(&s, 600);
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_GRANTED, "a slave takes the lease");
    is_int(ask(&s, 0, WITNESS_RESET, E(3, 0)), WITNESS_REFUSED,
           "it is not taken from it while it was held a moment ago");
    is_int(ask(&s, 1, WITNESS_RESET, E(3, 0)), WITNESS_GRANTED,
           "who took it may give it back at once");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED,
           "to the master that is heard again");
    pass(&s, 600);
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_GRANTED, "it may be taken once more");
    pass(&s, 600);
    is_int(ask(&s, 0, WITNESS_RESET, E(3, 0)), WITNESS_GRANTED,
           "a lease that came to nothing goes back to the master that resumed");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED, "which renews it");
    is_int(ask(&s, 1, WITNESS_LOOK, 0), WITNESS_SEEN, "who looks changes nothing");
    is_int(s.got.holder, E(3, 0), "and is told the holder");
}

/* ---- the witness's own life ---- */

static void test_start(void) {
    struct scene s = scene(E(3, 0));
    s.t.watching_since = s.t.now;
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_REFUSED,
           "a witness that has just started lets nobody take: the holder may have renewed before");
    is_int(s.got.reason, WITNESS_YOUNG, "and says so");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED, "the holder renews at once");
    pass(&s, 600);
    is_int(ask(&s, 1, WITNESS_TAKE, E(4, 1)), WITNESS_GRANTED, "silence that it has seen counts");
}

static void test_learning(void) {
    struct scene s = scene(0);
    is_int(ask(&s, 1, WITNESS_TAKE, E(9, 1)), WITNESS_REFUSED, "without a record nobody takes");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_REFUSED,
           "and no master is believed at once");
    pass(&s, 100);
    is_int(ask(&s, 1, WITNESS_RENEW, E(4, 1)), WITNESS_REFUSED,
           "another may come that is above it");
    pass(&s, WITNESS_LEARN_MS);
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_REFUSED, "the lower one never is");
    is_int(ask(&s, 1, WITNESS_RENEW, E(4, 1)), WITNESS_GRANTED, "the highest is, after a while");
}

static void test_disk(void) {
    struct scene s = scene(E(3, 0));
    ask(&s, 0, WITNESS_RENEW, E(3, 0));
    ask(&s, 1, WITNESS_LOOK, 0);
    pass(&s, 600);
    struct witness_ask a = made(&s, 1, WITNESS_TAKE, E(4, 1));
    is_int(witness_pair_ask(&s.pair, &a, &s.t, &s.got), WITNESS_SAVE,
           "a new holder is written down before anybody is told");
    is_int(s.pair.holder, E(3, 0), "until then the old one holds");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), 0, "nobody is answered meanwhile");
    is_int(witness_pair_saved(&s.pair, false, &s.t, &s.got), WITNESS_SILENT,
           "a write that failed is no answer");
    is_int(s.pair.holder, E(3, 0), "and changes nothing");
    a = made(&s, 0, WITNESS_RENEW, E(3, 0));
    is_int(witness_pair_ask(&s.pair, &a, &s.t, &s.got), WITNESS_SAVE,
           "what the disk holds is not known then: the old holder is written again first");
    is_int(s.pair.next, E(3, 0), "that one");
    is_int(witness_pair_saved(&s.pair, true, &s.t, &s.got), WITNESS_SILENT, "without an answer");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED, "after which all goes on");
}

/* ---- replay ---- */

static void test_replay(void) {
    struct scene s = scene(E(3, 0));
    struct witness_ask first = made(&s, 0, WITNESS_RENEW, E(3, 0));
    witness_pair_ask(&s.pair, &first, &s.t, &s.got);
    is_int(s.got.verdict, WITNESS_CHALLENGE, "a life that is new is asked for proof");
    ok(s.pair.renewed_at == WITNESS_NEVER, "and renews nothing by it");
    s.nonce[0] = s.got.nonce;
    struct witness_ask good = made(&s, 0, WITNESS_RENEW, E(3, 0));
    witness_pair_ask(&s.pair, &good, &s.t, &s.got);
    is_int(s.got.verdict, WITNESS_GRANTED, "with the nonce it is believed");
    int64_t renewed = s.pair.renewed_at;
    pass(&s, 300);
    is_int(witness_pair_ask(&s.pair, &good, &s.t, &s.got), WITNESS_SILENT,
           "the same ask again gets no answer");
    ok(s.pair.renewed_at == renewed, "and renews nothing");
    /* had starts again: another life. */
    s.life[0] = 1002;
    s.seq[0] = s.nonce[0] = 0;
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED, "the next life proves itself too");
    renewed = s.pair.renewed_at;
    pass(&s, 300);
    witness_pair_ask(&s.pair, &good, &s.t, &s.got);
    is_int(s.got.verdict, WITNESS_CHALLENGE, "an ask of the life before proves nothing any more");
    good.seq += 1000;
    witness_pair_ask(&s.pair, &good, &s.t, &s.got);
    is_int(s.got.verdict, WITNESS_CHALLENGE, "whatever its number");
    ok(s.pair.renewed_at == renewed, "and renews nothing");
    is_int(ask(&s, 0, WITNESS_RENEW, E(3, 0)), WITNESS_GRANTED,
           "the living one is not disturbed by it");
    /* The witness starts again: it has another secret and knows no lives. */
    static const uint8_t another[WITNESS_SECRET] = "the next start of the witness";
    struct witness_ask late = made(&s, 0, WITNESS_RENEW, E(3, 0));
    struct witness_pair fresh = {.number = 7};
    witness_pair_begin(&fresh, E(3, 0));
    s.t.secret = another;
    witness_pair_ask(&fresh, &late, &s.t, &s.got);
    is_int(s.got.verdict, WITNESS_CHALLENGE, "a witness that restarted asks for proof as well");
}

/* ---- chance ---- */

static uint64_t state;
static uint64_t chance(uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

/* Masters that count from when they asked and stop after demote-time, slaves that promote on a grant, a witness that
 * restarts and stands still, answers that are lost: never two that believe to hold the lease. */
static void test_never_two(void) {
    const int64_t demote = 350;
    int two = 0, takes = 0, steps = tap_full() ? 5000000 : 200000;
    struct scene s = scene(E(1, 0));
    int64_t until[2] = {0, 0};
    uint64_t serves[2] = {E(1, 0), 0};
    state = tap_seed();
    for (int i = 0; i < steps; i++) {
        unsigned n = (unsigned)chance(2);
        pass(&s, (int64_t)chance(chance(20) ? 60 : 900));
        if (chance(400) == 0)
            s.t.watching_since = s.t.now; /* restarts; lives prove themselves anew */
        if (chance(400) == 0) {
            struct witness_pair p = {.number = 7};
            witness_pair_begin(&p, s.pair.holder);
            s.pair = p;
            s.t.watching_since = s.t.now;
        }
        int64_t asked = s.t.now;
        bool renew = serves[n] && asked < until[n];
        uint64_t epoch = renew ? serves[n] : E(ha_epoch_number(s.pair.holder) + chance(2), n);
        int verdict = ask(&s, n, renew ? WITNESS_RENEW : WITNESS_TAKE, epoch);
        pass(&s, (int64_t)chance(30));
        if (verdict != WITNESS_GRANTED || chance(5) == 0) continue; /* the answer is lost */
        takes += !renew;
        serves[n] = epoch;
        until[n] = asked + demote * HA_MS;
        two += until[!n] > s.t.now && serves[!n] != 0;
    }
    is_int(two, 0, "never do both believe that they hold the lease");
    ok(takes > steps / 500, "and it changed hands often (%d times)", takes);
}

int main(void) {
    test_codec();
    test_take();
    test_renew_above();
    test_reset();
    test_start();
    test_learning();
    test_disk();
    test_replay();
    test_never_two();
    return done();
}
