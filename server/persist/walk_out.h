/* What a walk of the store hands out, put into the order of an RDB file, in which a value begins with its
 * count, stands in one piece and may stand once only.
 *
 * Most of it goes straight to the end of `ready`. What comes while it may not stands aside in queues
 * (spill.h): whole entries that are about to change while a big value is being written, and items of big
 * values whose turn has not come. The owner lets the store go on (store_walk_step) only while
 * walk_out_settled, and calls walk_out_settle until then: each call moves one piece. */
#ifndef DUET_PERSIST_WALK_OUT_H
#define DUET_PERSIST_WALK_OUT_H

#include "server/persist/spill.h"
#include "server/persist/value.h"

struct kept;

struct walk_out {
    struct buf ready; /* in the file's order; the owner takes them away */
    uint64_t keys;    /* handed out so far, whole */
    /* Called when ready has become long in the middle of a command. */
    void (*long_ready)(void *arg);
    void *arg;
    /* inside */
    struct value_style style;
    struct spill_pool *pool;
    struct spill aside; /* whole entries */
    bool aside_flows;   /* it must come to its end first: it may stop in the middle of an entry */
    int db, aside_db;   /* selected at the end of ready, of aside; -1: none */
    struct kept *all;   /* values that were noted or have begun */
    struct kept *turn, *turn_last; /* those that have begun, in order */
    struct kept *live;             /* the one whose head is in ready */
    struct buf scratch;
    char failure[300];
};

/* The pool must outlive it; arg's function may be NULL. */
void walk_out_open(struct walk_out *o, const struct value_style *style, struct spill_pool *pool);
void walk_out_close(struct walk_out *o);
/* What store_walk_start wants. */
struct store_walker walk_out_walker(struct walk_out *o);
/* True when nothing waits that could go on: the store may. */
bool walk_out_settled(const struct walk_out *o);
void walk_out_settle(struct walk_out *o);
/* NULL, or the sentence that says why this can become no whole file. */
const char *walk_out_failure(const struct walk_out *o);
/* Big values that were noted or have begun and are not written yet. */
size_t walk_out_values(const struct walk_out *o);

#endif
