#include "rootfs/power.h"

#include <fcntl.h>
#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define DEVICES 32

struct power {
    void (*pressed)(void *arg);
    void *arg;
    int fds[DEVICES];
    struct loop_io *ios[DEVICES];
    int count;
};

static bool has_power_key(int fd) {
    uint8_t keys[KEY_MAX / 8 + 1] = {0};
    return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys) >= 0 &&
           (keys[KEY_POWER / 8] & 1u << KEY_POWER % 8);
}

static void on_input(struct loop *l, void *arg, int revents) {
    struct power *p = arg;
    struct input_event ev;
    (void)l, (void)revents;
    for (int i = 0; i < p->count; i++) {
        while (read(p->fds[i], &ev, sizeof ev) == sizeof ev) {
            if (ev.type == EV_KEY && ev.code == KEY_POWER && ev.value == 1) p->pressed(p->arg);
        }
    }
}

struct power *power_new(struct loop *l, void (*pressed)(void *arg), void *arg) {
    struct power *p = xcalloc(1, sizeof *p);
    p->pressed = pressed;
    p->arg = arg;
    for (int i = 0; i < DEVICES; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) continue;
        if (!has_power_key(fd)) {
            close(fd);
            continue;
        }
        p->fds[p->count] = fd;
        p->ios[p->count] = loop_io_new(l, fd, on_input, p);
        loop_io_want(p->ios[p->count++], LOOP_READ);
    }
    log_info("power buttons: %d", p->count);
    return p;
}

void power_free(struct power *p) {
    if (!p) return;
    for (int i = 0; i < p->count; i++) {
        loop_io_free(p->ios[i]);
        close(p->fds[i]);
    }
    free(p);
}
