/* A byte stream over a socket: plain now, TLS behind the same functions later (base/tls).
 * The stream owns the descriptor. Reads and writes never block and never raise SIGPIPE. */
#ifndef DUET_BASE_STREAM_H
#define DUET_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct stream;

struct stream *stream_plain(int fd);
void stream_free(struct stream *s); /* closes the descriptor; NULL is fine */
int stream_fd(const struct stream *s);

enum { STREAM_AGAIN = -1, STREAM_CLOSED = -2, STREAM_FAILED = -3 };
/* Bytes read (> 0), or one of the above. STREAM_FAILED leaves errno. */
long stream_read(struct stream *s, void *p, size_t n);
long stream_write(struct stream *s, const void *p, size_t n);
long stream_writev(struct stream *s, const struct iovec *iov, int count);
/* Readiness that the stream waits for beyond what its user wants (TLS); LOOP_READ | LOOP_WRITE. */
int stream_wants(const struct stream *s);

#endif
