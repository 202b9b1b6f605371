/* An RDB file made anew in the plain forms that older servers read: Redis 3.2 (version 7) and 2.8 (version 6). Streams have
 * none there, and are refused by their key's name. Pure: fed bytes in pieces of any size; holds one value at a time. */
#ifndef HACTL_IMPORT_RDB_OLD_H
#define HACTL_IMPORT_RDB_OLD_H

#include "hactl/import/pieces.h"
#include "hactl/import/rdb_keys.h"

struct rdb_old {
    char error[400]; /* after false */
    bool done;       /* the file's end was there: what was put out is whole */
    /* inside */
    int version;
    struct rdb_keys keys;
    struct pieces pieces;
    struct buf in, body; /* body: the open value, in its new form */
    uint64_t elements;
    uint64_t sum;
};

void rdb_old_begin(struct rdb_old *o, int version);
/* Takes all of p, and appends what is ready to out. False: error. */
bool rdb_old_feed(struct rdb_old *o, const void *p, size_t n, struct buf *out);
void rdb_old_free(struct rdb_old *o);

#endif
