/* What a source holds, before anything is touched: how much of what, what cannot be taken and why, whether it fits.
 * Pure: it is told keys and sections, and knows the target by a few numbers. */
#ifndef HACTL_IMPORT_INVENTORY_H
#define HACTL_IMPORT_INVENTORY_H

#include "hactl/import/rdb_keys.h"
#include "server/base/edition.h"

enum { INVENTORY_EXAMPLES = 3, INVENTORY_NAME = 80 };

struct inventory_count {
    uint64_t keys, bytes; /* bytes of the file */
};
/* What cannot be taken, of one sort. */
struct inventory_refusal {
    char what[160]; /* "values of the module ReJSON-RL", "keys of more than 127 bytes" */
    uint64_t count, bytes;
    char example[INVENTORY_EXAMPLES][INVENTORY_NAME]; /* names, made printable */
    int examples;
    bool section; /* no key: functions, a module's own data */
};
struct inventory {
    int rdb_version;         /* 0: there was no RDB part */
    char source_version[32]; /* redis-ver, valkey-ver of its aux fields */
    uint64_t keys, bytes;    /* that are taken; bytes of the file */
    uint64_t expired;        /* whose time is over: left out */
    uint64_t expiring;
    uint64_t left_out;     /* by --db and --keys */
    uint64_t commands;     /* of an AOF */
    uint64_t memory_bytes; /* that the taken keys will need, by and large */
    struct inventory_count kind[RDB_KIND_COUNT];
    struct inventory_db {
        int db, to; /* of the source, of the target */
        struct inventory_count n;
    } * dbs;
    size_t db_count;
    struct inventory_refusal *refusals;
    size_t refusal_count;
    char biggest[INVENTORY_NAME];
    uint64_t biggest_bytes;
};

/* What is known of the target. */
struct inventory_target {
    const struct edition *edition; /* NULL: no limits */
    uint64_t memory_limit_bytes;   /* 0: none */
    uint64_t memory_used_bytes;
    bool memory_goes; /* what is there goes first (--replace) */
    int databases;
};

void inventory_init(struct inventory *v);
void inventory_free(struct inventory *v);
/* A key that was read to its end (RDB_KEYS_END) and goes into database `to` (-1: it is not taken by the filter). Returns
 * whether it can be taken: the copy asks the same again by inventory_refuses. */
bool inventory_key(struct inventory *v, const struct inventory_target *t, const struct rdb_keys *k,
                   int to, int64_t now_ms);
/* NULL, or why this key cannot be taken (into a static place). */
const char *inventory_refuses(const struct inventory_target *t, const struct rdb_keys *k, int to);
/* A section (RDB_KEYS_OTHER), an aux field. */
void inventory_other(struct inventory *v, struct bytes name, struct bytes text);
void inventory_aux(struct inventory *v, struct bytes name, struct bytes text);
/* Anything else that cannot be taken: a command of an AOF. */
void inventory_refuse(struct inventory *v, const char *what, struct bytes example, uint64_t bytes,
                      bool section);
uint64_t inventory_refused(const struct inventory *v); /* keys and sections */
/* 0 when it fits into the target's memory, else by how many bytes it does not. */
uint64_t inventory_lacks(const struct inventory *v, const struct inventory_target *t);

/* The report: lines for people; the members of a JSON object, without its braces. */
void inventory_text(const struct inventory *v, const struct inventory_target *t, struct buf *out);
void inventory_json(const struct inventory *v, const struct inventory_target *t, struct buf *out);
/* A name made printable: what is no ASCII character becomes \xNN; cut with "...". */
void inventory_name(char *out, size_t size, struct bytes name);
/* A JSON string with its quotes. */
void inventory_json_string(struct buf *out, const char *s);

#endif
