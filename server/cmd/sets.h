/* What the files of the set commands share. */
#ifndef DUET_CMD_SETS_H
#define DUET_CMD_SETS_H

#include "server/cmd/call.h"
#include "server/store/set.h"

/* A new set at key in c->db, which the caller fills. */
struct entry *sets_new(struct call *c, struct bytes key);
/* After members were removed: the key goes with the last one. Notifies `event`, then "del". */
void sets_removed(struct call *c, struct bytes key, struct entry *e, const char *event);
/* A set_each_fn that replies each member; arg is the call. */
bool sets_reply_member(void *arg, struct bytes member);

#endif
