/* Both ends of a TCP connection, as the kernel has them and as bytes: what a master tells of its clients' connections (server/
 * peer_clients.h), and whom the next one resets (hactl/had_clients.h). */
#ifndef DUET_BASE_TCP_ENDS_H
#define DUET_BASE_TCP_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct tcp_ends {
    uint8_t v6; /* 1: IPv6; 0: IPv4, in the first four bytes. Mapped addresses are IPv4 here */
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
};

enum { TCP_ENDS_BYTES_MAX = 37 };

/* Of a connected socket. False: it is none of TCP over IP, or not connected any more. */
bool tcp_ends_of(int fd, struct tcp_ends *e);
bool tcp_ends_loopback(const struct tcp_ends *e);
/* 13 or 37 bytes: 4 or 6, the local address and port, the remote address and port. */
void tcp_ends_put(struct buf *out, const struct tcp_ends *e);
/* Bytes used; 0: these are none. */
size_t tcp_ends_get(const char *p, size_t n, struct tcp_ends *e);

#endif
