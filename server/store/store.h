/* The data of one server: databases of keys, each with a kind, a value and perhaps an expiry stamp.
 * This is the one public header of server/store: floor 3 and above include no other of this folder,
 * except a kind's own header (store/string.h ...) for those who read or change values.
 *
 * No clients, no sockets, no clock: time is an argument (now_ms, wall clock milliseconds). One
 * thread owns a store; nothing here locks. Running out of memory ends the process (base/buf.h).
 *
 * Entries. A `struct entry` is one allocation with key, header, stamp and small value. A pointer to
 * it stays good until the entry is changed, moved or deleted, or until anything else in the same
 * store is (a growing table moves references, never entries): functions that change an entry return
 * where it is now. What reads point into (entry_key, string_bytes) is good for as long.
 *
 * Every change goes through a function of this folder, and each first calls the walker (see "Walks"
 * below), so nobody can forget it. Recipe for a new kind of value: an enum value_kind, a file with
 * its functions that call store_before_change first, and its two rows in kinds[] of value.c. */
#ifndef DUET_STORE_STORE_H
#define DUET_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

struct store;
struct entry;

enum value_kind { KIND_STRING, KIND_LIST, KIND_SET, KIND_ZSET, KIND_HASH, KIND_STREAM, KIND_COUNT };
/* "string", "list", ... as TYPE says it. */
const char *kind_name(enum value_kind kind);

#define NO_EXPIRY (-1LL)

/* What configuration decides; floor 4 writes these at any time, they hold from then on. */
struct store_settings {
    uint64_t string_max_bytes; /* proto-max-bulk-len: 512 MB, or the edition's limit */
    bool lfu;                  /* maxmemory-policy is an LFU one: the access bits count, not date */
    unsigned lfu_log_factor, lfu_decay_min;
    size_t list_chunk_bytes, list_chunk_count; /* list_limits of list-max-listpack-size */
    size_t list_open_ends; /* list-compress-depth: chunks at either end that stay open; 0: all do */
    /* Limits of small forms; 8192 elements and 1 MiB hold whatever stands here. */
    size_t set_max_packed;                         /* set-max-intset-entries */
    size_t hash_max_packed, hash_max_packed_bytes; /* hash-max-listpack-entries, -value */
    size_t zset_max_packed, zset_max_packed_bytes; /* zset-max-listpack-entries, -value */
    size_t stream_node_bytes, stream_node_entries; /* stream-node-max-bytes, ...; 0: no limit */
    uint64_t hll_sparse_max_bytes;                 /* hll-sparse-max-bytes */
    /* A value with more elements or more bytes is handed out by walks in pieces. */
    size_t walk_whole_count, walk_whole_bytes;
    /* Frees a big value elsewhere: must at some time call free_fn(value), on one other thread, one value
     * after the other. NULL: big values are taken apart in steps of store_work. */
    void (*reclaim)(void *arg, void *value, void (*free_fn)(void *value));
    void *reclaim_arg;
};

/* databases > 0. Seed: of the sampling functions only. Hashing is keyed by base's hash_set_key,
 * which must come before. */
struct store *store_new(int databases, uint64_t seed);
void store_free(struct store *s);
struct store_settings *store_settings(struct store *s);
int store_databases(const struct store *s);

/* A line of text that lives with the data: every snapshot of it carries the note, whoever loads one has it. "" when there is
 * none. The store gives it no meaning and no command empties it. */
enum { STORE_NOTE_CHARS = 1000 };
const char *store_note(const struct store *s);
void store_set_note(struct store *s, struct bytes note); /* cut at STORE_NOTE_CHARS */

/* ---- Entries -------------------------------------------------------------------------------- */

