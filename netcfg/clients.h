/* Machines on the service network that have used a VIP, and their link addresses: who holds the VIP
 * tells them by unicast, where a switch swallows broadcasts. Inside netcfg only.
 *
 * They are of two sorts: those that were overheard asking who has a VIP (such questions are broadcast,
 * so that the slave learns them too), and the kernel's own neighbours. */
#ifndef DUET_NETCFG_CLIENTS_H
#define DUET_NETCFG_CLIENTS_H

#include "netcfg/netlink.h"

#define CLIENTS_SEEN 128 /* the one not seen for longest makes room */
#define CLIENTS_TOLD 256 /* of one announcement */

struct client_seen {
    int family; /* 0: none */
    uint8_t ip[16];
    uint8_t mac[NETCFG_MAC_BYTES];
    uint64_t seen; /* counts up */
};

struct clients {
    struct client_seen list[CLIENTS_SEEN];
    uint64_t count;
};

void clients_note(struct clients *c, int family, const uint8_t *ip, const uint8_t mac[6]);
/* All of one family, each once: those noted, then the kernel's neighbours on the interface. Returns how
 * many stand in out. */
size_t clients_all(const struct clients *c, struct nl *route, int index, int family,
                   struct client_seen out[CLIENTS_TOLD]);

#endif
