/* ACL LOG: attempts to log in that failed. (Nothing else is ever denied to the one user there is.) */
#ifndef DUET_SERVER_ACL_LOG_H
#define DUET_SERVER_ACL_LOG_H

#include "server/base/bytes.h"

#include <stddef.h>

struct call;

/* AUTH or HELLO with a wrong name or password. */
void acl_log_refused(const struct call *c, struct bytes user);
/* The newest entries, at most count, as ACL LOG replies them. */
void acl_log_reply(struct call *c, size_t count);
void acl_log_reset(void);

#endif
