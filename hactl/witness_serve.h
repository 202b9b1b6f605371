/* The running witness: its socket, its pairs, its disk, its answers to `duet witness status`. */
#ifndef HACTL_WITNESS_SERVE_H
#define HACTL_WITNESS_SERVE_H

#include "hactl/witness_store.h"

struct loop;
struct witness;

struct witness_options {
    const char *host; /* numeric address, or "*" */
    uint16_t port;
    const char *state; /* directory */
    const char *pairs; /* file or directory (witness_pairs.h) ... */
    bool node;         /* ... or a node's duet.conf, whose [witness] is read */
};

/* NULL with a sentence: nothing runs. Strings of o must outlive it. */
struct witness *witness_new(struct loop *l, const struct witness_options *o,
                            struct witness_error *err);
void witness_free(struct witness *w);
/* Reads the pairs again. What is wrong is logged, and the old ones stay. */
void witness_reload(struct witness *w);

/* The pairs are read and told of on standard output, or what is wrong with them on standard error: 0 or 1. */
int witness_check(const struct witness_options *o);

#endif
