/* A fingerprint of data out of the bytes of an RDB file, for two nodes that compare what they hold: the same data gives the same
 * one, whatever form values are kept in and in whatever order keys come. Not in it: what slaves are not told of as it is (when a key
 * was last used; of streams when and how often a message was delivered, consumers without any, a group's count of entries read) and
 * keys whose time was over at the instant. Good against chance, not against somebody who makes two values alike. */
#ifndef DUET_PROTO_RDB_DIGEST_H
#define DUET_PROTO_RDB_DIGEST_H

#include "server/proto/rdb.h"

enum { RDB_DIGEST_CHARS = 32 };

/* Two hashes beside one another. */
struct rdb_mark {
    uint64_t a, b;
};
struct rdb_digest_db {
    struct rdb_mark sum; /* of its keys: the order does not count */
    uint64_t keys;
};
struct rdb_digest {
    int databases;
    struct rdb_digest_db *db; /* databases of them */
    bool ended;               /* the file's end has come; its checksum is not looked at */
    char error[220];          /* behind a false of rdb_digest_add */
    /* inside */
    int64_t instant_ms;
    struct rdb_reader reader;
    struct buf rest; /* what was not taken yet */
    uint64_t at_db;
    bool over;      /* the key's time was over */
    uint64_t kind;  /* of the open value, as a number of our own */
    uint64_t left;  /* bytes to come of a long string */
    bool open_next; /* a string's length comes next */
    struct rdb_mark key, value, group, consumer;
};
/* instant_ms: wall time; keys that ended until then do not count. */
void rdb_digest_init(struct rdb_digest *d, int databases, int64_t instant_ms);
void rdb_digest_free(struct rdb_digest *d);
/* The next bytes, in any pieces; they should not be compressed. Holds no more than the longest element. False: error says why. */
bool rdb_digest_add(struct rdb_digest *d, const void *p, size_t n);
/* RDB_DIGEST_CHARS and a NUL: of one database, or of all (db -1). */
void rdb_digest_text(const struct rdb_digest *d, int db, char *text);
uint64_t rdb_digest_keys(const struct rdb_digest *d);

#endif
