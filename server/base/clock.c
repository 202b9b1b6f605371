/* See clock.h. */
#include "server/base/clock.h"

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

int64_t clock_wall_us(void) {
    return fake_wall_us ? fake_wall_us() : (int64_t)(read_ns(CLOCK_REALTIME) / 1000);
}

uint64_t clock_thread_cpu_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_set_source(uint64_t (*boot_ns)(void), int64_t (*wall_us)(void)) {
    fake_boot_ns = boot_ns;
    fake_wall_us = wall_us;
}
