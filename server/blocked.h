/* Clients that wait for a key to hold something: BLPOP and its kin.
 *
 * A command that finds nothing waits (call_block): its words are kept, the client is stalled and stands in the queue of
 * each of its keys. A key that comes to be, of a kind somebody waits for, is noted (call_ops.ready); after the command,
 * or the transaction as a whole, blocked_serve goes through the noted keys in the order in which they came to be, and
 * through a key's queue in the order in which clients began to wait: the waiting command runs again, with that key
 * alone, and is logged as what it then does. That may make other keys ready, which come after those.
 *
 * For a new blocking command: its function on floor 3 calls call_block with a struct block; nothing here changes. */
#ifndef DUET_SERVER_BLOCKED_H
#define DUET_SERVER_BLOCKED_H

#include "server/cmd/call.h"

struct client;

/* call_ops.block and call_ops.ready */
void blocked_wait(struct call *c, const struct block *b);
void blocked_note(struct call *c, int db, struct bytes key, enum value_kind kind);
/* The key was changed or deleted: matters to those who wait until it is gone, while blocked_watching says that there are
 * any. */
extern bool blocked_watching;
void blocked_note_changed(int db, struct bytes key);
/* A database was exchanged for another (-1: all were): any key that is waited for may be there now, or gone. */
void blocked_note_all(int db);

/* What follows each command. */
extern bool blocked_ready;
void blocked_serve_now(void);
static inline void blocked_serve(void) {
    if (__builtin_expect(blocked_ready, 0)) blocked_serve_now();
}

/* Ends a client's wait with an error, or (NULL) as if its time was over. */
void blocked_end(struct client *c, const char *error);
/* This node is no master any more: who waits, for keys or for slaves, is told, and closed. */
void blocked_end_all(void);
/* The client is closed. */
void blocked_forget(struct client *c);
size_t blocked_count(void);
/* Of these, how many wait for a limited time. */
size_t blocked_timed_count(void);
size_t blocked_memory(const struct client *c);

#endif
