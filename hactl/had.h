/* The inside of the daemon: what had.c, had_core.c, had_request.c and had_report.c share. */
#ifndef HACTL_HAD_H
#define HACTL_HAD_H

#include "hactl/epoch.h"
#include "hactl/fence.h"
#include "hactl/guard.h"
#include "hactl/had_clients.h"
#include "hactl/had_conf.h"
#include "hactl/had_events.h"
#include "hactl/had_notices.h"
#include "hactl/request_sock.h"
#include "hactl/instance_set.h"
#include "hactl/peer.h"
#include "hactl/read_vip.h"
#include "hactl/vip.h"
#include "hactl/witness_client.h"

struct had_alarm {
    bool on;
    int64_t since_ms; /* wall clock */
    char text[HA_TEXT];
};

struct had {
    struct loop *loop;
    char root[256];
    struct had_conf conf;
    struct ha_fsm fsm; /* touched by had_core.c alone; reports read it */
    bool stepping;
    int64_t started_ns;
    struct loop_timer *tick;
    struct loop_timer *hurry; /* a switchover drains: the servers are asked every ms */
    bool hurries;
    struct loop_signal *term, *interrupt;
    struct epoch_store *epoch;
    struct instance_set *servers;
    struct netcfg *net;
    struct guard *guard;
    struct peer *peer;
    struct vip *vip;
    struct had_clients *clients;    /* of the former master */
    struct witness_client *witness; /* NULL: none is configured */
    struct fence *fence;            /* the same */
    uint64_t refused_epoch;         /* by the witness, as was told */
    struct read_vip *read;          /* NULL: no read-vip is configured */
    struct request_sock *sock;
    struct had_events events;
    struct had_notices notices;
    struct had_alarm alarms[HA_ALARMS];
    uint64_t outside_ns;     /* newest probe that a gateway or reference answered; 0 none yet */
    uint8_t foreign_mac[6];  /* of the last machine that claimed the VIP */
    bool locked, real_time;  /* memory, scheduling */
    bool leaving;            /* was told to end and hands over first */
    struct ha_event waiting; /* a switchover that waits for the slave's word */
    int64_t waiting_until;   /* 0: none waits */
};

/* ---- had_core.c: events in, actions out ---- */

/* Starts the decision core with what the disk holds. */
void had_core_start(struct had *h, const struct ha_record *record);
/* One event, and all actions that follow from it. */
void had_feed(struct had *h, const struct ha_event *ev);
/* The calls of the drivers; arg is struct had. */
void had_on_saved(void *arg, uint32_t id, bool ok);
void had_on_heartbeat(void *arg, enum ha_path path, const struct heartbeat *hb);
/* An alarm begins or ends: the core's HA_ACT_ALARM, or a driver's own. */
void had_core_alarm(struct had *h, const struct ha_action *a);
extern const struct guard_calls had_guard_calls;
extern const struct instance_set_calls had_server_calls;
void had_on_tick(struct loop *l, void *arg);
void had_on_hurry(struct loop *l, void *arg);
/* A command of the operator; the core answers it. A switchover waits up to a second for a slave that
 * is just coming into sync. */
void had_core_command(struct had *h, const struct ha_event *ev);
/* The instances of another reading of duet.conf are ours from now on. False with a sentence: nothing changed. */
bool had_core_take(struct had *h, struct had_conf *fresh, char *err, size_t err_size);
/* A master that is told to end hands over first, when it can. False: there is nothing to wait for;
 * else the loop stops when the outcome is known. */
bool had_core_leave(struct had *h);

/* ---- had_tail.c: every tick, the alarm about tails. */
void had_tails_look(struct had *h);

/* ---- had_request.c: what hactl asks ---- */
enum request_verdict had_on_request(void *arg, uint32_t id, int argc, char **argv,
                                    struct buf *sentence, struct buf *fields);

/* ---- had_report.c: the state as fields ---- */
void had_report_status(const struct had *h, struct buf *out);
void had_report_events(const struct had *h, uint64_t after, uint64_t count, struct buf *out);
void had_report_core(const struct had *h, struct buf *out);

#endif
