#include "hactl/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"

#define REOPEN_NS      NS_PER_S
#define QUIET_NS       (60 * NS_PER_S) /* the same refusal is logged once a minute */
#define CONTROL_PRIO   6
#define RECEIVE_BUDGET 64 /* datagrams of one turn: a flood must not hold up the tick */

/* A direct path: its socket and what it is made of. */
struct link {
    struct peer *peer;
    enum ha_path path;
    bool crossover;
    int fd;
    struct loop_io *io;
    struct sockaddr_storage to;
    socklen_t to_len;
    uint64_t tried_ns;
    char ifname[16];
};

struct peer {
    struct loop *loop;
    uint16_t pair;
    uint8_t node;
    uint8_t key[HEARTBEAT_KEY];
    struct netcfg_conf net;
    struct netcfg *handle;
    peer_heard_fn *heard;
    void *arg;
    struct link links[2]; /* crossover and service: indices are those of enum ha_path */
    struct peer_path paths[HA_PATHS];
    uint64_t logged_ns[HA_PATHS];
};

/* ---- opening ---- */

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

static void note_failure(struct peer_path *p, const char *what, const char *why) {
    snprintf(p->why, sizeof p->why, "%.60s: %.90s", what, why);
}

static void prioritise(int fd) {
    int tos = IPTOS_CLASS_CS6, prio = CONTROL_PRIO;
    (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
    (void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &prio, sizeof prio);
}

static void on_readable(struct loop *l, void *arg, int revents);

static void link_close(struct link *k) {
    loop_io_free(k->io);
    if (k->fd >= 0) close(k->fd);
    k->io = NULL;
    k->fd = -1;
    k->peer->paths[k->path].open = false;
}

static bool link_bind(struct link *k, const struct netcfg_iface *iface) {
    struct peer_path *p = &k->peer->paths[k->path];
    struct netcfg_link state;
    struct netcfg_error err;
    struct sock_error sock_err;
    char text[NETCFG_ADDR_CHARS];
    snprintf(k->ifname, sizeof k->ifname, "%.15s", iface->name);
    if (k->peer->handle) {
        if (!netcfg_link(k->peer->handle, k->crossover, &state, &err) || !state.present) {
            note_failure(p, iface->name, "there is no such interface (yet)");
            return false;
        }
        memcpy(k->ifname, state.name, sizeof k->ifname);
    }
    k->fd = sock_udp(netcfg_addr_text(&iface->addr, false, text), PEER_PORT, &sock_err);
    if (k->fd < 0) {
        note_failure(p, k->ifname, sock_err.text);
        return false;
    }
    if (setsockopt(k->fd, SOL_SOCKET, SO_BINDTODEVICE, k->ifname,
                   (socklen_t)strlen(k->ifname) + 1) == 0)
        return true;
    note_failure(p, k->ifname, strerror(errno));
    link_close(k);
    return false;
}

static void link_open(struct link *k, uint64_t now) {
    const struct netcfg_iface *iface =
        k->crossover ? &k->peer->net.crossover : &k->peer->net.service;
    if (!k->peer->paths[k->path].configured || k->fd >= 0) return;
    if (k->tried_ns && now - k->tried_ns < REOPEN_NS) return;
    k->tried_ns = now;
    if (!link_bind(k, iface)) return;
    prioritise(k->fd);
    k->to_len = socket_address(&iface->peer, PEER_PORT, &k->to);
    k->io = loop_io_new(k->peer->loop, k->fd, on_readable, k);
    loop_io_want(k->io, LOOP_READ);
    k->peer->paths[k->path].open = true;
    k->peer->paths[k->path].why[0] = 0;
}

/* ---- hearing ---- */

static uint16_t port_of(const struct sockaddr_storage *a) {
    return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
                                          : ((const struct sockaddr_in *)a)->sin_port);
}

static void refuse(struct peer *p, enum ha_path path, enum heartbeat_result why,
                   const struct sockaddr_storage *from) {
    struct peer_path *s = &p->paths[path];
    uint64_t now = clock_boot_ns();
    char host[INET6_ADDRSTRLEN] = "?";
    s->refused++;
    if (s->last_refusal == why && now - p->logged_ns[path] < QUIET_NS) return;
    s->last_refusal = why;
    p->logged_ns[path] = now;
    const void *bytes = from->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)from)->sin_addr;
    (void)inet_ntop(from->ss_family, bytes, host, sizeof host);
    log_warning("a datagram from %s on the %s path was refused: %s (%llu so far)", host,
                ha_path_name(path), heartbeat_result_name(why), (unsigned long long)s->refused);
}

