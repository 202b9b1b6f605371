/* The words that SCAN, HSCAN, SSCAN and ZSCAN share. */
#ifndef DUET_CMD_SCAN_H
#define DUET_CMD_SCAN_H

#include "server/cmd/call.h"

struct scan_options {
    uint64_t count;       /* COUNT, 10 */
    struct bytes pattern; /* MATCH; p NULL: all */
    struct bytes type;    /* TYPE, of SCAN only; p NULL: all */
};

/* Each replies the error and returns false. */
bool scan_cursor(struct call *c, int i, uint64_t *cursor);
bool scan_options(struct call *c, int first, bool typed, struct scan_options *o);
/* How HSCAN, SSCAN and ZSCAN begin: the words after the key, and its entry. NULL after the reply: an error, or that there is
 * nothing. */
struct entry *scan_begin(struct call *c, enum value_kind kind, uint64_t *cursor,
                         struct scan_options *o);
bool scan_matches(const struct scan_options *o, struct bytes text);
/* The reply: the cursor, then an array of items that stand in `items` already. Releases it. */
void scan_reply(struct call *c, uint64_t cursor, struct buf *items, size_t count);

#endif
