/* The inside of `hactl tail`: writes that a node had and its new master lacked, put aside by its server.
 *
 *     cli_tail.c         list, show, discard, and what is said to the operator
 *     cli_tail_find.c    the reports in the nodes' data directories
 *     cli_tail_replay.c  replay: looks, asks, has it played on the master
 *     cli_tail_play.c    on the master: the requests from standard input, into its server (`tail play ...`)
 *     cli_tail_apply.c   its last step
 *     tail_source.c      reads requests */
#ifndef HACTL_CLI_TAIL_H
#define HACTL_CLI_TAIL_H

#include "hactl/cli.h"
#include "server/base/buf.h"
#include "server/proto/tail_report.h"

struct tail_found {
    unsigned instance;
    bool
        whole; /* no tail: a log kept whole, which could not be told apart; report.id is its name */
    char done[160]; /* what somebody did with it; "": nothing yet */
    struct tail_report report;
};

/* All of this node, oldest first; to be freed. */
struct tail_found *tails_find(const char *root, size_t *count);
/* The one of that id (and of c->instance, when it is given); false after a complaint. */
bool tail_named(const struct cli *c, const char *id, struct tail_found *out);
/* data/instance-N/tails/tail-ID.END, or the log's directory. */
char *tail_path(const char *root, const struct tail_found *t, const char *end);

int cli_tail_replay(struct cli *c, const struct tail_found *t);
/* hactl tail play STEP ID: what the node with the tail has the master do. */
int cli_tail_play(struct cli *c);

#endif
