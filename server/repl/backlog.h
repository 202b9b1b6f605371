/* The newest bytes of the stream in memory, addressed by stream offset. A pure structure: no
 * sockets, no time. It keeps at least keep_bytes (once that many were added), and everything
 * that its owner still needs. */
#ifndef DUET_REPL_BACKLOG_H
#define DUET_REPL_BACKLOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct backlog;

struct backlog *backlog_new(uint64_t keep_bytes, uint64_t offset);
void backlog_free(struct backlog *b); /* NULL is fine */
/* Empty, beginning at this offset. */
void backlog_reset(struct backlog *b, uint64_t offset);
void backlog_set_keep(struct backlog *b, uint64_t keep_bytes);
void backlog_add(struct backlog *b, const void *p, size_t n);
/* Room for n bytes in one piece, behind the end; backlog_added says how many were written there. NULL: not
 * here, backlog_add takes them in pieces. */
char *backlog_room(struct backlog *b, size_t n);
void backlog_added(struct backlog *b, size_t n);
/* Takes the bytes from `from` on off the end again; from must be held. */
void backlog_cut(struct backlog *b, uint64_t from);
/* Counts n bytes that nobody will ask for, and holds nothing any more. */
void backlog_skip(struct backlog *b, uint64_t n);
/* The oldest offset held, and the end (of the next byte to come). */
uint64_t backlog_first(const struct backlog *b);
uint64_t backlog_end(const struct backlog *b);
/* Fills iov with at most count pieces of the bytes from `from` up to (not including) `to`;
 * returns how many pieces. The bytes stay where they are until backlog_trim or backlog_reset.
 * from must be held. */
int backlog_spans(const struct backlog *b, uint64_t from, uint64_t to, struct iovec *iov,
                  int count);
/* Pieces that the range takes at most. */
int backlog_span_count(const struct backlog *b, uint64_t from, uint64_t to);
/* Drops what is older than keep_bytes and than need. */
void backlog_trim(struct backlog *b, uint64_t need);
/* Bytes of memory. */
uint64_t backlog_memory(const struct backlog *b);

#endif
