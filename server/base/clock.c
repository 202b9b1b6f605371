/* See clock.h. */
#include "server/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static uint64_t (*fake_boot_ns)(void);
static int64_t (*fake_wall_us)(void);

static uint64_t read_ns(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_boot_ns(void) {
    return fake_boot_ns ? fake_boot_ns() : read_ns(CLOCK_BOOTTIME);
}

/* ---- wall time --------------------------------------------------------------------------------- */

static int64_t anchor_limit_us; /* 0: the kernel's clock is ours */
static _Atomic int64_t anchor_us,
    step_us; /* wall time less boot time; the step that is not followed */

static int64_t kernel_wall_us(void) {
    return fake_wall_us ? fake_wall_us() : (int64_t)(read_ns(CLOCK_REALTIME) / 1000);
}

int64_t clock_wall_us(void) {
    int64_t wall = kernel_wall_us();
    if (!anchor_limit_us) return wall;
    int64_t boot = (int64_t)(clock_boot_ns() / 1000), step = wall - boot - atomic_load(&anchor_us);
    if (step > anchor_limit_us || step < -anchor_limit_us) {
        atomic_store(&step_us, step);
        return wall - step;
    }
    if (step) atomic_store(&anchor_us, wall - boot);
    if (atomic_load(&step_us)) atomic_store(&step_us, 0);
    return wall;
}

void clock_follow(void) {
    atomic_store(&anchor_us, kernel_wall_us() - (int64_t)(clock_boot_ns() / 1000));
    atomic_store(&step_us, 0);
}

void clock_anchor(int64_t limit_us) {
    clock_follow();
    anchor_limit_us = limit_us;
}

int64_t clock_step_us(void) {
    return atomic_load(&step_us);
}

/* ---- near ----------------------------------------------------------------------------------------- */

/* A rate holds when two measurements after one another agree: a counter that jumped (a virtual machine that moved), or a
 * machine that slept, spoils one. */
static void true_reading(struct clock_near *c) {
    enum { TRIES = 3, UNDISTURBED_CYCLES = 50000 };
    uint64_t cycles, boot_ns, after;
    int64_t wall_us;
    int tries = 0;
    do { /* again when this thread had to wait between the two */
        cycles = clock_cycles();
        boot_ns = clock_boot_ns();
        after = clock_cycles();
        wall_us = clock_wall_us();
    } while (after - cycles > UNDISTURBED_CYCLES && ++tries < TRIES);
    c->wall_us = wall_us;
    if (boot_ns > c->boot_ns) c->boot_ns = boot_ns;
    uint64_t gone = cycles - c->true_cycles, gone_ns = boot_ns - c->true_boot_ns;
    if (gone_ns < NS_PER_MS / 2) return; /* too short to measure by */
    double rate = c->true_cycles && gone ? (double)gone_ns / (double)gone : 0;
    bool agree = rate > c->seen_rate * 0.98 && rate < c->seen_rate * 1.02;
    c->rate = agree && !fake_boot_ns ? rate : 0;
    c->seen_rate = rate;
    c->true_cycles = cycles;
    c->true_boot_ns = boot_ns;
    c->true_wall_us = wall_us;
}

void clock_near_read(struct clock_near *c) {
    uint64_t cycles = clock_cycles();
    double ns = (double)(cycles - c->true_cycles) * c->rate;
    if (c->rate <= 0 || ns >= (double)NS_PER_MS) {
        true_reading(c);
        return;
    }
    uint64_t boot_ns = c->true_boot_ns + (uint64_t)ns;
    c->wall_us = c->true_wall_us + (int64_t)ns / 1000;
    if (boot_ns > c->boot_ns) c->boot_ns = boot_ns;
}

uint64_t clock_thread_cpu_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_set_source(uint64_t (*boot_ns)(void), int64_t (*wall_us)(void)) {
    fake_boot_ns = boot_ns;
    fake_wall_us = wall_us;
}
