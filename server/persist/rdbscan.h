/* Looking through the bytes of an RDB file without keeping its data: is it whole, what is in it, where does the first
 * damage lie. Fed in pieces of any size. */
#ifndef DUET_PERSIST_RDBSCAN_H
#define DUET_PERSIST_RDBSCAN_H

#include "server/persist/persist.h"
#include "server/persist/value.h"

enum rdbscan_state {
    RDBSCAN_MORE,
    RDBSCAN_END, /* whole, its checksum fits */
    RDBSCAN_BAD  /* what, bad_at */
};

struct rdbscan_key {
    char name[96]; /* as it is, without NULs; cut with "..." */
    int db;
    uint64_t bytes; /* in the file */
};

struct rdbscan {
    enum rdbscan_state state;
    int version;
    uint64_t bytes; /* that were looked at */
    uint64_t end;   /* byte behind the file's own end, once it was there; 0: not yet */
    uint64_t keys, expiring, databases, skipped_sections;
    uint64_t kind_keys[KIND_COUNT], kind_bytes[KIND_COUNT];
    struct rdbscan_key biggest;
    struct persist_pos pos; /* of its own words; id "": none */
    int64_t ctime_s;
    char redis_version[32];
    /* damage */
    uint64_t bad_at, good_end; /* byte; good_end: behind the last whole key, or before the first */
    char what[280];
    bool in_key; /* `key` is what was being read */
    struct rdbscan_key key;
    /* inside */
    struct rdb_reader reader;
    struct buf in;
    struct store *store; /* deep: each value is made once, as loading would, and dropped */
    struct value_load value;
    uint64_t key_begin;
    int db, last_type;
    uint64_t dbs_seen[4];
};

/* deep: values are taken apart as loading does; not on a thread beside a server's. */
void rdbscan_begin(struct rdbscan *s, bool deep);
void rdbscan_free(struct rdbscan *s);
enum rdbscan_state rdbscan_feed(struct rdbscan *s, const void *p, size_t n);
/* There is no more: bad unless the end was there. */
enum rdbscan_state rdbscan_cut(struct rdbscan *s);

#endif
