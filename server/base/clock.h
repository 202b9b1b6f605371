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
/* From clock_anchor on wall time goes on with the clock that counts from boot. The kernel's wall clock is followed while it
 * is not more than limit_us away from that; a bigger step is not, so that no data end by it, until clock_follow says that it
 * is right or the kernel's clock comes back. Any thread may read; the two are called by one. */
void clock_anchor(int64_t limit_us);
void clock_follow(void);
/* By how much the kernel's wall clock is ahead of ours, as of the last reading; 0: it is followed. */
int64_t clock_step_us(void);
/* A counter that is cheap to read and goes on evenly; its unit is the processor's affair. */
static inline uint64_t clock_cycles(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return clock_boot_ns();
#endif
}

/* Both clocks by that counter between true readings, which are at most a millisecond apart: for times of commands and
 * for expiry, never for evidence (leases, heartbeats). Off by some microseconds; boot_ns never goes back. One thread's;
 * zeroed at first. */
struct clock_near {
    uint64_t boot_ns; /* the result */
    int64_t wall_us;
    uint64_t true_cycles, true_boot_ns; /* the last true reading */
    int64_t true_wall_us;
    double rate, seen_rate; /* nanoseconds a count: in use (0: none), and as last measured */
};
void clock_near_read(struct clock_near *c);

/* CPU time of this thread in nanoseconds, for tests that count work. */
uint64_t clock_thread_cpu_ns(void);

/* Another source for both clocks; NULL restores the real one. */
void clock_set_source(uint64_t (*boot_ns)(void), int64_t (*wall_us)(void));

#endif
