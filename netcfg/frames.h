/* The few packets that netcfg writes and reads by itself, as bytes: ARP (RFC 826, 5227), ICMP echo
 * (RFC 792, 4443), neighbour discovery (RFC 4861), UDP over IPv4 and IPv6. Pure: no sockets, no time. */
#ifndef DUET_NETCFG_FRAMES_H
#define DUET_NETCFG_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netcfg/conf.h"

#define ARP_BYTES 28
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
    unsigned op;
    uint8_t sender_mac[6], sender_ip[4];
    uint8_t target_mac[6], target_ip[4];
};

void arp_write(const struct arp *a, uint8_t out[ARP_BYTES]);
/* False for anything that is not Ethernet/IPv4 ARP. */
bool arp_read(const void *p, size_t len, struct arp *a);

/* An echo request or reply with 16 bytes of payload: who asked, and which probe it was. */
#define ECHO_BYTES 24
struct echo {
    uint64_t asker;  /* random per handle */
    uint64_t number; /* of the probe */
};
/* ICMPv6's checksum is left to the kernel. */
void echo_write(const struct echo *e, bool v6, uint8_t out[ECHO_BYTES]);
/* A reply, behind the IPv4 header when !v6 (as raw sockets deliver them). */
bool echo_read(const void *p, size_t len, bool v6, struct echo *e);

/* A neighbour solicitation (who has target?) or advertisement, with its IPv6 header. */
#define ND_BYTES 72
enum { ND_SOLICIT = 135, ND_ADVERT = 136 };
struct nd {
    unsigned type;
    bool solicited; /* of an advertisement: it answers somebody */
    uint8_t source[16], dest[16], target[16];
    uint8_t mac[6]; /* the sender's, by its option; read: only when has_mac */
    bool has_mac;
};
/* Advertisements are written with the override flag. The option with mac is always written. */
void nd_write(const struct nd *n, uint8_t out[ND_BYTES]);
/* False for anything else, and for what came over a router (hop limit not 255). Checksums are not
 * looked at: what reads them stands behind the card's own. */
bool nd_read(const void *p, size_t len, struct nd *n);
/* The group in which a machine with this address listens for solicitations; its link address. */
void nd_group(const uint8_t ip[16], uint8_t out[16]);
void nd_group_mac(const uint8_t group[16], uint8_t out[6]);

#define UDP4_HEADER_BYTES 28
#define UDP6_HEADER_BYTES 48
/* IP and UDP header in front of data; out holds the header's bytes and len more. Marked as control
 * traffic (CS6). */
void udp4_write(const uint8_t source[4], uint16_t source_port, const uint8_t dest[4],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out);
void udp6_write(const uint8_t source[16], uint16_t source_port, const uint8_t dest[16],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out);

#endif
