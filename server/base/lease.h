/* The write lease: a small mapping that had and one server share (ROOT/run/lease-N).
 *
 * had writes the deadline, the server only reads it; the server writes its liveness counters, had
 * only reads them. Nothing else is shared, so neither can be held up by the other. A deadline is in
 * CLOCK_BOOTTIME nanoseconds; 0 is "none", which is also what either side writes when it starts.
 * DESIGN.md section 5, rule 1: the server checks the lease before it executes writes and before it
 * sends replies; it must read the clock after it has read the deadline. */
#ifndef DUET_BASE_LEASE_H
#define DUET_BASE_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LEASE_MAGIC 0x31455341454c5544ULL /* "DULEASE1" */

struct lease_page {
    uint64_t magic;
    _Atomic uint64_t deadline_ns; /* had writes; 0: none */
    _Atomic uint64_t epoch;       /* had writes: the epoch that the deadline is for */
    _Atomic uint64_t had_id;      /* random per start of had */
    _Atomic uint64_t server_id;   /* the server writes: random per start of the server; 0: none */
    _Atomic uint64_t server_pid;
    _Atomic uint64_t alive_ns;    /* a server thread that never runs commands: its last turn */
    _Atomic uint64_t executor_ns; /* the executor, advanced inside long commands too */
    _Atomic uint64_t executor_busy_since_ns; /* 0 while it waits for work */
};

/* Maps path, making and initialising it when it is not there. NULL with errno. Both sides call it.
 */
struct lease_page *lease_open(const char *path);
void lease_close(struct lease_page *p);

static inline bool lease_valid(const struct lease_page *p, uint64_t now_ns) {
    return atomic_load_explicit(&p->deadline_ns, memory_order_acquire) > now_ns;
}
/* had: a new deadline (0 drops it). */
static inline void lease_set(struct lease_page *p, uint64_t epoch, uint64_t deadline_ns) {
    atomic_store_explicit(&p->epoch, epoch, memory_order_relaxed);
    atomic_store_explicit(&p->deadline_ns, deadline_ns, memory_order_release);
}

#endif
