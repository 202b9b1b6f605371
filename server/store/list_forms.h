/* A list's two forms, for list.c and list_edit.c. */
#ifndef DUET_STORE_LIST_FORMS_H
#define DUET_STORE_LIST_FORMS_H

#include "server/store/list_inside.h"

enum {
    LIST_CHUNK_COUNT_MAX = 32767, /* so that a listpack's own count is right */
    LIST_AT_ONCE = 256 /* chunks that are freed within a command; more are left to store_work */
};

static inline bool list_is_small(const struct entry *e) {
    return entry_form(e) == FORM_LISTPACK;
}
static inline struct list *list_big(const struct entry *e) {
    return entry_pointer(e);
}
/* The listpack of a small list as a chunk, to be changed with ROOM_TIGHT; its room is the entry's pointer. */
struct chunk list_small(const struct entry *e);
/* Makes a small list a big one, and a big one small if it fits. The caller sees to store_before_change. */
struct list *list_unpack(struct store *s, struct entry *e);
void list_pack_if_small(struct store *s, struct entry *e);
/* Frees a directory with its chunks, in steps of store_work when there are many. */
void list_bury(struct store *s, struct list *l);

#endif
