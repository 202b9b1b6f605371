#include "hactl/witness_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/rand.h"

#define SENT           64 /* asks that an answer can still name: 3 s of them */
#define LOOK_NS        (int64_t) NS_PER_S
#define REOPEN_NS      (int64_t) NS_PER_S
#define CONTROL_PRIO   6
#define RECEIVE_BUDGET 64

struct sent {
    uint64_t seq; /* 0: answered, or none */
    int64_t sent_at;
    uint64_t epoch;
    uint8_t kind;
    bool again; /* was asked again after a challenge */
};

struct witness_client {
    struct loop *loop;
    struct sockaddr_storage to;
    socklen_t to_len;
    int fd;
    struct loop_io *io;
    uint8_t key[WITNESS_KEY];
    uint16_t pair;
    uint8_t node;
    uint32_t lease_ms;
    witness_client_fn *fn;
    void *arg;
    uint64_t life, seq, nonce;
    struct sent sent[SENT];
    int64_t asked_at, answered_at, tried_at;
    struct witness_client_view view;
    char why[160];
};

static int64_t now_ns(void) {
    return (int64_t)clock_boot_ns();
}

/* ---- asking ---- */

static void send_ask(struct witness_client *c, const struct sent *what) {
    struct sent *slot = &c->sent[++c->seq % SENT];
    uint8_t bytes[WITNESS_BYTES];
    *slot = *what;
    slot->seq = c->seq;
    struct witness_ask ask = {.kind = what->kind,
                              .node = c->node,
                              .pair = c->pair,
                              .lease_ms = c->lease_ms,
                              .life = c->life,
                              .seq = c->seq,
                              .nonce = c->nonce,
                              .epoch = what->epoch};
    witness_put_ask(&ask, c->key, bytes);
    c->asked_at = now_ns();
    if (c->fd < 0) return;
    c->view.sent++;
    if (sendto(c->fd, bytes, sizeof bytes, MSG_NOSIGNAL, (struct sockaddr *)&c->to, c->to_len) < 0)
        snprintf(c->why, sizeof c->why, "nothing can be sent there: %.90s", strerror(errno));
}

void witness_client_ask(struct witness_client *c, int64_t sent_at, enum witness_kind kind,
                        uint64_t epoch) {
    send_ask(c, &(struct sent){.sent_at = sent_at, .epoch = epoch, .kind = (uint8_t)kind});
}

/* ---- answers ---- */

static void answered(struct witness_client *c, const struct witness_answer *a) {
    struct sent *slot = &c->sent[a->seq % SENT], was = *slot;
    if (a->life != c->life || a->node != c->node || a->pair != c->pair || slot->seq != a->seq) {
        c->view.disbelieved++; /* of another life, or answered already */
        return;
    }
    slot->seq = 0;
    c->view.answered++;
    c->answered_at = now_ns();
    c->nonce = a->nonce;
    c->view.holder = a->holder;
    c->view.renewed_ms = a->age_ms;
    c->why[0] = 0;
    if (a->verdict == WITNESS_CHALLENGE) {
        /* The same ask, of the same moment: what it will prove is not younger than it was. */
        if (was.again) return;
        was.again = true;
        send_ask(c, &was);
        return;
    }
    if (a->verdict != WITNESS_SEEN) {
        c->view.verdict = a->verdict;
        c->view.reason = a->reason;
    }
    if (was.sent_at) /* 0: a look of our own */
        c->fn(c->arg, was.sent_at, (enum witness_kind)was.kind, was.epoch,
              a->verdict == WITNESS_GRANTED, a->holder);
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct witness_client *c = arg;
    (void)l, (void)revents;
    for (int i = 0; i < RECEIVE_BUDGET; i++) {
        uint8_t bytes[WITNESS_BYTES + 1];
        struct witness_answer a;
        ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0) return;
        enum witness_result r = witness_get_answer(bytes, (size_t)n, c->key, &a);
        if (r == WITNESS_OK) {
            answered(c, &a);
        } else {
            c->view.disbelieved++;
            snprintf(c->why, sizeof c->why, "an answer came that is %s", witness_result_name(r));
        }
    }
}

/* ---- the socket ---- */

static void reopen(struct witness_client *c) {
    int tos = IPTOS_CLASS_CS6, prio = CONTROL_PRIO;
    c->tried_at = now_ns();
    c->fd = socket(c->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        snprintf(c->why, sizeof c->why, "no socket: %.90s", strerror(errno));
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_PRIORITY, &prio, sizeof prio);
    c->io = loop_io_new(c->loop, c->fd, on_readable, c);
    loop_io_want(c->io, LOOP_READ);
}

static void set_address(struct witness_client *c, const char *host, uint16_t port) {
    struct sockaddr_in *four = (struct sockaddr_in *)&c->to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&c->to;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        c->to_len = sizeof *four;
    } else {
        inet_pton(AF_INET6, host, &six->sin6_addr);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        c->to_len = sizeof *six;
    }
}

struct witness_client *witness_client_new(struct loop *l, const struct witness_client_conf *conf,
                                          witness_client_fn *fn, void *arg) {
    struct witness_client *c = xcalloc(1, sizeof *c);
    c->loop = l;
    set_address(c, conf->host, conf->port);
    memcpy(c->key, conf->key, sizeof c->key);
    c->pair = conf->pair;
    c->node = conf->node;
    c->lease_ms = conf->lease_ms;
    c->fn = fn;
    c->arg = arg;
    c->answered_at = INT64_MIN;
    while (!c->life) rand_bytes(&c->life, sizeof c->life);
    reopen(c);
    return c;
}

void witness_client_free(struct witness_client *c) {
    if (!c) return;
    loop_io_free(c->io);
    if (c->fd >= 0) close(c->fd);
    free(c);
}

void witness_client_tick(struct witness_client *c) {
    int64_t now = now_ns();
    if (c->fd < 0 && now - c->tried_at >= REOPEN_NS) reopen(c);
    if (now - c->asked_at >= LOOK_NS) send_ask(c, &(struct sent){.kind = WITNESS_LOOK});
}

void witness_client_look(const struct witness_client *c, struct witness_client_view *out) {
    *out = c->view;
    out->age_ns = c->answered_at == INT64_MIN ? INT64_MAX : now_ns() - c->answered_at;
    out->why = c->why;
}
