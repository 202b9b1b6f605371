/* Ends established connections, so that whoever is at the other end learns it now. Inside netcfg only. */
#ifndef DUET_NETCFG_SEVER_H
#define DUET_NETCFG_SEVER_H

#include "netcfg/netcfg.h"

/* Resets TCP connections whose own address is one of `local`: their peers get an RST, this host's sockets
 * ECONNABORTED. Takes SEVER_LIMIT_MS at most and leaves the rest as it is. Returns how many; 0 also on a
 * kernel that cannot do it (CONFIG_INET_DIAG_DESTROY). */
#define SEVER_LIMIT_MS 50
int sever_connections(const struct netcfg_addr *local, size_t count);

#endif
