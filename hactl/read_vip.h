/* The VIP for reads (`read-vip`): on the slave while that is in sync, else on the master, never on both.
 *
 * It is nobody's address for writing, so no record and no promotion hang on it; but two machines with one
 * address are a nuisance, and a slave that lost its master would serve old data for ever. So it goes by a
 * leave that expires, as the right to promote does: a master that has a fit slave lets its heartbeats carry
 * HB_READ, and the slave holds the address until HOLD after it *sent* the heartbeat that such a one
 * echoes; the kernel's guard ends it there, whatever becomes of had. The master holds it itself, under its
 * write lease, once no leave of its own can be in use: HOLD and a margin after the last one left. It drops it
 * before the next one leaves. HOLD is the dead-time. Before it is taken it is probed. */
#ifndef HACTL_READ_VIP_H
#define HACTL_READ_VIP_H

#include <stdbool.h>
#include <stdint.h>

#include "hactl/ha_fsm.h"
#include "hactl/vip.h"

struct read_vip;

/* As vip_new. */
struct read_vip *read_vip_new(struct netcfg *net, const struct ha_timing *t, uint64_t now_ns);
void read_vip_free(struct read_vip *r); /* NULL is fine */

/* A heartbeat is about to leave: does it carry the leave? */
bool read_vip_grant(struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns);
/* The write lease ends at until_ns; 0: now. */
void read_vip_lease(struct read_vip *r, uint64_t now_ns, uint64_t until_ns);
void read_vip_tick(struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns);
/* Another machine has it: it is not taken while that goes on, and defended once a second when held. */
void read_vip_foreign(struct read_vip *r, const uint8_t mac[6], uint64_t now_ns);
void read_vip_link_back(struct read_vip *r, uint64_t now_ns);

const struct vip *read_vip_vip(const struct read_vip *r); /* for reports */

#endif