static void take(struct link *k, const uint8_t *bytes, size_t len,
                 const struct sockaddr_storage *from) {
    struct peer *p = k->peer;
    struct heartbeat hb;
    enum ha_path path = k->path;
    if (path == HA_PATH_SERVICE && port_of(from) == PEER_PORT_GATEWAY) path = HA_PATH_GATEWAY;
    enum heartbeat_result r = heartbeat_decode(bytes, len, p->key, p->pair, p->node, &hb);
    if (r == HEARTBEAT_OK && hb.path != path) r = HEARTBEAT_ASTRAY;
    if (r != HEARTBEAT_OK) {
        refuse(p, path, r, from);
        return;
    }
    p->paths[path].heard++;
    p->heard(p->arg, path, &hb);
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct link *k = arg;
    uint8_t bytes[HEARTBEAT_MOST + 1];
    (void)l, (void)revents;
    for (int i = 0; i < RECEIVE_BUDGET && k->fd >= 0; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        memset(&from, 0, sizeof from);
        ssize_t n =
            recvfrom(k->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (n >= 0) {
            take(k, bytes, (size_t)n, &from);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR) return;
        /* An ICMP error of an earlier datagram (the peer's had is down) says nothing about us. */
        if (errno != ECONNREFUSED && errno != EHOSTUNREACH) {
            note_failure(&k->peer->paths[k->path], "reading", strerror(errno));
            link_close(k);
        }
        return;
    }
}

/* ---- sending ---- */

static void link_send(struct link *k, const uint8_t *bytes, uint64_t now) {
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
    note_failure(p, "sending", strerror(failed));
    /* The interface went away, and perhaps another one came by its name: begin again. */
    if (failed == ENODEV || failed == ENXIO || failed == EADDRNOTAVAIL) link_close(k);
}

static void gateway_send(struct peer *p, const uint8_t *bytes) {
    struct peer_path *s = &p->paths[HA_PATH_GATEWAY];
    struct netcfg_error err;
    uint8_t mac[NETCFG_MAC_BYTES];
    if (!s->configured) return;
    s->open = netcfg_gateway_mac(p->handle, mac);
    if (!s->open) {
        note_failure(s, "sending", "the gateway's link address is not known yet");
        return;
    }
    if (netcfg_send_via_gateway(p->handle, PEER_PORT_GATEWAY, PEER_PORT, bytes, HEARTBEAT_BYTES,
                                &err)) {
        s->sent++;
        s->why[0] = 0;
        return;
    }
    s->failed++;
    note_failure(s, "sending", err.text);
}

static void sign(const struct peer *p, const struct heartbeat *hb, enum ha_path path,
                 uint8_t bytes[HEARTBEAT_BYTES]) {
    struct heartbeat one = *hb;
    one.path = (uint8_t)path;
    heartbeat_encode(&one, p->key, bytes);
}

void peer_send(struct peer *p, const struct heartbeat *hb) {
    uint8_t bytes[HEARTBEAT_BYTES];
    uint64_t now = clock_boot_ns();
    for (int i = 0; i < 2; i++) {
        if (!p->paths[p->links[i].path].configured) continue;
        sign(p, hb, p->links[i].path, bytes);
        link_send(&p->links[i], bytes, now);
    }
    sign(p, hb, HA_PATH_GATEWAY, bytes);
    gateway_send(p, bytes);
}

/* ---- the whole ---- */

struct peer *peer_new(struct loop *l, const struct peer_conf *conf, struct netcfg *net_handle,
                      peer_heard_fn *heard, void *arg) {
    struct peer *p = xcalloc(1, sizeof *p);
    p->loop = l;
    p->pair = conf->pair;
    p->node = conf->node;
    memcpy(p->key, conf->key, HEARTBEAT_KEY);
    p->net = *conf->net;
    p->handle = net_handle;
    p->heard = heard;
    p->arg = arg;
    p->paths[HA_PATH_CROSSOVER].configured = p->net.crossover.peer.family != 0;
    p->paths[HA_PATH_SERVICE].configured = p->net.service.peer.family != 0;
    p->paths[HA_PATH_GATEWAY].configured = net_handle && p->net.gateway.family != 0;
    for (int i = 0; i < 2; i++) {
        p->links[i] =
            (struct link){.peer = p, .path = (enum ha_path)i, .crossover = i == 0, .fd = -1};
        link_open(&p->links[i], clock_boot_ns());
    }
    return p;
}

void peer_free(struct peer *p) {
    if (!p) return;
    for (int i = 0; i < 2; i++) link_close(&p->links[i]);
    free(p);
}

const struct peer_path *peer_path(const struct peer *p, enum ha_path path) {
    return &p->paths[path];
}
