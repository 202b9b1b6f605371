/* A big sorted set. Only zset.c and zset_walk.c include this. */
#ifndef DUET_STORE_ZSET_INSIDE_H
#define DUET_STORE_ZSET_INSIDE_H

#include "server/store/tree.h"

struct zset {
    struct table *members;
    struct tree order;
    struct value_walk *walked; /* while a walk hands it out in pieces (walk_inside.h) */
};

void zset_big_free(struct store *s, struct zset *z);
size_t zset_big_memory(const struct zset *z);

/* For changes of a sorted set that is walked. The element, whose reference in the index stands at that place, is about to go
 * or to get another score. */
void zset_walk_before_change(struct store *s, struct zset *z, const void *elem,
                             struct dict_place at);
/* It is new or has another score now. */
void zset_walk_changed(struct store *s, struct zset *z, const void *elem, struct dict_place at);

#endif
