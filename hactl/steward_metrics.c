/* The process that serves metrics: at most CONNECTIONS at once, each one request of at most HTTP_HEAD_LIMIT bytes, answered
 * and closed; a connection lives TIME_MS at most. Text that is younger than FRESH_MS is served again, so that many
 * scrapers cost no more than one. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "hactl/cli_metrics.h"
#include "hactl/http_get.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define CONNECTIONS 16
#define TIME_MS     5000
#define FRESH_MS    500
#define BACKLOG     16
#define DROP_LIMIT  65536

struct connection {
    int fd; /* -1: free */
    uint64_t since_ms;
    struct buf in, out;
    bool
        said; /* answered: what still comes is read and dropped, so that the answer is not cut off by a reset */
    size_t dropped;
};

struct serving {
    struct cli cli;
    int fd;
    struct connection list[CONNECTIONS];
    struct buf text;
    uint64_t text_ms;
};

static void end(struct connection *k) {
    close(k->fd);
    buf_free(&k->in);
    buf_free(&k->out);
    k->fd = -1;
}

static void flush(struct connection *k) {
    while (buf_len(&k->out)) {
        ssize_t n = send(k->fd, buf_head(&k->out), buf_len(&k->out), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) break;
        buf_eat(&k->out, (size_t)n);
    }
    if (buf_len(&k->out))
        end(k);
    else
        shutdown(k->fd, SHUT_WR);
}

static void answer(struct serving *s, struct connection *k, int status, const char *path) {
    static const char missing[] = "The metrics are at /metrics.\n";
    static const char bad[] = "This server knows GET /metrics.\n";
    uint64_t now = clock_boot_ms();
    if (status == 200 && strcmp(path, "/metrics") != 0) status = 404;
    if (status == 200 && (!s->text_ms || now - s->text_ms > FRESH_MS)) {
        buf_clear(&s->text);
        metrics_gather(&s->cli, &s->text);
        s->text_ms = clock_boot_ms();
    }
    if (status == 200)
        http_answer(&k->out, 200, "text/plain; version=0.0.4; charset=utf-8", buf_head(&s->text),
                    buf_len(&s->text));
    else
        http_answer(&k->out, status, "text/plain", status == 404 ? missing : bad,
                    status == 404 ? sizeof missing - 1 : sizeof bad - 1);
    flush(k);
}

static void read_some(struct serving *s, struct connection *k) {
    char bytes[1024], path[HTTP_PATH_LIMIT];
    ssize_t n = recv(k->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        end(k);
        return;
    }
    if (k->said) {
        k->dropped += (size_t)n;
        if (k->dropped > DROP_LIMIT) end(k);
        return;
    }
    buf_add(&k->in, bytes, (size_t)n);
    int status = http_request(buf_head(&k->in), buf_len(&k->in), path);
    k->said = status != 0;
    if (status) answer(s, k, status, path);
}

static void take(struct serving *s) {
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *oldest = &s->list[0];
    if (fd < 0) return;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *k = &s->list[i];
        if (k->fd < 0) {
            *k = (struct connection){.fd = fd, .since_ms = clock_boot_ms()};
            return;
        }
        if (k->since_ms < oldest->since_ms) oldest = k;
    }
    end(oldest); /* who has had its time makes room */
    *oldest = (struct connection){.fd = fd, .since_ms = clock_boot_ms()};
}

static void turn(struct serving *s) {
    struct pollfd fds[CONNECTIONS + 1];
    fds[CONNECTIONS] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = (struct pollfd){.fd = s->list[i].fd,
                                 .events = buf_len(&s->list[i].out) ? POLLOUT : POLLIN};
    if (poll(fds, CONNECTIONS + 1, 1000) < 0) return;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *k = &s->list[i];
        if (k->fd < 0) continue;
        if (fds[i].revents & POLLOUT)
            flush(k);
        else if (fds[i].revents)
            read_some(s, k);
        if (k->fd >= 0 && clock_boot_ms() - k->since_ms > TIME_MS) end(k);
    }
    if (fds[CONNECTIONS].revents) take(s);
}

/* The address may come late. */
static int listen_at(const struct place *at) {
    char text[PLACE_CHARS];
    int one = 1;
    for (int tries = 0; tries < 60; tries++) {
        int fd = socket(at->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) return -1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, &at->at.any, at->len) == 0 && listen(fd, BACKLOG) == 0) return fd;
        if (tries == 0)
            log_warning("metrics: %s: %s; it is tried again", place_text(at, text),
                        strerror(errno));
        close(fd);
        sleep(1);
    }
    return -1;
}

int metrics_serve(const char *root, const struct place *at) {
    static struct serving s;
    char text[PLACE_CHARS];
    s.cli.root = root;
    s.fd = listen_at(at);
    for (int i = 0; i < CONNECTIONS; i++) s.list[i].fd = -1;
    if (s.fd < 0) return 1;
    log_info("metrics: http://%s/metrics", place_text(at, text));
    for (;;) turn(&s);
}
