/* Time. Durations and evidence use CLOCK_BOOTTIME (counts suspend, never steps); wall time is for
 * people and for expiry stamps. Tests replace the source: clock and network are the only chance. */
#ifndef DUET_BASE_CLOCK_H
#define DUET_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/* Nanoseconds since boot, suspended time included. */
uint64_t clock_boot_ns(void);
static inline uint64_t clock_boot_ms(void) {
    return clock_boot_ns() / NS_PER_MS;
}
/* Wall clock, since 1970. */
int64_t clock_wall_us(void);
static inline int64_t clock_wall_ms(void) {
    return clock_wall_us() / 1000;
}
/* CPU time of this thread in nanoseconds, for tests that count work. */
uint64_t clock_thread_cpu_ns(void);

/* Another source for both clocks; NULL restores the real one. */
void clock_set_source(uint64_t (*boot_ns)(void), int64_t (*wall_us)(void));

#endif
