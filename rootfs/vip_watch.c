#include "rootfs/vip_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/lease.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define LOOK_EACH_NS (NS_PER_S / 2)
/* had adds the address and renews the lease within one beat; twice its longest demote-time is ample. */
#define LAPSED_NS (2 * NS_PER_S)

struct vip_watch {
    struct netcfg *net;
    struct loop_timer *timer;
    struct loop_io *io;
    struct lease_page **leases;
    size_t lease_count;
    uint64_t valid_ns; /* when a lease was last seen valid, or the VIP absent */
};

static bool any_lease(const struct vip_watch *w, uint64_t now) {
    for (size_t i = 0; i < w->lease_count; i++) {
        if (w->leases[i] && lease_valid(w->leases[i], now)) return true;
    }
    return false;
}

static void look(struct loop *l, void *arg) {
    struct vip_watch *w = arg;
    struct netcfg_error err;
    uint64_t now = clock_boot_ns();
    (void)l;
    if (any_lease(w, now) || !netcfg_vip_present(w->net, NETCFG_VIPS_WRITE)) {
        w->valid_ns = now;
        return;
    }
    if (now - w->valid_ns < LAPSED_NS) return;
    log_warning("the VIP is on the interface and no write lease has been valid for %d s; taking it "
                "off",
                (int)(LAPSED_NS / NS_PER_S));
    if (!netcfg_vip_remove(w->net, NETCFG_VIPS_WRITE, &err)) log_error("%s", err.text);
    w->valid_ns = now;
}

static void drain(struct loop *l, void *arg, int revents) {
    struct vip_watch *w = arg;
    struct netcfg_event ev;
    (void)l, (void)revents;
    while (netcfg_next(w->net, &ev)) {
    }
}

struct vip_watch *vip_watch_new(struct loop *l, const struct netcfg_conf *net, const char *tag,
                                const char *const *lease_paths, size_t lease_count) {
    struct netcfg_error err;
    if (net->vip_count == 0) return NULL;
    struct netcfg *handle = netcfg_open(net, tag, &err);
    if (!handle) {
        log_error("the VIP is not watched: %s", err.text);
        return NULL;
    }
    struct vip_watch *w = xcalloc(1, sizeof *w);
    w->net = handle;
    w->leases = xcalloc(lease_count + 1, sizeof(struct lease_page *));
    w->lease_count = lease_count;
    for (size_t i = 0; i < lease_count; i++) {
        w->leases[i] = lease_open(lease_paths[i]);
        if (!w->leases[i]) log_error("cannot open %s: %s", lease_paths[i], strerror(errno));
    }
    w->valid_ns = clock_boot_ns();
    w->timer = loop_timer_new(l, look, w);
    loop_timer_start(w->timer, LOOK_EACH_NS, LOOK_EACH_NS);
    w->io = loop_io_new(l, netcfg_fd(w->net), drain, w);
    loop_io_want(w->io, LOOP_READ);
    return w;
}

void vip_watch_free(struct vip_watch *w, bool remove_all) {
    struct netcfg_error err;
    if (!w) return;
    if (remove_all) {
        for (enum netcfg_group g = 0; g < NETCFG_GROUPS; g++) {
            if (!netcfg_vip_remove(w->net, g, &err)) log_warning("%s", err.text);
        }
        if (!netcfg_vip_guard_remove(w->net, &err)) log_warning("%s", err.text);
    }
    loop_timer_free(w->timer);
    loop_io_free(w->io);
    for (size_t i = 0; i < w->lease_count; i++) {
        if (w->leases[i]) lease_close(w->leases[i]);
    }
    free((void *)w->leases);
    netcfg_close(w->net);
    free(w);
}
