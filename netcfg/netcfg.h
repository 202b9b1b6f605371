/* What the rest of Duet may know of the network: the [network] section of duet.conf, and a handle
 * on the service interface through which had probes, announces and guards the VIP. Addresses are
 * touched through this header only. Linux, netlink and packet sockets; needs root (CAP_NET_ADMIN,
 * CAP_NET_RAW).
 *
 * Nothing here blocks and nothing here logs. A function that can fail returns false and says what
 * happened, where, and what to do in err->text. Times are CLOCK_BOOTTIME nanoseconds unless named
 * otherwise.
 *
 * How had uses it:
 *     netcfg_read(&conf, &net, &conf_err);
 *     h = netcfg_open(&net, "a", &err);      also when an interface is not there (yet)
 *     netcfg_vip_guard_install(h, &err);     before the address; the guard starts closed
 *     loop_io_new(loop, netcfg_fd(h), ...);  then while (netcfg_next(h, &ev)) ...
 *     netcfg_gateway_probe(h, ...) each beat; netcfg_vip_probe(h, group, ...) before it is taken
 *     netcfg_vip_renew(h, group, left_ms, ...); netcfg_vip_add(h, group, ...); netcfg_vip_announce(h, group, ...)
 *     netcfg_vip_guard_drop(h, group, ...); netcfg_vip_remove(h, group, ...) */
#ifndef DUET_NETCFG_NETCFG_H
#define DUET_NETCFG_NETCFG_H

#include "netcfg/conf.h"
#include "netcfg/provoke.h"

struct netcfg_error {
    char text[320];
};

/* ---- the handle ---- */

struct netcfg;

/* tag tells this node's nftables tables from others' ("a"; letters, digits and '_' are kept).
 * An interface that does not exist is no error here: it is looked for again whenever links change,
 * and what needs it fails with a sentence until then. conf is copied. NULL only when the kernel
 * refuses the sockets. netcfg_close leaves the VIP and the guard as they are. */
struct netcfg *netcfg_open(const struct netcfg_conf *conf, const char *tag,
                           struct netcfg_error *err);
void netcfg_close(struct netcfg *h); /* NULL is fine */

/* One descriptor that is readable while netcfg_next has something to say. */
int netcfg_fd(const struct netcfg *h);

/* The VIPs in two groups: those of the writer, which go with the write lease, and the one for reads.
 * Each has a guard of its own. */
enum netcfg_group { NETCFG_VIPS_WRITE = 0, NETCFG_VIP_READ = 1 };
#define NETCFG_GROUPS 2

enum netcfg_event_kind {
    NETCFG_GATEWAY_ANSWER, /* a witness (the gateway, or a reference) answered the probe that was sent
                              at sent_ns; mac is its link address when it came by ARP or NDP */
    NETCFG_VIP_FOREIGN, /* mac, which is none of ours, answered our VIP probe or announced the VIP
                         */
    NETCFG_LINK_CHANGE, /* of the service or the crossover interface; ask netcfg_link */
};

struct netcfg_event {
    enum netcfg_event_kind kind;
    uint64_t sent_ns; /* GATEWAY_ANSWER: when that probe was sent, never later; VIP_FOREIGN: when
                       * the newest VIP probe was sent, 0 when none */
    uint8_t mac[NETCFG_MAC_BYTES];
    unsigned which; /* GATEWAY_ANSWER: of netcfg_witnesses(); VIP_FOREIGN: of the group's VIPs */
    enum netcfg_group group; /* VIP_FOREIGN */
    bool probe_answer; /* VIP_FOREIGN: addressed to us (true), or overheard as an announcement */
    bool
        exact; /* GATEWAY_ANSWER: the probe was identified (ICMP); else the oldest one that may have
                 * been meant (ARP and NDP carry no number) */
    bool crossover; /* LINK_CHANGE: which interface */
};

/* Takes the next event; false when there is none now. */
bool netcfg_next(struct netcfg *h, struct netcfg_event *ev);

/* ---- links ---- */

