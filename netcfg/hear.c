/* What comes in on the service interface: answers to our probes, others' claims to a VIP, and questions
 * of clients who want one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/handle.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd

static bool is_ours(const struct netcfg *h, const uint8_t mac[6]) {
    return memcmp(mac, h->link[0].mac, 6) == 0;
}

static bool foreign_vip(struct netcfg *h, enum netcfg_group g, unsigned which, const uint8_t mac[6],
                        bool answer, struct netcfg_event *ev) {
    if (is_ours(h, mac)) return false;
    ev->kind = NETCFG_VIP_FOREIGN;
    ev->group = g;
    ev->which = which;
    ev->sent_ns = h->vip_probe_ns[g];
    ev->probe_answer = answer;
    memcpy(ev->mac, mac, 6);
    return true;
}

/* One frame of a packet socket; false when there is none. *link is its sender's address. */
static bool take_frame(int fd, unsigned ethertype, uint8_t *frame, size_t size, size_t *len,
                       struct sockaddr_ll *from) {
    for (;;) {
        socklen_t from_len = sizeof *from;
        ssize_t n = recvfrom(fd, frame, size, MSG_DONTWAIT, (struct sockaddr *)from, &from_len);
        if (n < 0 && (errno == EINTR || errno == ENETDOWN)) continue;
        if (n < 0) return false;
        if (from->sll_protocol != htons((uint16_t)ethertype)) continue;
        if (from->sll_pkttype == PACKET_OUTGOING) continue;
        *len = (size_t)n;
        return true;
    }
}

/* ---- ARP ---- */

static void note_asker(struct netcfg *h, int family, const uint8_t *ip, const uint8_t *target,
                       const uint8_t mac[6]) {
    enum netcfg_group g;
    unsigned which;
    if (is_ours(h, mac) || (mac[0] & 1) || !vip_find(h, family, target, &g, &which)) return;
    clients_note(&h->clients, family, ip, mac);
}

static bool understand_arp(struct netcfg *h, const struct arp *a, int pkttype,
                           struct netcfg_event *ev) {
    static const uint8_t nobody[4];
    bool to_us = pkttype == PACKET_HOST;
    enum netcfg_group g;
    unsigned which;
    if (vip_find(h, AF_INET, a->sender_ip, &g, &which)) {
        return foreign_vip(h, g, which, a->sender_mac, to_us && a->op == ARP_REPLY, ev);
    }
    if (a->op == ARP_REQUEST && memcmp(a->sender_ip, nobody, 4) != 0) {
        note_asker(h, AF_INET, a->sender_ip, a->target_ip, a->sender_mac);
    }
    int out = a->op == ARP_REPLY && to_us ? outside_find(h, AF_INET, a->sender_ip) : -1;
    bool to_probe = memcmp(a->target_ip, nobody, 4) == 0;
    return out >= 0 && outside_heard(h, (unsigned)out, a->sender_mac, to_probe, ev);
}

static bool arp_next(struct netcfg *h, struct netcfg_event *ev) {
    uint8_t frame[128];
    struct sockaddr_ll from;
    struct arp a;
    size_t len;
    while (take_frame(h->packet, ETHERTYPE_ARP, frame, sizeof frame, &len, &from)) {
        if (arp_read(frame, len, &a) && understand_arp(h, &a, from.sll_pkttype, ev)) return true;
    }
    return false;
}

/* ---- neighbour discovery ---- */

static bool understand_advert(struct netcfg *h, const struct nd *n, const uint8_t mac[6],
                              struct netcfg_event *ev) {
    bool answer = memcmp(n->dest, h->asker_ip6, 16) == 0;
    enum netcfg_group g;
    unsigned which;
    if (vip_find(h, AF_INET6, n->target, &g, &which)) {
        return foreign_vip(h, g, which, mac, answer, ev);
    }
    int out = n->solicited ? outside_find(h, AF_INET6, n->target) : -1;
    return out >= 0 && outside_heard(h, (unsigned)out, mac, answer, ev);
}

static bool nd_next(struct netcfg *h, struct netcfg_event *ev) {
    static const uint8_t nobody[16];
    uint8_t frame[256];
    struct sockaddr_ll from;
    struct nd n;
    size_t len;
    while (h->nd >= 0 && take_frame(h->nd, ETHERTYPE_IP6, frame, sizeof frame, &len, &from)) {
        if (!nd_read(frame, len, &n)) continue;
        const uint8_t *mac = n.has_mac ? n.mac : from.sll_addr;
        if (n.type == ND_ADVERT && understand_advert(h, &n, mac, ev)) return true;
        if (n.type == ND_SOLICIT && memcmp(n.source, nobody, 16) != 0) {
            note_asker(h, AF_INET6, n.source, n.target, mac);
        }
    }
    return false;
}

/* ---- echoes ---- */

static bool echo_next(struct netcfg *h, struct netcfg_event *ev) {
    bool v6 = h->conf.service.addr.family == AF_INET6;
    for (;;) {
        uint8_t packet[256];
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } from = {0};
        socklen_t from_len = sizeof from;
        struct echo e;
        ssize_t n = recvfrom(h->icmp, packet, sizeof packet, MSG_DONTWAIT, &from.any, &from_len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        const void *ip = v6 ? (void *)&from.v6.sin6_addr : (void *)&from.v4.sin_addr;
        int out = outside_find(h, v6 ? AF_INET6 : AF_INET, ip);
        if (out < 0 || !echo_read(packet, (size_t)n, v6, &e) || e.asker != h->asker) continue;
        if (outside_echoed(h, (unsigned)out, e.number, ev)) return true;
    }
}

bool hear_next(struct netcfg *h, struct netcfg_event *ev) {
    return arp_next(h, ev) || nd_next(h, ev) || echo_next(h, ev);
}
