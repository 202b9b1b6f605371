/* MIGRATE: keys are sent to another server and, when it has them, deleted here.
 *
 * Redis stands still meanwhile. Here only the client that asked does: the other ones are served, and what they change of a
 * key on its way is seen (migrate_touched, from call_ops.changed), so that a key is only deleted when the target has what
 * it holds. A key that was changed stays, and the client is told IOERR, as of any other doubt about the target.
 * Inside EXEC and scripts nothing may come between: there the executor waits, for 10 s at most, and says that it lives. */
#ifndef DUET_SERVER_MIGRATE_H
#define DUET_SERVER_MIGRATE_H

#include "server/base/bytes.h"

#include <stdbool.h>

extern bool migrate_under_way;
void migrate_touched(int db, struct bytes key);
/* A database (-1: all) was emptied or exchanged. */
void migrate_flushed(int db);
void register_migrate_commands(void);

#endif
