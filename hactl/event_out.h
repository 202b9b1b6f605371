/* Where events go beside the file, at once and in order, never waiting for anybody:
 *
 *   remote syslog   RFC 5424 over UDP: facility and severity, wall time, this node's name, had, its pid, the event's kind
 *                   as message id; what the network does not take is lost, as UDP is
 *   the FIFO        ROOT/run/events.fifo: one JSON line each (event.h) for a program that reads it. A reader that is not
 *                   there, too slow or gone costs it events: they are counted, and the next line that it gets says how
 *                   many (events.lost, with a number of 0) */
#ifndef HACTL_EVENT_OUT_H
#define HACTL_EVENT_OUT_H

#include "hactl/event.h"
#include "hactl/place.h"

#define SYSLOG_PORT  514
#define SYSLOG_LIMIT 4 /* receivers */

struct event_out;

struct event_out_conf {
    struct place syslog[SYSLOG_LIMIT];
    int syslog_count;
    int facility; /* 0 to 23: RFC 5424 6.2.1 */
};

/* The FIFO is made when it is missing; name is this node's. */
struct event_out *event_out_new(const struct event_out_conf *conf, const char *fifo,
                                const char *name);
void event_out_free(struct event_out *o);
/* line: the event as event_line() has it. */
void event_out_add(struct event_out *o, const struct event *e, const char *line, size_t len);
/* Lost to readers of the FIFO while one was there; not taken by the network. */
uint64_t event_out_lost_fifo(const struct event_out *o);
uint64_t event_out_lost_syslog(const struct event_out *o);

#endif
