/* Groups of a stream, their consumers, and what was delivered to these and not acknowledged yet: pending entries, in
 * order of id in the group and for each consumer. Contracts as in stream.h. A group is good until it is removed, a
 * consumer likewise; both names are compared as memcmp does it, then by length, and stand in that order. */
#ifndef DUET_STORE_STREAM_GROUP_H
#define DUET_STORE_STREAM_GROUP_H

#include "server/store/stream.h"

struct xgroup;
struct xconsumer;

#define XSTREAM_READ_UNKNOWN (-1LL) /* entries_read: Redis answers nil */

/* ---- Groups ---------------------------------------------------------------------------------- */

size_t xstream_groups(const struct entry *e);
/* The i-th of them. */
struct xgroup *xgroup_at(const struct entry *e, size_t i);
struct xgroup *xgroup_find(const struct entry *e, struct bytes name); /* or NULL */
/* NULL: the name is taken. */
struct xgroup *xgroup_add(struct store *s, int db, struct entry *e, struct bytes name,
                          struct xid last_id, int64_t entries_read);
/* With its consumers and all that is pending. */
void xgroup_remove(struct store *s, int db, struct entry *e, struct xgroup *g);

struct bytes xgroup_name(const struct xgroup *g);
struct xid xgroup_last_id(const struct xgroup *g);
int64_t xgroup_entries_read(const struct xgroup *g);
size_t xgroup_pending(const struct xgroup *g);
size_t xgroup_consumers(const struct xgroup *g);
/* How many entries were ever added up to that id, where that can be known (for groups of old files). */
int64_t xstream_added_until(const struct entry *e, struct xid id);
/* False: unknown, nil. */
bool xgroup_lag(const struct entry *e, const struct xgroup *g, int64_t *lag);

void xgroup_set(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid last_id,
                int64_t entries_read);
/* The entry of that id is delivered: when it lies above last_id, last_id and entries_read move on as XREADGROUP moves
 * them, and the answer is true. Call it for each entry in order. */
bool xgroup_deliver(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid id);

/* ---- Consumers ------------------------------------------------------------------------------- */

struct xconsumer *xconsumer_at(const struct xgroup *g, size_t i);
struct xconsumer *xconsumer_find(const struct xgroup *g, struct bytes name);
/* NULL: the name is taken. Seen at now_ms. */
struct xconsumer *xconsumer_add(struct store *s, int db, struct entry *e, struct xgroup *g,
                                struct bytes name, int64_t now_ms);
/* With what is pending for it. */
void xconsumer_remove(struct store *s, int db, struct entry *e, struct xgroup *g,
                      struct xconsumer *c);
struct bytes xconsumer_name(const struct xconsumer *c);
int64_t xconsumer_seen_ms(const struct xconsumer *c);
size_t xconsumer_pending(const struct xconsumer *c);
void xconsumer_see(struct store *s, int db, struct entry *e, struct xconsumer *c, int64_t now_ms);

/* ---- Pending entries ------------------------------------------------------------------------- */

struct xpending {
    struct xid id; /* the entry itself may be deleted by now */
    struct xconsumer *consumer;
    int64_t time_ms; /* of the last delivery, wall clock */
    uint64_t count;  /* of deliveries */
};
bool xpending_find(const struct xgroup *g, struct xid id, struct xpending *p);
/* Makes it so, whether there was one of that id or not, and whoever had it. */
void xpending_put(struct store *s, int db, struct entry *e, struct xgroup *g,
                  const struct xpending *p);
/* True when there was one (XACK). */
bool xpending_remove(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid id);
/* First and last id; false when nothing is pending. */
bool xpending_bounds(const struct xgroup *g, struct xid *first, struct xid *last);

/* For loading: a pending entry that is nobody's yet, above all that are there; then whose it is (false: not possible).
 * The stream is not sound until the group is whole: all of them are somebody's. */
bool xpending_load(struct store *s, int db, struct entry *e, struct xgroup *g,
                   const struct xpending *p);
bool xpending_own(struct store *s, int db, struct entry *e, struct xgroup *g, struct xconsumer *c,
                  struct xid id);
bool xgroup_is_whole(const struct xgroup *g);

/* A walk in order of id that stands any change to what is pending (the group and the consumer must stay): it goes on
 * behind the id that it gave last. */
struct xpending_cursor {
    const struct xgroup *g;
    const struct xconsumer *c;
    struct xid next;
    bool at_end;
    const void *leaf; /* where `next` stands, as long as nothing is added or removed */
    unsigned slot;
    uint64_t changes;
};
/* From that id on; of one consumer, or of all when c is NULL. */
void xpending_seek(const struct xgroup *g, const struct xconsumer *c, struct xid from,
                   struct xpending_cursor *cursor);
/* False at the end, and from then on. */
bool xpending_next(struct xpending_cursor *cursor, struct xpending *p);

#endif
