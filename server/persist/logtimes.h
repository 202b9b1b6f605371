/* What times a kept log covers, and where a second lies in it. Reads files only, on any thread, also while a server writes
 * them; what is not whole at the end is passed over. */
#ifndef DUET_PERSIST_LOGTIMES_H
#define DUET_PERSIST_LOGTIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logtimes_part {
    unsigned number;
    bool base, incr;
    uint64_t first_us, first_offset; /* of its first block; 0: it has none */
    uint64_t bytes;                  /* of the increment's sound blocks */
};

struct logtimes {
    char replid[41];               /* of the last block, or of the base; "": nothing there */
    uint64_t from_us, from_offset; /* the first block kept */
    uint64_t to_us, to_offset;     /* the last block, and the end behind it */
    uint64_t bytes;
    /* The oldest base, which a rollback without a set begins with; us 0: nothing was written since. base 0: none (offset
     * 0 then: the log itself begins with no data). */
    unsigned base;
    bool from_nothing;
    uint64_t base_us, base_offset;
    struct logtimes_part *parts;
    size_t count;
};
/* False: err. */
bool logtimes_read(struct logtimes *t, const char *log_dir, char *err, size_t err_size);
void logtimes_free(struct logtimes *t);

struct logtimes_at {
    uint64_t offset,
        wall_us; /* behind the last block that was written at or before the time asked for, and when */
    char replid[41];
    uint64_t lost_bytes, lost_blocks, lost_commands; /* behind it */
    uint64_t to_us, to_offset;
    uint64_t from_us;
    bool outside; /* wall_us lies before the log's begin, or behind its end */
};
bool logtimes_at(struct logtimes_at *a, const char *log_dir, uint64_t wall_us, char *err,
                 size_t err_size);

#endif
