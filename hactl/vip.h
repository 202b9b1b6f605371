/* The virtual address. It lives only as long as the write lease: the kernel's guard (netcfg.h) lets
 * packets and ARP for it pass until the lease's end, whatever becomes of had, and the address itself
 * is put on and taken off by word. Five announcements in the first second, one every 10 s, and a new
 * burst when the service link returns. */
#ifndef HACTL_VIP_H
#define HACTL_VIP_H

#include <stdbool.h>
#include <stdint.h>

#include "netcfg/netcfg.h"

struct vip;

/* Makes the guard, closed. An address left by an earlier had stays on behind it until vip_tick sees
 * that nobody wants it. net belongs to the caller. NULL with a sentence in err. */
struct vip *vip_new(struct netcfg *net, uint64_t now_ns, struct netcfg_error *err);
/* Takes the address off and removes the guard. */
void vip_free(struct vip *v);

/* The lease ends at until_ns; 0: now. */
void vip_lease(struct vip *v, uint64_t now_ns, uint64_t until_ns);
void vip_take(struct vip *v, uint64_t now_ns);
void vip_drop(struct vip *v);
/* Announce in this tick, and as a new burst when again is true. */
void vip_announce(struct vip *v, uint64_t now_ns, bool burst);
/* Every tick: what could not be done is tried again, announcements that are due go out. */
void vip_tick(struct vip *v, uint64_t now_ns);

bool vip_held(const struct vip *v); /* wanted and on */
const char *vip_trouble(const struct vip *v);

#endif
