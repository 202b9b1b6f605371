/* Replies on their way out: one write a client and turn, held until they may go.
 *
 * A reply may be written when the stream (repl_release_offset) is safe up to where it stood when the
 * reply was made. Each turn that leaves bytes behind puts one mark into a queue that is ordered by
 * offset; the queue's front is what is released next. In a pair the write lease is checked before
 * each write, by whoever writes: bytes go to the client's I/O thread when they are released, marked as
 * ones that need the lease, and a thread asks for it each time it sends (pair_may_send). */
#ifndef DUET_SERVER_OUTPUT_H
#define DUET_SERVER_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

struct client;

/* A client whose held replies pass this is not read until half of it is gone; when those of all together pass the
 * second, nobody is (output_crowded) until half of that is gone. */
enum { OUTPUT_HELD_LIMIT_BYTES = 1 << 20, OUTPUT_ALL_HELD_LIMIT_BYTES = 64 << 20 };
extern bool output_crowded;

/* c->out has new bytes: they are written before the loop sleeps. */
void output_queue(struct client *c);
/* The same for pushes (push.h) that came from elsewhere: they are written behind all replies, for a bounded time each
 * turn, so that a message to very many does not keep others waiting. */
void output_push(struct client *c);
bool output_any_pushes(void);
/* After a client's turn, while replies wait for the pair's slave (server.holds): when enough was written it goes out at once, and
 * replies whose time has come. */
void output_early(void);
/* Before the loop sleeps, after repl_before_sleep. */
void output_flush(void);
/* The release offset grew: writes what may go now. */
void output_release(void);
/* Ten times a second: who has been over the soft limit for too long is closed. */
void output_check_limits(void);
/* The socket of one of the executor's own connections takes bytes again. */
void output_writable(struct client *c);
/* What is made for the client now may go when the stream is safe up to offset; never earlier than what it has already. */
void output_wait_for(struct client *c, uint64_t offset);
/* Held bytes of a client, and over all: bytes, replies held and since when (boot ns; 0: none). */
uint64_t output_held_bytes(const struct client *c);
uint64_t output_all_held_bytes(void);
/* It has as much as may be held: it is to be read no further. And so little that it may be read again. */
bool output_holds_much(const struct client *c);
bool output_holds_little(const struct client *c);
uint64_t output_held_count(void);
uint64_t output_oldest_held_ns(void);
/* Over its class's hard limit (client-output-buffer-limit) with what it has still to get. */
enum { OUTPUT_FREE_BYTES = 16 * 1024 };
bool output_over_hard_limit(const struct client *c);
/* The client was closed: its place in the list of those with replies is given up. */
void output_forget(struct client *c);

#endif
