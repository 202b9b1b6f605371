/* The part of a connection that whoever reads and writes it owns: the executor, or one I/O thread.
 * It stands inside struct client, which lives until that thread has let go of it.
 *
 * conn.c reads and writes the executor's own connections in place: no batch travels, no byte is
 * copied. io_thread.c does the same for a thread's. */
#ifndef DUET_SERVER_CONN_H
#define DUET_SERVER_CONN_H

#include "server/base/buf.h"
#include "server/proto/resp.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct client;
struct loop_io;
struct stream;

enum {
    CONN_READ_BYTES = 64 * 1024,     /* one read takes at most this much when nothing waits */
    CONN_READ_MIN_BYTES = 16 * 1024, /* room for the rest of an unfinished request: STREAM_ROOM */
    CONN_READ_MAX_BYTES = 4 << 20,   /* even when it announced more: the room grows as bytes come */
    CONN_KEEP_BYTES = 16 * 1024      /* an empty buffer keeps at most this much */
};

struct conn {
    struct stream *stream;
    struct loop_io *io;
    struct resp_parser parser;
    struct buf in; /* unparsed bytes that wait for more, or for their turn */

    /* An I/O thread's only. */
    struct buf out;     /* bytes that the socket did not take, or that wait for the lease */
    unsigned under_way; /* batches that the executor has */
    bool authenticated; /* as the last answer said */
    bool more;          /* in holds bytes that were not looked at */
    bool deaf;          /* nothing more is read: what came was no request, or it is closing */
    bool closing;       /* it ends when out is empty */
    bool ended;         /* the executor was told that it ended */
    bool needs_lease;   /* out does */
    bool waits;         /* for it, in the thread's list */
    struct client *next_waiting;

    /* Written by the I/O thread, read by the executor too. */
    _Atomic uint64_t written_total, active_ns;
    _Atomic size_t in_bytes, in_cap, memory;
    _Atomic int wanted; /* LOOP_READ | LOOP_WRITE */
};

/* ---- The executor's own connections. */

/* Watches the connection from now on. */
void conn_start(struct client *c);
/* Sets the loop's interest by the client's state. */
void conn_update(struct client *c);
/* LOOP_READ | LOOP_WRITE: what the loop found, or poll from inside a slow script. */
void conn_ready(struct client *c, int revents);
/* Where fresh requests are read to, CONN_READ_BYTES; returns what it was. */
char *conn_use_scratch(char *other);
/* Runs what waits in conn.in, as far as the client's turn goes. */
void conn_go_on(struct client *c);
/* Writes n bytes of c->out, as many as the socket takes; closes the client on trouble. */
void conn_write(struct client *c, size_t n);

#endif
