/* hactl --peer: a verb of the other node, by the channel that its steward keeps. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/channel_io.h"
#include "hactl/cli.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/sock.h"

#define CONNECT_MS 1500
#define MEET_MS    3000
#define READ_BYTES (32 << 10)

struct run {
    const struct cli_peer_io *to;
    struct channel_io io;
    int in; /* -1: ended */
};

/* ---- reaching it ---- */

static bool connected(int fd, char *why, size_t size) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n = poll(&p, 1, CONNECT_MS), e = n == 1 ? sock_connect_result(fd) : ETIMEDOUT;
    if (e) snprintf(why, size, "%s", strerror(e));
    return e == 0;
}

static bool meet_over(struct run *r, const struct channel_id *id, const struct netcfg_iface *path,
                      char *why, size_t size) {
    char host[NETCFG_ADDR_CHARS], from[NETCFG_ADDR_CHARS];
    struct sock_error err;
    netcfg_addr_text(&path->peer, false, host);
    netcfg_addr_text(&path->addr, false, from);
    int fd = sock_connect_tcp(host, CHANNEL_PORT, from, &err);
    if (fd < 0) {
        snprintf(why, size, "%.150s", err.text);
        return false;
    }
    if (!connected(fd, why, size)) {
        close(fd);
        return false;
    }
    channel_io_open(&r->io, fd);
    if (channel_io_meet(&r->io, id, false, MEET_MS)) return true;
    snprintf(why, size, "%.150s", r->io.why);
    channel_io_close(&r->io);
    return false;
}

static bool reach(struct run *r, const struct cli *c) {
    struct had_conf conf;
    struct conf_error err;
    struct channel_id id = {.has_also = false};
    char path[512], why[2][160] = {"", ""};
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &err)) {
        fprintf(stderr, "hactl: %s\n", err.text);
        return false;
    }
    memcpy(id.secret, conf.secrets.now, sizeof id.secret);
    id.pair = conf.setup.pair;
    id.node = conf.setup.node;
    bool cable = conf.net.crossover.peer.family != 0;
    if (cable && meet_over(r, &id, &conf.net.crossover, why[0], sizeof why[0])) return true;
    if (meet_over(r, &id, &conf.net.service, why[1], sizeof why[1])) return true;
    if (!r->to->quiet)
        fprintf(stderr,
                "hactl: the other node cannot be reached: crossover: %s; service network: %s\n",
                cable ? why[0] : "none configured", why[1]);
    return false;
}

/* ---- carrying ---- */

static void take_input(struct run *r) {
    char bytes[READ_BYTES];
    ssize_t n = read(r->in, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    channel_send(&r->io.ch, &r->io.out, CHANNEL_IN, bytes, n > 0 ? (size_t)n : 0);
    if (n <= 0) r->in = -1;
}

static bool put(const struct run *r, enum channel_type type, const char *p, size_t n) {
    cli_sink *sink = type == CHANNEL_OUT ? r->to->out : r->to->err;
    if (sink) return sink(r->to->arg, p, n);
    return file_write_all(type == CHANNEL_OUT ? STDOUT_FILENO : STDERR_FILENO, p, n);
}

/* CLI_UNKNOWN + 1000: goes on. */
enum { GOES_ON = 1000 };

static int take_frames(struct run *r) {
    struct channel_frame f;
    enum channel_result got;
    while ((got = channel_io_next(&r->io, &f)) == CHANNEL_FRAME) {
        if (f.type == CHANNEL_EXIT) return f.len == 1 ? (uint8_t)f.bytes[0] : CLI_UNKNOWN;
        if (!put(r, f.type, f.bytes, f.len)) {
            snprintf(r->io.why, sizeof r->io.why, "its output cannot be written: %s",
                     strerror(errno));
            return CLI_UNKNOWN;
        }
        channel_io_eat(&r->io, &f);
    }
    return got == CHANNEL_MORE ? GOES_ON : CLI_UNKNOWN;
}

static int carry(struct run *r) {
    int status = GOES_ON;
    while (status == GOES_ON) {
        bool room = buf_len(&r->io.out) < CHANNEL_QUEUE_BYTES;
        struct pollfd p[2] = {
            {.fd = r->io.fd, .events = (short)(POLLIN | (buf_len(&r->io.out) ? POLLOUT : 0))},
            {.fd = room ? r->in : -1, .events = POLLIN},
        };
        if (poll(p, 2, -1) < 0 && errno != EINTR) return CLI_UNKNOWN;
        if (p[1].revents) take_input(r);
        if (p[0].revents & ~POLLOUT) {
            bool open = channel_io_read(&r->io);
            status = take_frames(r);
            if (!open && status == GOES_ON) status = CLI_UNKNOWN;
        }
        if (status == GOES_ON && !channel_io_flush(&r->io)) status = CLI_UNKNOWN;
    }
    return status;
}

int cli_peer_run(const struct cli *c, char *const *words, int count, const struct cli_peer_io *io) {
    struct run r = {.to = io, .in = io->in};
    struct buf list = BUF_INIT;
    int status = CLI_USAGE;
    if (!channel_words_put(&list, words, count)) {
        fprintf(stderr, "hactl: too many words for the other node\n");
    } else if (!reach(&r, c)) {
        status = CLI_NO_PEER;
    } else {
        channel_send(&r.io.ch, &r.io.out, CHANNEL_RUN, buf_head(&list), buf_len(&list));
        if (r.in < 0) channel_send(&r.io.ch, &r.io.out, CHANNEL_IN, NULL, 0);
        r.io.why[0] = 0;
        status = carry(&r);
        if (r.io.why[0])
            fprintf(stderr,
                    "hactl: the other node's verb did not end: %s; what it did is not known\n",
                    r.io.why);
        channel_io_close(&r.io);
    }
    buf_free(&list);
    return status;
}
