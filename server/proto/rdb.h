/* RDB files as bytes: a writer that appends to a buffer, and a reader that is fed bytes in any
 * pieces and gives one event at a time. Nothing here knows files, sockets or the store.
 *
 * A new value type: add its number to enum rdb_type, its shape to the table in rdb_read.c; its
 * writer is made of rdb_put_len and rdb_put_string by server/persist, which knows the store. */
#ifndef DUET_PROTO_RDB_H
#define DUET_PROTO_RDB_H

#include "server/base/buf.h"
#include "server/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RDB_VERSION = 10,    /* what is written: Redis 7.0's */
    RDB_VERSION_3_2 = 7, /* and on request */
    RDB_VERSION_2_8 = 6,
    RDB_VERSION_MAX = 11, /* what is read: Redis 7.2's */
    /* Files of these versions hold new types besides, which are refused by name. */
    RDB_VERSION_REDIS_8 = 12,
    RDB_VERSION_VALKEY_9 = 80,
    RDB_MAGIC_BYTES = 9,
    RDB_CHECKSUM_BYTES = 8
};

enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET = 3,
    RDB_HASH = 4,
    RDB_ZSET_2 = 5,
    RDB_MODULE = 6,
    RDB_MODULE_2 = 7,
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14,
    RDB_STREAM_LISTPACKS = 15,
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_QUICKLIST_2 = 18,
    RDB_STREAM_LISTPACKS_2 = 19,
    RDB_SET_LISTPACK = 20,
    RDB_STREAM_LISTPACKS_3 = 21,
    RDB_HASH_EXPIRING_FIRST = 22, /* Redis 7.4's and Valkey 9's, whose fields have stamps */
    RDB_HASH_EXPIRING_LAST = 25
};
/* "string", "hash (listpack)"; "type 99" is written into a static place for unknown ones. */
const char *rdb_type_name(int type);

/* The name of a module's type, out of the id that stands before its values. */
enum { RDB_MODULE_NAME = 9 };
void rdb_module_name(uint64_t id, char name[RDB_MODULE_NAME + 1]);

static inline bool rdb_type_is_stream(int type) {
    return type == RDB_STREAM_LISTPACKS || type == RDB_STREAM_LISTPACKS_2 ||
           type == RDB_STREAM_LISTPACKS_3;
}

/* ---- Writing: each appends to out. The checksum is the caller's: crc64 over all before it. */
void rdb_put_magic(struct buf *out, int version);
void rdb_put_aux(struct buf *out, const char *key, const char *value);
void rdb_put_aux_u64(struct buf *out, const char *key, uint64_t value);
void rdb_put_select(struct buf *out, uint64_t db);
void rdb_put_resize(struct buf *out, uint64_t keys, uint64_t with_expiry);
/* expire_ms: wall time in ms, -1: none. The value must follow. */
void rdb_put_key(struct buf *out, enum rdb_type type, struct bytes key, int64_t expire_ms,
                 bool compress);
void rdb_put_len(struct buf *out, uint64_t n);
/* Integers that fit into 32 bits and read back the same are packed; above 20 bytes LZF when
 * asked and shorter. */
void rdb_put_string(struct buf *out, struct bytes s, bool compress);
void rdb_put_ms(struct buf *out, int64_t ms); /* a time in 8 bytes */
/* An id of streams in 16 bytes; written plainly it stands for itself, as a string it has a length before it. */
void rdb_put_id(struct buf *out, uint64_t ms, uint64_t seq);
void rdb_put_double(struct buf *out, double v); /* RDB_ZSET_2's binary form */
void rdb_put_score(struct buf *out, double v);  /* RDB_ZSET's text */
void rdb_put_eof(struct buf *out);              /* the opcode; the checksum follows */
void rdb_put_checksum(struct buf *out, uint64_t crc);