struct netcfg_link {
    bool present;
    bool up;      /* administratively */
    bool carrier; /* lower layer up */
    int index;
    char name[16];
    uint8_t mac[NETCFG_MAC_BYTES];
    uint32_t carrier_changes;
    uint64_t rx_packets, tx_packets, rx_errors, tx_errors;
};

/* The link's state as the kernel has it now; false when there is no such interface (link->present
 * too). */
bool netcfg_link(struct netcfg *h, bool crossover, struct netcfg_link *link,
                 struct netcfg_error *err);

/* ---- the gateway and the references ---- */

/* Sends one probe to each witness: an ICMP echo that carries its number, and to those on the link an
 * ARP request (IPv6: a neighbour solicitation) for such as do not answer echoes. */
bool netcfg_gateway_probe(struct netcfg *h, uint64_t now_ns, struct netcfg_error *err);
/* The gateway's link address, once an answer has shown it. */
bool netcfg_gateway_mac(const struct netcfg *h, uint8_t mac[NETCFG_MAC_BYTES]);
/* Sends one UDP packet to the service peer's address with the gateway's link address, so that it
 * goes through the gateway although the peer is on the link. Source is the service address and
 * source_port. The peer receives it on an ordinary UDP socket. */
bool netcfg_send_via_gateway(struct netcfg *h, uint16_t source_port, uint16_t dest_port,
                             const void *data, size_t len, struct netcfg_error *err);

/* ---- the VIPs, by group ---- */

/* The addresses of a group. */
size_t netcfg_vips(const struct netcfg *h, enum netcfg_group g, const struct netcfg_addr **list);
/* Asks who has them (one probe each; the caller repeats it); a foreign answer comes as
 * NETCFG_VIP_FOREIGN. */
bool netcfg_vip_probe(struct netcfg *h, enum netcfg_group g, uint64_t now_ns,
                      struct netcfg_error *err);
/* Adds the addresses to the service interface, usable at once (no duplicate address detection of the
 * kernel's); what is there already is fine. */
bool netcfg_vip_add(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err);
/* Takes them off; one that is not there is fine. */
bool netcfg_vip_remove(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err);
bool netcfg_vip_present(struct netcfg *h, enum netcfg_group g); /* any of them */
/* One announcement of each address: gratuitous ARP as request and as reply, broadcast (IPv6: an
 * unsolicited neighbour advertisement to all nodes); and by unicast to the gateway, to the kernel's neighbours on
 * the service interface, and to machines that were seen asking for a VIP, whoever held it. had keeps the
 * schedule and must hold the lease when it calls. */
bool netcfg_vip_announce(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err);

/* The guard: packets to and from the VIPs, ARP answers and neighbour advertisements for them pass only
 * while an element with a timeout stands in a set of the kernel, whatever becomes of user space.
 * Tables inet and arp duet_vip_TAG of this network namespace. */
/* Makes the tables afresh, closed for both groups. */
bool netcfg_vip_guard_install(struct netcfg *h, struct netcfg_error *err);
/* Opens the group's guard for left_ms from now (0: as guard_drop). Each call replaces the deadline. It
 * rounds down to the kernel's clock tick, so that the guard never outlives the lease. */
bool netcfg_vip_renew(struct netcfg *h, enum netcfg_group g, uint64_t left_ms,
                      struct netcfg_error *err);
/* Closes it, after a reset to every client of the group's VIPs: once it is closed nothing can tell them,
 * and one that waits for a reply would wait for its own timeout. The caller has ended the lease before. */
bool netcfg_vip_guard_drop(struct netcfg *h, enum netcfg_group g, struct netcfg_error *err);
/* Removes the tables (the node gives up its VIPs for good: tests, `duet node` at its end). */
bool netcfg_vip_guard_remove(struct netcfg *h, struct netcfg_error *err);

/* Nothing passes an interface for ms milliseconds, in or out; then the kernel lets it pass again by itself, whoever cut it.
 * One interface at a time; ms 0: the cut ends now. For drills. */
bool netcfg_cut(const char *iface, uint64_t ms, struct netcfg_error *err);

#endif
