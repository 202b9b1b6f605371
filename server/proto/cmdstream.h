/* The stream of commands that a master sends and the log keeps, taken apart. A *unit* is what is
 * applied as one: a single request, or MULTI with all up to its EXEC. SELECT, MULTI, EXEC, PING
 * and REPLCONF are dealt with here; the caller sees commands and the database they are for.
 *
 * One REPLCONF comes to the caller: the mark `REPLCONF capa duet-import capa TEXT`, by which an import's place in its
 * source's stream lives in ours (server/control_import.c). A real Redis takes it for a capability it does not know. */
#ifndef DUET_PROTO_CMDSTREAM_H
#define DUET_PROTO_CMDSTREAM_H

#include "server/proto/resp.h"

#define CMDSTREAM_MARK   "duet-import"
#define CMDSTREAM_DIGEST "duet-digest" /* master and slave take a fingerprint of their data here */
bool cmdstream_is_mark(int argc, const struct bytes *argv);

struct cmdstream {
    int db;            /* selected at the begin of the next unit, -1: none yet (0 is meant) */
    bool ask_ack;      /* REPLCONF GETACK was in a unit; the caller clears it */
    const char *error; /* after CMDSTREAM_BAD */
    /* inside */
    struct resp_parser parser;
    struct resp_args args;
    size_t at; /* how far the search for the unit's end has come */
    bool multi;
};

enum cmdstream_state { CMDSTREAM_UNIT, CMDSTREAM_MORE, CMDSTREAM_BAD };

/* Zeroed memory with db set is a fresh one. */
void cmdstream_init(struct cmdstream *c, int db);
void cmdstream_free(struct cmdstream *c);
/* Is a whole unit at data? *unit_len is its length. The caller presents the same first byte
 * again until a unit was taken; nothing is taken here. */
enum cmdstream_state cmdstream_find(struct cmdstream *c, const char *data, size_t len,
                                    size_t *unit_len);
/* Calls fn for each command of the unit that was found, in order; fn false stops and is
 * returned. Afterwards c->db is the database at the unit's end, and the next unit may be looked
 * for. */
bool cmdstream_each(struct cmdstream *c, const char *unit, size_t unit_len,
                    bool (*fn)(void *arg, int db, int argc, const struct bytes *argv), void *arg);
/* Bytes that are a whole number of units: calls fn for each command of them. False: fn said so, or they are no such bytes
 * (c->error says why; commands that stand before the fault came). */
bool cmdstream_all(struct cmdstream *c, const char *data, size_t len,
                   bool (*fn)(void *arg, int db, int argc, const struct bytes *argv), void *arg);

#endif
