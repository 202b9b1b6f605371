/* The store's own struct, for the files of server/store only. */
#ifndef DUET_STORE_INSIDE_H
#define DUET_STORE_INSIDE_H

#include "server/base/buf.h"
#include "server/base/rand.h"
#include "server/store/dict.h"
#include "server/store/entry.h"

enum walk_state {
    WALK_NO,      /* no part of a walk: made after its start, or there is none */
    WALK_WAITING, /* no entry was passed yet */
    WALK_INSIDE,  /* entries before the cursor were passed */
    WALK_PASSED
};

/* What the elements of a table are (table.h): each one allocation of `size` bytes. */
struct elem_type {
    struct dict_type keys;
    size_t (*size)(const void *elem);
    void (*item)(const void *elem,
                 struct walk_item *i); /* what a walk hands out: name, value, score */
};

/* The keys of one database. A flush puts a new space in its place, SWAPDB exchanges two. */
struct space {
    struct dict dict;
    const struct elem_type *elems; /* NULL: entries */
    enum walk_state walk;
    uint64_t walk_at;   /* the walk's cursor in the dict's order */
    int walk_db;        /* the database's number at the walk's start */
    size_t attached;    /* keys in it whose big values the walk holds on to (walk_inside.h) */
    bool dead;          /* flushed: taken apart by store_work once the walk has passed */
    size_t bytes;       /* of a deleted value's table and elements */
    size_t objects;     /* keys, or 1 for a value */
    struct space *next; /* in store.dead */
};

/* A big value without a table that was deleted: taken apart in steps of store_work. */
struct ruin {
    struct ruin *next;
    void *value;
    bool (*step)(struct store *s, void *value); /* frees one piece; false: that was the last */
    size_t (*memory)(const void *value);
    size_t bytes; /* at first */
};

/* What has no owner any more, and how far its end has come. The numbers that another thread than the
 * executor writes are atomic; those of an object of the executor's own are as well, for simplicity. */
struct ends {
    size_t queued, queued_bytes;                 /* objects ever, and known bytes of them */
    _Atomic size_t done, done_bytes, given_back; /* given_back: bytes freed by the grave */
};

struct walk {
    bool running;
    bool sweeping; /* given up: only marks are cleared */
    struct store_walker to;
    struct space **spaces; /* those with keys at the start, in order */
    int count, at;
    size_t *keys, *expiring; /* at the start, by database */
    struct value_walk *now;  /* whose turn it is */
    struct value_walk *row,
        **row_last; /* those that wait for theirs; where the next one is written */
    size_t waiting; /* in the row */
    size_t kept;    /* bytes beside the objects of lists, strings and streams (walk_keeps) */
    int64_t left;   /* what the step may still do */
};

/* An entry and where its reference stands. */
struct seat {
    struct space *space;
    struct entry *e; /* NULL: none */
    uint64_t hash;
    struct dict_place at;
};

/* How far a pass of store_compact has come. */
struct compaction {
    int db;
    uint64_t at;     /* in its dict's order */
    bool through;    /* all its groups were seen */
    struct buf keys; /* of values met that take steps of their own, each behind its length */
    uint64_t inside; /* how far the first of them is */
};

struct store {
    struct space **spaces;
    /* What the last search found: a change mostly follows it and needs the same. Whoever moves references or
     * entries forgets it. */
    struct seat found;
    size_t memory;      /* what the grave has freed is still counted: store_memory() */
    int64_t touched_ms; /* when touched_date was computed */
    uint32_t touched_date;
    int databases;
    struct store_settings settings;
    struct space *dead;
    struct ruin *ruins;
    /* With a reclaimer: a store without databases to which dead spaces and ruins go. Its thread frees what it
     * finds there; no counter and no list is touched by both. */
    struct store *grave;
    struct ends ends;
    struct prng prng;
    struct walk walk;
    struct compaction compaction;
    int expire_db;
    size_t expire_block;
    char note[STORE_NOTE_CHARS + 1];
};

/* A small form becomes a big one in one step, so it ends here whatever the settings say: so many elements (or
 * pairs), so many bytes. That bounds the step to about 2 ms. (A listpack that comes from outside is
 * converted in one step too, however long it is: loading, RESTORE.) */
enum { PACKED_MAX = 8192, PACKED_MAX_BYTES = 1 << 20 };
static inline size_t packed_limit(size_t setting) {
    return setting < PACKED_MAX ? setting : PACKED_MAX;
}

