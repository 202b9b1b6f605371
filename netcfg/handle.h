/* The inside of struct netcfg. Inside netcfg only.
 *
 *   handle.c    its sockets, links, events       frame_out.c  frames on their way out
 *   outside.c   gateway and references           hear.c       what comes in
 *   announce.c  probing and announcing VIPs      vip.c        their addresses, and the door to the guard
 *   clients.c   whom to tell by unicast */
#ifndef DUET_NETCFG_HANDLE_H
#define DUET_NETCFG_HANDLE_H

#include "netcfg/clients.h"
#include "netcfg/frames.h"
#include "netcfg/guard.h"
#include "netcfg/link.h"
#include "netcfg/netcfg.h"

#define PROBE_RING 128 /* probes remembered; a power of two */

/* The gateway, or a reference. */
struct outside {
    struct netcfg_addr addr;
    bool on_link; /* in the service subnet: ARP and NDP reach it */
    uint8_t mac[NETCFG_MAC_BYTES];
    bool mac_known;
    uint64_t arp_oldest; /* number of the oldest probe whose ARP (NDP) answer may still come */
    uint64_t exact_ns;   /* when an echo was last answered; while that goes on ARP is no evidence */
    uint64_t arp_doubt_ns; /* when an ARP answer came that no probe had asked for; 0: never */
};

struct netcfg {
    struct netcfg_conf conf;
    bool v6; /* there are IPv6 addresses to speak neighbour discovery for */
    int epoll;
    int packet; /* ARP comes in, all frames go out */
    int nd;     /* neighbour discovery comes in; -1 without IPv6 */
    int groups; /* member of the VIPs' solicitation groups; -1 without IPv6 */
    int icmp;   /* echoes of the service address's family */
    struct nl route, links;
    struct guard guard;
    struct netcfg_link link[2]; /* service, crossover, as of the last notification */
    bool link_changed[2];
    int bound_index; /* the interface that the sockets are bound to; 0: none */
    uint64_t asker;  /* tells our echoes from others' */
    uint8_t
        asker_ip6[16]; /* link-local and nobody's: what we solicit from, so that no neighbour table
                            * changes and answers to the kernel's own questions are told from ours */
    uint64_t probe_count;
    uint64_t probe_sent_ns[PROBE_RING]; /* of probe number i: slot i % PROBE_RING */
    struct outside outside[NETCFG_WITNESSES];
    size_t outside_count;
    uint64_t vip_probe_ns[NETCFG_GROUPS]; /* when the newest VIP probe was sent; 0: none */
    struct clients clients;
};

/* True when the service interface is there; else err says so. */
bool service_ready(struct netcfg *h, struct netcfg_error *err);
/* "cannot send WHAT on IFACE: errno"; false. */
bool cannot_send(const struct netcfg *h, const char *what, struct netcfg_error *err);

/* frame_out.c. False: errno says why. */
extern const uint8_t everyone[6];
bool send_frame(struct netcfg *h, unsigned ethertype, const uint8_t to[6], const void *p,
                size_t len);
/* sender and target are IPv4 addresses, NULL: 0.0.0.0. */
bool send_arp(struct netcfg *h, unsigned op, const uint8_t *sender, const uint8_t *target,
              const uint8_t to[6]);
/* Who has target? To its group, or to one machine's link address when `to` is given. */
bool send_solicit(struct netcfg *h, const uint8_t target[16], const uint8_t *to);
/* "ip is mine": to all nodes, or to one machine. */
bool send_advert(struct netcfg *h, const uint8_t ip[16], const struct client_seen *to);
bool send_echo(struct netcfg *h, const struct netcfg_addr *to, uint64_t number);

/* hear.c: the next event from the sockets. */
bool hear_next(struct netcfg *h, struct netcfg_event *ev);

/* outside.c: an answer by ARP or NDP, or an echo, of witness `which`; false: it is no evidence. */
bool outside_heard(struct netcfg *h, unsigned which, const uint8_t mac[6], bool to_probe,
                   struct netcfg_event *ev);
bool outside_echoed(struct netcfg *h, unsigned which, uint64_t number, struct netcfg_event *ev);
/* Which witness has this address; -1: none. */
int outside_find(const struct netcfg *h, int family, const uint8_t *ip);
/* The interface is another one: link addresses are to be learnt anew. */
void outside_forget(struct netcfg *h);

/* announce.c: which VIP this is; false: none. */
bool vip_find(const struct netcfg *h, int family, const uint8_t *ip, enum netcfg_group *g,
              unsigned *which);

#endif
