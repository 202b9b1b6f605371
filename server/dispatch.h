/* From a parsed request to its effect: the checks in Redis's order, the call, and what follows it. */
#ifndef DUET_SERVER_DISPATCH_H
#define DUET_SERVER_DISPATCH_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct call;
struct entry;
struct client;
struct command;
struct server;

/* Runs the requests that stand in data; returns the bytes taken. It stops at an unfinished request,
 * at a closed client, at a stall, and when the client's turn is over (client_again was called). */
size_t dispatch_input(struct client *c, const char *data, size_t len);
/* Runs the requests of a batch from b->done on; stops as dispatch_input does. True: because the
 * client's turn is over. */
bool dispatch_batch(struct client *c, struct batch *b);
/* Brings the keys of batches of one request into the cache, those of all at once. Longer ones see
 * to it themselves. */
void dispatch_prefetch(struct batch *const *v, size_t n);

/* Runs one command's function and propagates its effect: what EXEC does with each queued one. */
/* A command took as long as server.slow_ns: the slow log, the history of latency. client NULL: nobody's. */
void dispatch_was_slow(const struct client *client, const struct command *cmd, int argc,
                       const struct bytes *argv, uint64_t ns);
void dispatch_call(struct client *c, const struct command *cmd, int argc, const struct bytes *argv,
                   unsigned flags, int64_t now_ms);

/* While server.spies: tells those who look on (MONITOR, CLIENT TRACKING) of a command that has run. Requests and EXEC do
 * it; what a script runs is its own to tell. */
void dispatch_spy(struct client *client, const struct command *cmd, int argc,
                  const struct bytes *argv);

/* A command inside another one (scripts): the call is filled by the caller. And what counts of clock_cycles are
 * in nanoseconds. */
void dispatch_run(struct call *c, struct client *client, const struct command *cmd);
uint64_t dispatch_ns(uint64_t cycles);

/* While a slow script runs, other clients are served from inside it: the requests that are being run are put
 * aside with the memory that they stand in. */
struct dispatch_aside;
struct dispatch_aside *dispatch_put_aside(void);
void dispatch_take_up(struct dispatch_aside *aside);

/* AUTH, PING, REPLCONF, PSYNC, SYNC: how a slave's link begins. They are answered at once and never
 * held on a connection that has asked nothing else. */
bool dispatch_is_handshake(const struct command *cmd);

/* cmd_repl.c: PSYNC and SYNC, which take the connection over: it must be the executor's own. */
void cmd_psync(struct call *c);
void cmd_replconf(struct call *c);

/* replay.c: commands of the log and of the master's stream, without client and reply. */
bool replay_run(void *arg, int db, int argc, const struct bytes *argv, char *err, size_t err_size);
bool replay_apply(void *arg, int db, int argc, const struct bytes *argv, char *err,
                  size_t err_size);

/* propagate.c */
struct call_ops;
extern const struct call_ops service_ops; /* clients' commands */
extern const struct call_ops replay_ops;  /* WATCH and tracking are told, nothing is propagated */
/* Deletes a key that no command deletes (its time is over, room is needed), and tells everyone of it as `event`. */
void drop_key(int db, struct entry *e, int notify_class, const char *event);

/* multi.c: MULTI, EXEC, WATCH. */
void multi_free(struct client *c);
bool multi_active(const struct client *c);
uint32_t multi_flags(const struct client *c);   /* of all queued commands together */
uint32_t multi_lacking(const struct client *c); /* flags that one of them has not */
void multi_exec(struct call *c);                /* EXEC */
size_t multi_queued(const struct client *c);
size_t multi_memory(const struct client *c);
bool multi_is_control(const struct command *cmd); /* EXEC, DISCARD, MULTI, WATCH, QUIT, RESET */
void multi_queue(struct client *c, const struct command *cmd, int argc, const struct bytes *argv);
void multi_mark_failed(struct client *c);
void multi_touched(int db, struct bytes key);
void multi_flushed(int db);
void multi_swapped(int a, int b, int64_t now_ms);
int multi_watching(void); /* watched keys over all clients */

#endif
