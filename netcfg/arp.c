/* Probes and announcements on the service interface, and what comes back.
 *
 * An ARP reply carries no number, so an answer is dated by the oldest probe that it may belong to: one
 * that was sent within ARP_ANSWER_NS and has had no answer yet. It may thus be dated too early, never
 * too late; a gateway that answers one request twice would break that, so an answer without a probe ends
 * the belief in ARP for a minute. The ICMP echo beside it carries the probe's number and is dated exactly; while
 * echoes are answered, ARP's answers only tell the gateway's address. Probes use the
 * sender address 0.0.0.0 (RFC 5227): nobody's ARP table changes by them, and answers to them cannot be
 * taken for answers to the kernel's own requests. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/frames.h"
#include "netcfg/handle.h"
#include "server/base/clock.h"

#define ETHERTYPE_IP      0x0800
#define ETHERTYPE_ARP     0x0806
#define ARP_ANSWER_NS     (2 * NS_PER_S) /* an ARP answer that takes longer is taken for lost */
#define ARP_DOUBT_NS      (60 * NS_PER_S)
#define EXACT_FRESH_NS    (NS_PER_S / 2)
#define BROADCAST_EACH    8 /* one probe in so many is broadcast: the gateway's MAC may change */
#define VIA_GATEWAY_LIMIT 1472

static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool send_frame(struct netcfg *h, unsigned ethertype, const uint8_t to[6], const void *p,
                       size_t len) {
    struct sockaddr_ll ll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons((uint16_t)ethertype),
        .sll_ifindex = h->link[0].index,
        .sll_halen = 6,
    };
    memcpy(ll.sll_addr, to, 6);
    return sendto(h->packet, p, len, 0, (struct sockaddr *)&ll, sizeof ll) >= 0;
}

static bool cannot_send(const struct netcfg *h, const char *what, struct netcfg_error *err) {
    snprintf(err->text, sizeof err->text, "cannot send %s on %s: %s", what, h->link[0].name,
             strerror(errno));
    return false;
}

/* sender and target are IPv4 addresses, NULL: 0.0.0.0. */
static bool send_arp(struct netcfg *h, unsigned op, const uint8_t *sender, const uint8_t *target,
                     const uint8_t to[6]) {
    struct arp a = {.op = op};
    uint8_t frame[ARP_BYTES];
    memcpy(a.sender_mac, h->link[0].mac, 6);
    if (sender) memcpy(a.sender_ip, sender, 4);
    if (target) memcpy(a.target_ip, target, 4);
    if (op == ARP_REPLY) memcpy(a.target_mac, to, 6);
    arp_write(&a, frame);
    return send_frame(h, ETHERTYPE_ARP, to, frame, sizeof frame);
}

static bool send_icmp4(struct netcfg *h, const void *p, size_t len) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct in_pktinfo info = {.ipi_ifindex = h->link[0].index};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.bytes = {0}};
    struct iovec iov = {(void *)(uintptr_t)p, len};
    struct msghdr m = {
        .msg_name = &to,
        .msg_namelen = sizeof to,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    memcpy(&to.sin_addr, h->conf.gateway.bytes, 4);
    memcpy(&info.ipi_spec_dst, h->conf.service.addr.bytes, 4);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return sendmsg(h->icmp, &m, MSG_DONTWAIT) >= 0;
}

static bool send_icmp6(struct netcfg *h, const uint8_t to_ip[16], const void *p, size_t len) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)h->link[0].index};
    memcpy(&to.sin6_addr, to_ip, 16);
    return sendto(h->icmp, p, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) >= 0;
}

