/* One zstd frame, written and read in pieces of any size. The frame carries its own checksum, so that a reader needs
 * nothing else to know that it is whole. Alone includes <zstd.h>. Single-threaded; an object belongs to one thread at a
 * time. Memory: some megabytes each, whatever goes through. */
#ifndef DUET_BASE_ZFRAME_H
#define DUET_BASE_ZFRAME_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

struct zframe_writer;
struct zframe_writer *zframe_writer_new(int level); /* 1 to 3 are fast */
void zframe_writer_free(struct zframe_writer *z);   /* NULL is fine */
/* Takes all of p and appends what is ready to out; end closes the frame: nothing more may be written. */
void zframe_write(struct zframe_writer *z, const void *p, size_t n, bool end, struct buf *out);

enum zframe_state {
    ZFRAME_MORE, /* give more input, or take what is in out and come again */
    ZFRAME_END,  /* the frame is complete and its checksum fits */
    ZFRAME_BAD   /* zframe_error says why */
};
struct zframe_reader;
struct zframe_reader *zframe_reader_new(void);
void zframe_reader_free(struct zframe_reader *z); /* NULL is fine */
/* Reads from p, sets *used, and appends at most about room bytes to out. With *used == n and nothing appended it wants
 * more input. */
enum zframe_state zframe_read(struct zframe_reader *z, const void *p, size_t n, size_t *used,
                              struct buf *out, size_t room);
const char *zframe_error(const struct zframe_reader *z);

#endif
