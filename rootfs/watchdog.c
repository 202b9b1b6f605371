#include "rootfs/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"

#define FEED_EACH_NS (5 * NS_PER_S)

struct watchdog {
    int fd;
    struct loop_timer *timer;
    struct liveness had;
    bool starving;
    pid_t (*had_pid)(void *arg);
    void *arg;
};

/* had wakes up at every beat, so this number grows as long as it is well. */
static uint64_t turns_of(pid_t pid) {
    char path[64];
    struct buf text = BUF_INIT;
    uint64_t turns = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (file_read_all(path, &text, 65536)) {
        const char *word = "\nvoluntary_ctxt_switches:\t";
        const char *at = strstr(buf_cstr(&text), word);
        if (at) turns = strtoull(at + strlen(word), NULL, 10);
    }
    buf_free(&text);
    return turns;
}

static void feed(struct loop *l, void *arg) {
    struct watchdog *w = arg;
    (void)l;
    pid_t pid = w->had_pid(w->arg);
    bool well = liveness_seen(&w->had, pid, pid ? turns_of(pid) : 0, clock_boot_ns());
    if (well) {
        ioctl(w->fd, WDIOC_KEEPALIVE, 0);
    } else if (!w->starving) {
        log_error("had (process %d) has stood still for %d s; the watchdog is not fed any more and "
                  "resets this machine in %d s",
                  (int)pid, WATCHDOG_HANG_S, WATCHDOG_RESET_S);
    }
    w->starving = !well;
}

static void say_reset_cause(int fd) {
    int status = 0;
    if (ioctl(fd, WDIOC_GETBOOTSTATUS, &status) != 0) return;
    if (status & WDIOF_CARDRESET) log_warning("the last reset of this machine was the watchdog's");
    if (status & WDIOF_OVERHEAT) log_warning("the last reset of this machine was by overheating");
    if (status & WDIOF_POWERUNDER) log_warning("the last reset was by a failing power supply");
    if (status & WDIOF_EXTERN1) log_warning("the last reset was by an external relay");
}

struct watchdog *watchdog_new(struct loop *l, pid_t (*had_pid)(void *arg), void *arg) {
    struct watchdog_info info = {0};
    int seconds = WATCHDOG_RESET_S;
    int fd = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        log_warning("no hardware watchdog: /dev/watchdog: %s; a machine that hangs stays so",
                    strerror(errno));
        return NULL;
    }
    ioctl(fd, WDIOC_GETSUPPORT, &info);
    if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) != 0) ioctl(fd, WDIOC_GETTIMEOUT, &seconds);
    log_info("watchdog: %s, resets after %d s", (const char *)info.identity, seconds);
    say_reset_cause(fd);
    struct watchdog *w = xcalloc(1, sizeof *w);
    w->fd = fd;
    w->had_pid = had_pid;
    w->arg = arg;
    w->timer = loop_timer_new(l, feed, w);
    loop_timer_start(w->timer, 0, FEED_EACH_NS);
    return w;
}

void watchdog_free(struct watchdog *w) {
    if (!w) return;
    if (write(w->fd, "V", 1) != 1) log_warning("the watchdog cannot be disarmed");
    close(w->fd);
    loop_timer_free(w->timer);
    free(w);
}
