/* The patterns of SORT's BY and GET: "weight_*" names a string for each member, "user_*->age" a field of a hash, "#" the
 * member itself. */
#ifndef DUET_CMD_SORT_H
#define DUET_CMD_SORT_H

#include "server/cmd/call.h"
#include "server/store/string.h"

struct pattern {
    bool itself; /* # */
    bool varies; /* has a *; one without finds nothing */
    struct bytes before, after,
        field; /* field.len 0: a string is meant. They lie in the pattern's word */
};
struct pattern pattern_parse(struct bytes word);
/* What the pattern finds for a member; false when there is nothing of the right kind. key is room for names, d backs a
 * number; the value is good until the store is touched again. */
bool pattern_find(struct call *c, const struct pattern *p, struct bytes member, struct buf *key,
                  struct bytes *value, struct digits *d);

#endif
