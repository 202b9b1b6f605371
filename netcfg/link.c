#include "netcfg/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000
#endif

void link_read(const struct nlmsghdr *h, struct netcfg_link *link) {
    const struct ifinfomsg *i = NLMSG_DATA(h);
    size_t len;
    memset(link, 0, sizeof *link);
    link->present = true;
    link->index = i->ifi_index;
    link->up = i->ifi_flags & IFF_UP;
    link->carrier = i->ifi_flags & IFF_LOWER_UP;
    const void *p = nl_find(h, sizeof *i, IFLA_IFNAME, &len);
    if (p) snprintf(link->name, sizeof link->name, "%.*s", (int)len, (const char *)p);
    p = nl_find(h, sizeof *i, IFLA_ADDRESS, &len);
    if (p && len == NETCFG_MAC_BYTES) memcpy(link->mac, p, len);
    p = nl_find(h, sizeof *i, IFLA_CARRIER_CHANGES, &len);
    if (p && len == sizeof link->carrier_changes) memcpy(&link->carrier_changes, p, len);
    struct rtnl_link_stats64 s = {0};
    p = nl_find(h, sizeof *i, IFLA_STATS64, &len);
    if (p) memcpy(&s, p, len < sizeof s ? len : sizeof s);
    link->rx_packets = s.rx_packets;
    link->tx_packets = s.tx_packets;
    link->rx_errors = s.rx_errors;
    link->tx_errors = s.tx_errors;
}

struct search {
    const char *name; /* NULL: by mac */
    uint8_t mac[NETCFG_MAC_BYTES];
    struct netcfg_link *found;
};

static void look(const struct nlmsghdr *h, void *arg) {
    struct search *s = arg;
    struct netcfg_link link;
    if (h->nlmsg_type != RTM_NEWLINK || s->found->present) return;
    link_read(h, &link);
    if (s->name ? strcmp(link.name, s->name) == 0
                : memcmp(link.mac, s->mac, NETCFG_MAC_BYTES) == 0) {
        *s->found = link;
    }
}

bool link_find(struct nl *nl, const char *name, struct netcfg_link *link,
               struct netcfg_error *err) {
    struct search s = {.name = name, .found = link};
    struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
    struct nl_msg m;
    memset(link, 0, sizeof *link);
    if (strncmp(name, "mac:", 4) == 0) {
        s.name = NULL;
        netcfg_mac_parse(name + 4, s.mac);
    }
    nl_clear(&m);
    nl_begin(&m, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &i, sizeof i);
    int e = nl_dump(nl, &m, look, &s);
    if (link->present) return true;
    snprintf(err->text, sizeof err->text,
             "there is no network interface '%s'%s%s; `netcfg show` lists those that are there",
             *name ? name : "(none configured)", e ? ": " : "", e ? strerror(e) : "");
    return false;
}
