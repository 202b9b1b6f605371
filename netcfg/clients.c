#include "netcfg/clients.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

static size_t ip_bytes(int family) {
    return family == AF_INET6 ? 16 : 4;
}

static bool same(const struct client_seen *a, int family, const uint8_t *ip) {
    return a->family == family && memcmp(a->ip, ip, ip_bytes(family)) == 0;
}

void clients_note(struct clients *c, int family, const uint8_t *ip, const uint8_t mac[6]) {
    struct client_seen *at = &c->list[0];
    for (size_t i = 0; i < CLIENTS_SEEN; i++) {
        struct client_seen *one = &c->list[i];
        if (one->seen < at->seen) at = one;
        if (!same(one, family, ip)) continue;
        at = one;
        break;
    }
    memset(at, 0, sizeof *at);
    at->family = family;
    memcpy(at->ip, ip, ip_bytes(family));
    memcpy(at->mac, mac, sizeof at->mac);
    at->seen = ++c->count;
}

struct gather {
    int index, family;
    struct client_seen *out;
    size_t count;
};

static void add(struct gather *g, const uint8_t *ip, const uint8_t *mac) {
    if (g->count == CLIENTS_TOLD) return;
    for (size_t i = 0; i < g->count; i++) {
        if (same(&g->out[i], g->family, ip)) return;
    }
    struct client_seen *one = &g->out[g->count++];
    memset(one, 0, sizeof *one);
    one->family = g->family;
    memcpy(one->ip, ip, ip_bytes(g->family));
    memcpy(one->mac, mac, sizeof one->mac);
}

static void take_neighbour(const struct nlmsghdr *m, void *arg) {
    struct gather *g = arg;
    const struct ndmsg *n = NLMSG_DATA(m);
    size_t ip_len, mac_len;
    if (m->nlmsg_type != RTM_NEWNEIGH || n->ndm_ifindex != g->index || n->ndm_family != g->family ||
        !(n->ndm_state & USABLE)) {
        return;
    }
    const uint8_t *ip = nl_find(m, sizeof *n, NDA_DST, &ip_len);
    const uint8_t *mac = nl_find(m, sizeof *n, NDA_LLADDR, &mac_len);
    if (!ip || !mac || ip_len != ip_bytes(g->family) || mac_len != NETCFG_MAC_BYTES) return;
    if (mac[0] & 1) return; /* a group, not a machine */
    add(g, ip, mac);
}

size_t clients_all(const struct clients *c, struct nl *route, int index, int family,
                   struct client_seen out[CLIENTS_TOLD]) {
    struct gather g = {.index = index, .family = family, .out = out};
    struct ndmsg want = {.ndm_family = (uint8_t)family, .ndm_ifindex = index};
    struct nl_msg m;
    for (size_t i = 0; i < CLIENTS_SEEN; i++) {
        if (c->list[i].family == family) add(&g, c->list[i].ip, c->list[i].mac);
    }
    nl_clear(&m);
    nl_begin(&m, RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, &want, sizeof want);
    nl_attr_u32(&m, NDA_IFINDEX, (uint32_t)index);
    nl_dump(route, &m, take_neighbour, &g);
    return g.count;
}
