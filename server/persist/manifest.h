/* The log's manifest: which base, from which increment on, and the lines that the data came
 * from.
 *
 * Parts are numbered; N.base is the state at the begin of N.incr. Increments from `first` up to
 * the base's number are kept for slaves and for going back; those from the base's number on
 * follow it, however many there are: a new increment needs no new manifest, it is found by its
 * number. The file is text, closed by a checksum:
 *
 *     duet-log 1
 *     base 7 0123...cdef 81234 0      number, id, offset, database; absent: the data began empty
 *     first 5
 *     start 0                         without a base: the offset at which `first` begins (the data was empty)
 *     line 4567...89ab 80000          oldest last
 *     sum 1a2b3c4d                    crc32c of all bytes before this line
 */
#ifndef DUET_PERSIST_MANIFEST_H
#define DUET_PERSIST_MANIFEST_H

#include "server/persist/persist.h"

struct manifest {
    unsigned base;  /* number, 0: none */
    unsigned first; /* the oldest increment kept, 0: none yet */
    struct persist_pos base_pos;
    bool starts; /* without a base: where `first` begins is known */
    uint64_t start;
    size_t line_count;
    struct persist_line lines[PERSIST_LINES_MAX];
};

enum manifest_state { MANIFEST_OK, MANIFEST_ABSENT, MANIFEST_BAD };
/* err names file and what is wrong. */
enum manifest_state manifest_read(const char *dir, struct manifest *m, char *err, size_t err_size);
/* Durable when true; false with errno. May be called on any thread. */
bool manifest_write(const char *dir, const struct manifest *m);

/* DIR/7.base, DIR/7.incr */
void manifest_part_path(char *out, size_t size, const char *dir, unsigned number, const char *kind);

#endif
