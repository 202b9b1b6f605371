/* When a child that ended is started again. Pure: the caller says when things happened.
 * The first restart is at once (a had that is back within the lease costs nothing); one that ends again
 * soon waits 100 ms, 200 ms, ... up to 10 s; one that ran for 10 s has proved itself and begins anew. */
#ifndef DUET_ROOTFS_BACKOFF_H
#define DUET_ROOTFS_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS  100
#define BACKOFF_LAST_MS   10000
#define BACKOFF_PROVED_MS 10000

struct backoff {
    uint64_t next_ms;  /* what the next failure costs; 0: nothing */
    uint64_t restarts; /* ever */
};

/* The child ran from started_ns to ended_ns; returns after how many ms it is to be started. */
uint64_t backoff_ended(struct backoff *b, uint64_t started_ns, uint64_t ended_ns);

#endif
