/* Whom to evict: keys are sampled, and the worst of many samples are remembered from call to call, so that a few
 * looked at each time come near to what looking at all would choose. Pure: nothing is deleted here. */
#ifndef DUET_STORE_VICTIMS_H
#define DUET_STORE_VICTIMS_H

#include "server/store/store.h"

enum victim_rule {
    VICTIM_ANY,    /* at random */
    VICTIM_OLDEST, /* not used for the longest time */
    VICTIM_RAREST, /* used least often; needs settings.lfu */
    VICTIM_SOONEST /* expires first */
};

struct victims;
struct victims *victims_new(void);
void victims_free(struct victims *v);
/* The rule or what is evictable changed: forgets what was remembered. */
void victims_forget(struct victims *v);

/* The next one to go and its database. expiring_only: among keys with a stamp. samples: keys looked at in each
 * database. NULL: there is none. */
struct entry *victims_next(struct victims *v, struct store *s, enum victim_rule rule,
                           bool expiring_only, unsigned samples, int64_t now_ms, int *db);

#endif
