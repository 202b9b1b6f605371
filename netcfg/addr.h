/* Addresses by rtnetlink. Inside netcfg only.
 * The kernel keeps with each address who put it there (IFA_PROTO, kernel 5.18): netcfg takes off only
 * what netcfg put on, and the VIP is told from the node's own addresses. */
#ifndef DUET_NETCFG_ADDR_H
#define DUET_NETCFG_ADDR_H

#include "netcfg/netlink.h"
#include "netcfg/plan.h"

enum {
    ADDR_PROTO_NETCFG = PLAN_BY_NETCFG, /* a node's own address; the same number marks routes */
    ADDR_PROTO_VIP = PLAN_BY_VIP,
};

struct addr_row {
    int index;
    struct netcfg_addr addr;
    unsigned proto; /* 0: unknown */
};

/* Adds or removes. 0 or errno (EEXIST, EADDRNOTAVAIL: nothing was to be done); kernel_says as in
 * nl_talk. */
int addr_change(struct nl *nl, bool add, int index, const struct netcfg_addr *a, unsigned proto,
                char *kernel_says);
/* One message of a dump; false when it is none. */
bool addr_read(const struct nlmsghdr *m, struct addr_row *row);
int addr_dump(struct nl *nl, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg);

#endif
