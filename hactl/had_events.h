/* The events of a node inside had: numbered, kept (the last of them in memory, all of them on the data partition), logged,
 * told. had_events.c says what happens from what the core and the drivers did. */
#ifndef HACTL_HAD_EVENTS_H
#define HACTL_HAD_EVENTS_H

#include "hactl/event_file.h"
#include "hactl/event_out.h"
#include "hactl/ha_fsm.h"
#include "hactl/instance.h"

struct had;

#define HAD_EVENTS 256

/* What was so when had looked last; what differs is an event. */
struct had_events_seen {
    bool peer, in_sync, server, gateway, serving;
    unsigned paths; /* bit per path: both ways */
    uint64_t takeovers;
    struct {
        int number;
        uint64_t writes;
    } tail[INSTANCE_LIMIT]; /* writes put aside */
};

struct had_events {
    struct event_file *file;
    struct event_out *out;
    uint64_t lost_said;    /* of the file's lost ones */
    uint64_t first, count; /* numbers: of this start's first event; of the newest one */
    struct had_events_seen seen;
    struct event ring[HAD_EVENTS];
};

/* Before the first event, and after the last one. */
void had_events_open(struct had *h);
void had_events_close(struct had *h);

/* An event now: a sentence; its line goes to the log too. */
void had_event(struct had *h, enum event_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with fields, which the caller has put into e; the rest of e is filled in here. */
void had_event_with(struct had *h, struct event *e, enum event_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* HA_ACT_LOG: a transition, or a sentence of the core. */
void had_event_of_core(struct had *h, const struct ha_action *a);
/* HA_ACT_ALARM; text: the core's sentence, and what only a driver knows. */
void had_event_of_alarm(struct had *h, const struct ha_action *a, const char *text);
/* Every tick: what came and went since the last one. */
void had_events_look(struct had *h);

/* The event with this number, or NULL when it is not kept (any more). */
const struct event *had_events_get(const struct had_events *e, uint64_t number);

#endif
