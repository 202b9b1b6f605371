/* Requests of one connection, parsed and not yet run, and the replies to them: what travels between
 * an I/O thread and the executor. The executor's own connections use one batch that never travels.
 *
 * A batch belongs to one thread at a time. It is made by an I/O thread (or by the executor, for
 * replies that no request of the moment caused), filled by batch_parse, run by dispatch.h, and goes
 * back with the replies. Words point into bytes and line: nothing is copied word by word. */
#ifndef DUET_SERVER_BATCH_H
#define DUET_SERVER_BATCH_H

#include "server/base/buf.h"
#include "server/proto/resp.h"

#include <stdbool.h>
#include <stddef.h>

struct client;
struct command;
struct shared;

struct request {
    const struct command *cmd; /* NULL: unknown */
    size_t begin;              /* offset of its first byte */
    uint32_t first;            /* its words in words.v */
    int argc;
    bool bad_subcommand;
};

struct batch {
    struct batch *next; /* in the list of whoever owns it */
    struct client *client;
    struct request *v;
    size_t count, cap;
    size_t done; /* requests that were run */
    struct resp_args words;
    struct buf bytes; /* the requests as they came; empty where the words point elsewhere */
    char *line;       /* the words of an inline request, which is the last one */
    char *error; /* behind the requests came what is none; the connection ends with this text */
    size_t error_len; /* it may hold a NUL */
    /* The way back. */
    struct buf out;
    struct shared *shared; /* to be written behind out; NULL: nothing */
    bool answers;          /* it came from the thread, which counts what is under way */
    bool needs_lease;      /* out may be sent only while the lease of this epoch is valid */
    bool last;             /* the connection ends when out is written */
    bool authenticated;    /* what the client is by now */
};

struct batch *batch_new(void);
void batch_free(struct batch *b); /* NULL is fine */
/* Empty, with its memory: at most keep_bytes in each of its parts. */
void batch_clear(struct batch *b, size_t keep_bytes);

/* What requests are held to; the same until the batch is full. */
struct batch_rules {
    struct resp_limits limits;
    unsigned edition; /* 0: every command */
    size_t most;      /* requests */
};

/* Appends requests from data + *at on, until there are r->most, or an inline one, whose words live
 * in the parser, or no whole one. *at moves past them, and past nothing else but empty ones.
 * Returns the last state: RESP_MORE when what is left is an unfinished request or nothing. */
enum resp_state batch_parse(struct batch *b, struct resp_parser *p, const struct batch_rules *r,
                            const char *data, size_t len, size_t *at);

/* The batch takes the bytes that its words point to, from data on, used of them: by a copy. */
void batch_keep(struct batch *b, struct resp_parser *p, const char *data, size_t used);
/* The same, but it takes the whole buffer; what is behind used is left in `in`. */
void batch_take(struct batch *b, struct resp_parser *p, struct buf *in, size_t used);
/* Appends the bytes of the requests that were not run, without the first `skip` of them. */
void batch_unread(const struct batch *b, size_t skip, struct buf *out);
size_t batch_memory(const struct batch *b);

#endif
