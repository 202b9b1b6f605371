/* How one server of a node comes to count with the others, and ceases to. Pure: no descriptor, no clock.
 *
 * Role, epoch and grants belong to the node, so the decision core sees all its servers as one. A server that was
 * just made must not disturb that: until it counts it is brought to where the others are by the steps below, and the
 * core knows nothing of it.
 *
 *   on a slave    told to follow; counts when its first copy is complete and its link streams
 *   on a master   told to be master, alone; when the slave counts it: holds replies (ALONE 0), waits until the slave
 *                 has all that was released before, counts. Alone as a whole, the master counts it at once
 *
 * So the slave counts first. In between the nodes compare their links by the instances that the slave counts
 * (instance_set.c): the pair stays in sync. A counted one that the peer does not have is let go again; so is a slave's that
 * has no link and that its master does not count.
 *
 * A node that becomes master in the middle of an instance's first copy does not serve that one: the other node has more
 * of it. It waits until roles are changed back. */
#ifndef HACTL_INSTANCE_JOIN_H
#define HACTL_INSTANCE_JOIN_H

#include "hactl/ha_event.h"

/* What the node is just now; made from the core's state by had_core.c. */
struct instance_wish {
    enum ha_server_role role; /* HA_SERVER_NONE: nothing is told and nobody begins to count */
    uint64_t epoch;
    char host[64];     /* a slave's: the master's address */
    bool in_sync;      /* a master whose slave is in sync, no switchover under way */
    bool solo;         /* a master that is alone, and its servers know */
    bool peer_fresh;   /* the peer is heard; else the next two mean nothing */
    uint64_t peer_has; /* its instances, a bit for each number; 0: it does not say */
    uint64_t peer_counts;
    int64_t give_up_ns; /* a slave that holds replies up for so long is given up */
};

struct instance_join {
    bool counted;
    bool leaving; /* is no longer in the configuration: never counts again */
    bool
        complete; /* it served or counted here, and no copy of another one's data has begun since */
    bool partial; /* it was told to follow without being complete: it may not become master */
    bool told_once;     /* host is what it was told last */
    char host[64];      /* HA_SERVER_SLAVE */
    uint64_t hold_from; /* offset to be acknowledged before it counts; UINT64_MAX: not held yet */
};

enum instance_step {
    INSTANCE_WAIT = 0,
    INSTANCE_MASTER,  /* tell it DUET MASTER */
    INSTANCE_SLAVE,   /* tell it DUET SLAVE */
    INSTANCE_NONE,    /* tell it DUET NONE: it serves nobody */
    INSTANCE_HOLD,    /* DUET ALONE 0 */
    INSTANCE_RELEASE, /* DUET ALONE 1 */
    INSTANCE_COUNT,   /* it counts from now on */
    INSTANCE_LET_GO   /* it does not count any more */
};

/* The next step of the instance whose bit that is, by its newest status. Notes in *j what it decides. */
enum instance_step instance_next(struct instance_join *j, const struct ha_server *s,
                                 const struct instance_wish *w, uint64_t bit);
/* Its server is gone: what it was told is void. */
void instance_join_lost(struct instance_join *j);
/* Why it does not count, for people; "" when it does. Static storage. */
const char *instance_join_why(const struct instance_join *j, const struct ha_server *s,
                              const struct instance_wish *w, uint64_t bit);

#endif
