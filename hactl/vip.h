/* The virtual addresses of one group (netcfg.h): the writer's, or the one for reads. They live only as
 * long as their lease: the kernel's guard lets packets, ARP and neighbour discovery for them pass until
 * the lease's end, whatever becomes of had, and the addresses themselves are put on and taken off by
 * word. Five announcements in the first second, then one every 10 s, with a probe for others who have
 * them too; a new burst when the service link returns, and one every 2 s for a minute after that: a
 * switch port may forward nothing for so long (spanning tree). */
#ifndef HACTL_VIP_H
#define HACTL_VIP_H

#include <stdbool.h>
#include <stdint.h>

#include "netcfg/netcfg.h"

struct vip;

/* The guard is installed and closed (netcfg_vip_guard_install). An address left by an earlier had stays
 * on behind it until vip_tick sees that nobody wants it. net belongs to the caller. A group without
 * addresses is fine: nothing is done for it. */
struct vip *vip_new(struct netcfg *net, enum netcfg_group group, uint64_t now_ns);
/* Takes the addresses off. */
void vip_free(struct vip *v);

/* The lease ends at until_ns; 0: now. */
void vip_lease(struct vip *v, uint64_t now_ns, uint64_t until_ns);
void vip_take(struct vip *v, uint64_t now_ns);
void vip_drop(struct vip *v);
/* Announce in this tick, and as a new burst when burst is true. */
void vip_announce(struct vip *v, uint64_t now_ns, bool burst);
/* The service link came back, or what is beyond it answers again: a burst, and then more often. */
void vip_link_back(struct vip *v, uint64_t now_ns);
/* Another machine answers for, or announces, address `which` of the group. */
void vip_foreign(struct vip *v, unsigned which, const uint8_t mac[6], uint64_t now_ns);
/* Asks who has them. */
void vip_probe(struct vip *v, uint64_t now_ns);
/* Every tick: what could not be done is tried again, announcements that are due go out. */
void vip_tick(struct vip *v, uint64_t now_ns);

bool vip_held(const struct vip *v); /* wanted and on */
/* Open to clients: held, with a lease that has not run out. */
bool vip_open(const struct vip *v, uint64_t now_ns);
/* When it was last announced; 0 never. */
uint64_t vip_announced_ns(const struct vip *v);
/* Who else was heard with address `which` in the last VIP_FOREIGN_S seconds; false: nobody. */
#define VIP_FOREIGN_S 30
bool vip_foreign_mac(const struct vip *v, unsigned which, uint64_t now_ns, uint8_t mac[6]);
const char *vip_trouble(const struct vip *v);

#endif
