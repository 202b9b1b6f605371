/* Chunks and the directory above them. Inside server/store only; what a list is stands in list.h. */
#ifndef DUET_STORE_LIST_INSIDE_H
#define DUET_STORE_LIST_INSIDE_H

#include "server/proto/listpack.h"
#include "server/store/inside.h"

/* ---- Chunks (list_chunk.c) ------------------------------------------------------------------- */

/* A listpack with room at either side, so that elements come and go at both ends without moving the others; or a closed
 * one: nothing but its LZF form, and a listpack's bytes are had by opening it, or by looking at a copy. */
struct chunk {
    uint8_t *room;
    uint32_t cap; /* bytes of room */
    uint32_t at;  /* where the listpack begins in it; closed: the listpack's bytes */
    uint32_t count;
    uint32_t lzf; /* bytes of the LZF form; or CHUNK_OPEN, CHUNK_STIFF */
};
enum {
    CHUNK_OPEN,
    CHUNK_STIFF /* open, and closing it as it is would not be worth it */
};

static inline bool chunk_is_closed(const struct chunk *ch) {
    return ch->lzf > CHUNK_STIFF;
}

static inline uint8_t *chunk_pack(const struct chunk *ch) {
    return ch->room + ch->at;
}
/* The listpack's bytes, closed or not. */
static inline size_t chunk_total(const struct chunk *ch) {
    return chunk_is_closed(ch) ? ch->at : lp_total(chunk_pack(ch));
}

/* Closes an open chunk if that is worth it: at least CLOSE_LEAST_BYTES that shrink by CLOSE_GAIN_BYTES. One of more
 * than CLOSE_MOST_BYTES stays open: no command is to wait for it. */
enum { CLOSE_LEAST_BYTES = 48, CLOSE_GAIN_BYTES = 8, CLOSE_MOST_BYTES = 256 << 10 };
void chunk_close(size_t *memory, struct chunk *ch);
void chunk_unclose(size_t *memory, struct chunk *ch);
/* The listpack of a chunk, which stays as it is. That of a closed one stands in a buffer of the calling thread until the
 * next look with the same eye: EYE_CURSOR is the cursors', EYE_WALK whatever may happen between two steps of one. */
enum chunk_eye { EYE_CURSOR, EYE_WALK };
const uint8_t *chunk_look_inside(const struct chunk *ch, enum chunk_eye eye);
static inline const uint8_t *chunk_look(const struct chunk *ch, enum chunk_eye eye) {
    return chunk_is_closed(ch) ? chunk_look_inside(ch, eye) : chunk_pack(ch);
}

/* What follows is for open chunks, but for chunk_copy, chunk_free and chunk_trim. */

/* Where more room is made when there is none. */
enum chunk_room {
    ROOM_TIGHT, /* none to spare, ever: the listpack is alone in an allocation that an entry points to */
    ROOM_FIT,  /* none to spare now */
    ROOM_HEAD, /* more elements are to be expected at this end */
    ROOM_TAIL
};
/* What is to be replaced: old_count elements of old_bytes, from the offset in the listpack on. */
struct chunk_gap {
    size_t offset, old_bytes, old_count, new_bytes, new_count;
};
/* Makes the change but for the new elements, which the caller writes to the place returned. A chunk is not grown past
 * most_bytes for the sake of elements to come. */
uint8_t *chunk_open(size_t *memory, struct chunk *ch, struct chunk_gap gap, enum chunk_room room,
                    size_t most_bytes);
/* An empty one, with room for that many bytes. */
struct chunk chunk_new(size_t *memory, size_t bytes);
struct chunk chunk_of(size_t *memory, struct bytes listpack, size_t count);
struct chunk chunk_copy(size_t *memory, const struct chunk *ch);
void chunk_free(size_t *memory, struct chunk *ch);
/* Gives room back that is not needed. */
void chunk_trim(size_t *memory, struct chunk *ch);
/* As ROOM_TIGHT keeps it. */
void chunk_tighten(size_t *memory, struct chunk *ch);
/* The element of that index, from whichever end is nearer; the index may be the count. */
const uint8_t *chunk_seek_in(const uint8_t *pack, size_t count, size_t index);
static inline const uint8_t *chunk_seek(const struct chunk *ch, size_t index) {
    return chunk_seek_in(chunk_pack(ch), ch->count, index);
}
/* Moves the elements from the offset on, which are not the first `before` ones, to a new chunk. */
struct chunk chunk_split(size_t *memory, struct chunk *ch, size_t offset, size_t before);
/* Appends b's elements to a, and frees b. */
void chunk_join(size_t *memory, struct chunk *a, struct chunk *b);
/* Removes elements that equal the value, at most so many, but not the first `skip` of them; returns how many. The chunk
 * may be empty then. */