/* ---- Reading. */
enum rdb_event {
    RDB_MORE,   /* feed more: need bytes at least, presented again from the first unused one */
    RDB_BAD,    /* reader.error says what and at which byte; the reader is done */
    RDB_START,  /* reader.version */
    RDB_AUX,    /* a: name, b: value */
    RDB_SELECT, /* number: database */
    RDB_RESIZE, /* number: keys, number2: keys with expiry */
    RDB_KEY,    /* a: key, type, expire_ms, then one of: */
    RDB_VALUE,  /* a: the whole value (a string, or one blob: listpack, ziplist, intset, zipmap) */
    RDB_BEGIN,  /* number: items that follow, each RDB_ITEM */
    RDB_ITEM, /* a, b (hash: field, value), score; quicklists: a: a node's blob, number: container; streams: enum
                 rdb_part */
    RDB_KEY_END,
    RDB_SKIP, /* something without meaning here was skipped, a: its name; b: of functions their text */
    RDB_END /* the end, checksum verified (when the file has one) */
};

/* What an RDB_ITEM of a stream is; they come in this order, from PENDING on for each group. */
enum rdb_part {
    RDB_STREAM_NODE, /* a: its id, 16 bytes with the highest first; b: its listpack */
    RDB_STREAM_FACTS, /* numbers: length, then of type 2 and 3: last id, first id, highest deleted id (ms, seq each),
                         entries added */
    RDB_STREAM_GROUP,    /* a: its name; numbers: last id, and of type 2 and 3 entries read */
    RDB_STREAM_PENDING,  /* numbers: id, delivery time, count */
    RDB_STREAM_CONSUMER, /* a: its name; numbers: time seen */
    RDB_STREAM_OWNED,    /* numbers: the id of a pending entry of this consumer */
    RDB_STREAM_GROUP_END
};
enum { RDB_STREAM_NUMBERS = 8 };

/* How much of a stream is still to come. */
struct rdb_nest {
    int next; /* what comes next, in rdb_read_stream.c */
    uint64_t nodes, groups, pending, consumers, owned;
};

struct rdb_reader {
    /* of the last event */
    struct bytes a, b;
    uint64_t number, number2;
    double score;
    int type;
    int64_t expire_ms;    /* -1: none */
    int32_t idle_s, freq; /* of a key; -1: not told */
    int version;
    enum rdb_part part; /* streams */
    uint64_t numbers[RDB_STREAM_NUMBERS];
    size_t used; /* bytes taken by the last call (after RDB_MORE too); the caller drops them */
    size_t need;
    char error[200];
    /* inside */
    uint64_t total; /* bytes used so far */
    uint64_t crc;
    uint64_t left; /* items of the open value */
    struct rdb_nest nest;
    int state;
    bool check; /* verify the checksum, on by default */
    /* Set by those who read far ahead: the caller adds what rdb_read takes to `crc` itself, at the latest after RDB_MORE (the
     * end's checksum is asked for that way). */
    bool sum_apart;
    /* Keys of every type whose name is known come as RDB_KEY, those too whose values cannot be read: the caller passes
     * over all values by itself (rdb_reader_pass). */
    bool keys_only;
    /* Where strings go that do not stand in the bytes as they are (n bytes that stay as long as the caller likes), or NULL:
     * into scratch, until the next call. */
    char *(*room)(void *arg, size_t n);
    void *room_arg;
    struct buf scratch[2];
};
void rdb_reader_init(struct rdb_reader *r);
/* Begins at a value of this type instead: the bytes are what stands behind a key. False: no such type can be read. */
bool rdb_reader_at_value(struct rdb_reader *r, int type);
/* Behind RDB_KEY, instead of the value's events: the next bytes of the value, which the caller takes. end: with these it
 * is whole. */
void rdb_reader_pass(struct rdb_reader *r, const void *p, size_t n, bool end);
/* Begins among the keys of a file of that version: at a byte where rdb_read said something between two keys. There is no
 * checksum to be verified then. */
void rdb_reader_at_keys(struct rdb_reader *r, int version);
void rdb_reader_free(struct rdb_reader *r);
/* One event from the bytes at data. a and b point into data or into the reader, until the next
 * call. */
enum rdb_event rdb_read(struct rdb_reader *r, const char *data, size_t len);

#endif
