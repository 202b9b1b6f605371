/* link: server/base/decimal.c server/base/num.c server/base/rand.c server/base/buf.c server/base/log.c server/base/clock.c */
/* Doubles and their text against the C library: whatever decimal.h does itself must be what that does. */
#include "server/base/decimal.h"
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/rand.h"

struct tally {
    size_t wrong, quick, all;
};

static void both_ways(struct tally *t, double v) {
    char ours[DECIMAL_CHARS + 1], theirs[64];
    double back = 0;
    snprintf(theirs, sizeof theirs, "%.17g", v);
    ours[decimal_format(ours, v)] = '\0';
    bool same = strcmp(ours, theirs) == 0;
    bool quick = decimal_parse(theirs, strlen(theirs), &back);
    if (quick && memcmp(&back, &v, sizeof v) != 0) same = false;
    if (!same && t->wrong++ < 5) printf("# %s is written %s, read %.17g\n", theirs, ours, back);
    t->quick += quick;
    t->all++;
}

static void text(struct tally *t, const char *s) {
    double v = 0;
    char *end;
    double theirs = strtod(s, &end);
    bool quick = decimal_parse(s, strlen(s), &v);
    bool same = !quick || (*end == '\0' && end > s && memcmp(&v, &theirs, sizeof v) == 0);
    if (!same && t->wrong++ < 5) printf("# \"%s\" is read as %.17g, not %.17g\n", s, v, theirs);
    t->quick += quick;
    t->all++;
}

static void chance(struct prng *p, size_t n) {
    struct tally any = {0}, usual = {0}, decimals = {0}, texts = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = prng_u64(p);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (v == v) both_ways(&any, v);
        both_ways(&usual, (prng_unit(p) - 0.5) * pow(10, (double)prng_below(p, 18)));
        both_ways(&decimals, (double)prng_below(p, 10000000) / pow(10, (double)prng_below(p, 9)));
        char s[64];
        snprintf(s, sizeof s, "%llu.%llue%d",
                 (unsigned long long)(prng_u64(p) >> prng_below(p, 64)),
                 (unsigned long long)prng_below(p, 1000), (int)prng_below(p, 70) - 35);
        text(&texts, s);
    }
    ok(any.wrong == 0, "%zu doubles of any bits", any.all);
    ok(usual.wrong == 0 && usual.quick > usual.all * 95 / 100, "%zu of usual size, quick: %zu",
       usual.all, usual.quick);
    ok(decimals.wrong == 0 && decimals.quick > decimals.all * 95 / 100,
       "%zu short ones, quick: %zu", decimals.all, decimals.quick);
    ok(texts.wrong == 0 && texts.quick > texts.all / 3, "%zu texts, quick: %zu", texts.all,
       texts.quick);
}

int main(void) {
    static const double odd[] = {0.0,
                                 -0.0,
                                 1,
                                 -1,
                                 0.1,
                                 0.5,
                                 1e15,
                                 1e16,
                                 1e17,
                                 9.9999999999999999e16,
                                 1e22,
                                 1e-4,
                                 1e-5,
                                 1e-11,
                                 1e23,
                                 1e300,
                                 5e-324,
                                 2.5,
                                 1e-27,
                                 1e27,
                                 9007199254740993.0,
                                 123456789012345680.0,
                                 0.0001,
                                 0.00012345,
                                 99999999999999984.0,
                                 INFINITY,
                                 -INFINITY,
                                 0.3,
                                 2.0 / 3,
                                 1e43,
                                 1e44,
                                 4503599627370496.5};
    static const char *const words[] = {"",
                                        "-",
                                        "+",
                                        ".",
                                        "1",
                                        "+1",
                                        "-1",
                                        "1.",
                                        ".5",
                                        "-.5e1",
                                        "1e",
                                        "1e+",
                                        "1e5",
                                        "1E-5",
                                        "1e99999",
                                        "0x10",
                                        "inf",
                                        "nan",
                                        " 1",
                                        "1 ",
                                        "1.5.5",
                                        "1e5.5",
                                        "00012",
                                        "0.000000000000000000000000001",
                                        "9007199254740993",
                                        "9007199254740992.9999",
                                        "12345678901234567890",
                                        "123456789012345678901234567890",
                                        "0e0",
                                        "-0",
                                        "-0.0e9",
                                        "1e27",
                                        "1e28",
                                        "1e-27",
                                        "1e-28",
                                        "18446744073709551615",
                                        "9999999999999999999",
                                        "1e00000000005"};
    struct prng p;
    struct tally t = {0};
    prng_seed(&p, tap_seed());
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) both_ways(&t, odd[i]);
    ok(t.wrong == 0, "%zu odd doubles", t.all);
    t = (struct tally){0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) text(&t, words[i]);
    ok(t.wrong == 0, "%zu odd texts", t.all);
    chance(&p, tap_full() ? 20000000 : 200000);
    return done();
}
