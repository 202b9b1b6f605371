/* I/O threads, seen from the executor. With io-threads N there are N - 1 of them: each has a loop and
 * a set of connections, reads, parses requests into batches, and writes the replies. The executor
 * runs every command. With none it reads and writes its connections itself (conn.h).
 *
 * Two rings a thread (base/ring.h), and nothing else shared on the way of a request:
 *     up    a batch to run; this client's peer is gone; the thread has let go of this client; a
 *           connection that was asked back
 *     down  a new connection; a batch that was run, with replies; close; give back; stop
 * Each struct client goes down once by io_give, and the thread's last word on it is "let go" or
 * "given back", the executor's last one "close" or "give back". So neither ever meets a struct that
 * is gone: the executor releases it after the thread's last word.
 *
 * Bounds: a thread has at most IO_UNDER_WAY batches of a connection with the executor, and reads
 * little ahead while it has; a batch holds what one read brought. */
#ifndef DUET_SERVER_IO_H
#define DUET_SERVER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct client;

enum { IO_UNDER_WAY = 2, IO_THREADS_MAX = 127 };

/* Before the first client. Fails only with the process. */
void io_start(int threads);
/* Replies that were handed over are written as far as sockets take them; threads end. */
void io_stop(void);
int io_threads(void);

/* Gives a new connection to the thread that has the fewest; false when there is none. */
bool io_give(struct client *c);
/* Takes ownership of b: an answer, or replies beside any. Threads learn of it by io_wake. */
void io_send(struct client *c, struct batch *b);
void io_close(struct client *c);
/* client_came_back is called when it is here. */
void io_take_back(struct client *c);

/* Once a turn: runs what has come, a bounded part of it. */
void io_take(void);
/* Before the loop sleeps: wakes threads that were sent something. */
void io_wake(void);
/* At last: from here on a thread that sends wakes the executor. False: something is there already,
 * the loop must go on. */
bool io_may_sleep(void);

/* server.config's limits, for the threads to see. */
void io_refresh_limits(void);
/* Adds what threads counted since the last time to server.stats. */
void io_collect_stats(void);

#endif
