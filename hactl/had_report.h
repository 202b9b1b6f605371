/* The inside of had's reports: a section is a function over the daemon's state that writes fields (hactl/report.h).
 * For a new section: a function, and a row in had_report.c; a folder's owner may keep it in a file of its own. */
#ifndef HACTL_HAD_REPORT_H
#define HACTL_HAD_REPORT_H

#include "hactl/had.h"
#include "hactl/report.h"
#include "server/base/buf.h"

typedef void had_section_fn(const struct had *h, const struct ha_view *v, struct buf *out);

had_section_fn had_report_instances, had_report_clients, had_report_vip;
had_section_fn had_report_arbiters; /* had_arbiter.c */

#endif
