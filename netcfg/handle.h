/* The inside of struct netcfg. Inside netcfg only. */
#ifndef DUET_NETCFG_HANDLE_H
#define DUET_NETCFG_HANDLE_H

#include "netcfg/guard.h"
#include "netcfg/link.h"
#include "netcfg/netcfg.h"

#define PROBE_RING 128 /* probes remembered; a power of two */

struct netcfg {
    struct netcfg_conf conf;
    int epoll, packet, icmp;
    struct nl route, links;
    struct guard guard;
    struct netcfg_link link[2]; /* service, crossover, as of the last notification */
    bool link_changed[2];
    int bound_index; /* the interface that packet and icmp are bound to; 0: none */
    uint64_t asker;  /* tells our echoes from others' */
    uint64_t probe_count;
    uint64_t probe_sent_ns[PROBE_RING]; /* of probe number i: slot i % PROBE_RING */
    uint64_t arp_oldest; /* number of the oldest probe whose ARP answer may still come */
    uint64_t exact_ns;   /* when an echo was last answered; while that goes on ARP is no evidence */
    uint64_t arp_doubt_ns; /* when an ARP answer came that no probe had asked for; 0: never */
    uint8_t gateway_mac[NETCFG_MAC_BYTES];
    bool gateway_known;
    uint64_t vip_probe_ns; /* when the newest VIP probe was sent; 0: none */
};

/* True when the service interface is there; else err says so. */
bool service_ready(struct netcfg *h, struct netcfg_error *err);
/* arp.c: the next event from the packet and from the icmp socket. */
bool arp_next(struct netcfg *h, struct netcfg_event *ev);
bool icmp_next(struct netcfg *h, struct netcfg_event *ev);

#endif
