/* One server as had sees it: a RESP client on ROOT/run/control-N.sock that reconnects by itself, and
 * the lease page ROOT/run/lease-N. Commands are pipelined and never wait; each is answered exactly
 * once, also when the connection breaks. instance_set makes one of several servers. */
#ifndef HACTL_INSTANCE_H
#define HACTL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hactl/ha_fsm.h"

#define INSTANCE_LIMIT 16
#define INSTANCE_NAME  31
/* An instance at durability async holds no replies; a slave that lags by more than this is not in sync. */
#define INSTANCE_LAG_LIMIT (64ull << 20)

struct loop;
struct instance;

struct instance_conf {
    int number;
    uint16_t port;                /* where it serves clients and the other node's server */
    char name[INSTANCE_NAME + 1]; /* for people; "" none */
    bool async; /* durability async: what it lags behind is bounded by INSTANCE_LAG_LIMIT */
};

/* DUET STATUS as had needs it, and what only status shows. */
struct instance_status {
    struct ha_server server;
    char replid[41];
    uint64_t fsync_failed, log_stuck; /* not 0: the log is broken */
    uint64_t rejoin_tail;             /* writes put aside when it rejoined */
    uint64_t tails, tail_writes, tail_keys, tail_saving,
        tail_wholes;       /* nobody has dealt with them */
    uint64_t peer_clients; /* of the master, that this slave's server knows */
    uint64_t clients, keys;
    uint64_t slaves;      /* a master's: all of them */
    int64_t slave_lag_ns; /* the pair's lacks something for so long */
};

/* Pure: reads one whole reply. False when it is not an answer to DUET STATUS; fields that it does
 * not know are skipped. */
bool instance_status_read(const char *reply, size_t len, struct instance_status *out);

struct instance_calls {
    void *arg;
    void (*status)(void *arg, struct instance *i); /* a fresh answer to DUET STATUS */
    void (*died)(void *arg, struct instance *i);   /* the connection broke: once */
};

/* ok: the server said so. text: its words (of an error too), not ended by a NUL. */
typedef void instance_answer_fn(void *arg, struct instance *i, uint32_t id, bool ok,
                                const char *text, size_t len);

/* NULL with errno when the lease page cannot be made. calls is copied. */
struct instance *instance_new(struct loop *l, const char *root, const struct instance_conf *conf,
                              const struct instance_calls *calls);
/* Drops the lease. Commands without an answer are forgotten. */
void instance_free(struct instance *i);

/* Every tick: connects, asks for the status. */
void instance_tick(struct instance *i, uint64_t now_ns);
/* Asks for the status at once, unless an answer is on its way. */
void instance_ask(struct instance *i, uint64_t now_ns);
/* Sends a command. False when there is no connection: then there is no answer either. */
bool instance_tell(struct instance *i, uint32_t id, instance_answer_fn *answer, void *arg, int argc,
                   const char *const *argv);

/* The write lease: until_ns 0 drops it. Only the process that answered the last status gets one. */
void instance_lease(struct instance *i, uint64_t epoch, uint64_t until_ns);

void instance_set_async(struct instance *i, bool async);
/* Does a command wait for its answer, other than for the status? */
bool instance_busy(const struct instance *i);
/* NULL while the server is not there or has not answered yet. */
const struct instance_status *instance_status(const struct instance *i);
/* The liveness counters as moments; 0 when there is no server. */
void instance_alive(const struct instance *i, uint64_t now_ns, uint64_t *server_ns,
                    uint64_t *executor_ns);
const struct instance_conf *instance_conf_of(const struct instance *i);
const char *instance_trouble(const struct instance *i); /* why it is not connected; "" it is */

#endif
