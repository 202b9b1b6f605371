/* What the blocking commands of all families share; floor 4 keeps those who wait (server/blocked.h). */
#include <math.h>

#include "server/cmd/call.h"
#include "server/cmd/longdouble.h"

bool arg_timeout(struct call *c, int i, int64_t *ms) {
    long double s;
    const char *error = NULL;
    *ms = 0;
    if (!long_double_parse(c->argv[i], &s))
        error = "ERR timeout is not a float or out of range";
    else if (s * 1000 <= -1 || ceill(s * 1000) >= 0x1p63L) /* too much overflows in Redis 7.0 */
        error = "ERR timeout is negative";
    else
        *ms = (int64_t)ceill(s * 1000);
    if (*ms > INT64_MAX - c->now_ms) *ms = 1; /* this too: the moment is long past */
    if (error) reply_error(c, error);
    return !error;
}

bool call_block(struct call *c, const struct block *b) {
    if (c->flags & CALL_DENY_BLOCKING || !c->ops->block) return false;
    c->ops->block(c, b);
    return true;
}
