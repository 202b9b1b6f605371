/* The requests of a tail (server/proto/tail_report.h), read one after the other from a file or a pipe: SELECT is taken here. */
#ifndef HACTL_TAIL_SOURCE_H
#define HACTL_TAIL_SOURCE_H

#include "server/base/buf.h"
#include "server/proto/resp.h"

struct tail_source {
    int fd;
    struct buf in;
    size_t taken; /* bytes of the request that was given last */
    struct resp_parser parser;
    struct resp_args args;
    int db;
    uint64_t number;     /* of the request that was given last, from 1 */
    const char *trouble; /* why it ended early; NULL: it did not */
};

/* The caller closes the descriptor. */
void tail_source_open(struct tail_source *s, int fd);
void tail_source_close(struct tail_source *s);
/* The next request stands in s->args until the next call, for database s->db. False: the end, or s->trouble. */
bool tail_source_next(struct tail_source *s);

#endif
