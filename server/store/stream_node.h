/* A node of a stream: a listpack of entries. Inside server/store only.
 *
 *   live, marked, n, field 1 ... field n, 0          the master entry: the fields that most entries have
 *   flags, ms, seq, value 1 ... value n, n + 3       an entry with the master's fields
 *   flags, ms, seq, m, field, value ... 2m + 4       another one
 *
 * live and marked count entries that are there and those marked as deleted; ms and seq are differences to the node's
 * id, which is that of its first entry; the number behind an entry is how many elements stand before it in the entry, to
 * be read backwards. */
#ifndef DUET_STORE_STREAM_NODE_H
#define DUET_STORE_STREAM_NODE_H

#include "server/store/mem.h"
#include "server/store/stream.h"

/* As the directory holds it, under its id. */
struct xnode {
    uint8_t *pack;
    uint32_t cap;  /* bytes of pack's allocation */
    uint32_t live; /* as pack says it */
};

enum { ENTRY_MARKED = 1, ENTRY_SAME_FIELDS = 2 };

/* Most elements are told by their first byte. */
static inline const uint8_t *xnode_pass(const uint8_t *at, size_t n) {
    for (; n > 0; n--) at += *at < 0x80 ? 2 : *at < 0xc0 ? (*at & 63U) + 2 : lp_size(at);
    return at;
}
static inline int64_t xnode_number(const uint8_t *at) {
    int64_t v = 0;
    if (*at < 0x80) return *at;
    lp_get_int(at, &v);
    return v;
}

/* The master entry, read. */
struct xmaster {
    int64_t live, marked;
    size_t fields;
    const uint8_t *names;   /* the first field */
    const uint8_t *entries; /* behind the 0: the first entry's flags, or the listpack's end */
};
struct xmaster xnode_master(const uint8_t *pack);

/* What stands before an entry's values or fields. */
struct xentry {
    struct xid id;
    int64_t flags;
    size_t fields;
    const uint8_t
        *body; /* the first value; the first field where the fields are not the master's */
};
struct xentry xnode_entry(const uint8_t *at, struct xid node_id, size_t master_fields);
/* Behind the entry: the next one's flags, or the listpack's end. */
const uint8_t *xnode_behind(const struct xentry *en);
static inline bool xnode_at_end(const uint8_t *at) {
    return *at == 0xff;
}
/* The flags of the entry before which `behind` stands (or the listpack's end), NULL: the master entry is. */
const uint8_t *xnode_before(const uint8_t *pack, const uint8_t *behind);
/* The entry of that id, if it is there and not marked; else NULL. from: the offset of an entry that does not stand behind
 * it; 0: the first. */
const uint8_t *xnode_find(const uint8_t *pack, size_t from, struct xid node_id, struct xid id);
/* The last entry's id, marked or not. */
struct xid xnode_last_id(const uint8_t *pack, struct xid node_id);

/* An entry to be appended. */
struct xwords {
    const struct lp_value *words; /* field, value, ... */
    size_t fields;
    size_t text_bytes; /* of all words */
};
/* A node with that one entry, and room for about `expected` bytes. */
struct xnode xnode_new(size_t *memory, const struct xwords *w, size_t expected);
/* most: the node will not get bigger than this, so that room is not made in vain. True when the
 * entries before have moved in the listpack. */
bool xnode_append(size_t *memory, struct xnode *n, struct xid node_id, struct xid id,
                  const struct xwords *w, size_t most);
/* Gives back room that is not needed. */
void xnode_close(size_t *memory, struct xnode *n);
struct xnode xnode_of(size_t *memory, struct bytes listpack);
void xnode_free(size_t *memory, struct xnode *n);
/* Marks the entry, which must not be, and counts it. True when entries have moved in the listpack. */
bool xnode_mark(size_t *memory, struct xnode *n, const uint8_t *at);
/* Marks entries from that one on (an offset; 0: the first), as long as the id is below that one and no more than `most`
 * of them; returns how many. */
size_t xnode_mark_some(size_t *memory, struct xnode *n, size_t from, struct xid node_id,
                       size_t most, struct xid below, bool *moved);

/* NULL, or what is wrong with a listpack (lp_valid holds) that shall be a node. *last: the last entry before, then the
 * last of this node. Marked entries may be out of order: XSETID can take last_id below them. */
const char *xnode_fault(const uint8_t *pack, struct xid node_id, struct xid *last);

#endif
