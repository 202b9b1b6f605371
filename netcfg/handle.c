/* The handle of netcfg.h: its sockets, links and events.
 *
 * All sockets are bound to the service interface's index of the moment (bind_service); those that
 * something comes in on are behind one epoll descriptor. */
#include "netcfg/handle.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
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
#define ETHERTYPE_IP6 0x86dd
#define CONTROL_PRIO                                                                               \
    6 /* the queue's first band: probes are not starved by what replication sends */

static bool watch(struct netcfg *h, int fd) {
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void prioritise(int fd) {
    int prio = CONTROL_PRIO;
    (void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &prio, sizeof prio);
}

static int open_icmp(bool v6) {
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    struct icmp6_filter replies;
    /* ICMP_FILTER (1 on SOL_RAW): all but echo replies (type 0). */
    uint32_t filter = ~1u;
    if (fd < 0) return -1;
    if (v6) {
        ICMP6_FILTER_SETBLOCKALL(&replies);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies);
        setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies, sizeof replies);
    } else {
        setsockopt(fd, 255, 1, &filter, sizeof filter);
    }
    prioritise(fd);
    return fd;
}

/* Solicitations and advertisements only, whatever else IPv6 brings. It hears nothing until it is bound. */
static int open_nd(void) {
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6), /* next header */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40), /* ICMPv6 type */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ND_SOLICIT, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, ND_ADVERT, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool needs_v6(const struct netcfg_conf *c) {
    bool v6 = c->service.addr.family == AF_INET6 || c->read_vip.family == AF_INET6;
    for (size_t i = 0; i < c->vip_count; i++) v6 |= c->vips[i].family == AF_INET6;
    return v6;
}

static bool open_sockets(struct netcfg *h, struct netcfg_error *err) {
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->packet = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    h->icmp = open_icmp(h->conf.service.addr.family == AF_INET6);
    if (h->v6) h->nd = open_nd();
    if (h->epoll < 0 || !watch(h, h->packet) || !watch(h, h->icmp) || (h->v6 && !watch(h, h->nd))) {
        snprintf(err->text, sizeof err->text,
                 "cannot open the sockets for ARP and ICMP: %s; run as root, with AF_PACKET in the "
                 "kernel",
                 strerror(errno));
        return false;
    }
    prioritise(h->packet);
    return nl_open(&h->route, NETLINK_ROUTE, 0, err) &&
           nl_open(&h->links, NETLINK_ROUTE, RTMGRP_LINK, err) && watch(h, h->links.fd);
}

static bool bind_packet(int fd, unsigned ethertype, int index) {
    struct sockaddr_ll ll = {
        .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)ethertype), .sll_ifindex = index};
    return bind(fd, (struct sockaddr *)&ll, sizeof ll) == 0;
}

/* Who asks for an IPv6 VIP asks a group; a slave is in it as well, to learn who the clients are. */
static void join_groups(struct netcfg *h) {
    if (h->groups >= 0) close(h->groups);
    h->groups = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (enum netcfg_group g = 0; g < NETCFG_GROUPS; g++) {
        const struct netcfg_addr *list;
        size_t count = netcfg_vips(h, g, &list);
        for (size_t i = 0; i < count; i++) {
            struct ipv6_mreq join = {.ipv6mr_interface = (unsigned)h->link[0].index};
            if (list[i].family != AF_INET6) continue;
            nd_group(list[i].bytes, (uint8_t *)&join.ipv6mr_multiaddr);
            (void)setsockopt(h->groups, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof join);
        }
    }
}

/* Ties the sockets to the service interface as it is now. Without one they stay where they were:
 * sending then fails, nothing arrives. */
static void bind_service(struct netcfg *h) {
    struct netcfg_link *l = &h->link[0];
    if (!l->present || l->index == h->bound_index) return;
    if (!bind_packet(h->packet, ETHERTYPE_ARP, l->index)) return;
    if (h->v6 && !bind_packet(h->nd, ETHERTYPE_IP6, l->index)) return;
    if (h->v6) join_groups(h);
    setsockopt(h->icmp, SOL_SOCKET, SO_BINDTODEVICE, l->name, (socklen_t)strlen(l->name) + 1);
    h->bound_index = l->index;
    outside_forget(h);
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

static void know_outside(struct netcfg *h) {
    struct netcfg_addr all[NETCFG_WITNESSES];
    h->outside_count = netcfg_witnesses(&h->conf, all);
    for (size_t i = 0; i < h->outside_count; i++) {
        h->outside[i].addr = all[i];
        h->outside[i].on_link = netcfg_addr_in_subnet(&h->conf.service.addr, &all[i]);
    }
}

static void choose_asker(struct netcfg *h) {
    static const uint8_t link_local[2] = {0xfe, 0x80};
    rand_bytes(&h->asker, sizeof h->asker);
    memcpy(h->asker_ip6, link_local, sizeof link_local);
    memcpy(h->asker_ip6 + 8, &h->asker, sizeof h->asker);
    h->asker_ip6[8] &= 0xfc; /* no universal address, no group: made up */
}

struct netcfg *netcfg_open(const struct netcfg_conf *conf, const char *tag,
                           struct netcfg_error *err) {
    struct netcfg *h = xcalloc(1, sizeof *h);
    char clean[16];
    h->conf = *conf;
    h->epoll = h->packet = h->nd = h->groups = h->icmp = -1;
    h->route.fd = h->links.fd = h->guard.nl.fd = -1;
    h->v6 = needs_v6(conf);
    know_outside(h);
    choose_asker(h);
    copy_tag(clean, sizeof clean, tag);
    if (!open_sockets(h, err) || !guard_open(&h->guard, conf, clean, err)) {
        netcfg_close(h);
        return NULL;
    }
    refresh_links(h);
    h->link_changed[0] = h->link_changed[1] = false;
    return h;
}

static void shut(int fd) {
    if (fd >= 0) close(fd);
}

void netcfg_close(struct netcfg *h) {
    if (!h) return;
    guard_close(&h->guard);
    nl_close(&h->route);
    nl_close(&h->links);
    shut(h->packet);
    shut(h->nd);
    shut(h->groups);
    shut(h->icmp);
    shut(h->epoll);
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
    return next_link(h, ev) || hear_next(h, ev);
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
