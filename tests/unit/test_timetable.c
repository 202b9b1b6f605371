/* link: hactl/timetable.c server/base/num.c server/base/log.c server/base/buf.c server/base/clock.c */
/* When backup sets are made, clock steps included, and which ones may go. */
#include "hactl/timetable.h"
#include "tests/unit/tap.h"

#define MIN_US (60LL * 1000000)
#define H_US   (60 * MIN_US)
#define D_US   (24 * H_US)
#define T0     (20000 * D_US) /* a midnight, UTC */

static struct schedule parsed(const char *kind, const char *when) {
    struct schedule s;
    ok(schedule_parse(kind, when, &s), "%s %s", kind, when ? when : "");
    return s;
}

static void words(void) {
    struct schedule s;
    char text[32];
    static const char *const bad[][2] = {{"daily", NULL},    {"daily", "3:30"},  {"daily", "24:00"},
                                         {"daily", "03:60"}, {"daily", "03-30"}, {"every", "4m"},
                                         {"every", "31d"},   {"every", "90s"},   {"every", "6"},
                                         {"every", "-6h"},   {"off", "now"},     {"weekly", "1"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(!schedule_parse(bad[i][0], bad[i][1], &s), "'%s %s' is refused", bad[i][0],
           bad[i][1] ? bad[i][1] : "");
    s = parsed("daily", "03:30");
    schedule_text(&s, text);
    is_str(text, "daily 03:30", "said back");
    s = parsed("every", "6h");
    schedule_text(&s, text);
    is_str(text, "every 6h", "said back");
    s = parsed("every", "90m");
    schedule_text(&s, text);
    is_str(text, "every 90m", "said back");
    is_int(parsed("off", NULL).kind, SCHEDULE_OFF, "off");
    is_int(parsed("daily", "00:00").minutes, 0, "midnight");
    is_int(parsed("daily", "08:09").minutes, 8 * 60 + 9, "leading zeros");
}

static bool due(const struct schedule *s, int64_t wall, int64_t last, uint64_t boot_ms,
                uint64_t tried_ms) {
    struct timetable_now t = {wall, boot_ms, last, tried_ms, T0};
    return timetable_due(s, &t);
}

static void daily(void) {
    struct schedule s = parsed("daily", "03:30");
    uint64_t b = 100000000;
    ok(!due(&s, T0 + 3 * H_US, 0, b, 0), "before its time a new schedule waits");
    ok(due(&s, T0 + 3 * H_US + 30 * MIN_US, 0, b, 0), "at its time it is due");
    ok(!due(&s, T0 + 4 * H_US, T0 + 3 * H_US + 31 * MIN_US, b, 0), "once made it is not");
    ok(due(&s, T0 + 9 * H_US, T0 - 20 * H_US, b, 0), "one that was missed is made up for");
    ok(due(&s, T0 + 5 * D_US + 9 * H_US, T0 - 20 * H_US, b, 0), "once, also when five were missed");
    ok(!due(&s, T0 + 5 * D_US + 9 * H_US, T0 + 5 * D_US + 8 * H_US, b, 0),
       "and not again that day");
    ok(!due(&s, T0 + 9 * H_US, T0 - 20 * H_US, b, b - 60000),
       "a failed try is not repeated at once");
    ok(due(&s, T0 + 9 * H_US, T0 - 20 * H_US, b, b - TIMETABLE_RETRY_MS), "but after a while");
    ok(!due(&s, T0 - 30 * D_US, T0, b, b - 3600000),
       "a clock that went back a month makes none at once");
    ok(due(&s, T0 - 30 * D_US, T0, b, b - 86400000),
       "but a day later by the clock that does not step");
    is_int(timetable_next(&s, T0 + 3 * H_US, 0), T0 + 3 * H_US + 30 * MIN_US,
           "the next one is today's");
    is_int(timetable_next(&s, T0 + 4 * H_US, 0), T0 + D_US + 3 * H_US + 30 * MIN_US,
           "then tomorrow's");
}

static void every(void) {
    struct schedule s = parsed("every", "6h"), quick = parsed("every", "5m"),
                    off = parsed("off", NULL);
    uint64_t b = 100000000;
    ok(due(&s, T0, 0, b, 0), "the first one is made at once");
    ok(!due(&s, T0 + 5 * H_US, T0, b, 0) && due(&s, T0 + 6 * H_US, T0, b, 0),
       "then every six hours");
    ok(due(&quick, T0 + 5 * MIN_US, T0, b, b - 5 * 60000),
       "a short period does not wait for the time between tries");
    ok(!due(&off, T0 + D_US, 0, b, 0), "off is never");
    is_int(timetable_next(&s, T0 + H_US, T0), T0 + 6 * H_US, "the next one");
    is_int(timetable_next(&off, T0, T0), 0, "none");
}

/* g good, x damaged, n named, r of a rollback; one a day, the last one today. Returns those that stay. */
static const char *stay(const char *kinds, bool by_days, unsigned count) {
    static char out[64];
    struct kept_set sets[64];
    struct retention r = {by_days, count};
    size_t n = strlen(kinds), to = 0;
    for (size_t i = 0; i < n; i++)
        sets[i] = (struct kept_set){.begin_us = T0 - (int64_t)(n - 1 - i) * D_US - H_US,
                                    .good = kinds[i] != 'x',
                                    .named = kinds[i] == 'n',
                                    .rollback = kinds[i] == 'r'};
    size_t dropped = timetable_prune(&r, T0, sets, n);
    for (size_t i = 0; i < n; i++)
        if (!sets[i].drop) out[to++] = kinds[i];
    out[to] = 0;
    return to + dropped == n ? out : "miscounted";
}

static void retention(void) {
    is_str(stay("ggggg", false, 3), "ggg", "three sets are kept");
    is_str(stay("gg", false, 3), "gg", "fewer than that all stay");
    is_str(stay("gxx", false, 1), "gxx",
           "the last good one stays, and newer damaged ones do not count");
    is_str(stay("xggg", false, 3), "ggg", "a damaged one goes when enough good ones are newer");
    is_str(stay("gxgxg", false, 2), "gxg", "damaged ones make no room");
    is_str(stay("nggg", false, 1), "ng", "one with a name is kept");
    is_str(stay("gnn", false, 1), "gnn", "and does not stand for the others");
    is_str(stay("rggg", false, 1), "rg", "the state before a rollback is kept for a week");
    is_str(stay("rgggggggg", false, 1), "g", "and then goes like the others");
    is_str(stay("gggggg", true, 3), "ggg", "by days");
    is_str(stay("gxxxxxxx", true, 3), "gxxxxxxx", "never the last good one, however old");
    is_str(stay("ggxxxxxx", true, 3), "gxxxxxx", "the one before it goes");
    is_str(stay("", false, 3), "", "nothing of nothing");
}

int main(void) {
    words();
    daily();
    every();
    retention();
    return done();
}
