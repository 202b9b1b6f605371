/* Client-side caching: who may hold a copy of which key, and the messages that end such copies.
 *
 * A client that tracks is noted at every key that it reads (the table); the first change of the key sends it one
 * message and forgets it there. A BCAST client is noted nowhere: it gets the names of all changed keys that begin with
 * one of its prefixes, once a turn. Messages go to the client itself (RESP3), or to the one that it names by REDIRECT.
 *
 * Order: what another client's command changes is told at once. What the client's own command changes is told behind
 * that command's reply, a transaction's or script's as a whole.
 *
 * The table: an element of one allocation a key, with the numbers of its clients, under a store dict. A client that
 * goes, or tracks no more, is left in it: its number means nobody from then on. */
#ifndef DUET_SERVER_TRACKING_H
#define DUET_SERVER_TRACKING_H

#include "server/cmd/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct command;

enum tracking_flags {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
    TRACKING_CACHING = 1 << 4, /* CLIENT CACHING came: it is about the next command */
    TRACKING_BROKEN = 1 << 5   /* the client that messages are redirected to is gone */
};

extern size_t tracking_count; /* clients that track */
extern bool
    tracking_in_use; /* they do, or the table knows of some that did: changes are to be told here */

/* target NULL: the client itself. Names are prefixes (none: every key), with TRACKING_BCAST only. */
void tracking_on(struct client *c, struct client *target, unsigned flags,
                 const struct bytes *prefixes, size_t count);
void tracking_off(struct client *c);
/* False: it does not track. */
bool tracking_flags(const struct client *c, unsigned *flags);
void tracking_set_caching(struct client *c, bool on);
/* The number of the client that messages go to, 0: its own; -1: it does not track. */
int64_t tracking_target(const struct client *c);
/* In their order; *name is good until the next change. False: there are no more. */
bool tracking_prefix(const struct client *c, size_t i, struct bytes *name);
/* The client is closed: messages meant for it find nobody. */
void tracking_target_gone(struct client *c);

/* After a command of the client that reads (its own words, or a script's that read). */
void tracking_remember(struct client *c, const struct command *cmd, int argc,
                       const struct bytes *argv);
/* The running command has come to its end, its reply stands in client.out: its client is told of what it changed. */
void tracking_pay(void);
/* A request was answered (cmd NULL: nobody knows it): CLIENT CACHING was about this one. */
void tracking_request_over(struct client *c, const struct command *cmd);
/* A key changed. */
void tracking_changed(struct call *c, struct bytes key);
/* Databases are emptied. */
void tracking_flushed(struct call *c);
/* Each turn: what BCAST clients are owed. */
void tracking_broadcast(void);
/* Before commands, and ten times a second: the table is held to tracking-table-max-keys. */
void tracking_limit(void);

size_t tracking_memory(const struct client *c);
uint64_t tracking_keys(void);
uint64_t tracking_items(void);
uint64_t tracking_prefixes(void);
/* Bytes of the table. */
size_t tracking_table_bytes(void);

void register_tracking_commands(void);

#endif
