/* The conversation of one MIGRATE with its target: a row of commands is sent, a line comes back for each. It owns its
 * socket, and takes and leaves it in a cache where it is kept for ten seconds, as Redis does. Nothing here waits: wire_step
 * does what can be done now. server/migrate.c decides what is said, and what follows from the answers. */
#ifndef DUET_SERVER_MIGRATE_WIRE_H
#define DUET_SERVER_MIGRATE_WIRE_H

#include "server/base/buf.h"
#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_state { WIRE_CONNECTING, WIRE_WRITING, WIRE_READING, WIRE_DONE, WIRE_FAILED };

struct wire {
    struct bytes host, port; /* the caller's */
    int64_t db;
    int fd; /* -1: none */
    enum wire_state state;
    enum wire_state failed_in; /* what it was doing */
    bool timed_out;
    bool select; /* SELECT has to be said */
    size_t sent;
    size_t lines, lines_wanted; /* beside those of AUTH and SELECT */
    size_t first_lines;         /* of AUTH and SELECT, still to come */
    struct buf out, in;
    char error[256]; /* the first error that the target replied, without its '-'; "" none */
    bool refused;    /* AUTH or SELECT was: nothing after them counts */
    uint64_t progress_ns;
};

/* Takes a socket for host:port from the cache, or begins to connect. False: it cannot be. */
bool wire_open(struct wire *w, bool fresh);
/* One step; line is told each answer to the commands (in order; good: not an error). */
typedef void wire_line_fn(void *arg, size_t index, bool good);
void wire_step(struct wire *w, wire_line_fn *line, void *arg);
/* Ends it for taking too long. */
void wire_time_out(struct wire *w);
/* LOOP_READ or LOOP_WRITE: what it waits for. */
int wire_wants(const struct wire *w);
/* Leaves the socket in the cache when all went well on it, else closes it. */
void wire_close(struct wire *w);
void wire_free(struct wire *w);

/* INFO's migrate_cached_sockets. */
size_t wire_cached(void);

#endif