/* Segments of a table that a call which reserves room makes: a megabyte. */
enum { RESERVE_SEGMENTS = 16 };

/* Looks at an allocation; where it is now. */
static inline void *compact_move(struct store_mover *m, void *p, size_t n) {
    m->looked++;
    void *copy = m->move(p, n);
    if (!copy) return p;
    m->free(p);
    m->moved++;
    return copy;
}
/* Of a value that is more than one allocation: looks at some of them from the place `from` on (0: the beginning);
 * returns the next place, 0 at the end. */
uint64_t hash_compact(struct entry *e, uint64_t from, struct store_mover *m);
uint64_t set_compact(struct entry *e, uint64_t from, struct store_mover *m);
uint64_t zset_compact(struct entry *e, uint64_t from, struct store_mover *m);
uint64_t list_compact(struct entry *e, uint64_t from, struct store_mover *m);
uint64_t xstream_compact(struct entry *e, uint64_t from, struct store_mover *m);

static inline struct dict *store_dict(const struct store *s, int db) {
    return &s->spaces[db]->dict;
}
/* Frees the value's own allocations, by the reclaimer when they are big. The entry itself stays. */
void value_free(struct store *s, struct entry *e);
/* Frees one allocation, by the reclaimer when it is big; counts nothing. */
void store_give_back(struct store *s, void *p, size_t size);
/* Bytes of the value's own allocations. */
size_t value_memory(const struct entry *e);
/* A copy of the value for `to`, an entry of the same kind and form whose value is not written yet. */
void value_copy(struct store *s, const struct entry *e, struct entry *to);
void value_verify(const struct entry *e);
/* Takes the elements of a table apart, in steps of store_work when they are many. d is empty afterwards. bytes: of
 * table and elements. */
void store_dismantle_later(struct store *s, struct dict *d, const struct elem_type *elems,
                           size_t bytes);
/* The same for what is no table: step frees a piece (an allocation or a few) with each call and returns false when the
 * value is gone; memory tells the verifier the bytes that are left. */
void store_ruin_later(struct store *s, void *value, bool (*step)(struct store *s, void *value),
                      size_t (*memory)(const void *value));

/* Of each kind that is more than bytes. */
void hash_free(struct store *s, struct entry *e);
void hash_copy(struct store *s, const struct entry *e, struct entry *to);
size_t hash_memory(const struct entry *e);
void hash_verify(const struct entry *e);
void set_free(struct store *s, struct entry *e);
void set_copy(struct store *s, const struct entry *e, struct entry *to);
size_t set_memory(const struct entry *e);
void set_verify(const struct entry *e);
void zset_free(struct store *s, struct entry *e);
void zset_copy(struct store *s, const struct entry *e, struct entry *to);
size_t zset_memory(const struct entry *e);
void zset_verify(const struct entry *e);

void list_free(struct store *s, struct entry *e);
void list_copy(struct store *s, const struct entry *e, struct entry *to);
size_t list_memory(const struct entry *e);
void list_verify(const struct entry *e);
void xstream_free(struct store *s, struct entry *e);
void xstream_copy(struct store *s, const struct entry *e, struct entry *to);
size_t xstream_memory(const struct entry *e);
void xstream_verify(const struct entry *e);

/* Frees an entry that no dict refers to any more. */
void store_entry_free(struct store *s, struct entry *e);

/* Creates the key, or gives the existing one this kind, form and stamp (KEEP_EXPIRY as in store.h), freeing what
 * its value pointed to. The value is the caller's to write. */
struct entry *store_put(struct store *s, int db, struct bytes key, enum value_kind kind,
                        enum value_form form, size_t value_len, int64_t expiry_ms);
/* The same for a string's bytes that stand in the entry (EMBED_MAX at most), and writes them. */
struct entry *store_put_embedded(struct store *s, int db, struct bytes key, struct bytes value,
                                 int64_t expiry_ms);
/* Reshapes an entry and keeps the table's reference right. */
struct entry *store_reshape(struct store *s, int db, struct entry *e, struct entry_shape shape);

/* Walks: what a new entry of this place must be marked with; sees to the walker before a change. */
bool walk_skips_new(const struct store *s, const struct space *sp, uint64_t hash);
void walk_before_change(struct store *s, struct space *sp, struct entry *e, uint64_t hash);
/* One step of sweeping after an abort; true while there is more. */
bool walk_sweep(struct store *s, size_t limit);

#endif
