/* The sockets of a direct path: made, tried again, written to, and read from. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/peer_inside.h"
#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/sock.h"

#define REOPEN_NS         NS_PER_S
#define ANNOUNCE_NS       (10 * NS_PER_S)
#define ANNOUNCE_ALONE_NS NS_PER_S
#define ALONE_NS          (2 * NS_PER_S)
#define CONTROL_PRIO      6
#define RECEIVE_BUDGET    64 /* datagrams of one turn: a flood must not hold up the tick */
#define STRAY_BUDGET      8

void peer_note_failure(struct peer_path *p, const char *what, const char *why) {
    snprintf(p->why, sizeof p->why, "%.60s: %.90s", what, why);
}

static socklen_t socket_address(const struct netcfg_addr *a, uint16_t port,
                                struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (a->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, a->bytes, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, a->bytes, 4);
    return sizeof *in;
}

/* Every machine of the link, by no address that it must have. */
static void everybody(struct link *k) {
    struct netcfg_addr all = {.family = AF_INET, .bytes = {255, 255, 255, 255}};
    if (k->iface->addr.family == AF_INET6)
        all = (struct netcfg_addr){.family = AF_INET6, .bytes = {0xff, 2, [15] = 1}};
    socket_address(&all, PEER_PORT, &k->to_all);
    if (all.family == AF_INET6)
        ((struct sockaddr_in6 *)&k->to_all)->sin6_scope_id = if_nametoindex(k->ifname);
}

static void prioritise(int fd, int family) {
    int tos = IPTOS_CLASS_CS6, prio = CONTROL_PRIO, yes = 1;
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
    else
        (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    (void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &prio, sizeof prio);
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
}

static void on_readable(struct loop *l, void *arg, int revents);
static void on_stray(struct loop *l, void *arg, int revents);

static void close_one(int *fd, struct loop_io **io) {
    loop_io_free(*io);
    if (*fd >= 0) close(*fd);
    *io = NULL;
    *fd = -1;
}

void link_close(struct link *k) {
    close_one(&k->fd, &k->io);
    close_one(&k->stray_fd, &k->stray_io);
    k->peer->paths[k->path].open = false;
}

static int socket_on(struct link *k, const char *host, struct sock_error *err) {
    int fd = sock_udp(host, PEER_PORT, err);
    if (fd < 0) return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, k->ifname, (socklen_t)strlen(k->ifname) + 1) ==
        0)
        return fd;
    snprintf(err->text, sizeof err->text, "%s", strerror(errno));
    close(fd);
    return -1;
}

static bool link_bind(struct link *k) {
    struct peer_path *p = &k->peer->paths[k->path];
    struct netcfg_link state;
    struct netcfg_error err;
    struct sock_error sock_err;
    char text[NETCFG_ADDR_CHARS];
    snprintf(k->ifname, sizeof k->ifname, "%.15s", k->iface->name);
    if (k->peer->handle) {
        if (!netcfg_link(k->peer->handle, k->path == HA_PATH_CROSSOVER, &state, &err) ||
            !state.present) {
            peer_note_failure(p, k->iface->name, "there is no such interface (yet)");
            return false;
        }
        memcpy(k->ifname, state.name, sizeof k->ifname);
    }
    k->fd = socket_on(k, netcfg_addr_text(&k->iface->addr, false, text), &sock_err);
    if (k->fd < 0) {
        peer_note_failure(p, k->ifname, sock_err.text);
        return false;
    }
    /* Without it a mistake is not named; nothing else is lost. */
    k->stray_fd = socket_on(k, k->iface->addr.family == AF_INET6 ? "::" : "0.0.0.0", &sock_err);
    return true;
}

void link_open(struct link *k, uint64_t now) {
    if (!k->peer->paths[k->path].configured || k->fd >= 0) return;
    if (k->tried_ns && now - k->tried_ns < REOPEN_NS) return;
    k->tried_ns = now;
    if (!link_bind(k)) return;
    prioritise(k->fd, k->iface->addr.family);
    k->to_len = socket_address(&k->iface->peer, PEER_PORT, &k->to);
    everybody(k);
    k->io = loop_io_new(k->peer->loop, k->fd, on_readable, k);
    loop_io_want(k->io, LOOP_READ);
    if (k->stray_fd >= 0) {
        k->stray_io = loop_io_new(k->peer->loop, k->stray_fd, on_stray, k);
        loop_io_want(k->stray_io, LOOP_READ);
    }
    k->peer->paths[k->path].open = true;
    k->peer->paths[k->path].why[0] = 0;
}

/* ---- hearing ---- */

static void receive(struct link *k, const int *fd, int budget, bool stray) {
    uint8_t bytes[HEARTBEAT_MOST + 1];
    for (int i = 0; i < budget && *fd >= 0; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        memset(&from, 0, sizeof from);
        ssize_t n =
            recvfrom(*fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (n >= 0) {
            peer_take(k, bytes, (size_t)n, &from, stray);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR) return;
        /* An ICMP error of an earlier datagram (the peer's had is down) says nothing about us. */
        if (errno != ECONNREFUSED && errno != EHOSTUNREACH) {
            peer_note_failure(&k->peer->paths[k->path], "reading", strerror(errno));
            link_close(k);
        }
        return;
    }
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct link *k = arg;
    (void)l, (void)revents;
    receive(k, &k->fd, RECEIVE_BUDGET, false);
}

static void on_stray(struct loop *l, void *arg, int revents) {
    struct link *k = arg;
    (void)l, (void)revents;
    receive(k, &k->stray_fd, STRAY_BUDGET, true);
}

/* ---- sending ---- */

void link_send(struct link *k, const uint8_t bytes[HEARTBEAT_BYTES], uint64_t now) {
    struct peer_path *p = &k->peer->paths[k->path];
    if (k->fd < 0) link_open(k, now);
    if (k->fd < 0) return;
    if (sendto(k->fd, bytes, HEARTBEAT_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL,
               (struct sockaddr *)&k->to, k->to_len) == HEARTBEAT_BYTES) {
        p->sent++;
        p->why[0] = 0;
        return;
    }
    int failed = errno;
    p->failed++;
    peer_note_failure(p, "sending", strerror(failed));
    /* The interface went away, and perhaps another one came by its name: begin again. */
    if (failed == ENODEV || failed == ENXIO || failed == EADDRNOTAVAIL) link_close(k);
}

void link_announce(struct link *k, const uint8_t bytes[HEARTBEAT_BYTES], uint64_t now) {
    uint64_t heard = k->peer->paths[k->path].heard_ns;
    uint64_t each = heard && now - heard < ALONE_NS ? ANNOUNCE_NS : ANNOUNCE_ALONE_NS;
    if (k->fd < 0 || now - k->announced_ns < each) return;
    k->announced_ns = now;
    /* Nobody may be there to hear it: whether it left is of no interest. */
    (void)!sendto(k->fd, bytes, HEARTBEAT_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (struct sockaddr *)&k->to_all, k->to_len);
}
