/* The report on a tail: writes that a node had and its new master lacks. It stands beside the file of requests,
 *
 *     tails/tail-ID.resp      requests, with SELECT where the database changes; no MULTI and EXEC
 *     tails/tail-ID.txt       this: lines "name value", then one "key DB COMMAND KEY" for each of the first keys
 *     tails/tail-ID.done      somebody has dealt with it: one sentence
 *
 * ID is the first 8 digits of the replication id, '-', and the offset of the fork. Pure: bytes only. */
#ifndef DUET_PROTO_TAIL_REPORT_H
#define DUET_PROTO_TAIL_REPORT_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum { TAIL_ID_CHARS = 32, TAIL_KEYS_SHOWN = 1000, TAIL_KEY_CHARS = 512 };

struct tail_report {
    char id[TAIL_ID_CHARS];
    char line[41];
    uint64_t from, to;  /* offsets of that line */
    uint64_t writes;    /* commands in the file, SELECT not counted */
    uint64_t keys;      /* different ones */
    bool keys_at_least; /* there are more: counting ended */
    uint64_t bytes;     /* of the file */
    uint64_t epoch;     /* of the master that is followed now; 0: not known */
    int64_t saved_ms;   /* wall clock */
    int64_t first_ms,
        last_ms; /* when the first and the last of it were written; 0: not known (it came from memory) */
    char why[160];
};

void tail_id(char out[TAIL_ID_CHARS], const char *line, uint64_t from);
bool tail_id_valid(const char *id);

/* The lines of the report, without keys. */
void tail_report_put(struct buf *out, const struct tail_report *t);
/* One key: a key's bytes beyond TAIL_KEY_CHARS are left out. */
void tail_report_key(struct buf *out, int db, struct bytes command, struct bytes key);

/* Reads the lines. *keys is where the keys begin (it may be NULL). False: this is no report. */
bool tail_report_get(struct bytes text, struct tail_report *t, struct bytes *keys);
struct tail_key {
    int db;
    struct bytes command;
    struct bytes key; /* as written: printable, bytes as \xHH */
};
/* Takes the next key off *keys; false: that was all. */
bool tail_report_next(struct bytes *keys, struct tail_key *k);

#endif
