/* What the files of the list commands share. Floor 4 runs the same for clients that waited (blocked.h). */
#ifndef DUET_CMD_LISTS_H
#define DUET_CMD_LISTS_H

#include "server/cmd/call.h"
#include "server/store/list.h"

/* False after "ERR Element too large". */
bool lists_may_hold(struct call *c, struct bytes value);
/* e, or a new list at key in c->db, which the caller fills. */
struct entry *lists_or_new(struct call *c, struct entry *e, struct bytes key);
/* argv[i] is LEFT or RIGHT; false after the error. */
bool lists_end(struct call *c, int i, enum list_end *end);
/* Replies the element at that end and removes it, with all that follows from it. */
void lists_pop(struct call *c, struct bytes key, struct entry *e, enum list_end end);
/* The same for several, as an array; returns how many. */
size_t lists_pop_some(struct call *c, struct bytes key, struct entry *e, enum list_end end,
                      int64_t count);
/* Moves an element from the list `from` (at from_key) to the list at to_key, and replies it; false after the error when
 * to_key holds something else. */
struct move {
    struct bytes from_key, to_key;
    enum list_end from_end, to_end;
};
bool lists_move(struct call *c, struct entry *from, const struct move *m);
/* The words of LMPOP and BLMPOP from the number of keys on. False after the error. */
struct mpop {
    int first_key, keys;
    enum list_end end;
    int64_t count;
};
bool lists_mpop_words(struct call *c, int at, struct mpop *m);
/* Replies key and elements, and propagates it as LPOP or RPOP. */
void lists_mpop(struct call *c, struct bytes key, struct entry *e, const struct mpop *m);

#endif
