/* link: server/base/clock.c */
/* The near clock beside the true ones. */
#include "tests/unit/tap.h"

#include "server/base/clock.h"

enum {
    NEAR_US = 2000
}; /* an estimate's base is a millisecond old at most; the rest is for a busy machine */

static void beside_the_true_one(void) {
    struct clock_near near = {0};
    uint64_t end = clock_boot_ns() + 100 * NS_PER_MS, last = 0;
    int early = 0, late = 0, back = 0, wall = 0, estimated = 0, count = 0;
    while (clock_boot_ns() < end) {
        uint64_t before = clock_boot_ns();
        int64_t wall_before = clock_wall_us();
        clock_near_read(&near);
        int64_t wall_after = clock_wall_us();
        uint64_t after = clock_boot_ns();
        early += near.boot_ns + NEAR_US * 1000 < before;
        late += near.boot_ns > after + NEAR_US * 1000;
        wall += near.wall_us < wall_before - NEAR_US || near.wall_us > wall_after + NEAR_US;
        back += near.boot_ns < last;
        last = near.boot_ns;
        estimated += near.rate > 0;
        count++;
    }
    ok(early == 0, "%d readings, none is behind what was read before", count);
    is_int(late, 0, "none is ahead of what is read after");
    is_int(wall, 0, "the wall clock is as near");
    is_int(back, 0, "it never goes back");
    ok(estimated > count / 2, "and most are estimates (%d)", estimated);
}

static uint64_t fake_ns = 5 * NS_PER_S;
static int64_t fake_ahead_us = 7;
static uint64_t fake_boot(void) {
    return fake_ns;
}
static int64_t fake_wall(void) {
    return (int64_t)(fake_ns / 1000) + fake_ahead_us;
}

static void beside_a_fake_one(void) {
    struct clock_near near = {0};
    int wrong = 0;
    clock_set_source(fake_boot, fake_wall);
    for (int i = 0; i < 1000; i++, fake_ns += 700000) {
        clock_near_read(&near);
        wrong += near.boot_ns != fake_ns || near.wall_us != fake_wall();
    }
    is_int(wrong, 0, "another source is always asked");
    clock_set_source(NULL, NULL);
}

/* Small steps are followed, one after another; a big one is not, until it is said to be right or goes back. */
static void anchored(void) {
    const int64_t limit_us = 10000000, step_us = 3600LL * 1000000;
    clock_set_source(fake_boot, fake_wall);
    clock_anchor(limit_us);
    for (int i = 0; i < 5; i++) {
        fake_ns += NS_PER_S;
        fake_ahead_us += limit_us;
        is_int(clock_wall_us(), fake_wall(), "a step of the limit is followed");
    }
    int64_t before = fake_wall();
    fake_ahead_us += step_us;
    fake_ns += 3 * NS_PER_S;
    is_int(clock_wall_us(), before + 3000000, "a bigger one is not: time goes on as it did");
    is_int(clock_step_us(), step_us, "and it is told");
    fake_ahead_us -= step_us;
    is_int(clock_wall_us(), fake_wall(), "taken back, the clock is followed");
    is_int(clock_step_us(), 0, "and nothing is told");
    fake_ahead_us -= step_us;
    is_int(clock_wall_us(), before + 3000000, "backwards it is not followed either");
    clock_follow();
    is_int(clock_wall_us(), fake_wall(), "until somebody says that it is right");
    clock_anchor(0);
    clock_set_source(NULL, NULL);
}

/* A counter that jumps shows as a rate that does not agree. */
static void after_a_jump(void) {
    struct clock_near near = {0};
    uint64_t end = clock_boot_ns() + 20 * NS_PER_MS;
    while (clock_boot_ns() < end) clock_near_read(&near);
    while (clock_boot_ns() < near.true_boot_ns + NS_PER_MS)
        continue;                          /* long enough to measure by */
    near.true_cycles -= (uint64_t)1 << 40; /* as if the counter had gone on by itself */
    clock_near_read(&near);
    uint64_t after = clock_boot_ns();
    ok(near.rate <= 0, "a jump of the counter is not believed");
    /* An estimate made before may have been ahead, by less than the millisecond that it may live for. */
    ok(near.boot_ns <= after + NS_PER_MS, "and changes no time");
}

int main(void) {
    beside_the_true_one();
    beside_a_fake_one();
    anchored();
    after_a_jump();
    return done();
}
