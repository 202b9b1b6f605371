#include "hactl/vip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define RETRY_NS    (100 * NS_PER_MS)
#define REFRESH_NS  (10 * NS_PER_S)
#define LEFTOVER_NS (3 * NS_PER_S) /* an address that nobody wanted for so long is taken off */
#define BURST       5

/* From the first announcement on, when each of the burst is due, in ms. */
static const uint64_t burst_ms[BURST] = {0, 60, 200, 450, 900};

struct vip {
    struct netcfg *net;
    bool wanted, on;
    bool maybe_left; /* an earlier had may have left it on */
    uint64_t made_ns;
    uint64_t until_ns; /* of the lease */
    uint64_t retry_ns;
    uint64_t burst_from_ns;
    int burst_done; /* of BURST */
    uint64_t next_announce_ns;
    char trouble[320];
};

/* The same trouble is logged once, until it ends. */
static bool note(struct vip *v, bool good, const struct netcfg_error *err) {
    if (good) {
        v->trouble[0] = 0;
    } else if (strcmp(v->trouble, err->text) != 0) {
        snprintf(v->trouble, sizeof v->trouble, "%s", err->text);
        log_error("%s", v->trouble);
    }
    return good;
}

void vip_lease(struct vip *v, uint64_t now_ns, uint64_t until_ns) {
    struct netcfg_error err = {""};
    bool was_open = v->until_ns > now_ns;
    v->until_ns = until_ns;
    if (until_ns > now_ns)
        note(v, netcfg_vip_renew(v->net, (until_ns - now_ns) / NS_PER_MS, &err), &err);
    else if (was_open)
        note(v, netcfg_vip_guard_drop(v->net, &err), &err);
}

static void announce_now(struct vip *v, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (v->until_ns <= now_ns) return; /* only the holder of the lease may say so */
    /* It stands there, unless somebody else took it off or the interface was made anew. */
    if (!note(v, netcfg_vip_add(v->net, &err), &err)) return;
    note(v, netcfg_vip_announce(v->net, &err), &err);
}

void vip_announce(struct vip *v, uint64_t now_ns, bool burst) {
    if (!v->wanted) return;
    if (burst) {
        v->burst_from_ns = now_ns;
        v->burst_done = 0;
    }
    v->next_announce_ns = now_ns;
    vip_tick(v, now_ns);
}

static void put_on(struct vip *v, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (now_ns < v->retry_ns) return;
    v->retry_ns = now_ns + RETRY_NS;
    if (!note(v, netcfg_vip_add(v->net, &err), &err)) return;
    v->on = true;
    v->burst_from_ns = v->next_announce_ns = now_ns;
    v->burst_done = 0;
}

static void take_off(struct vip *v) {
    struct netcfg_error err = {""};
    v->maybe_left = false;
    v->on = !note(v, netcfg_vip_remove(v->net, &err), &err);
}

void vip_take(struct vip *v, uint64_t now_ns) {
    v->wanted = true;
    v->maybe_left = false;
    v->retry_ns = 0;
    if (!v->on) put_on(v, now_ns);
    vip_tick(v, now_ns);
}

void vip_drop(struct vip *v) {
    v->wanted = false;
    take_off(v);
}

void vip_tick(struct vip *v, uint64_t now_ns) {
    if (!v->wanted && (v->on || (v->maybe_left && now_ns - v->made_ns > LEFTOVER_NS))) take_off(v);
    if (v->wanted && !v->on) put_on(v, now_ns);
    if (!v->wanted || !v->on || now_ns < v->next_announce_ns) return;
    announce_now(v, now_ns);
    if (v->burst_done < BURST) v->burst_done++;
    v->next_announce_ns = v->burst_done < BURST
                              ? v->burst_from_ns + burst_ms[v->burst_done] * NS_PER_MS
                              : now_ns + REFRESH_NS;
}

bool vip_held(const struct vip *v) {
    return v->wanted && v->on;
}
const char *vip_trouble(const struct vip *v) {
    return v->trouble;
}

struct vip *vip_new(struct netcfg *net, uint64_t now_ns, struct netcfg_error *err) {
    if (!netcfg_vip_guard_install(net, err)) return NULL;
    struct vip *v = xcalloc(1, sizeof *v);
    v->net = net;
    v->made_ns = now_ns;
    v->maybe_left = true;
    return v;
}

void vip_free(struct vip *v) {
    struct netcfg_error err;
    if (!v) return;
    if (!netcfg_vip_remove(v->net, &err)) log_warning("%s", err.text);
    if (!netcfg_vip_guard_remove(v->net, &err)) log_warning("%s", err.text);
    free(v);
}
