/* Append-only files of Redis, the part that is commands: units, each a single command or MULTI with all up to its EXEC, as
 * Redis loads them. Pure: bytes in, commands out; the caller presents the same first byte again until a unit was taken. */
#ifndef DUET_PROTO_AOFILE_H
#define DUET_PROTO_AOFILE_H

#include "server/base/bytes.h"
#include "server/proto/resp.h"

enum aofile_state {
    AOFILE_UNIT, /* used: its bytes (and of what stands before it and is none: #TS:...); commands by aofile_each */
    AOFILE_MORE, /* no whole unit is there: at the file's end, its tail was cut, unless nothing is open */
    AOFILE_BAD /* error; used: where in the data */
};
struct aofile {
    int db; /* selected at the begin of the next unit */
    size_t used;
    bool
        open; /* after MORE: a command or a transaction has begun (or a comment, that is not whole) */
    bool transaction; /* the unit is one */
    uint64_t stamp_s; /* of the last #TS:, 0: none */
    char error[120];
    /* inside */
    struct resp_parser parser;
    struct resp_args args;
    size_t at;
    bool multi;
};

/* Zeroed memory is a fresh one. */
void aofile_free(struct aofile *a);
enum aofile_state aofile_find(struct aofile *a, const char *data, size_t len);
/* The commands of the unit that was found, without SELECT, MULTI and EXEC. fn false stops, and is returned. Afterwards
 * a->db is the database behind the unit. */
typedef bool aofile_command(void *arg, int db, int argc, const struct bytes *argv);
bool aofile_each(struct aofile *a, const char *unit, size_t len, aofile_command *fn, void *arg);

#endif