struct bytes entry_key(const struct entry *e);
enum value_kind entry_kind(const struct entry *e);
/* The stamp in wall ms, or NO_EXPIRY. */
int64_t entry_expiry(const struct entry *e);
static inline bool expiry_is_past(int64_t expiry_ms, int64_t now_ms) {
    return expiry_ms != NO_EXPIRY && now_ms > expiry_ms;
}
/* As OBJECT ENCODING says it: "int", "embstr", "raw", "listpack", ... */
const char *entry_encoding(const struct entry *e);
/* Bytes of the entry and its value, rounded as the allocator rounds; MEMORY USAGE adds the table's.
 */
size_t entry_memory(const struct entry *e);
/* Seconds since the last access, and the LFU counter (decayed to now). */
uint32_t entry_idle_s(const struct entry *e, int64_t now_ms);
uint8_t entry_freq(const struct store *s, const struct entry *e, int64_t now_ms);
/* Sets them, as RESTORE and loading need it. */
void entry_set_idle(struct entry *e, uint32_t idle_s, int64_t now_ms);
void entry_set_freq(struct entry *e, uint8_t freq, int64_t now_ms);
/* Marks an access (LRU date or LFU count, as the settings say). Changes nothing that is saved. */
void store_touch(struct store *s, struct entry *e, int64_t now_ms);

/* ---- Keys ----------------------------------------------------------------------------------- */

/* The entry, expired or not, or NULL. Does not touch it. */
struct entry *store_find(struct store *s, int db, struct bytes key);
/* The same for whoever has the key's hash already. */
uint64_t store_hash(struct bytes key);
struct entry *store_find_hashed(struct store *s, int db, struct bytes key, uint64_t hash);
/* Brings a key's bucket, then its entry, into the cache; for a batch: first all of the one, then
 * all of the other. Never required. */
void store_prefetch_bucket(struct store *s, int db, uint64_t hash);
void store_prefetch_entry(struct store *s, int db, uint64_t hash);

/* Creates the key or replaces whatever it holds; value and key must not point into the entry replaced. expiry_ms: a stamp, NO_EXPIRY, or KEEP_EXPIRY (the
 * one that the key has). A canonical integer is kept as an integer. Returns the entry. */
#define KEEP_EXPIRY (-2LL)
struct entry *store_put_string(struct store *s, int db, struct bytes key, struct bytes value,
                               int64_t expiry_ms);
/* The same for a key whose entry is known. */
struct entry *store_replace_string(struct store *s, int db, struct entry *e, struct bytes key,
                                   struct bytes value, int64_t expiry_ms);
/* The entry must be of this store and db. Big values go to the reclaimer. */
void store_delete(struct store *s, int db, struct entry *e);
/* NO_EXPIRY clears. Returns where the entry is now. */
struct entry *store_set_expiry(struct store *s, int db, struct entry *e, int64_t expiry_ms);
/* Moves value and stamp to another key or database; to_key must not exist there. */
struct entry *store_move(struct store *s, int db, struct entry *e, int to_db, struct bytes to_key);
struct entry *store_copy(struct store *s, int db, const struct entry *e, int to_db,
                         struct bytes to_key);

size_t store_count(const struct store *s, int db);          /* keys, O(1) */
size_t store_expiring_count(const struct store *s, int db); /* keys with a stamp, O(1) */
/* Mean remaining life in ms over a sample, for INFO keyspace; 0 when there is none. */
int64_t store_mean_ttl_ms(struct store *s, int db, int64_t now_ms);

/* Empties one database or all; takes constant time: the memory is given back by store_work. */
void store_flush(struct store *s, int db);
void store_flush_all(struct store *s);
void store_swap(struct store *s, int db_a, int db_b);

/* ---- Data beside the data -------------------------------------------------------------------- */

/* A second set of databases, for a copy that is being loaded while the data is still in use. Their numbers follow those of the
 * databases: store_beside(s) + db goes wherever a function here takes a db. No scan over all databases, expiry in time, walk
 * or compaction sees them. */
static inline int store_beside(const struct store *s) {
    return store_databases(s);
}
/* They become the data; what was the data is flushed. Constant time for each database. */
void store_beside_take(struct store *s);
/* They are flushed. */
void store_beside_drop(struct store *s);

