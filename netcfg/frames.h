/* The few packets that netcfg writes and reads by itself, as bytes: ARP (RFC 826, 5227), ICMP echo
 * (RFC 792, 4443), neighbour discovery (RFC 4861), UDP over IPv4. Pure: no sockets, no time. */
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

/* Unsolicited neighbour advertisement (override) of ip, and a solicitation for it. */
#define ND_BYTES 32
void nd_write_advert(const uint8_t ip[16], const uint8_t mac[6], uint8_t out[ND_BYTES]);
void nd_write_solicit(const uint8_t ip[16], const uint8_t mac[6], uint8_t out[ND_BYTES]);
/* True for an advertisement of ip that carries a link address. */
bool nd_read_advert(const void *p, size_t len, const uint8_t ip[16], uint8_t mac[6]);

#define UDP4_HEADER_BYTES 28
/* IPv4 and UDP header in front of data; out holds UDP4_HEADER_BYTES + len bytes. */
void udp4_write(const uint8_t source[4], uint16_t source_port, const uint8_t dest[4],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out);

#endif
