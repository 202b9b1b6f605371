#include "hactl/request_sock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/conf.h"
#include "server/base/loop.h"
#include "server/base/stream.h"

#define CLIENT_LIMIT  32
#define REQUEST_LIMIT 4096 /* bytes of a request's line */

struct client {
    struct request_sock *sock; /* NULL: the slot is free */
    uint32_t id;
    struct stream *stream;
    struct loop_io *io;
    bool waiting;  /* for request_sock_answer */
    bool answered; /* close when all is written */
    struct buf in, out;
};

struct request_sock {
    struct loop *loop;
    char path[256];
    int fd;
    struct loop_io *io;
    request_sock_fn *fn;
    void *arg;
    uint32_t ids;
    struct client clients[CLIENT_LIMIT];
};

static void client_end(struct client *c) {
    loop_io_free(c->io);
    stream_free(c->stream);
    buf_free(&c->in);
    buf_free(&c->out);
    memset(c, 0, sizeof *c);
}

static void client_write(struct client *c) {
    while (buf_len(&c->out)) {
        long n = stream_write(c->stream, buf_head(&c->out), buf_len(&c->out));
        if (n == STREAM_AGAIN) break;
        if (n < 0) {
            client_end(c);
            return;
        }
        buf_eat(&c->out, (size_t)n);
    }
    if (c->answered && buf_len(&c->out) == 0)
        client_end(c);
    else
        loop_io_want(c->io, LOOP_READ | (buf_len(&c->out) ? LOOP_WRITE : 0));
}

static void answer(struct client *c, bool ok, const char *sentence, struct buf *fields) {
    buf_add(&c->out, ok ? "+" : "-", 1);
    for (const char *p = sentence; *p; p++) buf_add(&c->out, *p == '\n' ? " " : p, 1);
    buf_add(&c->out, "\n", 1);
    if (fields && buf_len(fields)) buf_add(&c->out, buf_head(fields), buf_len(fields));
    c->waiting = false;
    c->answered = true;
    client_write(c);
}

static void request(struct client *c, const char *line, size_t len) {
    struct buf sentence = BUF_INIT, fields = BUF_INIT;
    char **argv;
    size_t *lens;
    int argc = conf_split(line, len, &argv, &lens);
    if (argc <= 0) {
        answer(c, false, "the request has no words, or quotes that do not end", NULL);
        if (argc == 0) conf_words_free(argv, lens, argc);
        return;
    }
    c->waiting = true; /* request_sock_answer may come before the function returns, and end c */
    enum request_verdict v = c->sock->fn(c->sock->arg, c->id, argc, argv, &sentence, &fields);
    conf_words_free(argv, lens, argc);
    if (v != REQUEST_LATER) answer(c, v == REQUEST_YES, buf_cstr(&sentence), &fields);
    buf_free(&sentence);
    buf_free(&fields);
}

static void on_client(struct loop *l, void *arg, int revents) {
    struct client *c = arg;
    (void)l;
    if (revents & LOOP_READ) {
        char bytes[512];
        long n = stream_read(c->stream, bytes, sizeof bytes);
        if ((n < 0 && n != STREAM_AGAIN) || buf_len(&c->in) > REQUEST_LIMIT) {
            client_end(c);
            return;
        }
        if (n > 0 && !c->waiting && !c->answered) buf_add(&c->in, bytes, (size_t)n);
        const char *end = buf_len(&c->in) ? memchr(buf_head(&c->in), '\n', buf_len(&c->in)) : NULL;
        if (end && !c->waiting && !c->answered) {
            request(c, buf_head(&c->in), (size_t)(end - buf_head(&c->in)));
            return;
        }
    }
    if (c->sock) client_write(c);
}

static void on_accept(struct loop *l, void *arg, int revents) {
    struct request_sock *s = arg;
    int fd = sock_accept(s->fd);
    (void)revents;
    if (fd < 0) return;
    for (int i = 0; i < CLIENT_LIMIT; i++) {
        struct client *c = &s->clients[i];
        if (c->sock) continue;
        c->sock = s;
        if (++s->ids == 0) s->ids = 1;
        c->id = s->ids;
        c->stream = stream_plain(fd);
        c->io = loop_io_new(l, fd, on_client, c);
        loop_io_want(c->io, LOOP_READ);
        return;
    }
    close(fd); /* too many at once */
}

void request_sock_answer(struct request_sock *s, uint32_t id, bool ok, const char *sentence) {
    for (int i = 0; i < CLIENT_LIMIT; i++)
        if (s->clients[i].sock && s->clients[i].waiting && s->clients[i].id == id)
            answer(&s->clients[i], ok, sentence, NULL);
}

struct request_sock *request_sock_new(struct loop *l, const char *path, request_sock_fn *fn,
                                      void *arg, struct sock_error *err) {
    int fd = sock_listen_unix(path, 0600, 16, err);
    if (fd < 0) return NULL;
    struct request_sock *s = xcalloc(1, sizeof *s);
    s->loop = l;
    s->fd = fd;
    s->fn = fn;
    s->arg = arg;
    snprintf(s->path, sizeof s->path, "%s", path);
    s->io = loop_io_new(l, fd, on_accept, s);
    loop_io_want(s->io, LOOP_READ);
    return s;
}

void request_sock_free(struct request_sock *s) {
    if (!s) return;
    for (int i = 0; i < CLIENT_LIMIT; i++)
        if (s->clients[i].sock) client_end(&s->clients[i]);
    loop_io_free(s->io);
    close(s->fd);
    unlink(s->path);
    free(s);
}
