/* A channel on a socket: the meeting, which blocks up to a limit, then frames that do not block. Both sides use it. */
#ifndef HACTL_CHANNEL_IO_H
#define HACTL_CHANNEL_IO_H

#include "hactl/channel.h"
#include "server/base/buf.h"

/* What may wait to be sent before nothing more is put in. */
#define CHANNEL_QUEUE_BYTES (256 << 10)

struct channel_io {
    int fd;
    struct channel ch;
    struct buf in, out;
    char why[200]; /* what went wrong, for people */
};

/* Takes fd (a connected, non-blocking socket) over. */
void channel_io_open(struct channel_io *io, int fd);
void channel_io_close(struct channel_io *io);
/* Hellos and proofs. False with why when the other side is not the other node, or takes longer than limit_ms. */
bool channel_io_meet(struct channel_io *io, const struct channel_id *id, bool server, int limit_ms);
/* Writes what can be written now. False with why when the connection is gone. */
bool channel_io_flush(struct channel_io *io);
/* Reads what is there now. False with why at its end. */
bool channel_io_read(struct channel_io *io);
/* Waits for a whole frame, then gives it out; channel_io_eat when it is done with. */
bool channel_io_wait_frame(struct channel_io *io, struct channel_frame *f, int limit_ms);
/* channel_next on what has been read; why is filled in. */
enum channel_result channel_io_next(struct channel_io *io, struct channel_frame *f);
static inline void channel_io_eat(struct channel_io *io, const struct channel_frame *f) {
    buf_eat(&io->in, f->size);
}

#endif
