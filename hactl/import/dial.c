#include "hactl/import/dial.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/import/answer.h"
#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/base/tls.h"

enum { READ_BYTES = 256 << 10, KEEPALIVE_S = 20 };

static bool lost(struct dial *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool lost(struct dial *w, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    stream_free(w->stream);
    w->stream = NULL;
    return false;
}

void dial_close(struct dial *w) {
    stream_free(w->stream);
    w->stream = NULL;
    buf_free(&w->in);
}

int dial_fd(const struct dial *w) {
    return w->stream ? stream_fd(w->stream) : -1;
}

/* What the stream can do now; 0 after the time was over. A handshake goes on inside. */
static int ready(struct dial *w, int wants, uint64_t end_ms) {
    for (;;) {
        uint64_t now = clock_boot_ms();
        int watch = stream_watch(w->stream, wants), left = end_ms > now ? (int)(end_ms - now) : 0;
        struct pollfd p = {.fd = stream_fd(w->stream),
                           .events = (short)((watch & LOOP_READ ? POLLIN : 0) |
                                             (watch & LOOP_WRITE ? POLLOUT : 0))};
        int n = poll(&p, 1, left);
        if (n < 0 && errno != EINTR) return 0;
        if (n == 0) return 0;
        if (n < 0) continue;
        int events =
            (p.revents & ~POLLOUT ? LOOP_READ : 0) | (p.revents & POLLOUT ? LOOP_WRITE : 0);
        if ((events = stream_event(w->stream, events))) return events;
    }
}

static struct tls *context(struct dial *w, const struct dial_tls *tls) {
    char why[200];
    const struct tls_options o = {.ca_file = tls->ca_file,
                                  .verify = tls->insecure ? TLS_VERIFY_NO : TLS_VERIFY_YES};
    if (!tls->insecure && !tls->ca_file) {
        lost(w, "a TLS source needs --cacert FILE (whom to believe), or --insecure (anybody)");
        return NULL;
    }
    struct tls *t = tls_client_new(&o, why, sizeof why);
    if (!t) lost(w, "%s", why);
    return t;
}

bool dial_open(struct dial *w, const struct url *u, const struct dial_tls *tls, int timeout_ms) {
    struct sock_error err;
    struct tls *t = NULL;
    memset(w, 0, sizeof *w);
    if (u->tls && !(t = context(w, tls))) return false;
    int fd = sock_connect_tcp(u->host, u->port, NULL, &err);
    if (fd < 0) {
        tls_release(t);
        return lost(w, "%s", err.text);
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n = poll(&p, 1, timeout_ms), e = n == 1 ? sock_connect_result(fd) : ETIMEDOUT;
    sock_set_nodelay(fd);
    sock_set_keepalive(fd, KEEPALIVE_S);
    w->stream = t ? stream_tls_client(t, fd, u->host) : stream_plain(fd);
    tls_release(t);
    return e == 0 || lost(w, "%s port %u: %s", u->host, u->port, strerror(e));
}

bool dial_send(struct dial *w, const void *p, size_t n, int timeout_ms) {
    uint64_t end = clock_boot_ms() + (uint64_t)timeout_ms;
    const char *at = p;
    if (!w->stream) return false;
    while (n) {
        long sent = stream_write(w->stream, at, n);
        if (sent == STREAM_AGAIN) {
            if (!ready(w, LOOP_WRITE, end)) return lost(w, "it does not read what it is sent");
            if (clock_boot_ms() >= end) return lost(w, "it does not read what it is sent");
            continue;
        }
        if (sent < 0) return lost(w, "the connection failed: %s", strerror(errno));
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

long dial_read(struct dial *w, size_t most, int timeout_ms) {
    uint64_t end = clock_boot_ms() + (uint64_t)timeout_ms;
    if (most > READ_BYTES) most = READ_BYTES;
    if (most < STREAM_ROOM_BYTES) most = STREAM_ROOM_BYTES;
    if (!w->stream) return -1;
    for (;;) {
        long n = stream_read(w->stream, buf_room(&w->in, most), most);
        if (n > 0) {
            buf_added(&w->in, (size_t)n);
            return n;
        }
        if (n == STREAM_CLOSED) return lost(w, "it closed the connection") ? 0 : -1;
        if (n != STREAM_AGAIN)
            return lost(w, "the connection failed: %s",
                        errno == EPROTO ? "it does not speak TLS as it should" : strerror(errno))
                       ? 0
                       : -1;
        if (!ready(w, LOOP_READ, end)) return 0;
    }
}

bool dial_line(struct dial *w, struct replline *l, int timeout_ms) {
    uint64_t end = clock_boot_ms() + (uint64_t)timeout_ms;
    for (;;) {
        replline_parse(l, buf_head(&w->in), buf_len(&w->in));
        if (l->kind == REPLLINE_EMPTY) { /* it lives, and has not come to an answer */
            buf_eat(&w->in, l->used);
            end = clock_boot_ms() + (uint64_t)timeout_ms;
            continue;
        }
        if (l->kind == REPLLINE_BAD) return lost(w, "it does not answer as a Redis does");
        if (l->kind != REPLLINE_MORE) return true;
        uint64_t now = clock_boot_ms();
        if (now >= end) return lost(w, "it did not answer within %d s", timeout_ms / 1000);
        if (dial_read(w, READ_BYTES, (int)(end - now)) < 0) return false;
    }
}

bool dial_ask(struct dial *w, size_t *used, int timeout_ms, int argc, const char *const *argv) {
    struct buf b = BUF_INIT;
    uint64_t end = clock_boot_ms() + (uint64_t)timeout_ms;
    buf_printf(&b, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) buf_printf(&b, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
    bool ok = dial_send(w, buf_head(&b), buf_len(&b), timeout_ms);
    buf_free(&b);
    while (ok) {
        long size = buf_len(&w->in) ? answer_size(buf_head(&w->in), buf_len(&w->in)) : 0;
        if (size > 0) {
            *used = (size_t)size;
            return true;
        }
        uint64_t now = clock_boot_ms();
        if (size < 0) return lost(w, "it does not answer as a Redis does");
        if (now >= end) return lost(w, "it did not answer within %d s", timeout_ms / 1000);
        ok = dial_read(w, READ_BYTES, (int)(end - now)) >= 0;
    }
    return false;
}

enum dial_answer dial_ask_text(struct dial *w, struct buf *text, int timeout_ms, int argc,
                               const char *const *argv) {
    size_t used;
    buf_clear(text);
    if (!dial_ask(w, &used, timeout_ms, argc, argv)) return DIAL_LOST;
    struct answer_item r = answer_item(buf_head(&w->in), used);
    if (r.type == ':' || r.type == '*')
        buf_printf(text, "%lld", (long long)r.number);
    else
        buf_add(text, r.text.p, r.text.len);
    bool error = r.type == '-';
    buf_eat(&w->in, used);
    return error ? DIAL_ERROR : DIAL_TEXT;
}
