/* What a walk keeps of a stream; inside server/store only. For stream_walk.c and stream_walk_group.c. */
#ifndef DUET_STORE_STREAM_WALK_H
#define DUET_STORE_STREAM_WALK_H

#include "server/store/stream_inside.h"
#include "server/store/walk_inside.h"

/* Of a group that was changed before the walk has passed it, or to which it came. */
struct xgroup_walk {
    struct xid last_id;
    int64_t entries_read;
    size_t pending_count;
    struct xtree
        pending; /* of struct xdelivery: those that changed, as they were; no consumer: it was not there */
    struct xid next;   /* what is pending below that was handed out */
    bool pending_done; /* all of it was */
    struct xconsumer **consumers;
    uint32_t count;
    bool orphan; /* it is the walk's own */
};

struct xconsumer_walk {
    int64_t seen_ms;
    size_t pending_count;
    struct xtree pending; /* of a number: those that came or went; 0: it was not there */
    struct xid next;
    bool orphan;
};

struct xwalk {
    struct store *s;
    size_t bytes; /* all that is kept, this included; part of the store's memory */
    struct xstream_facts facts;
    uint64_t length;
    struct xtree
        nodes; /* of struct xnode: those that changed or went, as they were; no pack: a new one */
    struct xid next, end; /* of nodes: the one that comes next, and the last of the instant */
    size_t within;        /* how many bytes of it came */
    bool nodes_done, facts_done;
    struct xgroup **groups;
    uint32_t group_count, group_at, consumer_at;
    enum xstream_part part; /* of the group: what comes next */
    struct xstream_pending_item run[XPART_RUN];
};

static inline struct xwalk *xwalk_of(const struct xstream *x) {
    return x->walked->inside;
}
/* What was allocated or freed is the store's. */
static inline void xwalk_count(struct xwalk *w, size_t bytes_before) {
    walk_keeps(w->s, w->bytes - bytes_before);
}
static inline void xwalk_hand_out(struct value_walk *v, const struct xstream_item *x,
                                  struct walk_item i) {
    struct xwalk *w = v->inside;
    i.stream = x;
    if (!walk_is_silent(w->s)) walk_hand_out(w->s, v, &i, false);
}
/* The next item of the groups; false when there is none. */
bool xwalk_groups_step(struct value_walk *v);

#endif
