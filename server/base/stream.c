/* See stream.h. */
#include "server/base/stream.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"

#define PLAIN(s) __builtin_expect(!(s)->kind, 1)

struct stream *stream_plain(int fd) {
    struct stream *s = xmalloc(sizeof *s);
    *s = (struct stream){fd, NULL};
    return s;
}

void stream_free(struct stream *s) {
    if (!s) return;
    int fd = s->fd;
    if (PLAIN(s))
        free(s);
    else
        s->kind->free(s);
    close(fd);
}

int stream_fd(const struct stream *s) {
    return s->fd;
}

static long outcome(ssize_t n) {
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : STREAM_FAILED;
}

long stream_read(struct stream *s, void *p, size_t n) {
    if (!PLAIN(s)) return s->kind->read(s, p, n);
    ssize_t got = recv(s->fd, p, n, 0);
    return got == 0 && n > 0 ? STREAM_CLOSED : outcome(got);
}

long stream_write(struct stream *s, const void *p, size_t n) {
    if (PLAIN(s)) return outcome(send(s->fd, p, n, MSG_NOSIGNAL));
    struct iovec one = {(void *)(uintptr_t)p, n};
    return s->kind->writev(s, &one, 1);
}

long stream_writev(struct stream *s, const struct iovec *iov, int count) {
    if (!PLAIN(s)) return s->kind->writev(s, iov, count);
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    return outcome(sendmsg(s->fd, &m, MSG_NOSIGNAL));
}

int stream_watch(const struct stream *s, int wants) {
    return PLAIN(s) ? wants : s->kind->watch(s, wants);
}

int stream_event(struct stream *s, int revents) {
    return PLAIN(s) ? revents : s->kind->event(s, revents);
}

size_t stream_pending(const struct stream *s) {
    return PLAIN(s) ? 0 : s->kind->pending(s);
}

const char *stream_cipher(const struct stream *s) {
    return PLAIN(s) ? NULL : s->kind->cipher(s);
}

bool stream_channel(const struct stream *s, unsigned char out[STREAM_CHANNEL_BYTES]) {
    return PLAIN(s) ? false : s->kind->channel(s, out);
}

const char *stream_trouble(const struct stream *s) {
    return PLAIN(s) ? NULL : s->kind->trouble(s);
}

size_t stream_memory(const struct stream *s) {
    return PLAIN(s) ? sizeof *s : s->kind->memory(s);
}
