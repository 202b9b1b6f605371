/* What is looked at now and then, beside had: `hactl watch tick`, which the steward runs; and what it keeps.
 *
 *   ROOT/data/maintenance   until_ms and reason, while maintenance that was begun here is on
 *   ROOT/data/compared      when the two nodes' data were last compared, and what came out */
#ifndef HACTL_CLI_WATCH_H
#define HACTL_CLI_WATCH_H

#include "hactl/cli.h"

struct reasons;

/* The words behind `hactl watch` (inside): tick. */
int cli_watch(struct cli *c);
/* hactl maintenance on [--for 2h] [REASON] | off */
int cli_maintenance(struct cli *c);
/* maintenance.until_ms (0: no end) and maintenance.reason, when it was begun here. */
void maintenance_fields(const struct cli *c, struct fields *f);

/* Since the last comparison; INT64_MAX: there was none. As [ha] compare-every says; 0: never. */
int64_t compare_age_ms(const struct cli *c);
int64_t compare_every_ms(const struct cli *c);
/* hactl compare keeps its outcome: differs, or not. */
void compare_keep(const struct cli *c, bool differs, const char *text);

/* The biggest step of the wall clock that a server of this node does not follow (cli_clock.c); 0: none. */
int64_t clock_step_ms(const struct cli *c);
/* All reasons, asking the other node too (cli_check.c). CLI_OK, or an exit status after a complaint. */
int check_reasons(const struct cli *c, struct reasons *r);
/* The other node's report by the channel; false: it cannot be had. */
bool peer_report(const struct cli *c, struct fields *out);

#endif
