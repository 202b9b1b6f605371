/* Sockets: all non-blocking and close-on-exec. Functions return a descriptor, or -1 with errno set
 * and a sentence in err (for people: what, where, and what to do) when err is not NULL. */
#ifndef DUET_BASE_SOCK_H
#define DUET_BASE_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct sock_error {
    char text[256];
};

/* host NULL or "*": every address (IPv6 dual stack when there is IPv6, else IPv4). */
int sock_listen_tcp(const char *host, uint16_t port, int backlog, struct sock_error *err);
/* Replaces a stale socket file; mode is the file's permission bits. */
int sock_listen_unix(const char *path, unsigned mode, int backlog, struct sock_error *err);
/* Begins to connect; writable means done, then sock_connect_result tells. from: source address or
 * NULL. host is a numeric address, or a name (resolved blocking). */
int sock_connect_tcp(const char *host, uint16_t port, const char *from, struct sock_error *err);
int sock_connect_unix(const char *path, struct sock_error *err);
/* 0, or the errno of a finished connect. */
int sock_connect_result(int fd);
/* -1 with errno EAGAIN when nobody waits. */
int sock_accept(int listen_fd);
int sock_udp(const char *host, uint16_t port, struct sock_error *err);

bool sock_set_nodelay(int fd);
bool sock_set_delay(int fd); /* the other way: small writes may wait to be sent together */
bool sock_set_keepalive(int fd, int idle_s);
/* Data that the peer has not acknowledged for limit_ms ends the connection (TCP_USER_TIMEOUT). */
bool sock_set_user_timeout(int fd, unsigned limit_ms);
/* "192.0.2.1:6379", "[2001:db8::1]:6379", "/path:0" for unix sockets. */
void sock_peer_name(int fd, char *out, size_t out_size);
void sock_local_name(int fd, char *out, size_t out_size);
/* The address only, without port. */
void sock_peer_host(int fd, char *out, size_t out_size, uint16_t *port);

/* Blocking helper for tools (hactl): sends all, waits at most timeout_ms. */
bool sock_send_all(int fd, const void *p, size_t n, int timeout_ms);
/* Reads at least one byte; 0 at end of stream, -1 with errno (ETIMEDOUT). */
long sock_recv_some(int fd, void *p, size_t n, int timeout_ms);

#endif
