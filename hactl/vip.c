#include "hactl/vip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define RETRY_NS    (100 * NS_PER_MS)
#define REFRESH_NS  (10 * NS_PER_S)
#define EAGER_NS    (2 * NS_PER_S)  /* refresh for so long ... */
#define EAGER_FOR   (60 * NS_PER_S) /* ... after the link came back */
#define LEFTOVER_NS (3 * NS_PER_S)  /* an address that nobody wanted for so long is taken off */
#define BURST       5

/* From the first announcement on, when each of the burst is due, in ms. */
static const uint64_t burst_ms[BURST] = {0, 60, 200, 450, 900};

struct foreign {
    uint8_t mac[6];
    uint64_t at_ns; /* 0: never */
};

struct vip {
    struct netcfg *net;
    enum netcfg_group group;
    size_t count;
    bool wanted, on;
    bool maybe_left; /* an earlier had may have left it on */
    uint64_t made_ns;
    uint64_t until_ns; /* of the lease */
    uint64_t retry_ns;
    uint64_t burst_from_ns;
    int burst_done; /* of BURST */
    uint64_t next_announce_ns, announced_ns, eager_until_ns;
    struct foreign foreign[NETCFG_VIPS];
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
        note(v, netcfg_vip_renew(v->net, v->group, (until_ns - now_ns) / NS_PER_MS, &err), &err);
    else if (was_open)
        note(v, netcfg_vip_guard_drop(v->net, v->group, &err), &err);
}

static void announce_now(struct vip *v, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (v->until_ns <= now_ns) return; /* only the holder of the lease may say so */
    /* It stands there, unless somebody else took it off or the interface was made anew. */
    if (!note(v, netcfg_vip_add(v->net, v->group, &err), &err)) return;
    if (note(v, netcfg_vip_announce(v->net, v->group, &err), &err)) v->announced_ns = now_ns;
}

void vip_probe(struct vip *v, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (v->count) note(v, netcfg_vip_probe(v->net, v->group, now_ns, &err), &err);
}

void vip_foreign(struct vip *v, unsigned which, const uint8_t mac[6], uint64_t now_ns) {
    if (which >= NETCFG_VIPS) return;
    memcpy(v->foreign[which].mac, mac, 6);
    v->foreign[which].at_ns = now_ns;
}

bool vip_foreign_mac(const struct vip *v, unsigned which, uint64_t now_ns, uint8_t mac[6]) {
    const struct foreign *f = &v->foreign[which];
    memcpy(mac, f->mac, 6);
    return f->at_ns && now_ns - f->at_ns < VIP_FOREIGN_S * NS_PER_S;
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

void vip_link_back(struct vip *v, uint64_t now_ns) {
    v->eager_until_ns = now_ns + EAGER_FOR;
    vip_announce(v, now_ns, true);
}

static void put_on(struct vip *v, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (now_ns < v->retry_ns) return;
    v->retry_ns = now_ns + RETRY_NS;
    if (!note(v, netcfg_vip_add(v->net, v->group, &err), &err)) return;
    v->on = true;
    v->burst_from_ns = v->next_announce_ns = now_ns;
    v->burst_done = 0;
}

static void take_off(struct vip *v) {
    struct netcfg_error err = {""};
    v->maybe_left = false;
    v->on = !note(v, netcfg_vip_remove(v->net, v->group, &err), &err);
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

/* After the burst each refresh asks as well whether somebody else has it: one who never announces
 * himself is found by nothing else. */
static void refresh(struct vip *v, uint64_t now_ns) {
    announce_now(v, now_ns);
    if (v->burst_done < BURST) v->burst_done++;
    if (v->burst_done < BURST) {
        v->next_announce_ns = v->burst_from_ns + burst_ms[v->burst_done] * NS_PER_MS;
        return;
    }
    vip_probe(v, now_ns);
    v->next_announce_ns = now_ns + (now_ns < v->eager_until_ns ? EAGER_NS : REFRESH_NS);
}

void vip_tick(struct vip *v, uint64_t now_ns) {
    if (v->count == 0) return;
    if (!v->wanted && (v->on || (v->maybe_left && now_ns - v->made_ns > LEFTOVER_NS))) take_off(v);
    if (v->wanted && !v->on) put_on(v, now_ns);
    if (!v->wanted || !v->on || now_ns < v->next_announce_ns) return;
    refresh(v, now_ns);
}

bool vip_held(const struct vip *v) {
    return v->wanted && v->on;
}
bool vip_open(const struct vip *v, uint64_t now_ns) {
    return vip_held(v) && v->until_ns > now_ns;
}
uint64_t vip_announced_ns(const struct vip *v) {
    return v->announced_ns;
}
const char *vip_trouble(const struct vip *v) {
    return v->trouble;
}

struct vip *vip_new(struct netcfg *net, enum netcfg_group group, uint64_t now_ns) {
    const struct netcfg_addr *list;
    struct vip *v = xcalloc(1, sizeof *v);
    v->net = net;
    v->group = group;
    v->count = netcfg_vips(net, group, &list);
    v->made_ns = now_ns;
    v->maybe_left = true;
    return v;
}

void vip_free(struct vip *v) {
    struct netcfg_error err;
    if (!v) return;
    if (v->count && !netcfg_vip_remove(v->net, v->group, &err)) log_warning("%s", err.text);
    free(v);
}
