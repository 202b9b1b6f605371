/* See pair.h. The lease's page is written by two threads: the executor, and one that only ever
 * stamps alive_ns, so that "busy" and "stopped" can be told apart from outside. */
#include "server/pair.h"

#include "server/base/clock.h"
#include "server/base/lease.h"
#include "server/base/rand.h"
#include "server/server.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ALIVE_EVERY_MS = 10, ALIVE_STACK_BYTES = 128 * 1024, ALIVE_PRIORITY = 1 };

static struct lease_page *page;     /* NULL outside of a pair */
static _Atomic uint64_t told_epoch; /* of the last DUET MASTER or DUET SLAVE */
static bool busy;
static pthread_t alive_thread;
static _Atomic bool alive_stop;

bool pair_on(void) {
    return page != NULL;
}

uint64_t pair_epoch(void) {
    return told_epoch;
}

void pair_set_epoch(uint64_t epoch) {
    told_epoch = epoch;
}

bool pair_may_send(void) {
    if (!page) return true;
    uint64_t deadline = atomic_load_explicit(&page->deadline_ns, memory_order_acquire);
    uint64_t epoch = atomic_load_explicit(&page->epoch, memory_order_relaxed);
    /* A lease for another epoch is not ours: we slept through a change of roles. */
    return epoch == atomic_load_explicit(&told_epoch, memory_order_relaxed) &&
           deadline > clock_boot_ns();
}

bool pair_needs_lease(void) {
    return page && server.role == REPL_MASTER;
}

bool pair_may_serve(void) {
    return !pair_needs_lease() || pair_may_send();
}

const char *pair_refusal(void) {
    if (!page || server.role != REPL_NONE) return NULL;
    return "LOADING Duet: this node has no role in its pair yet and serves nobody; `hactl status` "
           "says why";
}

/* --- liveness --- */

void pair_executor_busy(void) {
    if (!page || busy) return;
    uint64_t now = clock_boot_ns();
    busy = true;
    atomic_store_explicit(&page->executor_busy_since_ns, now, memory_order_relaxed);
    atomic_store_explicit(&page->executor_ns, now, memory_order_relaxed);
}

void pair_executor_stamp(void) {
    if (page) atomic_store_explicit(&page->executor_ns, clock_boot_ns(), memory_order_relaxed);
}

void pair_executor_tick(void) {
    static unsigned calls;
    if (!(++calls & 63)) pair_executor_stamp();
}

void pair_executor_idle(void) {
    if (!page) return;
    busy = false;
    atomic_store_explicit(&page->executor_ns, clock_boot_ns(), memory_order_relaxed);
    atomic_store_explicit(&page->executor_busy_since_ns, 0, memory_order_relaxed);
}

static void *stamp(void *arg) {
    (void)arg;
    struct timespec pause = {0, ALIVE_EVERY_MS * 1000000L};
    while (!atomic_load(&alive_stop)) {
        atomic_store_explicit(&page->alive_ns, clock_boot_ns(), memory_order_relaxed);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return NULL;
}

static int start_thread(void) {
    pthread_attr_t attr;
    sigset_t all, old;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, ALIVE_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are the executor's */
    int failed = pthread_create(&alive_thread, &attr, stamp, NULL);
    /* A machine that is merely busy must not look like a server that stopped. Where it is not
     * allowed the thread competes like any other. */
    struct sched_param prio = {.sched_priority = ALIVE_PRIORITY};
    if (!failed) (void)pthread_setschedparam(alive_thread, SCHED_FIFO, &prio);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return failed;
}

bool pair_start(const char *path, uint64_t server_id, char *err, size_t err_size) {
    page = lease_open(path);
    if (!page) {
        snprintf(err, err_size,
                 "the lease %s cannot be mapped: %s; pair-lease must name a file in a directory "
                 "that this user may write",
                 path, strerror(errno));
        return false;
    }
    /* It starts as "none" when either side starts. */
    lease_set(page, 0, 0);
    atomic_store(&page->server_pid, (uint64_t)getpid());
    atomic_store(&page->server_id, server_id);
    pair_executor_idle();
    int failed = start_thread();
    if (failed) snprintf(err, err_size, "no thread can be started: %s", strerror(failed));
    return !failed;
}

void pair_stop(void) {
    if (!page) return;
    atomic_store(&page->server_id, 0);
    atomic_store(&alive_stop, true);
    pthread_join(alive_thread, NULL);
    lease_close(page);
    page = NULL;
}
