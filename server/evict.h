/* maxmemory: keys go when memory is full, by the rule that maxmemory-policy names. */
#ifndef DUET_SERVER_EVICT_H
#define DUET_SERVER_EVICT_H

#include <stdbool.h>
#include <stdint.h>

/* Before a write: evicts for as long as maxmemory-eviction-tenacity allows. False when memory is full and nothing may
 * go: then commands that want memory are refused. Cheap when there is room. */
bool evict_make_room(void);
/* Each turn: what the last time was too short for; true while there is more. */
bool evict_go_on(void);
/* How long memory has been over its limit; 0: it is not. */
uint64_t evict_over_limit_ns(void);

#endif
