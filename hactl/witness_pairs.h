/* Which pairs a witness serves: a file, or a directory of such files, with a line for each pair,
 *
 *     pair NUMBER KEY [NAME]
 *
 * KEY is 64 hexadecimal digits, the same as in [ha] witness of both nodes' duet.conf. */
#ifndef HACTL_WITNESS_PAIRS_H
#define HACTL_WITNESS_PAIRS_H

#include "hactl/witness_pair.h"
#include "server/base/conf.h"

#define WITNESS_PAIRS_LIMIT 4096

struct witness_pairs {
    struct witness_pair **by_number; /* 65536 slots, most of them NULL */
    int count;
};

/* Reads path (a file, or a directory: those of its files whose names end in .pairs).
 * False with "FILE:LINE: sentence" in err; *out is empty then. Nothing of the disk's state is read. */
bool witness_pairs_read(struct witness_pairs *out, const char *path, struct conf_error *err);
void witness_pairs_free(struct witness_pairs *p);
/* Those of `fresh` take the place of the old ones; a pair that stands in both with the same key keeps what is known of
 * it. fresh is empty afterwards. */
void witness_pairs_replace(struct witness_pairs *p, struct witness_pairs *fresh);

#endif
