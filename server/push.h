/* Bytes for a client that are no reply of its own: messages of channels, invalidations, MONITOR's lines.
 *
 * They stand in client.out between the replies, in the order in which things happened, and wait as
 * replies do for what they reveal (output.h): the stream's end of the turn's end. Two things are
 * different. CLIENT REPLY OFF does not silence them. And a big message is not copied for each of its
 * readers: struct shared holds it once, and the client's struct push knows where between the bytes of
 * client.out it belongs. Its socket is written from there, by the executor or by an I/O thread. */
#ifndef DUET_SERVER_PUSH_H
#define DUET_SERVER_PUSH_H

#include "server/client.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subscriptions; /* pubsub.c */
struct tracker;       /* tracking.c */

/* Bytes that several clients are to get; whoever lets go of it last frees it, on any thread. */
struct shared {
    _Atomic uint32_t users;
    size_t len;
    char bytes[];
};
enum { SHARED_FROM_BYTES = 4096 }; /* less is copied: that is quicker */

/* The maker is its first user. */
struct shared *shared_new(const char *p, size_t n);
void shared_release(struct shared *s); /* NULL is fine */

/* A shared message that the client has still to get. */
struct part {
    uint64_t at; /* where it begins, counted as client.sent_total is */
    struct shared *s;
    size_t sent; /* by the executor, so far */
};

/* What a client has that was ever to get pushes; client.push. */
struct push {
    struct subscriptions *sub; /* NULL: none, as the rest */
    struct tracker *tracker;
    bool monitor;
    bool fresh; /* pushes came since its bytes were last looked at by output.c */
    bool
        too_slow; /* it is over its hard limit: nothing more is added, it is closed at the turn's end */
    bool is_target; /* somebody's invalidations are redirected to it */
    bool queued;    /* stands in output.c's row of those with pushes */
    struct client *next_queued;
    struct part *parts; /* a ring of a power of two */
    uint32_t first, count, cap;
    size_t shared_bytes; /* of the parts, not sent yet */
};

/* All bytes that were ever made for the client, counted as client.sent_total is. */
static inline uint64_t client_made_total(const struct client *c) {
    return c->sent_total + buf_len(&c->out) + (c->push ? c->push->shared_bytes : 0);
}

/* c->push, made when there is none. */
struct push *push_of(struct client *c);
/* The client is closed: everything that it subscribed to ends. */
void push_forget(struct client *c);
/* RESET. */
void push_reset(struct client *c);
/* This node is no master any more: in a pair whoever gets pushes is closed, to come back at the VIP. */
void push_end_all(void);

/* Where bytes for the client are added; push_end follows. The client's push exists. */
struct buf *push_begin(struct client *c);
void push_end(struct client *c);
void push_bytes(struct client *c, const char *p, size_t n);
/* The same without a copy. The caller stays a user of s. */
void push_shared(struct client *c, struct shared *s);
/* call_ops.too_big: the client will be closed when the command is over. */
struct call;
bool push_reply_too_big(struct call *call);
/* After a command whose reply was cut off (CLIENT REPLY OFF, SKIP): its pushes come back. */
void push_after_mute(struct client *c);

/* The first part, NULL: there is none. push_part_done: it is with the socket, or with the thread. */
static inline struct part *push_part(const struct client *c) {
    const struct push *p = c->push;
    return p && p->count ? &p->parts[p->first & (p->cap - 1)] : NULL;
}
void push_part_done(struct client *c);
size_t push_memory(const struct client *c);

#endif
