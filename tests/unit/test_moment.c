/* link: hactl/moment.c server/base/num.c server/base/log.c server/base/buf.c server/base/clock.c */
/* Moments as operators write them. */
#include "hactl/moment.h"
#include "tests/unit/tap.h"

#define NOW 1795285800250000LL /* 2026-11-21 18:30:00.25 UTC */

static void is(const char *text, int64_t want) {
    int64_t us = 0;
    ok(moment_parse(text, NOW, &us), "'%s' is a moment", text);
    is_int(us, want, text);
}

int main(void) {
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "18",
                                      "18:60",
                                      "24:00",
                                      "18:00:60",
                                      "1:30",
                                      "2026-11-21",
                                      "2026-13-01 00:00",
                                      "2026-02-30 10:00:00",
                                      "ago",
                                      "10 m ago",
                                      "10m",
                                      "0s ago",
                                      "-5m ago",
                                      "12345",
                                      "18:00:00 ",
                                      "2026-11-21 18:00:00x",
                                      "1795284900.",
                                      "179528490000000",
                                      "99999999999h ago"};
    int64_t us;
    is("2026-11-21 18:00:00", 1795284000000000);
    is("2026-11-21T18:00:00Z", 1795284000000000);
    is("2026-11-21 18:00", 1795284000000000);
    is("2026-11-21 18:00:00.5", 1795284000500000);
    is("2024-02-29 00:00:00", 1709164800000000);
    is("18:00", 1795284000000000);
    is("18:00:30", 1795284030000000);
    is("18:31", 1795285860000000 - 86400000000);
    is("10m ago", NOW - 600000000);
    is("90s ago", NOW - 90000000);
    is("2h ago", NOW - 7200000000);
    is("1d ago", NOW - 86400000000);
    is("1795284900", 1795284900000000);
    is("1795284900.125", 1795284900125000);
    is("now", NOW);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(!moment_parse(bad[i], NOW, &us), "'%s' is none", bad[i]);
    return done();
}
