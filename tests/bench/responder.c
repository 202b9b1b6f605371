/* The limit of this machine: the least that a RESP server on libev can do. It reads, takes every request
 * of a connection to be as long as its first, and answers +OK to each. It parses nothing after the
 * first request and keeps nothing, so no real server can be cheaper.
 * usage: responder --port PORT (other options are taken and ignored) */
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, REQUEST_MIN = 14 }; /* *1 $4 PING and their line ends */
#define ANSWER "+OK\r\n"

struct peer {
    ev_io watch;
    size_t request_bytes; /* 0 until the first request is whole */
    size_t rest;          /* bytes of a request that is not whole yet */
    char first[4096];     /* the first request, until its length is known */
    size_t first_bytes;
};

static char answers[(READ_BYTES / REQUEST_MIN + 1) * (sizeof ANSWER - 1)];

static void hang_up(struct ev_loop *loop, struct peer *p) {
    ev_io_stop(loop, &p->watch);
    close(p->watch.fd);
    free(p);
}

/* Length of the request that begins the buffer; 0 while it is not whole. */
static size_t measure(const char *buf, size_t bytes) {
    const char *at = buf, *end = buf + bytes;
    long words = 0;
    for (long seen = 0; seen <= words; seen++) { /* the count of words, then the words */
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) return 0;
        long number = atol(at + 1);
        at = line + 1;
        if (seen == 0)
            words = number;
        else if (end - at < number + 2)
            return 0;
        else
            at += number + 2;
    }
    return (size_t)(at - buf);
}

/* Keeps what comes until it holds a whole request. */
static bool learn(struct peer *p, const char *buf, size_t bytes) {
    size_t take = sizeof p->first - p->first_bytes;
    if (take > bytes) take = bytes;
    memcpy(p->first + p->first_bytes, buf, take);
    p->first_bytes += take;
    p->request_bytes = measure(p->first, p->first_bytes);
    return p->request_bytes > 0;
}

static void on_readable(struct ev_loop *loop, ev_io *watch, int events) {
    (void)events;
    static char in[READ_BYTES];
    struct peer *p = (struct peer *)watch;
    ssize_t got = read(watch->fd, in, sizeof in);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        hang_up(loop, p);
        return;
    }
    p->rest += (size_t)got;
    if (!p->request_bytes && !learn(p, in, (size_t)got)) return;
    size_t count = p->rest / p->request_bytes;
    p->rest %= p->request_bytes;
    size_t bytes = count * (sizeof ANSWER - 1);
    if (bytes > sizeof answers) bytes = sizeof answers;
    if (bytes && write(watch->fd, answers, bytes) != (ssize_t)bytes) hang_up(loop, p);
}

static void on_connection(struct ev_loop *loop, ev_io *listening, int events) {
    (void)events;
    int fd = accept4(listening->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct peer *p = calloc(1, sizeof *p);
    if (!p) {
        close(fd);
        return;
    }
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ev_io_init(&p->watch, on_readable, fd, EV_READ);
    ev_io_start(loop, &p->watch);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof where) || listen(fd, 511)) {
        perror("responder: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    int port = 0;
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
    }
    if (!port) {
        fprintf(stderr, "usage: responder --port PORT\n");
        return 2;
    }
    for (size_t at = 0; at < sizeof answers; at += sizeof ANSWER - 1) {
        memcpy(answers + at, ANSWER, sizeof ANSWER - 1);
    }
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listening;
    ev_io_init(&listening, on_connection, listen_on(port), EV_READ);
    ev_io_start(loop, &listening);
    ev_run(loop, 0);
    return 0;
}
