/* Keys to which this slave's own clients gave a time to live (replica-read-only no): no master's DEL comes for them, so this node
 * expires them itself. What the master gave a time to live is the master's to expire. */
#ifndef DUET_SERVER_SLAVE_EXPIRY_H
#define DUET_SERVER_SLAVE_EXPIRY_H

#include "server/base/bytes.h"
#include "server/cmd/call.h"

#include <stddef.h>

/* A client's command has changed the key, on a slave. */
void slave_expiry_note(const struct call *c, int db, struct bytes key);
/* All data was replaced or emptied, or this node is no slave any more. */
void slave_expiry_forget(void);
size_t slave_expiry_count(void);
/* Calls due for each noted key whose time has come, which deletes it. Looks at a bounded number of names; true: call again soon,
 * there may be more. */
bool slave_expiry_cycle(int64_t now_ms, void (*due)(void *arg, int db, struct entry *e));

#endif
