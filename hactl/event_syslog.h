/* An event as a message of RFC 5424. Pure. */
#ifndef HACTL_EVENT_SYSLOG_H
#define HACTL_EVENT_SYSLOG_H

#include "hactl/event.h"

/* Appends one message; name is the host's. No structured data: that wants a number of an enterprise. */
void event_syslog(const struct event *e, int facility, const char *name, int pid, struct buf *out);
/* "daemon", "local0" ...; -1: there is none of that name. */
int event_facility_named(const char *name);

#endif
