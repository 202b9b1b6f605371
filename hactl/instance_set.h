/* All servers of a node as one, the way the decision core wants it: up when all are up, the worst of
 * each field, offsets added. A command goes to every server and is answered once, when all have.
 *
 * Servers come and go (instance_set_take). Those that had found at its start count from the first; a new one begins to
 * count when it is where the others are, and until then neither its state nor its death shows (instance_join.h). The
 * node's `boot` is that of the servers that counted: it changes when one of them restarts, not when the set does. */
#ifndef HACTL_INSTANCE_SET_H
#define HACTL_INSTANCE_SET_H

#include "hactl/instance.h"
#include "hactl/instance_join.h"

struct instance_set;

struct instance_set_calls {
    void *arg;
    void (*status)(void *arg, const struct ha_server *all);
    void (*died)(void *arg);
    void (*told)(void *arg, uint32_t id, bool ok, uint64_t offset); /* never inside _tell */
};

/* What a command needs beyond the action: where the other node's servers are. */
struct instance_tell {
    uint32_t id;
    enum ha_tell what;
    uint64_t epoch;
    const char *host; /* HA_TELL_SLAVE */
    bool alone;       /* HA_TELL_ALONE */
    uint32_t ms;      /* HA_TELL_PAUSE */
};

/* NULL with a sentence in err. confs and calls are copied. */
struct instance_set *instance_set_new(struct loop *l, const char *root,
                                      const struct instance_conf *confs, int count,
                                      const struct instance_set_calls *calls, char *err,
                                      size_t err_size);
void instance_set_free(struct instance_set *s);
void instance_set_tick(struct instance_set *s, uint64_t now_ns);
/* Asks all for their status now: somebody waits for it. */
void instance_set_ask(struct instance_set *s, uint64_t now_ns);
void instance_set_tell(struct instance_set *s, const struct instance_tell *t);
void instance_set_lease(struct instance_set *s, uint64_t epoch, uint64_t until_ns);
/* The oldest of each counter. */
void instance_set_alive(const struct instance_set *s, uint64_t now_ns, uint64_t *server_ns,
                        uint64_t *executor_ns);
int instance_set_count(const struct instance_set *s);
const struct instance *instance_set_at(const struct instance_set *s, int i);
/* For commands of its own; nobody waits for what is asked of it this way. */
struct instance *instance_set_server(struct instance_set *s, int i);
/* Why that one does not count yet; "" when it does. Static storage. */
const char *instance_set_waits(const struct instance_set *s, int i);

/* What the node is now, for those that do not count yet; every tick, before instance_set_tick. */
void instance_set_wish(struct instance_set *s, const struct instance_wish *w);
/* Bits by number: those of the configuration; those that count. */
uint64_t instance_set_has(const struct instance_set *s);
uint64_t instance_set_counts(const struct instance_set *s);
/* The configuration has changed: takes in what is new, lets go what is gone (its server is kept in touch until the peer
 * does not count it either). False with a sentence: nothing has changed. */
bool instance_set_take(struct instance_set *s, const struct instance_conf *confs, int count,
                       char *err, size_t err_size);

/* Pure: folds one more status into all; the first one is copied (count 0). */
void instance_set_fold(struct ha_server *all, const struct ha_server *one, int count);

#endif
