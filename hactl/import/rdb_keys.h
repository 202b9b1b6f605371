/* The keys of an RDB file, each with its value as it stands there: what DUMP and RESTORE carry. Over server/proto's
 * reader; values are passed over (rdb_skip.h), also those that Duet cannot hold, so that they can be told by name. Pure:
 * bytes in pieces of any size come in, one event at a time goes out. */
#ifndef HACTL_IMPORT_RDB_KEYS_H
#define HACTL_IMPORT_RDB_KEYS_H

#include "hactl/import/rdb_skip.h"
#include "server/base/buf.h"
#include "server/proto/rdb.h"

enum rdb_keys_event {
    RDB_KEYS_MORE,  /* feed more (`need` bytes at least), from the first unused one on */
    RDB_KEYS_BAD,   /* error says what and where; nothing more comes */
    RDB_KEYS_START, /* version */
    RDB_KEYS_AUX,   /* name, text */
    RDB_KEYS_DB,    /* db; it is told of each key as well */
    RDB_KEYS_ROOM,  /* hints: numbers[0] keys, numbers[1] of them with expiry */
    RDB_KEYS_OTHER, /* what is no key and cannot be taken; name: "function", "module ReJSON-RL", "slot import"; text: of
                       functions their code */
    RDB_KEYS_KEY,   /* key, db, type, expire_ms, idle_s, freq, at */
    RDB_KEYS_PIECE, /* piece: the next bytes of its value, until the next call */
    RDB_KEYS_END,   /* of the key: value tells how much it was; key and the others still stand */
    RDB_KEYS_DONE /* the file's end, its checksum verified when it has one. What follows (`used` is behind it) is not
                       ours: an AOF's commands */
};

struct rdb_keys {
    size_t used, need;
    int version;
    int db;
    struct bytes name, text; /* until the next call */
    uint64_t numbers[2];
    struct bytes key; /* until the next key */
    int type;
    int64_t expire_ms;    /* absolute, -1: none */
    int32_t idle_s, freq; /* -1: not told */
    uint64_t
        at; /* byte at which the key's record begins: reading may begin there again (rdb_keys_from) */
    struct bytes piece;
    struct rdb_skip value;
    uint64_t total; /* bytes used so far */
    uint64_t sum;   /* crc64 of them; after RDB_KEYS_DONE of all but the checksum itself */
    char error[280];
    /* inside */
    struct rdb_reader reader;
    struct buf name_of_key;
    bool in_value, value_done;
};

void rdb_keys_init(struct rdb_keys *k);
/* Begins at byte `at` of a file of that version, which a key told, inside of that database. No checksum is verified then. */
void rdb_keys_from(struct rdb_keys *k, int version, int db, uint64_t at);
void rdb_keys_free(struct rdb_keys *k);
enum rdb_keys_event rdb_keys_read(struct rdb_keys *k, const char *data, size_t len);

/* ---- DUMP's form ---- */

enum { RDB_DUMP_FOOTER = 10 };
/* The type byte in front of a value and the footer behind it, as RESTORE wants them: the payload is head, value, footer.
 * rdb_version: what the receiver knows at least (RDB_VERSION, or an older one). */
void rdb_dump_footer(char footer[RDB_DUMP_FOOTER], int type, struct bytes value, int rdb_version);
/* The string that a whole value of RDB_STRING is; scratch backs it when it does not stand in the value as it is. False: the
 * value is not sound. */
bool rdb_string_of(struct bytes value, struct buf *scratch, struct bytes *out);
/* The oldest version whose readers know values of this type. */
int rdb_type_since(int type);
/* False: Duet cannot hold it. */
bool rdb_type_taken(int type);

/* "string", "list", "set", "sorted set", "hash", "stream", "other". */
enum rdb_kind {
    RDB_KIND_STRING,
    RDB_KIND_LIST,
    RDB_KIND_SET,
    RDB_KIND_ZSET,
    RDB_KIND_HASH,
    RDB_KIND_STREAM,
    RDB_KIND_OTHER,
    RDB_KIND_COUNT
};
enum rdb_kind rdb_kind_of(int type);
const char *rdb_kind_name(enum rdb_kind kind);

#endif
