/* Reconnect help for clients after a takeover. The server knows whom the last master served (server/peer_clients.h); once this
 * node holds the VIP, each of those connections that was made to one of its VIPs is provoked, twice, so that its client is reset within
 * a second also when it only waits. At an even pace: EACH_TURN segments every TURN_MS. */
#ifndef HACTL_HAD_CLIENTS_H
#define HACTL_HAD_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

struct had_clients;
struct instance_set;
struct loop;
struct netcfg_conf;

struct had_clients_counts {
    uint64_t known;   /* of the last takeover: connections that the servers knew, */
    uint64_t told;    /* of these provoked (at a VIP, and there was a way) */
    uint64_t took_ms; /* from the VIP to the last of the first round */
    bool under_way;
};

/* conf and servers must outlive it. */
struct had_clients *had_clients_new(struct loop *l, const struct netcfg_conf *conf,
                                    struct instance_set *servers);
void had_clients_free(struct had_clients *c);
/* Every tick: does this node hold the VIP, open to clients? The change to yes begins it, to no ends it. */
void had_clients_tick(struct had_clients *c, bool holds_vip);
const struct had_clients_counts *had_clients_counts(const struct had_clients *c);

#endif
