/* The witness's UDP socket: an answer leaves from the address that was asked, whichever of this machine's it was. */
#ifndef HACTL_WITNESS_SOCK_H
#define HACTL_WITNESS_SOCK_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "server/base/sock.h"

/* Where a datagram came from, and which address of ours it was sent to. */
struct witness_way {
    struct sockaddr_storage from;
    socklen_t from_len;
    uint8_t to[64]; /* control message to send with the answer */
    unsigned to_len;
};

/* host is numeric, or "*": IPv6 and IPv4. -1 with a sentence. */
int witness_sock_open(const char *host, uint16_t port, struct sock_error *err);
/* The whole length of the next datagram, of which len bytes at most are kept; -1: none waits. */
ssize_t witness_sock_receive(int fd, void *bytes, size_t len, struct witness_way *way);
/* What cannot be sent is lost, as on a wire. */
void witness_sock_send(int fd, const void *bytes, size_t len, const struct witness_way *way);
const char *witness_way_text(const struct witness_way *way, char out[INET6_ADDRSTRLEN]);

#endif
