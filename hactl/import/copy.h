/* From what is read into the target, through the filter: keys as RESTORE, big values in pieces, commands as they are. The
 * same for files and for a running source's copy; where the events come from is the caller's affair. */
#ifndef HACTL_IMPORT_COPY_H
#define HACTL_IMPORT_COPY_H

#include "hactl/import/filter.h"
#include "hactl/import/inventory.h"
#include "hactl/import/pieces.h"
#include "hactl/import/target.h"

/* What no single command restores: the target's executor would be held by it. Strings are only copied. */
enum { COPY_STRING_BYTES = 8 << 20, COPY_VALUE_BYTES = 256 << 10 };

struct copy {
    /* the caller's */
    const struct filter *filter;
    struct key_places *places; /* NULL without patterns */
    const struct inventory_target *limits;
    struct target *target;
    int64_t now_ms;   /* what expired before is left out */
    int dump_version; /* of RESTORE's payloads; 0: what Duet takes */
    bool
        plain_sets; /* strings by SET (with PXAT: of Redis 6.2), which costs the target half as much */
    /* counts */
    uint64_t keys, in_pieces, skipped, expired, left_out, commands, dropped;
    char error[400]; /* after false: why; the connection's words when that is lost */
    /* inside */
    struct inventory *inventory; /* of copy_look */
    struct pieces pieces;
    struct buf value, text;
    int to; /* the open key's database; -1: it is not taken */
    bool piecewise, look;
    uint64_t *refused; /* records of big keys that cannot be taken, in order */
    size_t refused_count, refused_room;
    struct filter_command out;
};

void copy_init(struct copy *c, const struct filter *f, const struct inventory_target *limits);
void copy_free(struct copy *c);

/* The first pass: tells the inventory, takes each value apart to see that it is sound, sends nothing. What is refused is
 * remembered for the second pass of the same struct. at: the record's position, which grows from key to key. False: error
 * (damage). */
bool copy_look(struct copy *c, struct inventory *v, struct rdb_keys *k, enum rdb_keys_event ev,
               uint64_t at);
/* The second: sends. False: error. */
bool copy_event(struct copy *c, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at);
/* A command through the filter to the target. False: error (it was refused, or the connection is lost). With look it is
 * only looked at: what is refused is told the inventory. */
bool copy_command(struct copy *c, int db, int argc, const struct bytes *argv);
void copy_look_at_command(struct copy *c, struct inventory *v, int db, int argc,
                          const struct bytes *argv);

#endif
