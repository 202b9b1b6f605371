/* The VIPs on the service interface, and the door to their guard. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/addr.h"
#include "netcfg/handle.h"
#include "netcfg/sever.h"

static bool cannot(const struct netcfg *h, const char *what, const struct netcfg_addr *a, int e,
                   const char *says, struct netcfg_error *err) {
    char text[NETCFG_ADDR_CHARS];
    snprintf(err->text, sizeof err->text, "cannot %s the VIP %s on %s: %s%s%s%s", what,
             netcfg_addr_text(a, true, text), h->link[0].name, strerror(e), *says ? " (" : "", says,
             *says ? ")" : "");
    return false;
}

bool netcfg_vip_add(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err) {
    const struct netcfg_addr *list;
    size_t count = netcfg_vips(h, g, &list);
    bool fine = true;
    if (!service_ready(h, err)) return false;
    for (size_t i = 0; i < count; i++) {
        char says[256];
        int e = addr_change(&h->route, true, h->link[0].index, &list[i], ADDR_PROTO_VIP, says);
        if (e != 0 && e != EEXIST) fine = cannot(h, "add", &list[i], e, says, err);
    }
    return fine;
}

bool netcfg_vip_remove(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err) {
    const struct netcfg_addr *list;
    size_t count = netcfg_vips(h, g, &list);
    struct netcfg_link link;
    bool fine = true;
    if (!netcfg_link(h, false, &link, err)) return true; /* they went with their interface */
    for (size_t i = 0; i < count; i++) {
        char says[256];
        int e = addr_change(&h->route, false, link.index, &list[i], ADDR_PROTO_VIP, says);
        if (e != 0 && e != EADDRNOTAVAIL && e != ENODEV)
            fine = cannot(h, "remove", &list[i], e, says, err);
    }
    return fine;
}

struct look {
    const struct netcfg_addr *wanted;
    size_t count;
    int index;
    bool found;
};

static void look(const struct nlmsghdr *m, void *arg) {
    struct look *l = arg;
    struct addr_row row;
    if (!addr_read(m, &row) || row.index != l->index) return;
    for (size_t i = 0; i < l->count; i++) l->found |= netcfg_addr_same(&row.addr, &l->wanted[i]);
}

bool netcfg_vip_present(struct netcfg *h, enum netcfg_group g) {
    struct look l = {.index = h->link[0].index};
    l.count = netcfg_vips(h, g, &l.wanted);
    return l.count && addr_dump(&h->route, look, &l) == 0 && l.found;
}

bool netcfg_vip_guard_install(struct netcfg *h, struct netcfg_error *err) {
    return guard_install(&h->guard, err);
}

bool netcfg_vip_renew(struct netcfg *h, enum netcfg_group g, uint64_t left_ms,
                      struct netcfg_error *err) {
    return guard_renew(&h->guard, g, left_ms, err);
}

bool netcfg_vip_guard_drop(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err) {
    const struct netcfg_addr *list;
    size_t count = netcfg_vips(h, g, &list);
    if (count) sever_connections(list, count);
    return guard_renew(&h->guard, g, 0, err);
}

bool netcfg_vip_guard_remove(struct netcfg *h, struct netcfg_error *err) {
    return guard_remove(&h->guard, err);
}
