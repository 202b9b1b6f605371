#include "hactl/channel_io.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/rand.h"
#include "server/base/sock.h"

#define READ_BYTES  (32 << 10)
#define GONE_IDLE_S 6     /* from then on the other machine is asked whether it is there */
#define GONE_MS     30000 /* it does not answer, or takes nothing: the connection is over */

__attribute__((format(printf, 2, 3))) static bool fail(struct channel_io *io, const char *fmt,
                                                       ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(io->why, sizeof io->why, fmt, ap);
    va_end(ap);
    return false;
}

void channel_io_open(struct channel_io *io, int fd) {
    memset(io, 0, sizeof *io);
    io->fd = fd;
    sock_set_nodelay(fd);
    sock_set_keepalive(fd, GONE_IDLE_S);
    sock_set_user_timeout(fd, GONE_MS);
}

void channel_io_close(struct channel_io *io) {
    if (io->fd >= 0) close(io->fd);
    io->fd = -1;
    buf_free(&io->in);
    buf_free(&io->out);
}

bool channel_io_flush(struct channel_io *io) {
    while (buf_len(&io->out)) {
        ssize_t n = send(io->fd, buf_head(&io->out), buf_len(&io->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n < 0) return fail(io, "the connection broke: %s", strerror(errno));
        buf_eat(&io->out, (size_t)n);
    }
    return true;
}

bool channel_io_read(struct channel_io *io) {
    ssize_t n = recv(io->fd, buf_room(&io->in, READ_BYTES), READ_BYTES, 0);
    if (n > 0) buf_added(&io->in, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return true;
    if (n == 0) return fail(io, "the other side closed the connection");
    return fail(io, "the connection broke: %s", strerror(errno));
}

enum channel_result channel_io_next(struct channel_io *io, struct channel_frame *f) {
    const char *why = "";
    enum channel_result r = channel_next(&io->ch, buf_head(&io->in), buf_len(&io->in), f, &why);
    if (r == CHANNEL_BAD) fail(io, "%s", why);
    return r;
}

/* Until len bytes are there; everything that waits is sent meanwhile. */
static bool wait_for(struct channel_io *io, size_t len, uint64_t end_ms) {
    while (buf_len(&io->in) < len) {
        uint64_t now = clock_boot_ms();
        struct pollfd p = {.fd = io->fd, .events = POLLIN};
        if (now >= end_ms) return fail(io, "it does not answer");
        if (!channel_io_flush(io)) return false;
        if (buf_len(&io->out)) p.events |= POLLOUT;
        if (poll(&p, 1, (int)(end_ms - now)) < 0 && errno != EINTR)
            return fail(io, "poll: %s", strerror(errno));
        if (p.revents & ~POLLOUT && !channel_io_read(io)) return false;
    }
    return true;
}

static bool take_hello(struct channel_io *io, const struct channel_id *id, uint64_t end_ms) {
    if (!wait_for(io, CHANNEL_HELLO_BYTES, end_ms)) return false;
    const char *wrong = channel_take_hello(&io->ch, id, (const uint8_t *)buf_head(&io->in));
    buf_eat(&io->in, CHANNEL_HELLO_BYTES);
    return !wrong || fail(io, "%s", wrong);
}

/* A server goes by the secret that the client has shown to know. */
static bool take_proof(struct channel_io *io, struct channel_id *id, bool server, uint64_t end_ms) {
    if (!wait_for(io, CHANNEL_PROOF_BYTES, end_ms)) return false;
    const uint8_t *proof = (const uint8_t *)buf_head(&io->in);
    bool right = channel_proof_right(&io->ch, id, proof);
    if (!right && server && id->has_also) {
        memcpy(id->secret, id->also, sizeof id->secret);
        right = channel_proof_right(&io->ch, id, proof);
    }
    buf_eat(&io->in, CHANNEL_PROOF_BYTES);
    return right || fail(io, "it does not know the pair's secret");
}

static void give_proof(struct channel_io *io, const struct channel_id *id) {
    uint8_t proof[CHANNEL_PROOF_BYTES];
    channel_proof(&io->ch, id, proof);
    buf_add(&io->out, proof, sizeof proof);
}

bool channel_io_meet(struct channel_io *io, const struct channel_id *who, bool server,
                     int limit_ms) {
    struct channel_id mine = *who, *id = &mine;
    uint64_t end = clock_boot_ms() + (uint64_t)limit_ms;
    uint8_t nonce[32];
    rand_bytes(nonce, sizeof nonce);
    channel_hello(&io->ch, id, server, nonce);
    if (!server) buf_add(&io->out, io->ch.hello[0], CHANNEL_HELLO_BYTES);
    if (!take_hello(io, id, end)) return false;
    if (server) {
        buf_add(&io->out, io->ch.hello[1], CHANNEL_HELLO_BYTES);
        if (!take_proof(io, id, true, end))
            return false; /* the client shows first that it knows the secret */
        give_proof(io, id);
    } else {
        give_proof(io, id);
        if (!take_proof(io, id, false, end)) return false;
    }
    return channel_io_flush(io);
}

bool channel_io_wait_frame(struct channel_io *io, struct channel_frame *f, int limit_ms) {
    uint64_t end = clock_boot_ms() + (uint64_t)limit_ms;
    for (;;) {
        enum channel_result r = channel_io_next(io, f);
        if (r != CHANNEL_MORE) return r == CHANNEL_FRAME;
        if (!wait_for(io, buf_len(&io->in) + 1, end)) return false;
    }
}
