/* FAILOVER of a plain server: the mastership goes to a slave that has everything.
 *
 * Writes are paused; when the slave (the one that is named, or the first that has acknowledged everything) has the stream to its
 * end, this server follows it and asks it by PSYNC ... FAILOVER to become the master. What it answers ends the matter: this
 * server is its slave, or, refused, master again. In a pair had does this (hactl switchover). */
#ifndef DUET_SERVER_FAILOVER_H
#define DUET_SERVER_FAILOVER_H

#include <stdbool.h>

struct call;

void cmd_failover(struct call *c);
/* Moves it on; each turn while server.failing_over. */
void failover_step(void);
/* As INFO says it. */
const char *failover_state_name(void);

#endif
