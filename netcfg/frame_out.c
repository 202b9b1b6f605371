/* Frames on their way out of the service interface, past the kernel's own tables and the guard: the
 * caller holds the lease when it speaks for a VIP. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/handle.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd

const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

bool cannot_send(const struct netcfg *h, const char *what, struct netcfg_error *err) {
    snprintf(err->text, sizeof err->text, "cannot send %s on %s: %s", what, h->link[0].name,
             strerror(errno));
    return false;
}

bool send_frame(struct netcfg *h, unsigned ethertype, const uint8_t to[6], const void *p,
                size_t len) {
    struct sockaddr_ll ll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons((uint16_t)ethertype),
        .sll_ifindex = h->link[0].index,
        .sll_halen = 6,
    };
    memcpy(ll.sll_addr, to, 6);
    return sendto(h->packet, p, len, MSG_DONTWAIT, (struct sockaddr *)&ll, sizeof ll) >= 0;
}

bool send_arp(struct netcfg *h, unsigned op, const uint8_t *sender, const uint8_t *target,
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

static bool send_nd(struct netcfg *h, struct nd *n, const uint8_t to[6]) {
    uint8_t frame[ND_BYTES];
    memcpy(n->mac, h->link[0].mac, 6);
    nd_write(n, frame);
    return send_frame(h, ETHERTYPE_IP6, to, frame, sizeof frame);
}

bool send_solicit(struct netcfg *h, const uint8_t target[16], const uint8_t *to) {
    struct nd n = {.type = ND_SOLICIT};
    uint8_t group_mac[6];
    memcpy(n.source, h->asker_ip6, 16);
    memcpy(n.target, target, 16);
    nd_group(target, n.dest);
    nd_group_mac(n.dest, group_mac);
    if (to) memcpy(n.dest, target, 16);
    return send_nd(h, &n, to ? to : group_mac);
}

bool send_advert(struct netcfg *h, const uint8_t ip[16], const struct client_seen *to) {
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    struct nd n = {.type = ND_ADVERT};
    uint8_t mac[6];
    memcpy(n.source, ip, 16);
    memcpy(n.target, ip, 16);
    memcpy(n.dest, to ? to->ip : all_nodes, 16);
    nd_group_mac(all_nodes, mac);
    return send_nd(h, &n, to ? to->mac : mac);
}

/* ---- echoes ---- */

static bool send_icmp(struct netcfg *h, struct sockaddr *to, socklen_t to_len, int level, int type,
                      const void *info, size_t info_len, const uint8_t packet[ECHO_BYTES]) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.bytes = {0}};
    struct iovec iov = {(void *)(uintptr_t)packet, ECHO_BYTES};
    struct msghdr m = {
        .msg_name = to,
        .msg_namelen = to_len,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = (socklen_t)CMSG_SPACE(info_len),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = (socklen_t)CMSG_LEN(info_len);
    memcpy(CMSG_DATA(c), info, info_len);
    return sendmsg(h->icmp, &m, MSG_DONTWAIT) >= 0;
}

/* From the service address, never from a VIP that the kernel may prefer: the guard holds those back. */
bool send_echo(struct netcfg *h, const struct netcfg_addr *to, uint64_t number) {
    struct echo e = {.asker = h->asker, .number = number};
    int index = h->link[0].index;
    uint8_t packet[ECHO_BYTES];
    echo_write(&e, to->family == AF_INET6, packet);
    if (to->family == AF_INET6) {
        struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)index};
        struct in6_pktinfo info = {.ipi6_ifindex = (unsigned)index};
        memcpy(&sa.sin6_addr, to->bytes, 16);
        memcpy(&info.ipi6_addr, h->conf.service.addr.bytes, 16);
        return send_icmp(h, (struct sockaddr *)&sa, sizeof sa, IPPROTO_IPV6, IPV6_PKTINFO, &info,
                         sizeof info, packet);
    }
    struct sockaddr_in sa = {.sin_family = AF_INET};
    struct in_pktinfo info = {.ipi_ifindex = index};
    memcpy(&sa.sin_addr, to->bytes, 4);
    memcpy(&info.ipi_spec_dst, h->conf.service.addr.bytes, 4);
    return send_icmp(h, (struct sockaddr *)&sa, sizeof sa, IPPROTO_IP, IP_PKTINFO, &info,
                     sizeof info, packet);
}
