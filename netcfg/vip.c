/* The VIP on the service interface, and the door to its guard. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/addr.h"
#include "netcfg/handle.h"
#include "netcfg/sever.h"

static bool vip_configured(const struct netcfg *h, struct netcfg_error *err) {
    if (h->conf.vip.family != 0) return true;
    snprintf(err->text, sizeof err->text,
             "no VIP is configured; add 'vip ADDRESS/PREFIX' to [network]");
    return false;
}

static bool cannot(const struct netcfg *h, const char *what, int e, const char *says,
                   struct netcfg_error *err) {
    char text[NETCFG_ADDR_CHARS];
    snprintf(err->text, sizeof err->text, "cannot %s the VIP %s on %s: %s%s%s%s", what,
             netcfg_addr_text(&h->conf.vip, true, text), h->link[0].name, strerror(e),
             *says ? " (" : "", says, *says ? ")" : "");
    return false;
}

bool netcfg_vip_add(struct netcfg *h, struct netcfg_error *err) {
    char says[256];
    if (!vip_configured(h, err) || !service_ready(h, err)) return false;
    int e = addr_change(&h->route, true, h->link[0].index, &h->conf.vip, ADDR_PROTO_VIP, says);
    return e == 0 || e == EEXIST || cannot(h, "add", e, says, err);
}

bool netcfg_vip_remove(struct netcfg *h, struct netcfg_error *err) {
    char says[256];
    if (!vip_configured(h, err)) return false;
    struct netcfg_link link;
    if (!netcfg_link(h, false, &link, err)) return true; /* it went with its interface */
    int e = addr_change(&h->route, false, link.index, &h->conf.vip, ADDR_PROTO_VIP, says);
    return e == 0 || e == EADDRNOTAVAIL || e == ENODEV || cannot(h, "remove", e, says, err);
}

struct look {
    const struct netcfg_addr *wanted;
    int index;
    bool found;
};

static void look(const struct nlmsghdr *m, void *arg) {
    struct look *l = arg;
    struct addr_row row;
    if (!addr_read(m, &row)) return;
    l->found |= row.index == l->index && netcfg_addr_same(&row.addr, l->wanted);
}

bool netcfg_vip_present(struct netcfg *h) {
    struct look l = {.wanted = &h->conf.vip, .index = h->link[0].index};
    return h->conf.vip.family != 0 && addr_dump(&h->route, look, &l) == 0 && l.found;
}

bool netcfg_vip_guard_install(struct netcfg *h, struct netcfg_error *err) {
    return vip_configured(h, err) && guard_install(&h->guard, err);
}

bool netcfg_vip_renew(struct netcfg *h, uint64_t left_ms, struct netcfg_error *err) {
    return vip_configured(h, err) && guard_renew(&h->guard, left_ms, err);
}

bool netcfg_vip_guard_drop(struct netcfg *h, struct netcfg_error *err) {
    if (h->conf.vip.family != 0) sever_connections(&h->conf.vip);
    return netcfg_vip_renew(h, 0, err);
}

bool netcfg_vip_guard_remove(struct netcfg *h, struct netcfg_error *err) {
    return vip_configured(h, err) && guard_remove(&h->guard, err);
}
