/* Reading files (files.h) from a position on: keys of their RDB parts, units of their commands. */
#ifndef HACTL_IMPORT_READING_H
#define HACTL_IMPORT_READING_H

#include "server/proto/aofile.h"
#include "hactl/import/files.h"
#include "hactl/import/rdb_keys.h"

/* What is called for what is read; false stops. at: the position of the event's first byte among all parts. */
struct import_reader {
    bool (*event)(void *arg, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at);
    bool (*unit)(void *arg, struct aofile *a, const char *unit, size_t len, uint64_t at);
    void (*progress)(void *arg, uint64_t at, uint64_t all); /* NULL: none */
    void *arg;
};
enum import_end {
    IMPORT_WHOLE,
    IMPORT_STOPPED, /* a call said so */
    IMPORT_CUT,     /* the last part ends inside of a command: nothing else is wrong */
    IMPORT_DAMAGED  /* error */
};
struct import_read {
    enum import_end end;
    size_t part;      /* where it ended */
    uint64_t bad_at;  /* byte in that part; what stands before it was read */
    uint64_t dropped; /* bytes from there to the part's end */
    uint64_t sum;     /* crc64 of all bytes of all parts, when it was read from the begin */
    bool tail; /* CUT or DAMAGED among the commands of the last part: it may be cut off there */
    char error[500];
};
/* Reads from position `at` (0, or one that a call was told) with database db (of commands) selected, up to `until`
 * (UINT64_MAX: all there is). */
void import_read(struct import_read *r, struct import_files *f, uint64_t at, int db, uint64_t until,
                 const struct import_reader *reader);

#endif
