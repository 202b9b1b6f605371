/* The inside of the peer driver: what peer.c and peer_link.c share. */
#ifndef HACTL_PEER_INSIDE_H
#define HACTL_PEER_INSIDE_H

#include <sys/socket.h>

#include "hactl/peer.h"
#include "hactl/peer_identity.h"
#include "hactl/peer_serial.h"

#define LINKS 2 /* crossover and service: their indices are those of enum ha_path */

/* A direct path. Two sockets: one for what is sent to this node's address of the path, and one for what
 * comes in by its interface and is sent to any other address (announcements, and what has lost its way). */
struct link {
    struct peer *peer;
    enum ha_path path;
    const struct netcfg_iface *iface;
    int fd, stray_fd; /* -1: not open */
    struct loop_io *io, *stray_io;
    struct sockaddr_storage to, to_all;
    socklen_t to_len;
    uint64_t tried_ns, announced_ns;
    char ifname[16];
};

struct peer {
    struct loop *loop;
    uint16_t pair;
    uint8_t node;
    struct peer_keys keys;
    uint64_t late_ns;
    struct netcfg_conf net;
    struct netcfg *handle;
    peer_heard_fn *heard;
    void *arg;
    struct link links[LINKS];
    struct peer_serial *serial; /* NULL: none */
    struct peer_path paths[HA_PATHS];
    uint64_t logged_ns[HA_PATHS];
    enum heartbeat_result logged_why[HA_PATHS];
    struct peer_identity identity;
    uint64_t refused_ns; /* the newest that was looked into */
    struct peer_late late;
    uint64_t any_ns, late_said_ns,
        late_said; /* newest on any path; the last line about late ones */
};

/* ---- peer_link.c ---- */
void link_open(struct link *k, uint64_t now); /* once a second while it is not open */
void link_close(struct link *k);
void link_send(struct link *k, const uint8_t bytes[HEARTBEAT_BYTES], uint64_t now);
/* To every machine of the link, now and then: who has our name, id or secret there hears it. */
void link_announce(struct link *k, const uint8_t bytes[HEARTBEAT_BYTES], uint64_t now);
void peer_note_failure(struct peer_path *p, const char *what, const char *why);

/* ---- peer.c ---- */
/* A datagram from the link; stray: it was not sent to this node's address of the path. */
void peer_take(struct link *k, const uint8_t *bytes, size_t len,
               const struct sockaddr_storage *from, bool stray);

#endif
