/* Where the keys stand in a command: asked from the target once (COMMAND), and for commands whose keys move (EVAL, SORT,
 * ZUNIONSTORE ...) found out from their words. */
#ifndef HACTL_IMPORT_KEY_PLACES_H
#define HACTL_IMPORT_KEY_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/bytes.h"

struct key_place {
    char name[24]; /* small letters */
    int first, last, step;
    bool movable, write;
};
struct key_places {
    struct key_place *list; /* by name */
    size_t count;
    int *found; /* places of the last command asked for */
    int room;
};

/* Takes the reply to COMMAND (RESP2), whole. False: it is none. */
bool key_places_take(struct key_places *k, const char *reply, size_t len);
void key_places_free(struct key_places *k);
const struct key_place *key_places_of(const struct key_places *k, struct bytes name);
/* The words that are keys: how many, and in *places which (until the next call). -1: the target does not know the
 * command, or its keys cannot be told. */
int key_places_find(struct key_places *k, int argc, const struct bytes *argv, const int **places);

#endif
