/* What pieces.c and pieces_stream.c share. */
#ifndef HACTL_IMPORT_PIECES_INSIDE_H
#define HACTL_IMPORT_PIECES_INSIDE_H

#include "hactl/import/pieces.h"

/* One command: the words in front, the key, words behind. */
bool pieces_send(struct pieces *p, const char *name, int argc, const struct bytes *words);
bool pieces_bad(struct pieces *p, const char *what);

/* An item of a stream (pieces_stream.c). */
bool pieces_stream_item(struct pieces *p);

#endif
