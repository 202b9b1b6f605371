/* Whether a request may run now: known, well-formed, allowed to this client and in this node's state. */
#ifndef DUET_SERVER_ADMIT_H
#define DUET_SERVER_ADMIT_H

#include <stdbool.h>

struct call;
struct client;
struct request;

/* False after the refusal was replied (or the client was closed). The order is Redis's, so that the first complaint is the
 * same one. Not for the hot path: dispatch.c decides the common case by itself. */
bool admit(struct call *c, struct client *client, const struct request *r);

#endif
