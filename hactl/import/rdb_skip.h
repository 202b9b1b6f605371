/* Passing over values of RDB files without taking them apart: where does a value end, how much is in it. It knows types
 * too whose values the reader (server/proto/rdb.h) cannot read. Pure; fed bytes in pieces of any size.
 *
 * A new type: its program in rdb_skip.c. */
#ifndef HACTL_IMPORT_RDB_SKIP_H
#define HACTL_IMPORT_RDB_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RDB_SKIP_DEPTH = 3 };

struct rdb_skip {
    bool done;        /* the value is whole */
    const char *bad;  /* or NULL: why its end cannot be found */
    uint64_t bytes;   /* that were passed over */
    uint64_t items;   /* elements, pairs, nodes; 1 of a blob or a string */
    uint64_t plain;   /* bytes of its strings, uncompressed */
    uint64_t longest; /* the longest of them */
    uint64_t module;  /* of a module's value: its id */
    /* inside */
    const char *at; /* of the program */
    uint64_t left;  /* bytes of the open string */
    bool in_module;
    int depth;
    struct {
        const char *begin;
        uint64_t left;
    } loop[RDB_SKIP_DEPTH];
};

/* False: no value of that type has a known form in files of that version. */
bool rdb_skip_begin(struct rdb_skip *s, int type, int rdb_version);
/* Passes over as much of the value as there is, and returns how many bytes that were; the rest (of a length that is cut, or
 * behind the value's end) is presented again. */
size_t rdb_skip_feed(struct rdb_skip *s, const char *p, size_t n);

/* The length at p, or the number of an encoding: its bytes, 0: there are too few. */
size_t rdb_skip_length(const char *p, size_t n, uint64_t *v, bool *encoded);

#endif
