/* What io.c (the executor's side) and io_thread.c (a thread's) share. */
#ifndef DUET_SERVER_IO_INSIDE_H
#define DUET_SERVER_IO_INSIDE_H

#include "server/base/ring.h"
#include "server/conn.h"
#include "server/io.h"

#include <pthread.h>

struct loop;
struct loop_hook;
struct loop_timer;
struct loop_wake;

enum io_up { UP_BATCH, UP_ENDED, UP_LET_GO, UP_GIVEN_BACK };
enum io_down { DOWN_CONNECTION, DOWN_BATCH, DOWN_CLOSE, DOWN_GIVE_BACK, DOWN_STOP };

struct io_thread {
    /* set before it starts */
    int number;
    pthread_t id;
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_hook *hook;

    struct ring up, down;
    struct sleeper sleeper; /* the thread's, for down */

    /* the executor's */
    size_t connections;
    bool told; /* something was put down since the last io_wake */
    uint64_t seen_reads, seen_writes, seen_in, seen_out;

    /* the thread's */
    struct batch *pool;
    size_t pool_count;
    struct client *waiting; /* for the lease, by conn.next_waiting */
    struct loop_timer *lease_timer;
    unsigned said; /* items put up since the executor was woken */
    char *scratch;

    /* counted by the thread, read by the executor */
    _Atomic uint64_t reads, writes, bytes_in, bytes_out;
};

/* Shared by all threads. */
struct io_shared {
    struct sleeper executor;
    struct loop_wake *executor_wake;
    _Atomic uint64_t bulk_limit_bytes, query_limit_bytes;
    unsigned edition;
};
extern struct io_shared io_shared;

/* Makes its loop and watchers; io_thread_run is what the thread then does until DOWN_STOP. */
void io_thread_prepare(struct io_thread *t);
void *io_thread_run(void *thread);
/* After its end. */
void io_thread_release(struct io_thread *t);

#endif
