/* Clients of an address that another node held until now have connections that this machine knows nothing of. One that sends
 * something gets a reset from the kernel. One that only waits is provoked to send: an ACK out of the blue, with a number that
 * does not fit, is answered by its kernel with the right numbers (RFC 5961, a challenge ACK), and that by ours with a reset that fits.
 * A machine that has no such connection any more answers a reset, which ours ignores: nothing can be broken by it. */
#ifndef DUET_NETCFG_PROVOKE_H
#define DUET_NETCFG_PROVOKE_H

#include <stddef.h>

struct tcp_ends;
struct netcfg_error;
struct netcfg_provoker;

/* A kernel answers what does not fit at most every 500 ms for each connection (tcp_invalid_ratelimit): a second round comes
 * later than that. */
#define NETCFG_PROVOKE_AGAIN_MS 550

/* Sockets that only send. NULL with a sentence: the kernel refuses them. */
struct netcfg_provoker *netcfg_provoker_new(struct netcfg_error *err);
void netcfg_provoker_free(struct netcfg_provoker *p); /* NULL is fine */
/* Sends one segment from the local end of each, which must be an address of this node (its guard open) by now. Returns how many
 * of the n were dealt with, fewer when the kernel takes no more for now; *refused grows by those that it would not send. Never
 * blocks. */
size_t netcfg_provoke(struct netcfg_provoker *p, const struct tcp_ends *list, size_t n,
                      size_t *refused);

#endif
