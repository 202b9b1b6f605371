#include "rootfs/watchdog.h"
#include "server/base/clock.h"

bool liveness_seen(struct liveness *l, pid_t pid, uint64_t turns, uint64_t now_ns) {
    if (pid == 0 || pid != l->pid || turns != l->turns) {
        *l = (struct liveness){.pid = pid, .turns = turns, .moved_ns = now_ns};
    }
    return now_ns - l->moved_ns < WATCHDOG_HANG_S * NS_PER_S;
}