/* ---- Iteration ------------------------------------------------------------------------------ */

/* One step of SCAN: calls fn for each entry of one or a few buckets and returns the next cursor, 0
 * at the end. Keys present from the first call to the last are handed out at least once, whatever
 * grows, shrinks or is deleted between calls. fn must not change the store. */
typedef void store_each_fn(void *arg, struct entry *e);
uint64_t store_scan(struct store *s, int db, uint64_t cursor, store_each_fn *fn, void *arg);
/* All entries of a database; fn must not change the store. */
void store_each(struct store *s, int db, store_each_fn *fn, void *arg);
/* 64 random bits of the store's own generator, for commands that sample. */
uint64_t store_chance(struct store *s);
/* A random entry, NULL when the database is empty. */
struct entry *store_random(struct store *s, int db);
/* Up to n entries from a random place, cheap, for eviction's sampling; returns how many. */
size_t store_sample(struct store *s, int db, struct entry **out, size_t n);

/* ---- Work between commands ------------------------------------------------------------------ */

/* Expiry in time: looks where stamps are past, hands each expired key to fn (which deletes it with
 * store_delete and propagates that, or leaves it), at most `limit` of them and a bounded multiple
 * of that in entries looked at. Returns true while there is more that could be done now. A pass through tables of
 * tens of millions of keys takes several calls: the next one goes on where this one ended. */
typedef void store_expired_fn(void *arg, int db, struct entry *e);
bool store_expire_cycle(struct store *s, int64_t now_ms, size_t limit, store_expired_fn *fn,
                        void *arg);
/* Gives back what flushes left, at most about `limit` entries; true while there is more. Call it in
 * each turn of the loop with a small limit. */
bool store_work(struct store *s, size_t limit);
/* Bytes held: entries, values, tables; O(1), by our own count (the allocator's waste is not in it).
 */
size_t store_memory(const struct store *s);
/* Bytes of a database's table of keys, without entries. */
size_t store_table_memory(const struct store *s, int db);
/* Places for keys in it. */
size_t store_table_slots(const struct store *s, int db);
/* Of these, bytes of big values that were deleted and are being freed (about; flushed keys are not in it). */
size_t store_doomed_memory(const struct store *s);
/* Big values and flushed keys on their way to be freed, and freed so far since the counter was reset. */
size_t store_doomed(const struct store *s);
size_t store_buried(const struct store *s);

/* ---- Compaction ----------------------------------------------------------------------------- */

/* Moving what is left after many deletes together, so that whole pages come free. */
struct store_mover {
    /* A copy of n bytes at p in a better place, or NULL: it stands well. p stays as it is. */
    void *(*move)(void *p, size_t n);
    void (*free)(void *p);
    size_t looked, moved; /* counted here */
};
/* One step of a pass through all databases: looks at about `limit` allocations, or some more. False at the pass's
 * end; the next step begins a new one. Nothing happens while a walk is running. */
bool store_compact(struct store *s, struct store_mover *m, size_t limit);

/* ---- Walks (the snapshot walker) ------------------------------------------------------------ */

/* A walk hands out the data of the instant at which it was started, each key once, in steps between
 * commands. Keys created after the start are not part of it. Flushed and swapped databases are handed
 * out under the number they had at the start, moved and renamed keys under the name. Expired keys are
 * handed out too. One walk at a time; several readers share it above.
 *
 * A value that is cheap to hand out whole comes by `entry`; one that a command is about to change or
 * delete and that was not passed yet comes first, from inside the changing call (before_change true).
 *
 * A value above walk_whole_count or walk_whole_bytes is a *walked value*, it comes in items:
 *
 *     [noted]   [item early]...   begin   item | item early ...   end
 *
 *  - noted: it is about to change in any way (an element, its stamp, its key, deletion) before its turn
 *    came. From now on items may come early, out of order and while another value is between its begin
 *    and end: what is about to change or go and was not handed out yet. Without this call nothing of it
 *    comes before begin.
 *  - begin: its turn. Values take their turns one after the other; those noted come before the cursor
 *    goes on. Between begin and end no other value's begin or end comes, and no entry(false); an
 *    entry(true), other values' noted and their early items may.
 *  - item: each of `count` once, early or in its turn. Lists, strings and streams come in order, never
 *    early.
 *  - end: all have come (the sum of the items' counts is `count`); v is gone when it returns.
 *
 * A walker must copy what it needs of an item or entry and must not change the store. */

