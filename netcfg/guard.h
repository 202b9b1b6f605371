/* The VIP's guard in nftables: what netcfg.h says of netcfg_vip_guard_*. Inside netcfg only. */
#ifndef DUET_NETCFG_GUARD_H
#define DUET_NETCFG_GUARD_H

#include "netcfg/netlink.h"

struct guard {
    struct nl nl;
    struct netcfg_addr vips[NETCFG_GROUPS][NETCFG_VIPS];
    size_t count[NETCFG_GROUPS];
    char table[32];
};

bool guard_open(struct guard *g, const struct netcfg_conf *conf, const char *tag,
                struct netcfg_error *err);
void guard_close(struct guard *g);
bool guard_install(struct guard *g, struct netcfg_error *err);
/* left_ms below two ticks of the slowest kernel closes it: a timeout that rounds to none is endless. */
bool guard_renew(struct guard *g, enum netcfg_group group, uint64_t left_ms,
                 struct netcfg_error *err);
bool guard_remove(struct guard *g, struct netcfg_error *err);

#endif
