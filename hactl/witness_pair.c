#include "hactl/witness_pair.h"

#include <assert.h>
#include <string.h>

#include "hactl/ha_setup.h"
#include "server/base/hmac.h"

/* Two clocks that drift by 0.1 % each, and what a datagram may stand in a queue of ours. */
#define DRIFT_PARTS 500
#define MARGIN_NS   (5 * HA_MS)

void witness_pair_begin(struct witness_pair *p, uint64_t holder) {
    p->begun = true;
    p->holder = holder;
    p->renewed_at = p->learning_since = WITNESS_NEVER;
}

/* ---- who asks -------------------------------------------------------------------------------- */

static uint64_t nonce_of(const struct witness_pair *p, unsigned node, uint64_t life,
                         const uint8_t *secret) {
    struct {
        uint64_t life, lives;
        uint16_t pair, node;
        uint32_t zero;
    } what = {
        .life = life, .lives = p->askers[node].lives, .pair = p->number, .node = (uint16_t)node};
    uint8_t mac[HMAC_BYTES];
    uint64_t nonce;
    hmac_sha256(secret, WITNESS_SECRET, &what, sizeof what, mac);
    memcpy(&nonce, mac, sizeof nonce);
    return nonce | 1; /* never 0 */
}

static uint32_t age_ms(const struct witness_pair *p, int64_t now) {
    if (p->renewed_at == WITNESS_NEVER) return WITNESS_AGE_NEVER;
    int64_t ms = (now - p->renewed_at) / HA_MS;
    return ms < WITNESS_AGE_NEVER ? (uint32_t)ms : WITNESS_AGE_NEVER - 1;
}

static enum witness_do answer(struct witness_pair *p, const struct witness_ask *ask,
                              enum witness_verdict verdict, enum witness_reason reason,
                              const struct witness_now *t, struct witness_answer *out) {
    struct witness_asker *who = &p->askers[ask->node];
    *out = (struct witness_answer){.verdict = (uint8_t)verdict,
                                   .reason = (uint8_t)reason,
                                   .node = ask->node,
                                   .pair = p->number,
                                   .age_ms = age_ms(p, t->now),
                                   .life = ask->life,
                                   .seq = ask->seq,
                                   .nonce = nonce_of(p, ask->node, ask->life, t->secret),
                                   .holder = p->holder};
    p->granted += verdict == WITNESS_GRANTED;
    p->refused += verdict == WITNESS_REFUSED;
    p->challenged += verdict == WITNESS_CHALLENGE;
    if (verdict != WITNESS_CHALLENGE) who->verdict = (uint8_t)verdict;
    return WITNESS_REPLY;
}

/* True: believed. Else *done says what to do instead. */
static bool fresh(struct witness_pair *p, const struct witness_ask *ask,
                  const struct witness_now *t, struct witness_answer *out, enum witness_do *done) {
    struct witness_asker *who = &p->askers[ask->node];
    if (ask->life != who->life) {
        if (ask->nonce != nonce_of(p, ask->node, ask->life, t->secret)) {
            *done = answer(p, ask, WITNESS_CHALLENGE, WITNESS_NO_REASON, t, out);
            return false;
        }
        who->life = ask->life;
        who->seq = 0;
        who->lives++;
    }
    if (ask->seq <= who->seq) {
        p->repeated++;
        *done = WITNESS_SILENT;
        return false;
    }
    who->seq = ask->seq;
    who->at = t->now;
    who->kind = ask->kind;
    who->asks++;
    return true;
}

/* ---- the lease ------------------------------------------------------------------------------- */

static enum witness_do grant(struct witness_pair *p, const struct witness_ask *ask,
                             const struct witness_now *t, struct witness_answer *out) {
    assert(p->holder == ask->epoch);
    p->renewed_at = t->now;
    return answer(p, ask, WITNESS_GRANTED, WITNESS_NO_REASON, t, out);
}

static enum witness_do refuse(struct witness_pair *p, const struct witness_ask *ask,
                              enum witness_reason why, const struct witness_now *t,
                              struct witness_answer *out) {
    return answer(p, ask, WITNESS_REFUSED, why, t, out);
}

static enum witness_do write_down(struct witness_pair *p, const struct witness_ask *ask,
                                  uint64_t holder) {
    p->flight = *ask;
    p->next = holder;
    p->saving = true;
    return WITNESS_SAVE;
}

