/* `netcfg drive`: the handle of netcfg.h by hand. One command a line on standard input, one line of
 * answer ("ok" or "error: ..."), events as lines between them:
 *
 *     guard | renew MS | keep MS | drop | unguard      the guard; keep renews every MS / 4 from then on
 *     add | remove | announce | present                the VIPs
 *     read ...                                 the same of the read-only VIP ("read add", "read keep 400")
 *     probe | gateway | via PORT TEXT                  probes; a datagram through the gateway
 *     link service|crossover | wait MS | quit
 *
 *     event gateway|reference AGE_MS exact|arp; event foreign MAC answer|claim vipN|read-vip0; event link service|crossover
 *     (AGE_MS: how long before the answer its probe was sent) */
#ifndef DUET_NETCFG_DRIVE_H
#define DUET_NETCFG_DRIVE_H

#include "netcfg/netcfg.h"

int netcfg_drive(const struct netcfg_conf *conf);

#endif
