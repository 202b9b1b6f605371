/* hactl metrics, and the process that serves them.
 *
 * Not had: it is real-time and locked, and asking servers and disks may block. A child of the steward serves them, an
 * ordinary process at low priority: when it hangs or dies, nothing that serves clients notices. */
#ifndef HACTL_CLI_METRICS_H
#define HACTL_CLI_METRICS_H

#include "hactl/place.h"

struct buf;
struct cli;

int cli_metrics(struct cli *c);
/* Appends the text; waits some seconds at most for who does not answer. */
void metrics_gather(const struct cli *c, struct buf *out);
/* Serves GET /metrics at that place until the process ends; answers only when it cannot listen for a minute. */
int metrics_serve(const char *root, const struct place *at);

#endif
