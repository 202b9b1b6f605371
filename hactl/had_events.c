#include "hactl/had_events.h"

#include <stdio.h>

#include "server/base/clock.h"

void had_events_add(struct had_events *e, const char *kind, const char *text) {
    struct had_event *ev = &e->ring[e->count % HAD_EVENTS];
    ev->number = ++e->count;
    ev->wall_ms = clock_wall_ms();
    ev->kind = kind;
    snprintf(ev->text, sizeof ev->text, "%s", text);
}

const struct had_event *had_events_get(const struct had_events *e, uint64_t number) {
    if (number == 0 || number > e->count || number + HAD_EVENTS <= e->count) return NULL;
    return &e->ring[(number - 1) % HAD_EVENTS];
}
