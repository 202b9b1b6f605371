/* Interfaces as the kernel has them. Inside netcfg only. */
#ifndef DUET_NETCFG_LINK_H
#define DUET_NETCFG_LINK_H

#include "netcfg/netlink.h"

/* Finds an interface by its name or mac:...; false (link->present too) when there is none. */
bool link_find(struct nl *nl, const char *name, struct netcfg_link *link, struct netcfg_error *err);
/* One RTM_NEWLINK message. */
void link_read(const struct nlmsghdr *h, struct netcfg_link *link);

#endif
