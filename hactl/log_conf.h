/* What had and its metrics read from duet.conf about being watched:
 *
 *   [log]      syslog ADDRESS[:PORT]   events go there too, by RFC 5424 over UDP (up to 4 lines; port 514)
 *              facility NAME           of those messages: daemon (default), local0 ...
 *   [metrics]  listen [ADDRESS:]PORT   Prometheus's text form over HTTP; without an address, on the service address.
 *                                      Without this line there is none: nobody asked for an open port */
#ifndef HACTL_LOG_CONF_H
#define HACTL_LOG_CONF_H

#include "hactl/event_out.h"
#include "server/base/conf.h"

/* service: the text of this node's service address. */
bool log_conf_read(const struct conf *c, struct event_out_conf *out, struct conf_error *err);
bool metrics_conf_read(const struct conf *c, const char *service, struct place *out,
                       struct conf_error *err);

#endif
