/* Streams between the store and RDB; value_save.c and value_load.c have the other kinds. */
#ifndef DUET_PERSIST_VALUE_STREAM_H
#define DUET_PERSIST_VALUE_STREAM_H

#include "server/persist/value.h"

void value_save_stream(struct buf *out, const struct entry *e, bool compress);
/* What value_save_item does for a stream. */
void value_save_stream_item(struct buf *out, const struct walk_item *i, bool compress);
/* A string, or the next piece of one. */
void value_save_piece(struct buf *out, const struct walk_item *i, bool compress);
/* An RDB_ITEM of the stream at v->e. False: v->why says why it cannot be, and the key is gone. */
bool value_stream_item(struct value_load *v, const struct rdb_reader *r);

#endif
