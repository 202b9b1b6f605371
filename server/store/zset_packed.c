/* See zset_packed.h. */
#include "server/store/zset_packed.h"

#include "server/base/decimal.h"
#include "server/base/log.h"
#include "server/base/num.h"

/* ---- Scores ---------------------------------------------------------------------------------- */

/* Integers up to half of what 64 bits hold are written as such; so -0 becomes 0, as it does in Redis. */
static struct bytes score_text(double score, char text[DECIMAL_CHARS]) {
    const double most = (double)(INT64_MAX / 2);
    if (score >= -most && score <= most && score == (double)(int64_t)score)
        return (struct bytes){text, num_format_i64(text, (int64_t)score)};
    return (struct bytes){text, decimal_format(text, score)};
}

bool zset_score_of(struct bytes b, double *score) {
    char text[128], *end;
    if (decimal_parse(b.p, b.len, score)) return true;
    if (b.len == 0 || b.len >= sizeof text) return false;
    memcpy(text, b.p, b.len);
    text[b.len] = '\0';
    *score = strtod(text, &end);
    return end == text + b.len && *score == *score;
}

static bool parse_score(const uint8_t *element, double *score) {
    int64_t v;
    char none[LP_DIGITS];
    if (!lp_get_int(element, &v)) return zset_score_of(lp_get(element, none), score);
    *score = (double)v;
    return true;
}

double zp_score(const uint8_t *lp, const uint8_t *at) {
    double score;
    must(parse_score(lp_next(lp, at), &score), "a sorted set's scores are numbers");
    return score;
}

/* ---- Places ---------------------------------------------------------------------------------- */

static const uint8_t *skip(const uint8_t *lp, const uint8_t *at, size_t pairs) {
    for (; pairs && at; pairs--) at = zp_next(lp, at);
    return at;
}

const uint8_t *zp_seek(const uint8_t *lp, size_t rank) {
    size_t len = zp_len(lp);
    if (rank >= len) return NULL;
    if (rank < len / 2) return skip(lp, lp_first(lp), rank);
    return lp_seek(lp, 2 * ((int64_t)rank - (int64_t)len));
}

int64_t zp_rank(const uint8_t *lp, struct bytes member) {
    const uint8_t *found = zp_find(lp, member);
    int64_t rank = 0;
    if (!found) return -1;
    for (const uint8_t *at = lp_first(lp); at != found; at = zp_next(lp, at)) rank++;
    return rank;
}

static bool is_before(const struct mark *m, const uint8_t *lp, const uint8_t *at) {
    char digits[LP_DIGITS];
    uint64_t key = score_key(zp_score(lp, at));
    return key != m->key ? key < m->key : mark_is_behind_equal(m, lp_get(at, digits));
}

/* In strides: passing a pair is cheap, reading its score less so, and most marks lie before the end. */
size_t zp_before(const uint8_t *lp, const struct mark *m, const uint8_t **at) {
    enum { STRIDE = 8 };
    size_t rank = 0, len = zp_len(lp);
    const uint8_t *from = lp_first(lp), *ahead;
    for (; len - rank > STRIDE; rank += STRIDE, from = ahead) {
        ahead = skip(lp, from, STRIDE);
        if (!is_before(m, lp, ahead)) break;
    }
    for (; from && is_before(m, lp, from); rank++) from = zp_next(lp, from);
    *at = from;
    return rank;
}

/* ---- Change ---------------------------------------------------------------------------------- */

enum zset_change zp_put(struct store *s, struct entry *e, const uint8_t *at, struct bytes member,
                        double score) {
    char text[DECIMAL_CHARS];
    struct bytes pair[] = {member, score_text(score, text)};
    struct mark m = {score_key(score), member, false};
    enum zset_change change = ZSET_ADDED;
    if (at) {
        if (zp_score(packed_of(e), at) == score) return ZSET_SAME;
        packed_splice(s, e, at, 2, NULL, 0);
        change = ZSET_MOVED;
    }
    zp_before(packed_of(e), &m, &at);
    packed_splice(s, e, at, 0, pair, 2);
    return change;
}

/* ---- Bytes from outside ---------------------------------------------------------------------- */

bool zp_valid(const uint8_t *lp, size_t size, bool *in_order) {
    char digits[2][LP_DIGITS];
    struct mark before = {0};
    double score;
    if (!lp_valid(lp, size) || lp_count(lp) == 0 || lp_count(lp) % 2) return false;
    *in_order = true;
    size_t n = 0;
    for (const uint8_t *at = lp_first(lp); at; at = zp_next(lp, at), n++) {
        if (!parse_score(lp_next(lp, at), &score)) return false;
        struct mark here = {score_key(score), lp_get(at, digits[n % 2]), false};
        if (n && (before.key > here.key ||
                  (before.key == here.key && !mark_is_behind_equal(&here, before.member))))
            *in_order = false;
        before = here;
    }
    return !packed_has_twins(lp);
}
