#include "netcfg/addr.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define ATTR_IFA_PROTO 11 /* newer than some kernel headers */

int addr_change(struct nl *nl, bool add, int index, const struct netcfg_addr *a, unsigned proto,
                char *kernel_says) {
    size_t len = netcfg_addr_bytes(a);
    struct ifaddrmsg i = {.ifa_family = (uint8_t)a->family,
                          .ifa_prefixlen = a->prefix_bits,
                          .ifa_index = (uint32_t)index};
    uint8_t who = (uint8_t)proto;
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, add ? RTM_NEWADDR : RTM_DELADDR,
             NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0), &i, sizeof i);
    nl_attr(&m, IFA_LOCAL, a->bytes, len);
    nl_attr(&m, IFA_ADDRESS, a->bytes, len);
    if (add && a->family == AF_INET && a->prefix_bits < 31) {
        uint8_t brd[4];
        for (unsigned b = 0; b < 4; b++) {
            unsigned host = b * 8 >= a->prefix_bits         ? 0xffu
                            : (b + 1) * 8 <= a->prefix_bits ? 0u
                                                            : 0xffu >> (a->prefix_bits - b * 8);
            brd[b] = (uint8_t)(a->bytes[b] | host);
        }
        nl_attr(&m, IFA_BROADCAST, brd, sizeof brd);
    }
    if (add && a->family == AF_INET6) nl_attr_u32(&m, IFA_FLAGS, IFA_F_NODAD);
    /* What the node itself sends must not come from an address that it may lose. */
    if (add && a->family == AF_INET6 && proto == ADDR_PROTO_VIP) {
        struct ifa_cacheinfo life = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
        nl_attr(&m, IFA_CACHEINFO, &life, sizeof life);
    }
    if (add) nl_attr(&m, ATTR_IFA_PROTO, &who, 1);
    return nl_talk(nl, &m, kernel_says);
}

bool addr_read(const struct nlmsghdr *m, struct addr_row *row) {
    const struct ifaddrmsg *i = NLMSG_DATA(m);
    size_t len;
    memset(row, 0, sizeof *row);
    if (m->nlmsg_type != RTM_NEWADDR) return false;
    if (i->ifa_family != AF_INET && i->ifa_family != AF_INET6) return false;
    row->index = (int)i->ifa_index;
    row->addr.family = i->ifa_family;
    row->addr.prefix_bits = i->ifa_prefixlen;
    const void *p = nl_find(m, sizeof *i, IFA_LOCAL, &len);
    if (!p) p = nl_find(m, sizeof *i, IFA_ADDRESS, &len);
    if (!p || len != netcfg_addr_bytes(&row->addr)) return false;
    memcpy(row->addr.bytes, p, len);
    p = nl_find(m, sizeof *i, ATTR_IFA_PROTO, &len);
    if (p && len == 1) row->proto = *(const uint8_t *)p;
    return true;
}

int addr_dump(struct nl *nl, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg) {
    struct ifaddrmsg i = {.ifa_family = AF_UNSPEC};
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &i, sizeof i);
    return nl_dump(nl, &m, fn, arg);
}
