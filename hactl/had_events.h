/* The last events of a node, in memory: what happened and when, a sentence each. They are also lines
 * of the log; this ring is what `hactl history` shows. */
#ifndef HACTL_HAD_EVENTS_H
#define HACTL_HAD_EVENTS_H

#include <stdint.h>

#include "hactl/ha_fsm.h"

#define HAD_EVENTS 256

struct had_event {
    uint64_t number; /* counts from 1 since had started */
    int64_t wall_ms;
    const char *kind; /* "role", "alarm", "operator", ...; static storage */
    char text[HA_TEXT];
};

struct had_events {
    uint64_t count;
    struct had_event ring[HAD_EVENTS];
};

void had_events_add(struct had_events *e, const char *kind, const char *text);
/* The event with this number, or NULL when it is not kept (any more). */
const struct had_event *had_events_get(const struct had_events *e, uint64_t number);

#endif