/* No record: whoever is master renews every beat, so after a while we know the highest. */
static enum witness_do learn(struct witness_pair *p, const struct witness_ask *ask,
                             const struct witness_now *t, struct witness_answer *out) {
    if (ask->kind == WITNESS_RENEW) {
        if (p->learning_since == WITNESS_NEVER) p->learning_since = t->now;
        if (ask->epoch > p->learnt) p->learnt = ask->epoch;
        if (ask->epoch == p->learnt && t->now - p->learning_since >= WITNESS_LEARN_MS * HA_MS)
            return write_down(p, ask, ask->epoch);
    }
    return refuse(p, ask, WITNESS_LEARNING, t, out);
}

static enum witness_do renew(struct witness_pair *p, const struct witness_ask *ask,
                             const struct witness_now *t, struct witness_answer *out) {
    if (ask->epoch < p->holder) return refuse(p, ask, WITNESS_ABOVE, t, out);
    if (ask->epoch > p->holder) return write_down(p, ask, ask->epoch);
    return grant(p, ask, t, out);
}

/* Nobody can be writing on the strength of a lease of ours. */
static enum witness_reason still_held(const struct witness_pair *p, const struct witness_ask *ask,
                                      const struct witness_now *t) {
    uint32_t ms = p->lease_ms > ask->lease_ms ? p->lease_ms : ask->lease_ms;
    int64_t wait = ms * HA_MS + ms * HA_MS / DRIFT_PARTS + MARGIN_NS;
    if (p->renewed_at != WITNESS_NEVER && t->now - p->renewed_at < wait) return WITNESS_HELD;
    return t->now - t->watching_since < wait ? WITNESS_YOUNG : WITNESS_NO_REASON;
}

static enum witness_do take(struct witness_pair *p, const struct witness_ask *ask,
                            const struct witness_now *t, struct witness_answer *out) {
    if (ask->epoch == p->holder) return grant(p, ask, t, out); /* the first answer was lost */
    if (ask->epoch < p->holder) return refuse(p, ask, WITNESS_ABOVE, t, out);
    enum witness_reason why = still_held(p, ask, t);
    return why ? refuse(p, ask, why, t, out) : write_down(p, ask, ask->epoch);
}

static enum witness_do reset(struct witness_pair *p, const struct witness_ask *ask,
                             const struct witness_now *t, struct witness_answer *out) {
    if (ask->epoch == p->holder) return grant(p, ask, t, out);
    /* Who took it may give it back at once; nobody else takes it off a holder that may be serving. */
    bool own = ha_epoch_node(p->holder) == ask->node;
    enum witness_reason why = own ? WITNESS_NO_REASON : still_held(p, ask, t);
    return why ? refuse(p, ask, why, t, out) : write_down(p, ask, ask->epoch);
}

enum witness_do witness_pair_ask(struct witness_pair *p, const struct witness_ask *ask,
                                 const struct witness_now *t, struct witness_answer *out) {
    enum witness_do done;
    assert(ask->pair == p->number && ask->node <= 1);
    if (!fresh(p, ask, t, out, &done)) return done;
    if (p->saving)
        return WITNESS_SILENT; /* one thing at a time; it asks again with its next beat */
    if (p->unsure) return write_down(p, ask, p->holder);
    if (ask->kind == WITNESS_LOOK) return answer(p, ask, WITNESS_SEEN, WITNESS_NO_REASON, t, out);
    /* A claim is its owner's. */
    if (ask->kind == WITNESS_TAKE && ha_epoch_node(ask->epoch) != ask->node) return WITNESS_SILENT;
    if (ask->kind == WITNESS_RENEW && ask->lease_ms > p->lease_ms) p->lease_ms = ask->lease_ms;
    if (!p->holder) return learn(p, ask, t, out);
    switch (ask->kind) {
    case WITNESS_RENEW: return renew(p, ask, t, out);
    case WITNESS_TAKE: return take(p, ask, t, out);
    default: return reset(p, ask, t, out);
    }
}

enum witness_do witness_pair_saved(struct witness_pair *p, bool ok, const struct witness_now *t,
                                   struct witness_answer *out) {
    assert(p->saving);
    p->saving = false;
    bool again = p->next == p->holder; /* what was unsure is written once more */
    p->unsure = !ok;
    if (!ok || again) return WITNESS_SILENT;
    p->holder = p->next;
    return grant(p, &p->flight, t, out);
}
