/* What a stream and a group are in memory. Inside server/store only. */
#ifndef DUET_STORE_STREAM_INSIDE_H
#define DUET_STORE_STREAM_INSIDE_H

#include <string.h>

#include "server/store/inside.h"
#include "server/store/stream_group.h"
#include "server/store/stream_node.h"
#include "server/store/stream_tree.h"

/* Where an entry that was read stands in its node, so that who reads on from there need not pass all before it. Good
 * while the stream's `edits` is the same. */
struct xhint {
    struct xid id;
    uint32_t offset, edits;
};
enum { XHINTS = 4 };

/* `bytes` is all that the stream holds, itself and its groups included. */
struct xstream {
    struct xtree nodes; /* of struct xnode */
    uint64_t length;
    struct xstream_facts facts;
    struct xgroup **groups; /* in order of name */
    uint32_t group_count, group_cap;
    size_t bytes;
    uint32_t edits; /* grows when entries move in their nodes; never 0 */
    uint32_t next_hint;
    struct xhint hints[XHINTS]; /* readers write them: they are no part of the value */
    struct xhint first;         /* the first entry: all before it in its node are marked */
    struct xid compacted;       /* how far a pass of store_compact has come in it */
    struct value_walk *walked;  /* a walk that has not handed out all of it; NULL: none */
    uint32_t walks;             /* how many there were */
};

/* A pending entry's record in its group; the id is the tree's. */
struct xdelivery {
    struct xconsumer *consumer;
    int64_t time_ms;
    uint64_t count;
};

struct xgroup {
    struct xtree pending; /* of struct xdelivery */
    struct xid last_id;
    int64_t entries_read;
    struct xconsumer **consumers; /* in order of name */
    uint32_t consumer_count, consumer_cap;
    uint64_t changes; /* of what is pending: places in its trees were good before */
    struct xgroup_walk *walk;
    uint32_t walks; /* the stream's: the walk has nothing more to do with it than `walk` says */
    uint32_t name_len;
    char name[];
};

struct xconsumer {
    struct xtree pending; /* ids only */
    int64_t seen_ms;
    struct xconsumer_walk *walk;
    uint32_t walks; /* as its group's */
    uint32_t rank;  /* while the group is copied: its place among the consumers */
    uint32_t name_len;
    char name[];
};

static inline struct xstream *xstream_of(const struct entry *e) {
    return entry_pointer(e);
}
static inline struct xnode *xnode_at(const struct xstream *x, struct xspot p) {
    return xspot_record(&x->nodes, p);
}

/* Entries may have moved in their nodes: what readers know of their places is void. */
static inline void xstream_edited(struct xstream *x) {
    if (++x->edits) return;
    memset(x->hints, 0, sizeof x->hints); /* the numbers begin anew */
    x->first.edits = 0;
    x->edits = 1;
}

/* The nearest known entry of that node that is not above the id: its hint, or NULL. */
struct xhint *xstream_known(struct xstream *x, struct xspot node, struct xid id);
/* As xnode_find, from there on. */
const uint8_t *xstream_find(struct xstream *x, struct xspot node, struct xid id);

/* Each change of a stream stands between these two. */
static inline size_t xstream_open(struct store *s, int db, struct entry *e) {
    store_before_change(s, db, e);
    return xstream_of(e)->bytes;
}
static inline void xstream_shut(struct store *s, const struct entry *e, size_t bytes_before) {
    s->memory += xstream_of(e)->bytes - bytes_before;
}

/* A stream that nobody knows, for what is to end in steps, or elsewhere: fill it, then bury it. What is in it is taken
 * out of its stream's bytes and put into its own; bytes_before: its bytes when it was new. */
struct xstream *xstream_shell(struct store *s);
void xstream_bury(struct store *s, struct xstream *x, size_t bytes_before);
/* first_id, from the entries. */
void xstream_refirst(struct xstream *x);
/* ---- What a walk needs (stream_walk.c, stream_walk_group.c) ----------------------------------- */

/* To be called while the stream is walked (x->walked), before these changes. */
/* The bytes of the node at p: they may stand elsewhere afterwards. */
void xwalk_change_node(struct xstream *x, struct xspot p);
/* The node at p goes; true: the walk has taken its bytes (the stream's count of them is the caller's). */
bool xwalk_takes_node(struct xstream *x, struct xspot p);
void xwalk_new_node(struct xstream *x, struct xid id);
/* The group's words, or its row of consumers. */
void xwalk_change_group(struct xstream *x, struct xgroup *g);
void xwalk_change_consumer(struct xstream *x, struct xconsumer *c);
/* What is pending for c of that id comes or goes, or is told anew. */
void xwalk_change_pending(struct xstream *x, struct xgroup *g, struct xconsumer *c, struct xid id);
/* The consumer, with what is pending for it, or the group goes; true: the walk has taken it, out of the stream's bytes. */
bool xwalk_takes_consumer(struct xstream *x, struct xgroup *g, struct xconsumer *c);
bool xwalk_takes_group(struct xstream *x, struct xgroup *g);

/* ---- Groups ---------------------------------------------------------------------------------- */

/* Bytes of the consumer and of what is pending for it; its end. */
size_t xconsumer_bytes(const struct xconsumer *c);
void xconsumer_free(size_t *memory, struct xconsumer *c);
/* For copies and verification. */
struct xgroup *xgroup_copy(size_t *memory, const struct xgroup *g);
void xgroup_verify(const struct xgroup *g);
void xgroups_verify_order(const struct xstream *x);
/* Bytes of the group with all that it has; O(its consumers). */
size_t xgroup_bytes(const struct xgroup *g);
size_t xgroups_row_bytes(const struct xstream *x);
/* Takes the group out of what these bytes are a count of and frees it, at some later time when it is big. */
void xgroup_bury(struct store *s, size_t *memory, struct xgroup *g);
/* Frees a piece; false: that was the last, the group is gone. */
bool xgroup_dismantle(size_t *memory, struct xgroup *g);

#endif
