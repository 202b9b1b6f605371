/* The server's side of a pair: the write lease, the role that had gives, the liveness counters.
 * DESIGN.md section 5, rule 1. Outside of a pair every function says "go on". */
#ifndef DUET_SERVER_PAIR_H
#define DUET_SERVER_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;

/* What a service client is told that wants to give a role itself. */
#define PAIR_OWNS_ROLES                                                                            \
    "ERR this server is part of a pair: roles are given by had, see `hactl status` and `hactl "    \
    "switchover`"

bool pair_on(void);
/* Maps the lease, starts the thread that stamps alive_ns. False with a sentence in err. */
bool pair_start(const char *lease_path, uint64_t server_id, char *err, size_t err_size);
void pair_stop(void);
/* May commands of service clients run, and replies to them be sent, at this very moment? A slave's
 * and a plain server's always may; a master's only while the lease is valid for its epoch. Reads
 * the clock after the deadline. */
bool pair_may_serve(void);
/* The same in two steps, for replies that an I/O thread sends: must they wait for the lease? That is
 * settled when they are made, so that a change of roles does not set them free. And any thread: is
 * there one, for the epoch that this node was told? */
bool pair_needs_lease(void);
bool pair_may_send(void);
/* The executor's turn: work begins, goes on (inside long commands too), is done. */
void pair_executor_busy(void);
void pair_executor_tick(void); /* cheap: stamps now and then */
void pair_executor_stamp(void);
void pair_executor_idle(void);

uint64_t pair_epoch(void);
void pair_set_epoch(uint64_t epoch);
/* What a service client is told while this node has no role, NULL when it has one. */
const char *pair_refusal(void);

/* control.c: DUET ... on the control socket. */
void control_duet(struct call *c);
bool control_open(const char *path, char *err, size_t err_size);
void control_close(void);
void control_take(void); /* who has come, from inside a slow script */

#endif
