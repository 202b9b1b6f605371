/* VIPs on the wire: asking who has them, and saying that we have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/handle.h"

size_t netcfg_vips(const struct netcfg *h, enum netcfg_group g, const struct netcfg_addr **list) {
    *list = g == NETCFG_VIP_READ ? &h->conf.read_vip : h->conf.vips;
    return g == NETCFG_VIP_READ ? h->conf.read_vip.family != 0 : h->conf.vip_count;
}

bool vip_find(const struct netcfg *h, int family, const uint8_t *ip, enum netcfg_group *g,
              unsigned *which) {
    for (*g = NETCFG_VIPS_WRITE; *g < NETCFG_GROUPS; (*g)++) {
        const struct netcfg_addr *list;
        size_t count = netcfg_vips(h, *g, &list);
        for (*which = 0; *which < count; (*which)++) {
            const struct netcfg_addr *a = &list[*which];
            if (a->family == family && memcmp(a->bytes, ip, netcfg_addr_bytes(a)) == 0) return true;
        }
    }
    return false;
}

static bool ready(struct netcfg *h, enum netcfg_group g, const struct netcfg_addr **list,
                  size_t *count, struct netcfg_error *err) {
    *count = netcfg_vips(h, g, list);
    if (*count == 0) {
        snprintf(err->text, sizeof err->text,
                 "no VIP is configured; add 'vip ADDRESS/PREFIX' to [network]");
        return false;
    }
    return service_ready(h, err);
}

/* ---- asking ---- */

static bool probe(struct netcfg *h, const struct netcfg_addr *a) {
    if (a->family == AF_INET6) return send_solicit(h, a->bytes, NULL);
    return send_arp(h, ARP_REQUEST, NULL, a->bytes, everyone);
}

bool netcfg_vip_probe(struct netcfg *h, enum netcfg_group g, uint64_t now_ns,
                      struct netcfg_error *err) {
    const struct netcfg_addr *list;
    size_t count;
    bool sent = true;
    if (!ready(h, g, &list, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!probe(h, &list[i])) sent = cannot_send(h, "a probe of the VIP", err);
    }
    if (sent) h->vip_probe_ns[g] = now_ns;
    return sent;
}

/* ---- saying ---- */

static bool announce_to_all(struct netcfg *h, const struct netcfg_addr *a) {
    if (a->family == AF_INET6) return send_advert(h, a->bytes, NULL);
    return send_arp(h, ARP_REQUEST, a->bytes, a->bytes, everyone) &&
           send_arp(h, ARP_REPLY, a->bytes, a->bytes, everyone);
}

/* As a request a machine's table takes it at once, as a reply when it has an entry already. */
static void announce_to(struct netcfg *h, const struct netcfg_addr *a,
                        const struct client_seen *to) {
    if (a->family == AF_INET6) {
        send_advert(h, a->bytes, to);
        return;
    }
    send_arp(h, ARP_REQUEST, a->bytes, to->ip, to->mac);
    send_arp(h, ARP_REPLY, a->bytes, to->ip, to->mac);
}

static void announce_to_gateway(struct netcfg *h, const struct netcfg_addr *a) {
    const struct outside *o = &h->outside[0];
    struct client_seen to = {.family = o->addr.family};
    if (!h->conf.gateway.family || !o->mac_known || o->addr.family != a->family) return;
    memcpy(to.ip, o->addr.bytes, 16);
    memcpy(to.mac, o->mac, 6);
    announce_to(h, a, &to);
}

static void announce_to_clients(struct netcfg *h, const struct netcfg_addr *list, size_t count,
                                int family) {
    struct client_seen to[CLIENTS_TOLD];
    size_t n = clients_all(&h->clients, &h->route, h->link[0].index, family, to);
    if (n > CLIENTS_TOLD / count) n = CLIENTS_TOLD / count; /* had must not be kept for long */
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < count; i++) {
            if (list[i].family == family) announce_to(h, &list[i], &to[k]);
        }
    }
}

bool netcfg_vip_announce(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err) {
    const struct netcfg_addr *list;
    size_t count;
    bool sent = true, families[2] = {false, false};
    if (!ready(h, g, &list, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!announce_to_all(h, &list[i])) sent = cannot_send(h, "an announcement of the VIP", err);
        families[list[i].family == AF_INET6] = true;
    }
    for (size_t i = 0; sent && i < count; i++) announce_to_gateway(h, &list[i]);
    if (sent && families[0]) announce_to_clients(h, list, count, AF_INET);
    if (sent && families[1]) announce_to_clients(h, list, count, AF_INET6);
    return sent;
}
