/* Who is connected to the pair's master, known to its slave: when that one has become the master it can provoke a reset of each
 * connection, so that a client that only waits (BLPOP, SUBSCRIBE, an idle pool) is told within a second.
 *
 * The master gives each TCP connection of a service client a place in a table; what changes is told beside the stream (server/
 * repl/beside.c) a few times a second. A client costs its place (16 bytes) and, once, two system calls in the batch that tells
 * of it; one that has come and gone between two batches is never told. The slave keeps 38 bytes for each.
 *
 *     told are records: 'R'                    all is told anew
 *                       'A' place ends         place: 4 bytes; ends: base/tcp_ends.h
 *                       'D' place              it is gone
 *                       'O' number             so many more have no place (4 bytes)
 *
 * PEER_CLIENTS_MAX connections at most have a place. */
#ifndef DUET_SERVER_PEER_CLIENTS_H
#define DUET_SERVER_PEER_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

struct call;
struct client;

enum { PEER_CLIENTS_MAX = 65536 };

/* ---- master */
void peer_clients_add(struct client *c); /* a client has come; sets c->place */
void peer_clients_drop(struct client *c);
/* Replication changed: somebody may listen now. */
void peer_clients_look(void);

/* ---- slave */
void peer_clients_told(void *arg, const char *p, size_t n); /* repl_world.told */
/* DUET PEERCLIENTS, on the control socket: connections of the last master's clients, as one bulk of base/tcp_ends.h's
 * records. The list is given away piece by piece: it has ended when a bulk is empty. */
void peer_clients_give(struct call *c);

struct peer_clients_counts {
    uint64_t here, beyond;        /* as master: with a place, and without */
    uint64_t known, known_beyond; /* as slave: of the master */
    uint64_t told;                /* records, since the start */
};
void peer_clients_counts(struct peer_clients_counts *n);

#endif
