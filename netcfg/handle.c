/* The handle of netcfg.h: its sockets, links and events. What is sent is in arp.c, addresses in vip.c.
 *
 * Sockets: packet (ARP on the service interface), icmp (echo and neighbour discovery), links
 * (notifications), route (requests), and the guard's own. The first three are behind one epoll
 * descriptor. All are bound to the service interface's index of the moment (bind_service). */
#include "netcfg/handle.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/rand.h"

#define ETHERTYPE_ARP 0x0806

static bool watch(struct netcfg *h, int fd) {
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static int open_icmp(bool v6) {
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    int hops = 255;
    /* ICMP_FILTER (1 on SOL_RAW): all but echo replies (type 0). */
    uint32_t filter = ~1u;
    if (fd < 0) return -1;
    if (v6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
        setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
    } else {
        setsockopt(fd, 255, 1, &filter, sizeof filter);
    }
    return fd;
}

static bool open_sockets(struct netcfg *h, struct netcfg_error *err) {
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->packet = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    h->icmp = open_icmp(h->conf.service.addr.family == AF_INET6);
    if (h->epoll < 0 || h->packet < 0 || h->icmp < 0 || !watch(h, h->packet) ||
        !watch(h, h->icmp)) {
        snprintf(err->text, sizeof err->text,
                 "cannot open the sockets for ARP and ICMP: %s; run as root, with AF_PACKET in the "
                 "kernel",
                 strerror(errno));
        return false;
    }
    return nl_open(&h->route, NETLINK_ROUTE, 0, err) &&
           nl_open(&h->links, NETLINK_ROUTE, RTMGRP_LINK, err) && watch(h, h->links.fd);
}

/* Ties the sockets to the service interface as it is now. Without one they stay where they were:
 * sending then fails, nothing arrives. */
static void bind_service(struct netcfg *h) {
    struct netcfg_link *l = &h->link[0];
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP)};
    if (!l->present || l->index == h->bound_index) return;
    ll.sll_ifindex = l->index;
    if (bind(h->packet, (struct sockaddr *)&ll, sizeof ll) != 0) return;
    setsockopt(h->icmp, SOL_SOCKET, SO_BINDTODEVICE, l->name, (socklen_t)strlen(l->name) + 1);
    h->bound_index = l->index;
    h->gateway_known = false;
}

static bool link_differs(const struct netcfg_link *a, const struct netcfg_link *b) {
    return a->present != b->present || a->index != b->index || a->up != b->up ||
           a->carrier != b->carrier || a->carrier_changes != b->carrier_changes;
}

/* Asks again for both interfaces; marks what changed. */
static void refresh_links(struct netcfg *h) {
    struct netcfg_error ignored;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? h->conf.crossover.name : h->conf.service.name;
        struct netcfg_link now = {0};
        if (*name) link_find(&h->route, name, &now, &ignored);
        if (link_differs(&now, &h->link[i])) h->link_changed[i] = true;
        h->link[i] = now;
    }
    bind_service(h);
}

static void copy_tag(char *out, size_t size, const char *tag) {
    size_t n = 0;
    for (; *tag && n + 1 < size; tag++) {
        if (isalnum((unsigned char)*tag) || *tag == '_') out[n++] = *tag;
    }
    out[n] = 0;
}

struct netcfg *netcfg_open(const struct netcfg_conf *conf, const char *tag,
                           struct netcfg_error *err) {
    struct netcfg *h = xcalloc(1, sizeof *h);
    char clean[16];
    h->conf = *conf;
    h->epoll = h->packet = h->icmp = h->route.fd = h->links.fd = h->guard.nl.fd = -1;
    rand_bytes(&h->asker, sizeof h->asker);
    copy_tag(clean, sizeof clean, tag);
    if (!open_sockets(h, err) || !guard_open(&h->guard, &conf->vip, clean, err)) {
        netcfg_close(h);
        return NULL;
    }
    refresh_links(h);
    h->link_changed[0] = h->link_changed[1] = false;
    return h;
}

void netcfg_close(struct netcfg *h) {
    if (!h) return;
    guard_close(&h->guard);
    nl_close(&h->route);
    nl_close(&h->links);
    if (h->packet >= 0) close(h->packet);
    if (h->icmp >= 0) close(h->icmp);
    if (h->epoll >= 0) close(h->epoll);
    free(h);
}

int netcfg_fd(const struct netcfg *h) {
    return h->epoll;
}

static bool next_link(struct netcfg *h, struct netcfg_event *ev) {
    if (nl_drain(&h->links)) refresh_links(h);
    for (int i = 0; i < 2; i++) {
        if (!h->link_changed[i]) continue;
        h->link_changed[i] = false;
        ev->kind = NETCFG_LINK_CHANGE;
        ev->crossover = i == 1;
        return true;
    }
    return false;
}

bool netcfg_next(struct netcfg *h, struct netcfg_event *ev) {
    memset(ev, 0, sizeof *ev);
    return next_link(h, ev) || arp_next(h, ev) || icmp_next(h, ev);
}

bool netcfg_link(struct netcfg *h, bool crossover, struct netcfg_link *link,
                 struct netcfg_error *err) {
    return link_find(&h->route, crossover ? h->conf.crossover.name : h->conf.service.name, link,
                     err);
}

bool service_ready(struct netcfg *h, struct netcfg_error *err) {
    if (!h->link[0].present) refresh_links(h);
    if (h->link[0].present) return true;
    return netcfg_link(h, false, &h->link[0], err);
}
