/* Takes the VIP off when nobody has held a write lease for a while, whatever became of had. The guard
 * has closed it long before (netcfg.h); this removes the address as well, so that the kernel does not
 * go on claiming it. Looks twice a second. */
#ifndef DUET_ROOTFS_VIP_WATCH_H
#define DUET_ROOTFS_VIP_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "netcfg/netcfg.h"

struct loop;
struct vip_watch;

/* lease_paths are copied. NULL (with a line in the log) when the kernel refuses the sockets. */
struct vip_watch *vip_watch_new(struct loop *l, const struct netcfg_conf *net, const char *tag,
                                const char *const *lease_paths, size_t lease_count);
/* had does not run (any more): the address goes as soon as the leases have lapsed. */
void vip_watch_free(struct vip_watch *w, bool remove_all);

#endif
