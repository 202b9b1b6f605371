/* What had reads from duet.conf: [node] [pair] [network] [ha], and of each [instance N] its port.
 * Reading has no effect; every complaint names file and line. */
#ifndef HACTL_HAD_CONF_H
#define HACTL_HAD_CONF_H

#include "hactl/arbiter_conf.h"
#include "hactl/ha_fsm.h"
#include "hactl/instance.h"
#include "hactl/log_conf.h"
#include "hactl/peer.h"
#include "netcfg/netcfg.h"
#include "server/base/conf.h"

/* The pair's secret. While it is being changed (cli_key.h) there are two, and either is believed: `next` is known
 * to this node and not used yet, `old` is not used any more. */
struct had_secrets {
    uint8_t now[HEARTBEAT_KEY], next[HEARTBEAT_KEY], old[HEARTBEAT_KEY];
    bool has_next, has_old;
    int64_t since_s; /* wall clock: when `now` was made; 0: not known */
};

struct had_conf {
    char path[512]; /* of duet.conf, as named in messages */
    char name[64];  /* of this node, for people */
    struct had_secrets secrets;
    struct ha_setup setup;
    struct netcfg_conf net;
    struct arbiter_conf arbiter;
    struct instance_conf instances[INSTANCE_LIMIT];
    int instance_count;
    struct event_out_conf log;
    struct place metrics;     /* where they are served; len 0: nowhere */
    int64_t compare_every_ms; /* the two nodes' data are compared so often; 0: not by themselves */
    int64_t changes;          /* how often hactl has changed the instances */
};

/* Reads path, or takes text already read. False with "FILE:LINE: sentence" in err; *out is then of
 * no use. */
bool had_conf_read(struct had_conf *out, const char *path, struct conf_error *err);
bool had_conf_take(struct had_conf *out, const struct conf *c, struct conf_error *err);

/* As the heartbeats' driver wants them. */
struct peer_keys had_conf_keys(const struct had_secrets *s);

#endif
