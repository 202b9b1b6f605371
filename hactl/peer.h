/* Heartbeats on the wire: one UDP socket for each direct path, and the way through the gateway.
 *
 * A socket is bound to its path's address, port and interface, so that what comes in on it came that
 * way; what the gateway handed on is known by its source port. A path whose interface or address is
 * not there (yet) is tried again every second. Everything is sent at the priority of control
 * traffic. The driver checks HMAC, pair and node (heartbeat_decode); freshness is judged by ha_fsm. */
#ifndef HACTL_PEER_H
#define HACTL_PEER_H

#include "hactl/heartbeat.h"
#include "netcfg/netcfg.h"

#define PEER_PORT         7800 /* of every path */
#define PEER_PORT_GATEWAY 7801 /* source port of what goes through the gateway */

struct loop;
struct peer;

struct peer_path {
    bool configured;
    bool open;
    uint64_t sent, failed;   /* datagrams that left, and that the kernel refused */
    uint64_t heard, refused; /* datagrams that were authentic, and that were not */
    enum heartbeat_result last_refusal;
    char why[160]; /* of the newest failure; "" none */
};

struct peer_conf {
    uint16_t pair;
    uint8_t node;
    const uint8_t *key;            /* HEARTBEAT_KEY bytes, copied */
    const struct netcfg_conf *net; /* copied */
};

/* An authentic heartbeat arrived. hb is the caller's during the call only. */
typedef void peer_heard_fn(void *arg, enum ha_path path, const struct heartbeat *hb);

/* net_handle sends through the gateway; it outlives the peer. NULL: that path is not used. */
struct peer *peer_new(struct loop *l, const struct peer_conf *conf, struct netcfg *net_handle,
                      peer_heard_fn *heard, void *arg);
void peer_free(struct peer *p);

/* Sends hb on every path, now. Never blocks; what cannot be sent is lost, as on a wire. */
void peer_send(struct peer *p, const struct heartbeat *hb);

const struct peer_path *peer_path(const struct peer *p, enum ha_path path);

#endif
