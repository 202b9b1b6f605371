/* The arbiters in the daemon (had_arbiter.c). */
#ifndef HACTL_HAD_ARBITER_H
#define HACTL_HAD_ARBITER_H

#include "hactl/had.h"

/* Those that the configuration names. */
void had_arbiter_open(struct had *h);
void had_arbiter_close(struct had *h);
/* HA_ACT_ASK_WITNESS, HA_ACT_FENCE */
void had_arbiter_ask(struct had *h, const struct ha_action *a);
void had_arbiter_fence(struct had *h, const struct ha_action *a);
/* Every tick: looks, and the alarms HA_ALARM_WITNESS and HA_ALARM_FENCE. */
void had_arbiter_tick(struct had *h);

#endif
