/* link: server/repl/backlog.c server/base/buf.c server/base/log.c server/base/clock.c server/base/rand.c server/base/num.c */
/* The backlog against a plain array of everything that was added. */
#include "server/base/buf.h"
#include "server/base/rand.h"
#include "server/repl/backlog.h"
#include "tests/unit/tap.h"

static bool equals(const struct backlog *b, uint64_t from, uint64_t to, const char *model,
                   uint64_t base) {
    struct iovec iov[64];
    int need = backlog_span_count(b, from, to);
    if (need > 64) return false;
    int n = backlog_spans(b, from, to, iov, 64);
    if (n != need) return false;
    for (int i = 0; i < n; i++) {
        if (memcmp(iov[i].iov_base, model + (from - base), iov[i].iov_len) != 0) return false;
        from += iov[i].iov_len;
    }
    return from == to;
}

int main(void) {
    enum { KEEP = 200000, ALL = 3000000 };
    const char *env = getenv("DUET_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 7, base = 1ULL << 40;
    struct prng p;
    prng_seed(&p, seed);
    char *model = xmalloc(ALL);
    for (size_t i = 0; i < ALL; i++) model[i] = (char)prng_u64(&p);
    struct backlog *b = backlog_new(KEEP, base);
    bool same = true, kept = true, needed = true, bounded = true;
    uint64_t need = base;
    while (backlog_end(b) - base < ALL) {
        uint64_t at = backlog_end(b) - base, n = prng_below(&p, prng_below(&p, 3) ? 90000 : 200);
        if (n > ALL - at) n = ALL - at;
        char *room = prng_below(&p, 2) ? backlog_room(b, n) : NULL;
        if (room) {
            memcpy(room, model + at, n);
            backlog_added(b, n);
        } else {
            backlog_add(b, model + at, n);
        }
        if (prng_below(&p, 4) == 0) { /* taken off again, and other bytes before them */
            backlog_cut(b, base + at);
            backlog_add(b, model + at, n / 2);
            if (need > backlog_end(b)) need = backlog_end(b);
        }
        if (prng_below(&p, 3)) need = backlog_end(b) - prng_below(&p, n / 2 + 1);
        backlog_trim(b, need);
        uint64_t first = backlog_first(b), end = backlog_end(b);
        uint64_t want = end - base < KEEP ? base : end - KEEP;
        kept = kept && first <= want;
        needed = needed && first <= need;
        bounded = bounded && (first + 65536 > (want < need ? want : need) || first == base);
        uint64_t from = first + prng_below(&p, end - first + 1),
                 to = from + prng_below(&p, end - from + 1);
        same = same && equals(b, from, to, model, base);
    }
    ok(same, "any range reads back as it was added (seed %llu)", (unsigned long long)seed);
    ok(kept, "at least keep_bytes stay");
    ok(needed, "what is needed stays");
    ok(bounded, "nothing else stays");
    backlog_reset(b, 5);
    ok(backlog_first(b) == 5 && backlog_end(b) == 5, "a reset begins elsewhere");
    backlog_add(b, "abc", 3);
    ok(equals(b, 5, 8, "abc", 5), "and goes on from there");
    is_int(backlog_span_count(b, 8, 8), 0, "an empty range has no pieces");
    backlog_skip(b, 1000);
    ok(backlog_first(b) == 1008 && backlog_end(b) == 1008 && backlog_memory(b) < 1000,
       "bytes that are only counted leave nothing held");
    backlog_skip(b, 10);
    backlog_add(b, "xyz", 3);
    ok(backlog_first(b) == 1018 && equals(b, 1018, 1021, "xyz", 1018), "and what follows is held");
    backlog_free(b);
    free(model);
    return done();
}
