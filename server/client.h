/* A client: what the executor knows of a connection that speaks the Redis protocol. Its bytes are read
 * and written by whoever owns its struct conn (conn.h): the executor itself, or an I/O thread
 * (io.h). Its requests are run by dispatch.h, its replies are let go by output.h.
 *
 * Memory: bytes are read into one buffer that all of a thread's connections share; only what is left
 * of an unfinished request is kept with the connection. Replies gather in client.out until the turn
 * ends. An idle client owns no buffers.
 *
 * Fairness: a client's turn is over after a bounded time, or bytes of replies (dispatch.h); the rest
 * of what it sent waits for the next turn. */
#ifndef DUET_SERVER_CLIENT_H
#define DUET_SERVER_CLIENT_H

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/config.h"
#include "server/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct command;
struct io_thread;
struct push;
struct repl_conf;
struct stream;
struct transaction;

/* Why a client's requests wait. 0: they do not. */
enum client_stall {
    STALL_NONE,
    STALL_PAUSE,   /* CLIENT PAUSE, DUET PAUSE */
    STALL_LEASE,   /* a master without a valid lease */
    STALL_HELD,    /* too many bytes of replies are held */
    STALL_SYNC,    /* DUET FSYNC, DUET LOG: until sync_result is set */
    STALL_WAIT,    /* WAIT: wait_count, until wait_until_ns */
    STALL_SCRIPT,  /* had's orders, until a slow script has ended */
    STALL_MOVE,    /* an I/O thread is giving the connection back */
    STALL_BLOCKED, /* blocked.h; not among those that client_wake_stalled looks at */
    STALL_WOKEN    /* no more; its requests go on with the turn's end */
};

/* client.place of one that found the table full. */
#define CLIENT_PLACE_BEYOND UINT32_MAX

struct client {
    struct client *next, *prev; /* all clients */
    uint64_t id;
    uint32_t place;           /* in peer_clients.h's table, 0: none */
    int fd;                   /* for names and options only; good until closed */
    struct io_thread *thread; /* NULL: the executor reads and writes it */
    bool closed;              /* no command may touch it any more */
    bool at_thread;           /* the struct must stay: the thread has not let go of it */
    bool moving;              /* asked back from its thread; nothing is sent to it meanwhile */
    bool control;             /* the control socket: never held, every command */
    bool importer;            /* it brings what another master has said (DUET IMPORT) */
    bool unix_socket;
    bool local; /* from a loopback address or a unix socket */
    bool authenticated;
    bool only_pubsub; /* it subscribed, and speaks RESP2: little else is allowed */
    bool restricted;  /* that, or it monitors and may not touch keys */
    bool handshake;   /* only AUTH, PING and REPLCONF were asked so far: never held */
    bool reply_off, reply_skip, reply_skip_next;
    bool close_after_reply; /* nothing more is read; closed when out is empty */
    bool said_last;         /* its thread knows that */
    bool ended;             /* the peer is gone; what it had sent is run first */
    bool no_evict, no_touch;
    bool executing;     /* inside its own command: must not be freed */
    bool blocked_write; /* the socket took no more: wait until it does (executor's own) */
    bool queued;        /* stands in the list of clients with replies to write */
    bool again;         /* its turn ended early: stands in the list of those that go on */
    enum client_stall stall;
    int db, resp;
    char *name; /* NULL: none */
    char *lib_name, *lib_ver;
    uint64_t created_ns, active_ns;
    const struct command *last_command;
    struct blocked *blocked;   /* while it waits for a key */
    struct transaction *multi; /* NULL: not inside MULTI and nothing watched */
    struct repl_conf *repl_conf;
    struct push *push; /* push.h; NULL: it never was to get any */

    /* From an I/O thread: batches to run, the first one maybe in part; batches that were run, whose
     * answer goes out at the turn's end. */
    struct batch *pending, *finished;

