/* Taking the bytes of one event apart: for rdb_read.c and the files beside it only. */
#ifndef DUET_PROTO_RDB_CUT_H
#define DUET_PROTO_RDB_CUT_H

#include "server/proto/rdb.h"

/* The bytes of one event while they are taken apart. `short_by` is set when they do not suffice,
 * `bad` when they cannot be right; both stick, so that a row of takes needs one check at its
 * end. */
struct cut {
    struct rdb_reader *r;
    const char *p, *end;
    const char *start;
    size_t short_by;
    bool bad;
};

static inline bool rdb_stopped(const struct cut *c) {
    return c->short_by || c->bad;
}
/* What stops the reader: more bytes are needed, or they are not as they must be. Zeros come instead of up to 16 bytes
 * then, an empty string, or some number. */
const char *rdb_take(struct cut *c, size_t n);
/* A length, or with *encoded set the number of an encoding; encoded NULL: there may be none. */
uint64_t rdb_take_len(struct cut *c, bool *encoded);
/* Place for n bytes of an event: the caller's, or the scratch. */
char *rdb_room(struct cut *c, struct buf *scratch, size_t n);
struct bytes rdb_take_string(struct cut *c, struct buf *scratch);

/* Streams (rdb_read_stream.c), behind the number of nodes. */
void rdb_stream_begin(struct rdb_reader *r, uint64_t nodes);
/* One item; false when it was the last one of the value. */
bool rdb_stream_item(struct cut *c);

/* Sections without meaning here (rdb_read_other.c): passed over. */
/* r->a is its name. False: it holds what no module writes. */
bool rdb_pass_module_aux(struct cut *c);
void rdb_pass_slot_info(struct cut *c);
void rdb_pass_slot_import(struct cut *c);

#endif