/* One for each big value that was noted or is at its turn. Owned by the store, good from noted or begin
 * to end. When a walk is given up all are gone at once, without a call: who keeps something in `mine`
 * has a list of its own. */
struct walked {
    /* All of the instant. */
    int db;
    enum value_kind kind;
    struct bytes key; /* good as long as v is */
    int64_t expiry_ms;
    size_t count;  /* items: pairs, members, chunks; a string's bytes; of a stream see stream.h */
    size_t length; /* what HLEN, SCARD, ZCARD, LLEN, XLEN, STRLEN said */
    void *mine;    /* the walker's own word, NULL at first */
};

/* Good during the call. */
struct walk_item {
    struct bytes
        name; /* hash: field; set, sorted set: member; list: a chunk's listpack; string: its next bytes */
    struct bytes
        value; /* hash: the field's value; like members and fields it comes whole, however long */
    double score; /* sorted set */
    size_t count; /* how much of the walked value's count this is: 1, or a string's bytes */
    /* List, string, stream: bytes of more than 64 KB come in pieces, one after the other. name is the piece of `whole`
     * bytes that begins `at`; a chunk or node counts with its last piece. */
    size_t whole, at;
    const struct xstream_item *stream; /* stream: what stream.h says */
};

struct store_walker {
    void *arg;
    /* A walker that gives no begin (then noted, item and end neither) gets every value whole. */
    void (*entry)(void *arg, int db, const struct entry *e, bool before_change);
    void (*noted)(void *arg, struct walked *v);
    void (*begin)(void *arg, struct walked *v);
    /* Hash and set: in the order of the table. Sorted set: from the highest down. The rest: in order. */
    void (*item)(void *arg, struct walked *v, const struct walk_item *i, bool early);
    void (*end)(void *arg, struct walked *v);
};

/* The walker is copied. False when a walk is running, or the marks of an aborted one are still being
 * swept (store_work does that): try again later. */
bool store_walk_start(struct store *s, const struct store_walker *walker);
/* Hands out about `limit` items and entries, at least one, and goes past a bounded number of places; each
 * counts one more for every WALK_COST_BYTES of it. False when the walk is complete with this step. */
enum { WALK_COST_BYTES = 2048 };
bool store_walk_step(struct store *s, size_t limit);
/* Gives the walk up; the walker is not called any more. */
void store_walk_abort(struct store *s);
bool store_walking(const struct store *s);
/* Keys of the database, and those with a stamp, at the walk's start (RDB's RESIZEDB). */
size_t store_walk_count(const struct store *s, int db);
size_t store_walk_expiring_count(const struct store *s, int db);
/* Values that were noted and have not had their turn yet. */
size_t store_walk_noted(const struct store *s);
/* Bytes that the walk keeps of big lists, strings and streams because they changed before they were handed out. A walker that
 * has a bound gives the walk up beyond it. */
size_t store_walk_kept(const struct store *s);

/* For the kinds' files and whoever changes a value in place: must come before the first changed
 * byte. Cheap when no walk runs. */
void store_before_change(struct store *s, int db, struct entry *e);

/* ---- Checks --------------------------------------------------------------------------------- */

/* Walks every structure and checks every invariant; bug() on the first that does not hold. For
 * tests, fuzzers and DEBUG. */
void store_verify(struct store *s);

#endif
