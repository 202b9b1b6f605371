/* A connection that speaks the Redis protocol: made and unmade here, read here; its requests are run
 * by dispatch.h, its replies written by output.h.
 *
 * Memory: bytes are read into one buffer that all clients share and parsed there; only what is left
 * of an unfinished request is copied into the client. Replies gather in client.out until the turn
 * ends. An idle client owns no buffers. */
#ifndef DUET_SERVER_CLIENT_H
#define DUET_SERVER_CLIENT_H

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/proto/resp.h"

#include <stdbool.h>
#include <stdint.h>

struct stream;
struct loop;
struct loop_io;
struct repl_conf;
struct transaction;
struct command;

/* Why a client's requests wait. 0: they do not. */
enum client_stall {
    STALL_NONE,
    STALL_PAUSE, /* CLIENT PAUSE, DUET PAUSE */
    STALL_LEASE, /* a master without a valid lease */
    STALL_HELD,  /* too many bytes of replies are held */
    STALL_SYNC,  /* DUET FSYNC: until sync_result is set */
    STALL_WAIT   /* WAIT: wait_count, until wait_until_ns */
};

struct client {
    struct client *next, *prev; /* all clients */
    uint64_t id;
    struct stream *stream; /* NULL once closed */
    struct loop_io *io;
    bool control; /* the control socket: never held, every command */
    bool unix_socket;
    bool local; /* from a loopback address or a unix socket */
    bool authenticated;
    bool handshake; /* only AUTH, PING and REPLCONF were asked so far: never held */
    bool reply_off, reply_skip, reply_skip_next;
    bool close_after_reply; /* nothing more is read; closed when out is empty */
    bool no_evict, no_touch;
    bool executing;     /* inside its own command: must not be freed */
    bool blocked_write; /* the socket took no more: wait until it does */
    bool queued;        /* stands in the list of clients with replies to write */
    enum client_stall stall;
    int db, resp;
    char *name; /* NULL: none */
    char *lib_name, *lib_ver;
    uint64_t created_ns, active_ns;
    const struct command *last_command;
    struct transaction *multi; /* NULL: not inside MULTI and nothing watched */
    struct repl_conf *repl_conf;

    struct buf in; /* unparsed bytes that wait for more */
    struct resp_parser parser;

    struct buf out;
    uint64_t sent_total;    /* bytes written since the connection began */
    uint64_t release_total; /* bytes that may be written, counted as sent_total is */
    uint64_t reply_offset;  /* the stream's end when the newest reply was made */
    uint64_t marked_total;  /* bytes covered by marks or released */
    uint64_t over_soft_ns;  /* since when out is over the soft limit; 0: it is not */
    uint32_t marks;         /* held marks that point here */
    uint32_t replies;       /* made since the last mark */
    struct client *next_queued;
    struct client *next_stalled, *prev_stalled;

    uint64_t write_offset;  /* the stream's end after its last write, for WAIT */
    uint64_t wait_until_ns; /* 0: for ever */
    int wait_count;
    int sync_result; /* 0: not yet, 1: on disk, 2: failed */
};

/* Takes over a connected stream. */
struct client *client_new(struct stream *s, bool control, bool unix_socket);
/* Closes the connection now; the struct goes when nothing points to it any more. Safe at any time,
 * also from inside the client's own command. */
void client_close(struct client *c);
/* Releases closed clients; called when no command runs. */
void client_reap(void);
/* Parses and runs what waits in c->in, and goes on reading when nothing keeps it from that. */
void client_resume(struct client *c);
/* Sets the loop's interest by the client's state. */
void client_update_io(struct client *c);
/* The stream changed hands (repl_take): the struct goes without closing the descriptor. */
void client_forget_stream(struct client *c);
/* Stops running requests for a reason; client_wake_stalled tries again. */
void client_stall(struct client *c, enum client_stall why);
/* Tries all stalled clients again (a pause ended, the lease came back, replies went). */
void client_wake_stalled(void);
bool client_any_stalled(void);
/* Some that were stalled for held replies may go on. */
bool client_any_released(void);

struct client *client_by_id(uint64_t id);
/* One line of CLIENT LIST, ends with a newline. */
void client_describe(const struct client *c, struct buf *out);
/* Closes every service client, or those with held replies only; returns how many. */
size_t client_close_service(bool held_only);
size_t client_memory(const struct client *c);
/* Printable, without spaces. */
bool client_name_is_valid(struct bytes name);
/* Replaces a malloc'ed string; empty text makes it NULL. */
void client_set_text(char **slot, struct bytes text);

/* listen.c: the sockets that clients come in by. False: err is a sentence. */
bool listen_open(char *err, size_t err_size);
/* port or bind changed: opens the new ones before the old are closed. */
bool listen_reopen(char *err, size_t err_size);
void listen_close(void);

#endif
