/* hactl explain and whatif, and what the drill takes of them. */
#ifndef HACTL_CLI_WHATIF_H
#define HACTL_CLI_WHATIF_H

#include "hactl/cli_fields.h"
#include "hactl/foresee.h"

struct cli;

int cli_explain(struct cli *c);
int cli_whatif(struct cli *c);
int cli_core(struct cli *c); /* inside */

/* Both nodes' cores as they are now. CLI_OK, or an exit status after a complaint; *doubt: "" or what is made up. */
int whatif_start(const struct cli *c, struct foresee_start *s, const char **doubt);
/* Who is master: 0 a, 1 b, -1 nobody. */
int whatif_master(const struct foresee_start *s);
/* What was foreseen as fields below prefix. */
void foreseen_fields(const struct foreseen *o, const char *prefix, struct fields *out);

#endif
