/* Which pairs a witness serves: a file, or a directory of such files, with a line for each pair,
 *
 *     pair NUMBER KEY [NAME]
 *
 * A node of a pair may host one too: then [witness] of its duet.conf has these lines, and `listen ADDRESS:PORT`.
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
    char host[64]; /* of `listen`; "" not said */
    uint16_t port;
};

/* Reads path (a file, or a directory: those of its files whose names end in .pairs).
 * False with "FILE:LINE: sentence" in err; *out is empty then. Nothing of the disk's state is read. */
bool witness_pairs_read(struct witness_pairs *out, const char *path, struct conf_error *err);
/* The same of [witness] in a node's duet.conf; no such section: no pairs, which is no fault. */
bool witness_pairs_read_node(struct witness_pairs *out, const char *path, struct conf_error *err);
/* "10.0.0.1:7810", "[2001:db8::1]:7810", "*:7810". */
bool witness_listen_read(const char *text, char host[64], uint16_t *port);
void witness_pairs_free(struct witness_pairs *p);
/* Those of `fresh` take the place of the old ones; a pair that stands in both with the same key keeps what is known of
 * it. fresh is empty afterwards. */
void witness_pairs_replace(struct witness_pairs *p, struct witness_pairs *fresh);

#endif
