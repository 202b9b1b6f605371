#include "hactl/witness_wire.h"

#include <assert.h>

#include "server/base/hmac.h"

#define MAGIC  0x44755769u /* "DuWi" */
#define FIELDS (WITNESS_BYTES - HMAC_BYTES)

static const char *const result_names[] = {
    [WITNESS_OK] = "believed",
    [WITNESS_SHORT] = "of a length that nothing between a pair and its witness has",
    [WITNESS_ALIEN] = "of another protocol or version",
    [WITNESS_FORGED] = "not signed with the pair's witness key",
    [WITNESS_NONSENSE] = "signed, but with a value that nobody sends",
};

static const char *const reason_names[WITNESS_REASONS] = {
    [WITNESS_NO_REASON] = "",
    [WITNESS_ABOVE] = "a higher epoch holds the lease",
    [WITNESS_HELD] = "the holder renewed a moment ago",
    [WITNESS_YOUNG] = "the witness has not watched for long enough since it started",
    [WITNESS_LEARNING] = "the witness has no record of this pair yet and finds out who is master",
};

const char *witness_result_name(enum witness_result r) {
    return (unsigned)r <= WITNESS_NONSENSE ? result_names[r] : "?";
}

const char *witness_reason_name(unsigned reason) {
    return reason < WITNESS_REASONS ? reason_names[reason] : "?";
}

const char *witness_kind_name(unsigned kind) {
    switch (kind) {
    case WITNESS_RENEW: return "renew";
    case WITNESS_TAKE: return "take";
    case WITNESS_RESET: return "reset";
    case WITNESS_LOOK: return "look";
    default: return "?";
    }
}

/* ---- fields: one form for both directions ---------------------------------------------------- */

struct form {
    uint8_t type, node, reason;
    uint16_t pair;
    uint32_t ms;
    uint64_t life, seq, nonce, epoch;
};

static uint8_t *put(uint8_t *p, uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
    return p + bytes;
}

static uint64_t get(const uint8_t **p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | *(*p)++;
    return v;
}

static void put_form(const struct form *f, const uint8_t *key, uint8_t *out) {
    uint8_t *p = put(out, MAGIC, 4);
    p = put(p, WITNESS_VERSION, 1);
    p = put(p, f->type, 1);
    p = put(p, f->pair, 2);
    p = put(p, f->node, 1);
    p = put(p, f->reason, 1);
    p = put(p, 0, 2);
    p = put(p, f->ms, 4);
    p = put(p, f->life, 8);
    p = put(p, f->seq, 8);
    p = put(p, f->nonce, 8);
    p = put(p, f->epoch, 8);
    assert(p == out + FIELDS);
    hmac_sha256(key, WITNESS_KEY, out, FIELDS, p);
}

static enum witness_result get_form(const void *bytes, size_t len, const uint8_t *key,
                                    struct form *f) {
    const uint8_t *p = bytes;
    if (len != WITNESS_BYTES) return WITNESS_SHORT;
    if (get(&p, 4) != MAGIC || get(&p, 1) != WITNESS_VERSION) return WITNESS_ALIEN;
    uint8_t mac[HMAC_BYTES];
    hmac_sha256(key, WITNESS_KEY, bytes, FIELDS, mac);
    if (!bytes_equal_ct(mac, (const uint8_t *)bytes + FIELDS, HMAC_BYTES)) return WITNESS_FORGED;
    f->type = (uint8_t)get(&p, 1);
    f->pair = (uint16_t)get(&p, 2);
    f->node = (uint8_t)get(&p, 1);
    f->reason = (uint8_t)get(&p, 1);
    bool rest = get(&p, 2) == 0;
    f->ms = (uint32_t)get(&p, 4);
    f->life = get(&p, 8);
    f->seq = get(&p, 8);
    f->nonce = get(&p, 8);
    f->epoch = get(&p, 8);
    bool good = rest && f->pair && f->node <= 1 && f->life && f->seq && f->reason < WITNESS_REASONS;
    return good ? WITNESS_OK : WITNESS_NONSENSE;
}

static bool ask_is_sensible(const struct form *f) {
    bool look = f->type == WITNESS_LOOK;
    return f->type >= WITNESS_RENEW && f->type <= WITNESS_LOOK && !f->reason &&
           look == (f->epoch == 0) && f->ms >= 1 && f->ms <= 60000;
}

static bool answer_is_sensible(const struct form *f) {
    return f->type >= WITNESS_GRANTED && f->type <= WITNESS_SEEN && f->nonce != 0;
}

/* ---- what others call ------------------------------------------------------------------------ */

void witness_put_ask(const struct witness_ask *a, const uint8_t key[WITNESS_KEY],
                     uint8_t out[WITNESS_BYTES]) {
    struct form f = {.type = a->kind,
                     .node = a->node,
                     .pair = a->pair,
                     .ms = a->lease_ms,
                     .life = a->life,
                     .seq = a->seq,
                     .nonce = a->nonce,
                     .epoch = a->epoch};
    assert(ask_is_sensible(&f));
    put_form(&f, key, out);
}

void witness_put_answer(const struct witness_answer *a, const uint8_t key[WITNESS_KEY],
                        uint8_t out[WITNESS_BYTES]) {
    struct form f = {.type = a->verdict,
                     .node = a->node,
                     .reason = a->reason,
                     .pair = a->pair,
                     .ms = a->age_ms,
                     .life = a->life,
                     .seq = a->seq,
                     .nonce = a->nonce,
                     .epoch = a->holder};
    assert(answer_is_sensible(&f));
    put_form(&f, key, out);
}

uint16_t witness_pair_of(const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    if (len != WITNESS_BYTES || get(&p, 4) != MAGIC) return 0;
    p += 2;
    return (uint16_t)get(&p, 2);
}

enum witness_result witness_get_ask(const void *bytes, size_t len, const uint8_t key[WITNESS_KEY],
                                    struct witness_ask *out) {
    struct form f;
    enum witness_result r = get_form(bytes, len, key, &f);
    if (r != WITNESS_OK) return r;
    if (!ask_is_sensible(&f)) return WITNESS_NONSENSE;
    *out = (struct witness_ask){.kind = f.type,
                                .node = f.node,
                                .pair = f.pair,
                                .lease_ms = f.ms,
                                .life = f.life,
                                .seq = f.seq,
                                .nonce = f.nonce,
                                .epoch = f.epoch};
    return WITNESS_OK;
}

enum witness_result witness_get_answer(const void *bytes, size_t len,
                                       const uint8_t key[WITNESS_KEY], struct witness_answer *out) {
    struct form f;
    enum witness_result r = get_form(bytes, len, key, &f);
    if (r != WITNESS_OK) return r;
    if (!answer_is_sensible(&f)) return WITNESS_NONSENSE;
    *out = (struct witness_answer){.verdict = f.type,
                                   .reason = f.reason,
                                   .node = f.node,
                                   .pair = f.pair,
                                   .age_ms = f.ms,
                                   .life = f.life,
                                   .seq = f.seq,
                                   .nonce = f.nonce,
                                   .holder = f.epoch};
    return WITNESS_OK;
}
