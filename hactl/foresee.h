/* What would happen: a copy of the living decision cores, run forward under a fault that did not happen. Pure.
 *
 * Both nodes' cores (struct ha_fsm as the daemons hold it now) are put into a small world: paths as they work now, a
 * gateway, servers, disks and one client that writes every 5 ms. It is warmed up, the fault happens, and what the cores
 * decide is looked at. Nothing is foretold that the decision table does not do; what the world is simple about: links
 * answer in 0.3 ms, disks in 3 ms, every instance behaves as one, and nothing else goes wrong meanwhile.
 *
 * A node whose core cannot be had (the other one, out of reach of the channel) is made up from its heartbeats; one that
 * is not heard is off. */
#ifndef HACTL_FORESEE_H
#define HACTL_FORESEE_H

#include "hactl/ha_fsm.h"

/* What is known of the pair now. */
struct foresee_start {
    bool there[2]; /* 0 a, 1 b: its core is known, or made up */
    struct ha_fsm core[2];
    int64_t now[2];     /* each core's clock when it was taken */
    bool async;         /* an instance acknowledges before its slave has it ... */
    uint64_t lag_bytes; /* ... and its slave is so far behind */
};

enum fault_kind {
    FAULT_POWER,    /* node loses power */
    FAULT_SERVER,   /* its server is killed, and starts again */
    FAULT_HAD,      /* its had is killed, and starts again */
    FAULT_DISK,     /* its log cannot be fsynced any more */
    FAULT_SERVICE,  /* its service cable is cut */
    FAULT_ISOLATED, /* both its cables are cut */
    FAULT_CROSSOVER,
    FAULT_SWITCH,     /* the service network is dead for both */
    FAULT_GATEWAY,    /* the gateway is dead */
    FAULT_SWITCHOVER, /* none: the operator's command, for comparison */
    FAULT_KINDS
};

struct fault {
    enum fault_kind kind;
    int node; /* of the first six; else 0 */
};

/* All faults in their order: "power-a", "crossover" ... */
#define FAULTS 16
const struct fault *fault_at(int i); /* NULL behind the last one */
const char *fault_id(const struct fault *f);
bool fault_has_node(const struct fault *f);
/* "power-a", and "power-master", "power-slave", which the pair's roles say; false: there is none. */
bool fault_named(const char *id, int master, struct fault *out);
/* "node a (master) loses power"; in a buffer of the caller's. */
void fault_text(const struct fault *f, const struct foresee_start *s, char *out, size_t size);

struct foreseen {
    int before, after; /* who serves: 0 a, 1 b, -1 nobody */
    bool moved;        /* the role went to the other node, or went and came back */
    int64_t gap_min_ms,
        gap_max_ms; /* longest time without an acknowledged write; -1: none is acknowledged any more */
    uint64_t epoch_before, epoch_after; /* numbers */
    bool alone;                         /* afterwards the node that serves is alone */
    bool takeover;                      /* afterwards the other one could take over by itself */
    uint64_t lost_bytes;                /* of acknowledged writes */
    bool unsynced;     /* the node that loses power was alone: its log may lack the last second */
    bool two_writers;  /* never, if the rules hold */
    bool certain;      /* the same whatever the moment between two heartbeats */
    char why[HA_TEXT]; /* nobody serves: what the node that could waits for */
};

/* Copies what it needs; some ten thousand steps of the cores, a few ms. */
void foresee(const struct foresee_start *s, const struct fault *f, struct foreseen *out);
/* A sentence: who serves, after how long, what is lost, how things stand then. */
void foreseen_text(const struct foreseen *o, const struct fault *f, char *out, size_t size);
/* Makes the other node's core up from its heartbeats, as `known` has them. */
void foresee_make_up(struct foresee_start *s, int known);

#endif
