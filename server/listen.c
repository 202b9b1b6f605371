/* The sockets that clients come in by: TCP and TLS on every `bind` address, and a unix socket. */
#include "server/client.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/base/tls.h"
#include "server/pair.h"
#include "server/server.h"
#include "server/tlsconf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACCEPT_A_TURN = 256, LISTEN_MAX = 2 * CONFIG_BIND_MAX + 1 };
enum door { DOOR_TCP, DOOR_TLS, DOOR_UNIX };

struct listener {
    int fd;
    enum door door;
    struct loop_io *io;
};

static struct listener listeners[LISTEN_MAX];
static int count;

/* Before a TLS handshake nothing can be said. */
static void say_and_close(int fd, enum door door, const char *text) {
    if (door != DOOR_TLS && write(fd, text, strlen(text)) < 0)
        log_debug("a refused client did not listen: %m");
    close(fd);
    server.stats.rejected_connections++;
}

/* As Redis's protected mode: without a password, only this machine is served. In a pair the
 * operator's configuration has said what it wants. */
static bool refused_by_protection(int fd, enum door door) {
    char host[64];
    uint16_t port;
    if (door == DOOR_UNIX || !server.config.protected_mode || *server.config.requirepass ||
        pair_on())
        return false;
    sock_peer_host(fd, host, sizeof host, &port);
    return strncmp(host, "127.", 4) && strcmp(host, "::1") && strncmp(host, "::ffff:127.", 11);
}

static struct stream *stream_of(int fd, enum door door) {
    return door == DOOR_TLS ? stream_tls_server(tlsconf_now(), fd) : stream_plain(fd);
}

static void take(int fd, enum door door) {
    if (server.client_count >= (size_t)server.config.maxclients)
        say_and_close(fd, door, "-ERR max number of clients reached\r\n");
    else if (refused_by_protection(fd, door))
        say_and_close(fd, door,
                      "-DENIED Redis is running in protected mode: without a password only "
                      "clients on this machine are served. Set requirepass, or protected-mode "
                      "no, to serve others.\r\n");
    else
        client_new(stream_of(fd, door), false, door == DOOR_UNIX);
}

/* Out of descriptors or memory: it will be so for a while, and is said once a second. */
static void accept_failed(void) {
    static uint64_t said_ns;
    uint64_t now = loop_now_ns(server.loop);
    if (said_ns && now - said_ns < NS_PER_S) return;
    said_ns = now;
    log_warning("a client could not come in: %m");
}

static void on_accept(struct loop *l, void *arg, int revents) {
    const struct listener *from = arg;
    (void)l, (void)revents;
    for (int i = 0; i < ACCEPT_A_TURN; i++) {
        int fd = sock_accept(from->fd);
        if (fd < 0) {
            if (errno != EAGAIN) accept_failed();
            return;
        }
        take(fd, from->door);
    }
}

void listen_take(void) {
    for (int i = 0; i < count; i++) on_accept(server.loop, &listeners[i], LOOP_READ);
}

static void add(int fd, enum door door) {
    struct listener *n = &listeners[count++];
    *n = (struct listener){fd, door, loop_io_new(server.loop, fd, on_accept, n)};
    loop_io_want(n->io, LOOP_READ);
}

static void close_from(int first) {
    for (int i = first; i < count; i++) {
        loop_io_free(listeners[i].io);
        close(listeners[i].fd);
    }
    count = first;
}

/* "*" listens on IPv6 and IPv4 at once where there is IPv6, so that "::*" beside it is nothing
 * more; a leading '-' means that the address may be missing. */
static bool open_tcp(int64_t port, enum door door, char *err, size_t err_size) {
    const struct config *cfg = &server.config;
    bool any = false;
    for (int i = 0; i < cfg->bind_count; i++) {
        const char *host = cfg->bind[i];
        bool optional = *host == '-';
        if (optional) host++;
        bool is_any = !strcmp(host, "*") || !strcmp(host, "::*") || !strcmp(host, "0.0.0.0");
        if (is_any && any) continue;
        struct sock_error why;
        const char *where = !strcmp(host, "*") || !strcmp(host, "::*") ? NULL : host;
        int fd = sock_listen_tcp(where, (uint16_t)port, (int)cfg->tcp_backlog, &why);
        if (fd < 0 && optional) continue;
        if (fd < 0) {
            snprintf(err, err_size, "%s", why.text);
            return false;
        }
        any = any || is_any;
        add(fd, door);
    }
    return true;
}

bool listen_open(char *err, size_t err_size) {
    struct sock_error why;
    const struct config *cfg = &server.config;
    if (cfg->port && !open_tcp(cfg->port, DOOR_TCP, err, err_size)) return false;
    if (cfg->tls_port && !open_tcp(cfg->tls_port, DOOR_TLS, err, err_size)) return false;
    if (!*server.config.unixsocket) return true;
    unsigned mode = server.config.unixsocketperm ? (unsigned)server.config.unixsocketperm : 0755;
    int fd = sock_listen_unix(server.config.unixsocket, mode, (int)server.config.tcp_backlog, &why);
    if (fd < 0) {
        snprintf(err, err_size, "%s", why.text);
        return false;
    }
    add(fd, DOOR_UNIX);
    return true;
}

bool listen_reopen(char *err, size_t err_size) {
    struct listener old[LISTEN_MAX];
    int old_count = count;
    memcpy(old, listeners, sizeof old);
    /* The same address cannot be bound twice: the old ones go first, and come back on failure. */
    for (int i = 0; i < old_count; i++) {
        loop_io_free(old[i].io);
        close(old[i].fd);
    }
    count = 0;
    if (listen_open(err, err_size)) return true;
    close_from(0);
    return false;
}

void listen_close(void) {
    close_from(0);
    if (*server.config.unixsocket) unlink(server.config.unixsocket);
}
