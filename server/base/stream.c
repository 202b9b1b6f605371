/* See stream.h. */
#include "server/base/stream.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"

struct stream {
    int fd;
};

struct stream *stream_plain(int fd) {
    struct stream *s = xmalloc(sizeof *s);
    s->fd = fd;
    return s;
}

void stream_free(struct stream *s) {
    if (!s) return;
    close(s->fd);
    free(s);
}

int stream_fd(const struct stream *s) {
    return s->fd;
}

static long outcome(ssize_t n) {
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : STREAM_FAILED;
}

long stream_read(struct stream *s, void *p, size_t n) {
    ssize_t got = recv(s->fd, p, n, 0);
    return got == 0 && n > 0 ? STREAM_CLOSED : outcome(got);
}

long stream_write(struct stream *s, const void *p, size_t n) {
    return outcome(send(s->fd, p, n, MSG_NOSIGNAL));
}

long stream_writev(struct stream *s, const struct iovec *iov, int count) {
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    return outcome(sendmsg(s->fd, &m, MSG_NOSIGNAL));
}

int stream_wants(const struct stream *s) {
    (void)s; /* plain bytes wait for nothing of their own */
    return 0;
}
