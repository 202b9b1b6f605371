/* link: rootfs/backoff.c rootfs/liveness.c rootfs/logs.c server/base/log.c server/base/clock.c server/base/buf.c server/base/file.c */
/* The supervisor's back-off under a fake clock, the watchdog's judgement, and the bounded logs. */
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/backoff.h"
#include "rootfs/logs.h"
#include "rootfs/watchdog.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "tests/unit/tap.h"

static void test_backoff(void) {
    static const uint64_t want[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    struct backoff b = {0};
    uint64_t now = 5 * NS_PER_S;
    bool same = true;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        uint64_t wait = backoff_ended(&b, now, now + 3 * NS_PER_MS);
        if (wait != want[i]) {
            fprintf(stderr, "# restart %zu waits %" PRIu64 " ms\n", i, wait);
            same = false;
        }
        now += (3 + wait) * NS_PER_MS;
    }
    ok(same, "at once, then 100 ms doubled up to 10 s");
    is_int(b.restarts, sizeof want / sizeof want[0], "restarts are counted");
    is_int(backoff_ended(&b, now, now + 10 * NS_PER_S), 0, "after 10 s of running: at once again");
    is_int(backoff_ended(&b, now, now + 10 * NS_PER_S - 1), 100, "a little less is not enough");
}

static void test_liveness(void) {
    struct liveness l = {0};
    uint64_t t = 100 * NS_PER_S, hang = WATCHDOG_HANG_S * NS_PER_S;
    ok(liveness_seen(&l, 7, 10, t), "seen for the first time: well");
    ok(liveness_seen(&l, 7, 10, t + hang - 1), "still for a while: well");
    ok(!liveness_seen(&l, 7, 10, t + hang), "still for too long: not well");
    ok(!liveness_seen(&l, 7, 10, t + 2 * hang), "and not well it stays");
    ok(liveness_seen(&l, 7, 11, t + 2 * hang), "it moved: well again");
    ok(liveness_seen(&l, 8, 11, t + 4 * hang), "another process begins anew");
    ok(liveness_seen(&l, 0, 0, t + 9 * hang) && liveness_seen(&l, 0, 0, t + 12 * hang),
       "no process at all is the supervisor's business");
}

static size_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static void test_logs(void) {
    char dir[] = "/tmp/duet-logs-XXXXXX", path[64], old[64], line[101];
    if (!mkdtemp(dir)) abort();
    snprintf(path, sizeof path, "%s/one.log", dir);
    snprintf(old, sizeof old, "%s/one.log.1", dir);
    struct logs *l = logs_open(dir, 1000);
    ok(l != NULL, "logs are opened");
    memset(line, 'x', 99);
    line[99] = '\n';
    logs_add(l, "one", line, 100);
    logs_close(l);
    is_int(size_of(path), 100, "a line is there once the logs are closed");
    for (int i = 0; i < 25; i++) {
        l = logs_open(dir, 1000);
        logs_add(l, "one", line, 100);
        logs_close(l);
    }
    ok(size_of(path) > 0 && size_of(path) <= 1000, "the file is bounded, over restarts too");
    is_int(size_of(old), 1000, "the one before is kept");
    l = logs_open(dir, 1 << 20);
    for (int i = 0; i < 3000; i++) logs_add(l, "two", line, 100);
    logs_close(l);
    snprintf(path, sizeof path, "%s/two.log", dir);
    ok(size_of(path) > 0, "many lines at once are written");
    char *remove = xasprintf("rm -rf %s", dir);
    ok(system(remove) == 0, "cleaned up"); /* NOLINT */
    free(remove);
    ok(logs_open("/proc/nowhere", 1000) == NULL, "a folder that cannot be made is an error");
}

int main(void) {
    test_backoff();
    test_liveness();
    test_logs();
    return done();
}
