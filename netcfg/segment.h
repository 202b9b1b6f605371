/* One TCP segment as bytes: an ACK without data and options, IP header included (RFC 791, 8200, 9293). Pure. */
#ifndef DUET_NETCFG_SEGMENT_H
#define DUET_NETCFG_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

struct tcp_ends;

#define SEGMENT_BYTES_MAX 60

/* From the local end to the remote one. Returns its length: 40 by IPv4, 60 by IPv6. The IPv4 header's checksum and identification are
 * the kernel's to fill in (raw(7), IP_HDRINCL). */
size_t segment_ack(const struct tcp_ends *e, uint32_t seq, uint32_t ack,
                   uint8_t out[SEGMENT_BYTES_MAX]);

#endif
