/* Counts replies in a stream of RESP2 and RESP3, in pieces of any size, without keeping them. */
#ifndef BENCH_REPLIES_H
#define BENCH_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replies {    /* of one connection; all zero at first */
    uint64_t skip;  /* bytes of a bulk string still to come, with its line end */
    uint64_t inner; /* elements still to come of the reply under way, minus the one being read */
    char line[120]; /* the beginning of a line that is not whole */
    size_t line_bytes;
};

struct replies_seen {
    uint32_t whole, errors; /* replies that ended in this piece; those of them that are errors */
    bool broken;
    const char *error; /* the last error's text, until the next call */
};

struct replies_seen replies_eat(struct replies *r, const char *buf, size_t bytes);

#endif
