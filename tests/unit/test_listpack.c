/* link: server/proto/listpack.c server/base/num.c server/base/buf.c server/base/log.c server/base/rand.c server/base/clock.c */
/* Listpacks: bytes as Redis writes them, and seeded random splices against an array of strings. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/proto/listpack.h"

static void test_bytes(void) {
    static const struct {
        const char *value, *hex; /* the element without header and end */
    } known[] = {
        {"0", "0001"},
        {"127", "7f01"},
        {"128", "c08002"},
        {"-1", "dfff02"},
        {"4095", "cfff02"},
        {"-4096", "d00002"},
        {"4096", "f1001003"},
        {"-32768", "f1008003"},
        {"32768", "f200800004"},
        {"8388608", "f30000800005"},
        {"2147483648", "f4000000800000000009"},
        {"", "8001"},
        {"a", "816102"},
        {"01", "82303103"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint8_t lp[64], want[32];
        struct bytes v = {known[i].value, strlen(known[i].value)};
        size_t n = strlen(known[i].hex) / 2;
        num_from_hex(known[i].hex, 2 * n, want, n);
        lp_init(lp);
        lp_splice(lp, 6, 0, 0, &v, 1);
        is_mem(lp + 6, lp_total(lp) - 7, want, n, known[i].value[0] ? known[i].value : "(empty)");
    }
}

enum { MOST = 400 };

struct model {
    char *values[MOST];
    size_t lens[MOST], count;
    uint8_t *lp;
};

static struct bytes any_value(struct prng *p, char *text) {
    uint64_t r = prng_below(p, 10);
    size_t len = r < 5 ? prng_below(p, 70) : r == 5 ? prng_below(p, 5000) : 0;
    if (r > 5)
        return (struct bytes){text,
                              num_format_i64(text, (int64_t)prng_u64(p) >> prng_below(p, 64))};
    for (size_t i = 0; i < len; i++) text[i] = (char)('a' + prng_below(p, 26));
    return (struct bytes){text, len};
}

static void splice(struct model *m, struct prng *p) {
    static char text[3][8192];
    struct bytes values[3];
    size_t at = prng_below(p, m->count + 1), old = prng_below(p, 4), n = prng_below(p, 4);
    if (old > m->count - at) old = m->count - at;
    if (m->count + n - old > MOST) return;
    const uint8_t *from = lp_seek(m->lp, (int64_t)at), *end = from;
    size_t offset = from ? (size_t)(from - m->lp) : lp_total(m->lp) - 1, old_bytes = 0, more = 0;
    for (size_t i = 0; i < old; i++, end = lp_next(m->lp, end)) old_bytes += lp_size(end);
    for (size_t i = 0; i < n; i++) {
        values[i] = any_value(p, text[i]);
        more += lp_size_of(values[i]);
    }
    /* the exact room, so that a byte too many is seen */
    uint8_t *lp = xmalloc(lp_total(m->lp) + more);
    memcpy(lp, m->lp, lp_total(m->lp));
    free(m->lp);
    m->lp = lp;
    lp_splice(m->lp, offset, old_bytes, old, values, n);
    for (size_t i = 0; i < old; i++) free(m->values[at + i]);
    memmove(&m->values[at + n], &m->values[at + old], (m->count - at - old) * sizeof(char *));
    memmove(&m->lens[at + n], &m->lens[at + old], (m->count - at - old) * sizeof(size_t));
    for (size_t i = 0; i < n; i++) {
        m->values[at + i] = xmemdup(values[i].p, values[i].len + !values[i].len);
        m->lens[at + i] = values[i].len;
    }
    m->count += n - old;
}

static bool equal(const struct model *m) {
    char digits[LP_DIGITS];
    size_t i = 0;
    if (!lp_valid(m->lp, lp_total(m->lp)) || lp_count(m->lp) != m->count) return false;
    for (const uint8_t *at = lp_first(m->lp); at; at = lp_next(m->lp, at), i++) {
        struct bytes want = {m->values[i], m->lens[i]};
        if (!bytes_equal(lp_get(at, digits), want)) return false;
        const uint8_t *found = lp_find(m->lp, lp_first(m->lp), want, 1);
        if (!found || found > at) return false;
    }
    for (const uint8_t *at = lp_last(m->lp); at; at = lp_prev(m->lp, at)) {
        i--;
        if (!bytes_equal(lp_get(at, digits), (struct bytes){m->values[i], m->lens[i]}))
            return false;
    }
    return i == 0;
}

static void test_model(uint64_t seed, size_t steps) {
    struct prng p;
    struct model m = {.lp = xmalloc(LP_EMPTY_BYTES)};
    bool same = true;
    prng_seed(&p, seed);
    lp_init(m.lp);
    for (size_t i = 0; i < steps && same; i++) {
        splice(&m, &p);
        if (i % 16 == 0) same = equal(&m);
    }
    ok(same && equal(&m), "after %zu splices a listpack is as the model says", steps);
    size_t total = lp_total(m.lp), refused = 0;
    for (size_t i = 0; i < total; i++) { /* every byte damaged in turn: never read beyond the end */
        uint8_t *damaged = xmemdup(m.lp, total);
        damaged[i] ^= (uint8_t)(1 + prng_below(&p, 255));
        refused += !lp_valid(damaged, total);
        free(damaged);
    }
    ok(refused > 0 && !lp_valid(m.lp, total - 1),
       "damage is found (%zu of %zu bytes) and never followed", refused, total);
    for (size_t i = 0; i < m.count; i++) free(m.values[i]);
    free(m.lp);
}

int main(void) {
    test_bytes();
    test_model(tap_seed(), tap_full() ? 2000000 : 20000);
    return done();
}
