/* The hardware watchdog: fed from init's own loop, so that an init that hangs is reset, and only while
 * had is well: it runs and takes turns, or has ended and is being started again. A had that stands still
 * for WATCHDOG_HANG_S stops the feeding, and the machine resets WATCHDOG_RESET_S later. */
#ifndef DUET_ROOTFS_WATCHDOG_H
#define DUET_ROOTFS_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCHDOG_RESET_S 30
#define WATCHDOG_HANG_S  20

struct loop;
struct watchdog;

/* Opens /dev/watchdog and logs what it is and why the machine was last reset, as far as it knows. NULL: there is none
 * (logged). had_pid(arg) says which process had is, 0: none now. */
struct watchdog *watchdog_new(struct loop *l, pid_t (*had_pid)(void *arg), void *arg);
/* Disarms it. */
void watchdog_free(struct watchdog *w);

/* Pure: is a process well that made `turns` voluntary context switches by now? Keeps what it saw. */
struct liveness {
    pid_t pid;
    uint64_t turns;
    uint64_t moved_ns;
};
bool liveness_seen(struct liveness *l, pid_t pid, uint64_t turns, uint64_t now_ns);

#endif
