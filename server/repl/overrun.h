/* The older part of a row of bytes whose newest part a backlog holds: what somebody still needs and memory is
 * not kept for. It lies in files without a name, each a stretch of the row, addressed by the row's offsets;
 * bytes come from the backlog in order, are read anywhere, and are dropped from the front, a file at a time.
 *
 * Who adds and reads bears the copy to and from the kernel's cache; nothing is ever fsynced, nothing outlives
 * the process. Failure sticks until overrun_reset: what was there can still be read, nothing more is taken. */
#ifndef DUET_REPL_OVERRUN_H
#define DUET_REPL_OVERRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog;
struct buf;
struct overrun;

/* dir is copied. close_fd closes a long file where that takes no time of the caller's; NULL: it is closed here. */
struct overrun *overrun_new(const char *dir, void (*close_fd)(void *arg, int fd), void *arg);
void overrun_free(struct overrun *o); /* NULL is fine */
/* Empty, and whole again. */
void overrun_reset(struct overrun *o);
/* The bytes held are from first on up to, not including, end; equal: none. */
uint64_t overrun_first(const struct overrun *o);
uint64_t overrun_end(const struct overrun *o);
uint64_t overrun_bytes(const struct overrun *o);
/* Takes the backlog's bytes [from, until); when something is held, from its end on, whatever from says. most_bytes:
 * what may be held at once, 0: as the disk has room for. False: see overrun_failure. */
bool overrun_take(struct overrun *o, const struct backlog *b, uint64_t from, uint64_t until,
                  uint64_t most_bytes);
/* Appends about max bytes from offset on, which must be held, to out; 0: they cannot be read back. */
size_t overrun_read(struct overrun *o, uint64_t offset, size_t max, struct buf *out);
/* Nobody needs what is before need. */
void overrun_drop(struct overrun *o, uint64_t need);
/* A sentence's end: what happened, and where. NULL: nothing did. */
const char *overrun_failure(const struct overrun *o);

#endif
