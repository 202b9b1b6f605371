/* A value of an RDB file as commands that make it: for values too big to be restored by one command, which would hold the
 * target for as long as it takes. The commands build upon one another, so what is there of the key goes first; done again
 * from the begin they end in the same value.
 *
 * Without a sink nothing is sent, and the value is only taken apart to its last element: whether it is sound. Pure. */
#ifndef HACTL_IMPORT_PIECES_H
#define HACTL_IMPORT_PIECES_H

#include "server/base/buf.h"
#include "server/proto/rdb.h"

/* False: no more is wanted. */
typedef bool pieces_sink(void *arg, int argc, const struct bytes *argv);

struct pieces {
    char error[300]; /* after false, unless the sink said it */
    /* inside */
    struct rdb_reader reader;
    struct buf in, key, batch;
    uint32_t *ends; /* of the batch's words */
    int words, room;
    int type;
    pieces_sink *sink;
    void *arg;
    bool made;  /* something of the value was sent */
    bool plain; /* a string that stands in the bytes as it is: its rest comes as it is fed */
    uint64_t plain_left; /* so much of it */
    bool whole;
    struct buf group, consumer; /* of a stream: what is being read */
    struct pieces_pending {
        uint64_t ms, seq, time_ms, count;
    } * pending;
    size_t pending_count, pending_room;
    uint64_t last_id[2], added; /* of the stream */
};

/* All of the value's bytes follow by pieces_feed. False: no value of that type can be taken apart. */
bool pieces_begin(struct pieces *p, int type, struct bytes key, pieces_sink *sink, void *arg);
bool pieces_feed(struct pieces *p, const char *data, size_t n);
/* Behind the last byte: sends what is left. False too when the value is not whole. */
bool pieces_end(struct pieces *p);
void pieces_free(struct pieces *p);

#endif
