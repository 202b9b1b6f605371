/* Heartbeats on their ways: one UDP socket for each direct path, the way through the gateway, and the
 * serial line.
 *
 * A socket is bound to its path's address, port and interface, so that what comes in on it came that
 * way; what the gateway handed on is known by its source port. A path whose interface, address or port is
 * not there (yet) is tried again every second. Everything is sent at the priority of control
 * traffic. The driver checks HMAC, pair, node, and that a heartbeat came by the path it was sent on, from the
 * other node's address; freshness is judged by ha_fsm. Who else is heard (cables swapped, another pair with our
 * id or secret, a machine with our name) is named by peer_identity.h: for that a heartbeat goes to all
 * machines of a direct path every ten seconds, every second while the other node is not heard there. */
#ifndef HACTL_PEER_H
#define HACTL_PEER_H

#include "hactl/heartbeat.h"
#include "netcfg/netcfg.h"

#define PEER_PORT         7800 /* of every path */
#define PEER_PORT_GATEWAY 7801 /* source port of what goes through the gateway */
#define PEER_KEYS         2

struct loop;
struct peer;

struct peer_path {
    bool configured;
    bool open;
    uint64_t sent, failed;   /* heartbeats that left, and that the kernel refused */
    uint64_t dropped;        /* serial: the line was still busy with the one before */
    uint64_t heard, refused; /* datagrams that were authentic, and that were not */
    uint64_t lost;           /* by their numbers: sent by the other node, never came by here */
    uint64_t late;           /* silences of more than late_ms between two that came */
    uint64_t garbage;        /* serial: bytes that belonged to no frame */
    enum heartbeat_result last_refusal;
    uint64_t life, seq, heard_ns; /* of the newest one heard */
    char why[160];                /* of the newest failure; "" none */
};

/* Silences on all paths at once, between two heartbeats, of more than late_ms. */
struct peer_late {
    uint64_t count, longest_ms;
};

/* The first one signs; each of them is believed. */
struct peer_keys {
    uint8_t key[PEER_KEYS][HEARTBEAT_KEY];
    int count;
};

struct peer_conf {
    uint16_t pair;
    uint8_t node;
    struct peer_keys keys;
    unsigned late_ms;              /* a silence that is worth counting; 0: none is */
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

/* Other keys from now on; the paths stay as they are. */
void peer_rekey(struct peer *p, const struct peer_keys *keys);

const struct peer_path *peer_path(const struct peer *p, enum ha_path path);
const struct peer_late *peer_late(const struct peer *p);
/* Who is heard that should not be (peer_identity.h); "" nobody. */
const char *peer_oddity(const struct peer *p, uint64_t now_ns);

#endif