static void solicited_node(const uint8_t ip[16], uint8_t out[16]) {
    static const uint8_t head[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    memcpy(out, head, sizeof head);
    memcpy(out + 13, ip + 13, 3);
}

/* ---- the gateway ---- */

bool netcfg_gateway_probe(struct netcfg *h, uint64_t now_ns, struct netcfg_error *err) {
    bool v6 = h->conf.gateway.family == AF_INET6;
    uint8_t packet[ECHO_BYTES];
    if (h->conf.gateway.family == 0) {
        snprintf(err->text, sizeof err->text,
                 "no gateway is configured; add 'gateway ADDRESS' to [network]");
        return false;
    }
    if (!service_ready(h, err)) return false;
    uint64_t number = h->probe_count++;
    struct echo e = {.asker = h->asker, .number = number};
    h->probe_sent_ns[number % PROBE_RING] = now_ns;
    echo_write(&e, v6, packet);
    if (v6) {
        return send_icmp6(h, h->conf.gateway.bytes, packet, sizeof packet) ||
               cannot_send(h, "an echo to the gateway", err);
    }
    bool wide = !h->gateway_known || number % BROADCAST_EACH == 0;
    bool asked =
        send_arp(h, ARP_REQUEST, NULL, h->conf.gateway.bytes, wide ? everyone : h->gateway_mac);
    bool echoed = send_icmp4(h, packet, sizeof packet);
    return asked || echoed || cannot_send(h, "a probe to the gateway", err);
}

bool netcfg_gateway_mac(const struct netcfg *h, uint8_t mac[NETCFG_MAC_BYTES]) {
    memcpy(mac, h->gateway_mac, NETCFG_MAC_BYTES);
    return h->gateway_known;
}

bool netcfg_send_via_gateway(struct netcfg *h, uint16_t source_port, uint16_t dest_port,
                             const void *data, size_t len, struct netcfg_error *err) {
    uint8_t packet[UDP4_HEADER_BYTES + VIA_GATEWAY_LIMIT];
    if (!service_ready(h, err)) return false;
    if (h->conf.service.addr.family != AF_INET || !h->gateway_known || len > VIA_GATEWAY_LIMIT) {
        snprintf(err->text, sizeof err->text, "the path through the gateway %s",
                 h->conf.service.addr.family != AF_INET ? "is IPv4 only so far"
                 : len > VIA_GATEWAY_LIMIT              ? "takes one Ethernet frame at most"
                                           : "is not known: the gateway has not answered ARP yet");
        return false;
    }
    udp4_write(h->conf.service.addr.bytes, source_port, h->conf.service.peer.bytes, dest_port, data,
               len, packet);
    return send_frame(h, ETHERTYPE_IP, h->gateway_mac, packet, UDP4_HEADER_BYTES + len) ||
           cannot_send(h, "through the gateway", err);
}

/* ---- the VIP ---- */

static bool vip_ready(struct netcfg *h, struct netcfg_error *err) {
    if (h->conf.vip.family == 0) {
        snprintf(err->text, sizeof err->text,
                 "no VIP is configured; add 'vip ADDRESS/PREFIX' to [network]");
        return false;
    }
    return service_ready(h, err);
}

bool netcfg_vip_probe(struct netcfg *h, uint64_t now_ns, struct netcfg_error *err) {
    bool sent;
    if (!vip_ready(h, err)) return false;
    if (h->conf.vip.family == AF_INET6) {
        uint8_t packet[ND_BYTES], to[16];
        solicited_node(h->conf.vip.bytes, to);
        nd_write_solicit(h->conf.vip.bytes, h->link[0].mac, packet);
        sent = send_icmp6(h, to, packet, sizeof packet);
    } else {
        sent = send_arp(h, ARP_REQUEST, NULL, h->conf.vip.bytes, everyone);
    }
    if (!sent) return cannot_send(h, "a probe of the VIP", err);
    h->vip_probe_ns = now_ns;
    return true;
}

bool netcfg_vip_announce(struct netcfg *h, struct netcfg_error *err) {
    const uint8_t *vip = h->conf.vip.bytes;
    if (!vip_ready(h, err)) return false;
    if (h->conf.vip.family == AF_INET6) {
        static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
        uint8_t packet[ND_BYTES];
        nd_write_advert(vip, h->link[0].mac, packet);
        return send_icmp6(h, all_nodes, packet, sizeof packet) ||
               cannot_send(h, "a neighbour advertisement", err);
    }
    bool sent =
        send_arp(h, ARP_REQUEST, vip, vip, everyone) && send_arp(h, ARP_REPLY, vip, vip, everyone);
    if (sent && h->gateway_known) {
        sent = send_arp(h, ARP_REQUEST, vip, h->conf.gateway.bytes, h->gateway_mac) &&
               send_arp(h, ARP_REPLY, vip, h->conf.gateway.bytes, h->gateway_mac);
    }
    return sent || cannot_send(h, "a gratuitous ARP", err);
}

/* ---- what comes back ---- */

static bool foreign_vip(struct netcfg *h, const uint8_t mac[6], bool answer,
                        struct netcfg_event *ev) {
    if (memcmp(mac, h->link[0].mac, 6) == 0) return false;
    ev->kind = NETCFG_VIP_FOREIGN;
    ev->sent_ns = h->vip_probe_ns;
    ev->probe_answer = answer;
    memcpy(ev->mac, mac, 6);
    return true;
}

/* The oldest probe that an ARP answer arriving now may belong to; false when none may, or when it
 * is no evidence. */
static bool oldest_probe(struct netcfg *h, uint64_t *sent_ns) {
    uint64_t now = clock_boot_ns();
    bool found = false;
    if (h->probe_count - h->arp_oldest > PROBE_RING) h->arp_oldest = h->probe_count - PROBE_RING;
    while (!found && h->arp_oldest < h->probe_count) {
        *sent_ns = h->probe_sent_ns[h->arp_oldest++ % PROBE_RING];
        found = now - *sent_ns <= ARP_ANSWER_NS;
    }
    if (!found) h->arp_doubt_ns = now;
    if (h->arp_doubt_ns && now - h->arp_doubt_ns < ARP_DOUBT_NS) return false;
    return found && !(h->exact_ns && now - h->exact_ns < EXACT_FRESH_NS);
}

static bool is_ip4(const uint8_t ip[4], const struct netcfg_addr *a) {
    return a->family == AF_INET && memcmp(ip, a->bytes, 4) == 0;
}

static bool understand_arp(struct netcfg *h, const struct arp *a, int pkttype,
                           struct netcfg_event *ev) {
    static const uint8_t nobody[4];
    bool to_us = pkttype == PACKET_HOST;
    if (is_ip4(a->sender_ip, &h->conf.vip)) {
        return foreign_vip(h, a->sender_mac, to_us && a->op == ARP_REPLY, ev);
    }
    if (!is_ip4(a->sender_ip, &h->conf.gateway) || a->op != ARP_REPLY || !to_us) return false;
    memcpy(h->gateway_mac, a->sender_mac, 6);
    h->gateway_known = true;
    if (memcmp(a->target_ip, nobody, 4) != 0 || !oldest_probe(h, &ev->sent_ns)) return false;
    ev->kind = NETCFG_GATEWAY_ANSWER;
    memcpy(ev->mac, a->sender_mac, 6);
    return true;
}

bool arp_next(struct netcfg *h, struct netcfg_event *ev) {
    for (;;) {
        uint8_t frame[128];
        struct sockaddr_ll from;
        socklen_t from_len = sizeof from;
        struct arp a;
        ssize_t n = recvfrom(h->packet, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&from,
                             &from_len);
        if (n < 0 && (errno == EINTR || errno == ENETDOWN)) continue;
        if (n < 0) return false;
        if (from.sll_protocol != htons(ETHERTYPE_ARP) || from.sll_pkttype == PACKET_OUTGOING) {
            continue;
        }
        if (arp_read(frame, (size_t)n, &a) && understand_arp(h, &a, from.sll_pkttype, ev)) {
            return true;
        }
    }
}

static bool understand_icmp(struct netcfg *h, const uint8_t *p, size_t len, bool from_gateway,
                            struct netcfg_event *ev) {
    bool v6 = h->conf.service.addr.family == AF_INET6;
    struct echo e;
    uint8_t mac[6];
    if (v6 && h->conf.vip.family == AF_INET6 && nd_read_advert(p, len, h->conf.vip.bytes, mac)) {
        return foreign_vip(h, mac, (p[4] & 0x40) != 0, ev); /* the solicited flag */
    }
    if (!from_gateway || !echo_read(p, len, v6, &e) || e.asker != h->asker) return false;
    if (e.number >= h->probe_count || h->probe_count - e.number > PROBE_RING) return false;
    ev->kind = NETCFG_GATEWAY_ANSWER;
    ev->sent_ns = h->probe_sent_ns[e.number % PROBE_RING];
    ev->exact = true;
    h->exact_ns = clock_boot_ns();
    return true;
}

bool icmp_next(struct netcfg *h, struct netcfg_event *ev) {
    for (;;) {
        uint8_t packet[256];
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } from = {0};
        socklen_t from_len = sizeof from;
        struct netcfg_addr addr = {.family = h->conf.gateway.family};
        ssize_t n = recvfrom(h->icmp, packet, sizeof packet, MSG_DONTWAIT, &from.any, &from_len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        const void *ip =
            addr.family == AF_INET6 ? (void *)&from.v6.sin6_addr : (void *)&from.v4.sin_addr;
        memcpy(addr.bytes, ip, netcfg_addr_bytes(&addr));
        bool from_gateway = addr.family != 0 && netcfg_addr_same(&addr, &h->conf.gateway);
        if (understand_icmp(h, packet, (size_t)n, from_gateway, ev)) return true;
    }
}