size_t chunk_remove_equal(size_t *memory, struct chunk *ch, const struct lp_value *value,
                          size_t skip, size_t most, enum chunk_room room);
size_t chunk_count_equal(const struct chunk *ch, const struct lp_value *value);

/* ---- The directory (list_dir.c) -------------------------------------------------------------- */

/* A tree whose leaves hold chunks in order, and whose inner nodes count the elements below each child. */
enum { LEAF_CHUNKS = 17, INNER_CHILDREN = 31 };

struct list_inner;
struct list_node {
    struct list_inner *parent;
    uint16_t slot; /* in the parent */
    uint16_t n;
    bool is_leaf;
    bool seen; /* of a leaf, as the list's: no walk has to come to what stands in it */
};
struct list_inner {
    struct list_node node;
    size_t count[INNER_CHILDREN];
    struct list_node *child[INNER_CHILDREN];
};
struct list_ghost;
struct list_leaf {
    struct list_node node;
    struct list_leaf *prev, *next;
    struct list_ghost *
        ghosts; /* the last of a ring: rows that a walk comes to before this leaf's own; NULL: none */
    struct chunk chunk[LEAF_CHUNKS];
};

/* A big list. `bytes` is all that it holds, itself included. */
struct list {
    struct list_node *root; /* a leaf with no chunk when the list is empty */
    struct list_leaf *first, *last;
    size_t len, chunks, closed, bytes;
    struct value_walk *walked; /* a walk that has not handed out all of it; NULL: none */
    bool seen;                 /* turned round when a walk begins: then no leaf is seen */
};

struct place {
    struct list_leaf *leaf; /* NULL: none */
    unsigned slot;
};
static inline struct chunk *place_chunk(struct place p) {
    return &p.leaf->chunk[p.slot];
}

struct list *dir_new(void);
/* The directory must have no chunks left. */
void dir_free(struct list *l);
struct place dir_first(const struct list *l);
struct place dir_last(const struct list *l);
struct place dir_next(struct place p);
struct place dir_prev(struct place p);
/* The chunk of an element that exists, and the element's index in it. */
struct place dir_locate(const struct list *l, size_t index, size_t *within);
/* Open and close the chunk at p; false when it was so, or is not worth closing. */
bool dir_open(struct list *l, struct place p);
bool dir_close(struct list *l, struct place p);
/* The chunk gained or lost elements. */
void dir_count(struct list *l, struct place p, int64_t change);
/* Puts a chunk beside the one at p (NULL leaf: the first of an empty list); other places are not good any more. */
struct place dir_insert(struct list *l, struct place p, struct chunk ch, bool after);
/* Takes the chunk out; it is the caller's then. Returns the place of the one behind it. Places of earlier chunks stay good. */
struct place dir_remove(struct list *l, struct place p);
/* The room of the chunk at p is given back if there is much to give. */
void dir_trim(struct list *l, struct place p);
void dir_verify(const struct list *l);

/* ---- What a walk needs (list_walk.c) --------------------------------------------------------- */

/* Keeps the leaf's row as it is for the walk: it is about to change, and the walk has not come to it. */
void list_keep_row(struct list *l, struct list_leaf *lf);
static inline void list_keep(struct list *l, struct list_leaf *lf) {
    if (lf->node.seen != l->seen) list_keep_row(l, lf);
}
/* The leaf goes; next (or NULL) comes behind it. */
void list_keep_order(struct list *l, struct list_leaf *lf, struct list_leaf *next);
/* Whether a row that was kept has the chunk's room too: then its bytes must stay. Ask only while the list is walked. */
bool list_shares(const struct list *l, const struct chunk *ch);
/* Gives a shared room up to the walk; false: it is the list's alone. The list's bytes are the caller's to count. */
bool list_gives(struct list *l, const struct chunk *ch);
/* Notes in a ghost how a change of a shared chunk that is open can be taken back, and says where; then comes the change,
 * then list_follow, for room and place may be others. NULL: it is not shared, or there would be too much to note. */
struct kept_chunk;
struct kept_chunk *list_notes(struct list *l, const struct chunk *ch, const struct chunk_gap *gap);
void list_follow(struct list *l, struct kept_chunk *k, const struct chunk *ch);
/* Gives the chunk a room that is the list's alone. */
void list_unshare(struct list *l, struct chunk *ch);
/* Frees the chunk's room, or leaves it to the walk. */
static inline void list_drop_chunk(struct list *l, struct chunk *ch) {
    if (l->walked && list_gives(l, ch))
        l->bytes -= ch->cap;
    else
        chunk_free(&l->bytes, ch);
}

#endif
