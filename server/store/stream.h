/* Streams: entries of fields and values in the order of their ids, and groups of consumers that read them (groups:
 * stream_group.h). Contracts as in store.h; db is the entry's database. An empty stream is a value like any other: its
 * key stays.
 *
 * Entries stand in nodes, each a listpack in the form of Redis's RDB (field names once, ids as differences), under a
 * directory ordered by id. What was deleted inside a node is only marked; the node goes with its last entry. Nodes are
 * closed by Redis's rules (stream-node-max-entries, -bytes in the settings), so approximate trimming takes away what
 * Redis's takes. But no node grows beyond 1 MiB, whatever the settings say, unless one entry alone is bigger.
 *
 * Names begin with xstream_, xid_, xgroup_ and so on: stream_ is for streams of bytes (base/stream.h). */
#ifndef DUET_STORE_STREAM_H
#define DUET_STORE_STREAM_H

#include "server/proto/listpack.h"
#include "server/store/store.h"

struct xid {
    uint64_t ms, seq;
};
#define XID_MIN ((struct xid){0, 0})
#define XID_MAX ((struct xid){UINT64_MAX, UINT64_MAX})
/* Below, equal, above: -1, 0, 1. */
static inline int xid_cmp(struct xid a, struct xid b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}
static inline bool xid_zero(struct xid id) {
    return !(id.ms | id.seq);
}
/* The id behind or before; false when there is none: *id has gone round to the other end then. */
bool xid_next(struct xid *id);
bool xid_prev(struct xid *id);

/* Creates the key (which must not exist) with an empty stream. */
struct entry *xstream_new(struct store *s, int db, struct bytes key, int64_t expiry_ms);

/* All O(1). */
size_t xstream_len(const struct entry *e);
struct xstream_facts {
    struct xid last_id;        /* of the last one added, or as set; 0-0: none yet */
    struct xid first_id;       /* of the first entry; 0-0: there is none */
    struct xid max_deleted_id; /* of XDEL, not of trimming */
    uint64_t entries_added;
};
struct xstream_facts xstream_facts(const struct entry *e);
/* Sets last_id, max_deleted_id, entries_added (XSETID, loading); first_id follows the entries and is not taken over.
 * last_id must not be below the last entry. */
void xstream_set_facts(struct store *s, int db, struct entry *e, const struct xstream_facts *f);

/* XINFO's radix-tree-keys (the nodes) and radix-tree-nodes: what Redis's tree would have for them, exactly up to some
 * thousand nodes, an estimate beyond. */
size_t xstream_nodes(const struct entry *e);
size_t xstream_radix_nodes(const struct entry *e);

/* ---- Entries --------------------------------------------------------------------------------- */

/* The id that "*" stands for: of now_ms, or the one behind last_id. False: there is none any more. */
bool xstream_auto_id(const struct entry *e, int64_t now_ms, struct xid *id);
/* Appends an entry. The id must be above last_id; words: field, value, field, value, ... 2 * fields of them, fields > 0;
 * they must not lie in the stream. False: they are too big together (more than 1 GiB), and nothing was changed. */
#define XSTREAM_ENTRY_MAX ((size_t)1 << 30)
bool xstream_add(struct store *s, int db, struct entry *e, struct xid id, const struct bytes *words,
                 size_t fields);
/* True when it was there. Keeps first_id and max_deleted_id as XDEL does. */
bool xstream_delete(struct store *s, int db, struct entry *e, struct xid id);

struct xstream_trim {
    bool by_id;  /* MINID: away with what is below min_id; else MAXLEN: all but the last max_len */
    bool approx; /* whole nodes only */
    uint64_t max_len;
    struct xid min_id;
    uint64_t limit; /* entries at most, 0: any number; Redis's default for ~ is 100 nodes' worth */
};
/* Returns how many entries went. */
size_t xstream_trim(struct store *s, int db, struct entry *e, const struct xstream_trim *how);

bool xstream_has(const struct entry *e, struct xid id);
/* The last entry's id (not last_id: that one may be deleted). False: the stream is empty. */
bool xstream_last_entry(const struct entry *e, struct xid *id);
/* The first entry's id with marked ones counted: what MINID ~ is propagated as. XID_MAX when there is none. */
struct xid xstream_first_kept(const struct entry *e);

/* A place among entries. Entries must not change meanwhile; groups may. */
struct xstream_cursor {
    const void *leaf; /* of the directory; NULL: at the end */
    unsigned slot;
    bool backwards, inside, same_fields; /* inside: on an entry */
    struct xid low, high;                /* both included */
    struct xid node_id;
    const uint8_t *pack;  /* NULL: the node is to be opened */
    const uint8_t *names; /* the node's own fields */
    size_t node_fields;
    const uint8_t *edge;      /* backwards: what lies before is still to come */
    const uint8_t *name, *at; /* what xstream_field gives next */
    size_t left;              /* fields that it has not given */
    void *hint; /* what the stream knows of this place, for the next who reads on from here */
    uint32_t start, edits;
    char digits[2][LP_DIGITS];
};
/* Before the first (or behind the last) entry of from <= id <= to. */
void xstream_seek(const struct entry *e, struct xid from, struct xid to, bool backwards,
                  struct xstream_cursor *c);
/* To the next entry, and how many fields it has; false when there is no more. */
bool xstream_next(struct xstream_cursor *c, struct xid *id, size_t *fields);
/* The next field of the entry and its value: call it at most `fields` times. The bytes are good until the next call of either. */
void xstream_field(struct xstream_cursor *c, struct bytes *field, struct bytes *value);

/* ---- Saving and loading ---------------------------------------------------------------------- */

/* Each node, in order: its id and its listpack. */
typedef void xstream_node_fn(void *arg, struct xid id, struct bytes listpack);
void xstream_each_node(const struct entry *e, xstream_node_fn *fn, void *arg);
/* Appends a node that stood in a file, of an id above all that are there. NULL: done; else why it cannot be: nothing
 * was changed. Sets nothing but the length and first_id. */
const char *xstream_load_node(struct store *s, int db, struct entry *e, struct xid id,
                              struct bytes listpack);

/* ---- A walk's items (store.h) ----------------------------------------------------------------- */

/* All of a stream in the order of RDB's form, type 19:
 *
 *     NODE ...  FACTS  [GROUP  PENDING ...  CONSUMERS  [CONSUMER  OWNED ...] ...] ...
 *
 * The walked value's count is the nodes at the instant, and a node's last piece counts for one: the rest counts
 * nothing. Runs of what is pending are of any length up to XPART_RUN. */
enum xstream_part {
    XPART_NODE,    /* id; the item's name is the next piece of its listpack, as whole and at say */
    XPART_FACTS,   /* facts, length; count: of groups */
    XPART_GROUP,   /* (the item's) name, id: last_id, entries_read; count: of pending entries */
    XPART_PENDING, /* run: count of them: id, time_ms, delivered */
    XPART_CONSUMERS, /* count: of consumers */
    XPART_CONSUMER,  /* name, seen_ms; count: of pending entries */
    XPART_OWNED      /* run: count of them: id */
};
enum { XPART_RUN = 64 };
struct xstream_pending_item {
    struct xid id;
    int64_t time_ms;
    uint64_t delivered;
};
struct xstream_item {
    enum xstream_part part;
    struct xid id;
    struct xstream_facts facts;
    uint64_t length, count;
    int64_t entries_read, seen_ms;
    const struct xstream_pending_item *run;
};

#endif