    struct buf out;
    uint64_t sent_total;    /* bytes written, or given to the thread, since the beginning */
    uint64_t release_total; /* bytes that may be written, counted as sent_total is */
    uint64_t reply_offset;  /* the stream's end when the newest reply was made */
    uint64_t marked_total;  /* bytes covered by marks or released */
    uint64_t over_soft_ns;  /* since when out is over the soft limit; 0: it is not */
    uint32_t marks;         /* held marks that point here */
    uint32_t replies;       /* made since the last mark */
    struct client *next_queued, *next_again;
    struct client *next_stalled, *prev_stalled;

    uint64_t write_offset;  /* the stream's end after its last write, for WAIT */
    uint64_t wait_until_ns; /* 0: for ever */
    int wait_count;
    int sync_result; /* 0: not yet, 1: on disk, 2: failed, 3: the answer is in `out` */

    char apart[64]; /* what follows may be another thread's: no shared cache line */
    struct conn conn;
};

/* Takes over a connected stream: an I/O thread gets it, unless it is the control socket's. */
struct client *client_new(struct stream *s, bool control, bool unix_socket);
/* Closes the connection now; the struct goes when nothing points to it any more. Safe at any time,
 * also from inside the client's own command. */
void client_close(struct client *c);
/* Releases closed clients; called when no command runs. */
void client_reap(void);
/* Runs what it has sent, and goes on reading when nothing keeps it from that. */
void client_resume(struct client *c);
/* The stream changed hands (repl_take): the struct goes without closing the descriptor. */
void client_forget_stream(struct client *c);
/* Stops running requests for a reason; client_wake_stalled tries again. */
void client_stall(struct client *c, enum client_stall why);
/* Tries all stalled clients again (a pause ended, the lease came back, replies went). */
void client_wake_stalled(void);
bool client_any_stalled(void);
/* Some that were stalled for held replies may go on. */
bool client_any_released(void);
/* The client's turn is over with requests left: client_next_turn takes it up. */
void client_again(struct client *c);
/* Before each sleep. While any is left the loop must not sleep. */
void client_next_turn(void);
bool client_any_again(void);

/* What I/O threads send (io.h calls these): requests; the peer's end or trouble; the connection
 * given back, with bytes that were read and not run, written and not sent. */
void client_take_batch(struct batch *b);
void client_ended(struct client *c);
void client_came_back(struct client *c);
/* Copies what the client has sent behind the request that is being run. */
void client_unread(const struct client *c, struct buf *out);
/* Asks the connection back from its thread; the stall ends when it is here. */
void client_move_here(struct client *c);

/* client_list.c: looking at clients. */
struct client *client_by_id(uint64_t id);
/* Bytes of the request that is being run now, while a command describes clients: they count as its client's input. */
extern size_t client_asking_bytes;
/* One line of CLIENT LIST, ends with a newline. */
void client_describe(const struct client *c, struct buf *out);
/* Closes every service client, or those with held replies only; returns how many. */
size_t client_close_service(bool held_only);
/* What client-output-buffer-limit counts it as. */
enum config_class client_class(const struct client *c);
size_t client_memory(const struct client *c);
/* Bytes that were read and not run; bytes of replies that the socket has not taken. */
size_t client_input_bytes(const struct client *c);
size_t client_output_bytes(const struct client *c);
/* The last time that it sent something, boot ns. */
uint64_t client_active_ns(const struct client *c);
/* Printable, without spaces. */
bool client_name_is_valid(struct bytes name);
/* Replaces a malloc'ed string; empty text makes it NULL. */
void client_set_text(char **slot, struct bytes text);

/* listen.c: the sockets that clients come in by. False: err is a sentence. */
bool listen_open(char *err, size_t err_size);
/* port or bind changed: opens the new ones before the old are closed. */
bool listen_reopen(char *err, size_t err_size);
void listen_close(void);
/* Takes who has come, from inside a slow script. */
void listen_take(void);

#endif
