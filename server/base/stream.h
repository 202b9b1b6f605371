/* A byte stream over a socket: plain, or TLS (base/tls.h) behind the same functions. The stream owns
 * the descriptor. Reads and writes never block and never raise SIGPIPE. A stream is used by one
 * thread at a time; it may move to another one between two calls.
 *
 * A user's loop holds to four rules, which cost a plain stream nothing:
 *   watch  loop_io_want(io, stream_watch(s, wants)), when its wants changed and after an event that
 *          came to nothing: a handshake waits for other readiness than its user.
 *   event  a callback begins with revents = stream_event(s, revents): that carries a handshake on;
 *          what comes back is what the user may do now. 0: nothing yet, but watch anew. Trouble
 *          comes back as LOOP_READ, and the read says what it is.
 *   read   with room for STREAM_ROOM_BYTES or more a read leaves nothing behind in the stream, so
 *          the descriptor's readiness is enough. With less room, bytes may wait that no readiness
 *          tells of: read on while stream_pending().
 *   write  as send(2). Bytes that were not taken come first again in the next write, unchanged, as
 *          they do in a stream: TLS may have encrypted them already. */
#ifndef DUET_BASE_STREAM_H
#define DUET_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct stream;

enum { STREAM_ROOM_BYTES = 16384 };

struct stream *stream_plain(int fd);
/* Closes the descriptor, after TLS's farewell if the socket takes it; NULL is fine. */
void stream_free(struct stream *s);
int stream_fd(const struct stream *s);

enum { STREAM_AGAIN = -1, STREAM_CLOSED = -2, STREAM_FAILED = -3 };
/* Bytes read (> 0), or one of the above. STREAM_FAILED leaves errno (EPROTO: not TLS, or refused).
 * STREAM_AGAIN until a handshake is done. */
long stream_read(struct stream *s, void *p, size_t n);
long stream_write(struct stream *s, const void *p, size_t n);
long stream_writev(struct stream *s, const struct iovec *iov, int count);

/* LOOP_READ | LOOP_WRITE as loop.h has them, in and out. */
int stream_watch(const struct stream *s, int wants);
int stream_event(struct stream *s, int revents);
size_t stream_pending(const struct stream *s);
/* How the bytes are protected, for people ("TLSv1.2 ECDHE-..."); NULL: they are not. */
const char *stream_cipher(const struct stream *s);
/* What only the two ends of this very connection can know to be the same: the hash of the server's
 * certificate (RFC 5929, tls-server-end-point, with SHA-256). False: it is not protected. */
enum { STREAM_CHANNEL_BYTES = 32 };
bool stream_channel(const struct stream *s, unsigned char out[STREAM_CHANNEL_BYTES]);
/* Why it failed, for people, where there is more to say than errno says; else NULL. */
const char *stream_trouble(const struct stream *s);
/* Bytes of memory that the stream owns beside the socket. */
size_t stream_memory(const struct stream *s);

/* ---- For the kinds of streams (base/tls.c): a kind begins with struct stream. */
struct stream_kind {
    long (*read)(struct stream *s, void *p, size_t n);
    long (*writev)(struct stream *s, const struct iovec *iov, int count);
    int (*watch)(const struct stream *s, int wants);
    int (*event)(struct stream *s, int revents);
    size_t (*pending)(const struct stream *s);
    const char *(*cipher)(const struct stream *s);
    bool (*channel)(const struct stream *s, unsigned char *out);
    const char *(*trouble)(const struct stream *s);
    size_t (*memory)(const struct stream *s);
    void (*free)(struct stream *s); /* all but the descriptor; releases the struct */
};
struct stream {
    int fd;
    const struct stream_kind *kind; /* NULL: plain */
};

#endif
